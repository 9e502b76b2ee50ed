"""Parameters: the chapter's own, the profile's, the user's; unknown names are errors that help."""

from __future__ import annotations

import pytest

from onebasin import paths, profiles
from onebasin.errors import InputError, RunError

LINE = "inrs/line"


def test_cell_is_parsed_not_run(project):
    values = profiles.parameters(paths.chapter_source(LINE))
    assert values == {
        "profile": "smoke",
        "width": 64,
        "rate": 0.5,
        "shapes": ["chair", "mug"],
        "quick": False,
    }


def test_profile_then_overrides_win(project):
    assert profiles.resolve(LINE)["width"] == 64
    laptop = profiles.resolve(LINE, "laptop")
    assert (laptop["width"], laptop["profile"], laptop["rate"]) == (512, "laptop", 0.5)
    assert profiles.resolve(LINE, "laptop", {"width": "8"})["width"] == 8
    assert profiles.load("gpu") == {}


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("width", "128", 128),
        ("rate", "2", 2.0),
        ("rate", 3, 3.0),
        ("rate", "1e-3", 1e-3),
        ("quick", "true", True),
        ("quick", "No", False),
        ("shapes", "lamp", ["lamp"]),
        ("shapes", "lamp, table", ["lamp", "table"]),
        ("shapes", "['lamp']", ["lamp"]),
        ("shapes", ["lamp"], ["lamp"]),
    ],
)
def test_text_is_read_as_the_type_of_the_default(project, name, text, value):
    got = profiles.resolve(LINE, overrides={name: text})[name]
    assert got == value and type(got) is type(value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *[("width", "wide"), ("width", "1.5"), ("width", True), ("width", "1 +")],
        *[("rate", "fast"), ("rate", "__import__('os')"), ("quick", "maybe")],
        *[("shapes", "[1]"), ("shapes", 3)],
    ],
)
def test_wrong_types_are_refused(project, name, text):
    with pytest.raises(InputError, match=f"{name}="):
        profiles.resolve(LINE, overrides={name: text})


def test_unknown_names_get_a_suggestion(project):
    with pytest.raises(InputError, match="did you mean 'width'"):
        profiles.resolve(LINE, overrides={"widht": 3})
    with pytest.raises(InputError, match="did you mean 'inrs/line'"):
        profiles.resolve("inrs/lines")
    with pytest.raises(InputError, match="did you mean 'laptop'"):
        profiles.resolve(LINE, "labtop")
    with pytest.raises(InputError, match=r"choose one of \['smoke'"):
        profiles.resolve(LINE, "enormous")


@pytest.mark.parametrize("content", ["inrs/lime:\n  width: 1\n", "inrs/line:\n  widht: 1\n"])
def test_unknown_names_in_a_profile_are_errors(project, content):
    (project / "profiles" / "gpu.yaml").write_text(content)
    with pytest.raises(InputError, match=r"gpu\.yaml.*did you mean"):
        profiles.resolve(LINE, "gpu")


def test_profile_value_of_another_type_is_an_error(project):
    (project / "profiles" / "gpu.yaml").write_text("inrs/line:\n  width: wide\n")
    with pytest.raises(InputError, match="width='wide'"):
        profiles.resolve(LINE, "gpu")


@pytest.mark.parametrize("cell", ["width = 3 * 4", "a = b = 1", "print(1)", "width: int = 3"])
def test_cell_that_does_more_than_assign_is_refused(project, cell):
    source = paths.chapter_source(LINE)
    source.write_text(f'# %% tags=["parameters"]\n{cell}\n')
    with pytest.raises(InputError, match="only assign literals"):
        profiles.parameters(source)


def test_chapter_without_the_cell_or_the_file_is_an_error(project):
    source = paths.chapter_source(LINE)
    source.write_text("# %%\nwidth = 3\n")
    with pytest.raises(InputError, match="no cell tagged"):
        profiles.parameters(source)
    with pytest.raises(InputError, match="no file"):
        profiles.parameters(paths.chapter_source("inrs/none"))


def test_real_profiles_and_chapters_of_the_book_agree(monkeypatch):
    monkeypatch.setenv("ONEBASIN_ROOT", str(paths.PACKAGE.parents[1]))
    for profile in profiles.PROFILES:
        for chapter in profiles.chapters():
            assert profiles.resolve(chapter, profile)["profile"] == profile


def test_root_is_found_upwards_and_its_absence_is_an_error(project, monkeypatch, tmp_path):
    monkeypatch.delenv("ONEBASIN_ROOT")
    monkeypatch.chdir(project / "notebooks" / "inrs")
    assert paths.root() == project
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(paths, "PACKAGE", tmp_path / "site-packages" / "onebasin")
    with pytest.raises(RunError, match="no book found"):
        paths.root()
