"""The errors a user can meet: what was given, what is wrong and what to do, in one sentence."""

from __future__ import annotations


class OneBasinError(Exception):
    """Base of every error this library raises on purpose."""


class InputError(OneBasinError, ValueError):
    """An argument that cannot be used.

    Args:
        argument: Name of the argument, as the caller wrote it.
        value: What was given (shown by ``repr``, shortened), or a short description of it.
        remedy: What is wrong with it and what to pass instead, without a final full stop.
    """

    def __init__(self, argument: str, value: object, remedy: str) -> None:
        self.argument, self.value, self.remedy = argument, value, remedy
        super().__init__(f"{argument}={_short(value)}: {remedy}.")


class MissingDataError(OneBasinError, FileNotFoundError):
    """A data file that is not on this machine and cannot be fetched."""

    def __init__(self, name: str, remedy: str) -> None:
        self.name, self.remedy = name, remedy
        super().__init__(f"data {name!r} not found: {remedy}.")


class CorruptFileError(OneBasinError, ValueError):
    """A file whose content is not what was written (bad checksum, cut short, unreadable)."""

    def __init__(self, path: object, remedy: str) -> None:
        self.path, self.remedy = path, remedy
        super().__init__(f"file {str(path)!r} is damaged: {remedy}.")


class RunError(OneBasinError, RuntimeError):
    """A chapter or recipe that could not be run to its end."""


class ChapterError(RunError):
    """A cell of a chapter that failed.

    Args:
        chapter: E.g. ``"inrs/line"``.
        line: Line of the source file on which the cell's text starts, or None if unknown.
        cell: The cell's text.
        trace: Its traceback as text, possibly with terminal colours.
    """

    def __init__(self, chapter: str, line: int | None, cell: str, trace: str) -> None:
        self.chapter, self.line, self.cell, self.trace = chapter, line, cell, trace
        where = f"notebooks/{chapter}.py" + (f", line {line}" if line else "")
        shown = "\n".join(f"    {one}" for one in cell.strip("\n").splitlines())
        super().__init__(f"a cell of {where} failed:\n\n{shown}\n\n{trace.rstrip()}")


class SliceEnd(OneBasinError):
    """The time slice is over: everything finished so far is stored; run again to go on."""


def _short(value: object, limit: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
