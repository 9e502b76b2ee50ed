"""Every rule of chapters is seen to fail on a chapter that breaks it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import toybook
from onebasin import cells
from onebasin.checks import chapters
from onebasin.checks.chapters import Chapter

FIGURE = (
    '# %% mystnb={"figure": {"name": "fig-a", "caption": "Loss on the line."}, "image": {"alt": '
    '"Two curves over lambda; the aligned one stays low, the other has a hump."}}\n'
    'run.show(draw, "squares")\n\n'
)
GOOD = toybook.HEADER + toybook.CHAPTER.format(name="one", work="total = size")
GOOD = GOOD.replace('# %% tags=["nbval', FIGURE + '# %% tags=["nbval')


def chapter(text: str) -> Chapter:
    return Chapter("notebooks/toy/one.py", text, cells.read(text))


def test_a_good_chapter_passes() -> None:
    assert chapters.complaints(chapter(GOOD)) == []


LONG = "total = size" + "\nsize" * 30
BROKEN = {
    "no language": ("#     language: python\n", "", "no header with jupyter: kernelspec"),
    "no jupyter": ("# jupyter:\n", "", "no header with jupyter: kernelspec"),
    "header": ('{"figure"', '{figure"', "cell header: mystnb is not JSON"),
    "long cell": ("total = size", LONG, "cell of 31 lines, at most 30"),
    "imports": ("from onebasin import book", "import os\n" * 9, "9 import lines, at most 8"),
    "magic": ("total = size", "%time total = size", "magic, shell or install: %time total"),
    "shell": ("total = size", "!ls", "magic, shell or install: !ls"),
    "install": ("total = size", "# pip install torch", "magic, shell or install: # pip install"),
    "no tag": (' tags=["parameters"]', "", '0 cells tagged "parameters"'),
    "no profile": ('profile = "smoke"', 'profile = "gpu"', 'must set profile = "smoke"'),
    "not passed": (", size=size)", ")", "parameter 'size' is not passed to book.start"),
    "not declared": ("size = 3", "", "parameter 'size' is not in the parameters cell"),
    "no start": ("book.start", "book.begin", "0 calls of book.start"),
    "no name": ('"name": "fig-a", ', "", "figure without name"),
    "no caption": ('"caption": "Loss on the line."', '"caption": ""', "figure without caption"),
    "short alt": (
        "Two curves over lambda; the aligned one stays",
        "It is",
        "alt text of 32 letters",
    ),
    "no alt": (re.search(r', "image".*}}', FIGURE)[0], "}", "alt text of 0 letters"),
    "no twin": ("run.show", "run.interact", "an interactive figure without a static twin"),
    "no finish": ("run.finish()", "size", "the last cell of code must be run.finish()"),
    "not compared": (' tags=["nbval-check-output"]', "", 'tagged "nbval-check-output"'),
}


@pytest.mark.parametrize("name", BROKEN)
def test_each_rule_sees_what_breaks_it(name: str) -> None:
    old, new, words = BROKEN[name]
    broken = GOOD.replace(old, new)
    assert broken != GOOD
    found = chapters.complaints(chapter(broken))
    assert any(words in line for line in found), found


def test_an_alt_text_that_repeats_the_caption_is_refused() -> None:
    alt = re.search(r'"alt": "([^"]*)"', FIGURE)[1]
    found = chapters.complaints(chapter(GOOD.replace("Loss on the line.", alt)))
    assert len(found) == 1 and found[0].endswith("the alt text repeats the caption")


def test_too_many_cells_are_refused() -> None:
    more = GOOD + "# %% [markdown]\n# words\n\n" * 40
    assert any("cells, at most 40" in line for line in chapters.complaints(chapter(more)))


def test_rules_over_the_whole_folder(tmp_path: Path) -> None:
    toys = toybook.make(tmp_path)
    for name in ("one", "two"):
        toys.chapter(name).write_text(GOOD)
    (toys.root / "_toc.yml").write_text("chapters:\n  - file: notebooks/toy/one\n")
    (toys.root / "notebooks" / "toy" / "one.ipynb").write_text("{}")
    assert chapters.check(toys.root) == [
        "notebooks: figure name 'fig-a' is used twice",
        "notebooks/toy/one.ipynb: executed notebooks stay out",
        "_toc.yml: chapter notebooks/toy/two is not in it",
    ]
