"""Scripts and fonts that pages need, copied from installed packages: none comes from a CDN."""

from __future__ import annotations

import importlib.metadata
import shutil
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

_MATHJAX = ("tex-chtml-full.js", "output/chtml/fonts/woff-v2")


def mathjax_folder() -> Path:
    """MathJax as the offline package installs it."""
    package = importlib.metadata.distribution("sphinx-mathjax-offline")
    return Path(str(package.locate_file("sphinx-mathjax-offline/static/mathjax")))


def plotly_script() -> Path:
    """plotly.js as the plotly package installs it."""
    import plotly

    return Path(plotly.__file__).parent / "package_data" / "plotly.min.js"


def copy_assets(app: Sphinx, failure: Exception | None) -> None:
    """Copy MathJax, and plotly if a page uses it, beside the built pages."""
    if failure is not None or app.builder.format != "html":
        return
    static = Path(app.outdir) / "_static"
    for name in _MATHJAX:
        origin, target = mathjax_folder() / name, static / "mathjax" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if origin.is_dir():
            shutil.copytree(origin, target, dirs_exist_ok=True)
        else:
            shutil.copy2(origin, target)
    if any("plotly-graph-div" in p.read_text("utf8") for p in Path(app.outdir).rglob("*.html")):
        shutil.copy2(plotly_script(), static / "plotly.min.js")


def _is_thebe(asset: Any) -> bool:
    return "thebe" in f"{asset} {vars(asset) if hasattr(asset, '__dict__') else ''}".lower()


def choose_scripts(
    app: Sphinx,
    pagename: str,
    template: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """Drop the live-code scripts that no page uses; add plotly to the pages that draw with it."""
    for kind in ("script_files", "css_files"):
        context[kind][:] = [asset for asset in context[kind] if not _is_thebe(asset)]
    if doctree is not None and any(
        "plotly-graph-div" in node.astext() for node in doctree.findall(nodes.raw)
    ):
        app.add_js_file("plotly.min.js")


def setup(app: Sphinx) -> None:
    """Connect the choice per page and the copying at the end."""
    app.connect("html-page-context", choose_scripts)
    app.connect("build-finished", copy_assets)
