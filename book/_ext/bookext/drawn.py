"""``{drawn}``: a figure of a chapter on another page, drawn from the largest records there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from bookext import evidence, site, source
from bookext.html import element
from bookext.tables import missing
from onebasin.errors import OneBasinError
from onebasin.records import Record

_ENDS = {"image/svg+xml": ".svg", "image/png": ".png"}


def largest(chapter: str, experiment: str) -> list[Record]:
    """Records of an experiment at the largest profile that has any."""
    for profile in reversed(site.PROFILES):
        held = evidence.of_chapter(chapter, profile)
        found = [one for one in held if one.experiment == experiment and one.kind != "claim"]
        if found:
            return found
    return []


def draw(function: Callable[..., None], records: Sequence[Record], height: float) -> Path:
    """Draw records and write the picture below the build folder."""
    from onebasin import plotting

    kind, content = plotting.render(plotting.compare(function, [list(records)], height=height))
    first = records[0]
    name = f"{first.chapter.replace('/', '-')}-{first.experiment}-{first.profile}"
    path = site.current().root / "_build" / "figures" / f"{name}{_ENDS[kind]}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


class Drawn(SphinxDirective):
    """``{drawn} inrs/line path`` with a drawing routine, an alt text and a caption as content."""

    required_arguments = 2
    has_content = True
    option_spec: ClassVar[dict[str, Any]] = {
        "draw": directives.unchanged_required,
        "alt": directives.unchanged_required,
        "height": float,
    }

    def run(self) -> list[nodes.Node]:
        """Draw; say "not run" where there is no record."""
        evidence.mark(self.env)
        chapter, experiment = self.arguments
        records = largest(chapter, experiment)
        if not records:
            words = f": the figure comes from chapter {chapter} once it has run."
            return [element("p", missing(), words)]
        try:
            function = source.locate(self.options["draw"])[0]
            path = draw(function, records, self.options.get("height", 4.0))
        except (LookupError, OneBasinError) as error:
            raise self.error(f"drawn: {error}") from error
        uri = "/" + path.relative_to(site.current().root).as_posix()
        image = nodes.image(uri=uri, alt=self.options["alt"])
        caption = " ".join(self.content)
        inline, messages = self.state.inline_text(caption, self.lineno)
        return [nodes.figure("", image, nodes.caption(caption, "", *inline)), *messages]


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("drawn", Drawn)
