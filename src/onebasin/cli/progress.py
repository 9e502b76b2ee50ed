"""What ``onebasin run`` shows while it works: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from onebasin.cli.console import err, minutes

_RUNNING = "running"


class Progress:
    """A line when a chapter ends and, on a terminal, a bar for each that is running.

    Args:
        total: How many chapters there are.
    """

    def __init__(self, total: int) -> None:
        self.total, self.ended = total, 0
        self.guard = threading.Lock()
        self.tasks: dict[str, Any] = {}
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        seconds = TimeElapsedColumn()
        live = err.is_terminal
        self.bars = Bars(*columns, TextColumn("cells"), seconds, console=err) if live else None

    def __enter__(self) -> Progress:
        if self.bars is not None:
            self.bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.bars is not None:
            self.bars.stop()

    def __call__(self, job: Any) -> None:
        """Take in a job whose state or cell changed."""
        with self.guard:
            if job.state == _RUNNING or (job.cell is not None and job.state == "waiting"):
                self._running(job)
            else:
                self._ended(job)

    def _running(self, job: Any) -> None:
        if self.bars is None:
            if job.cell is None:
                err.print(f"{job.chapter} ({job.profile}): {_because(job)}", markup=False)
            return
        if job.chapter not in self.tasks:
            self.tasks[job.chapter] = self.bars.add_task(job.chapter, total=None)
        if job.cell is not None:
            cell, total = job.cell
            self.bars.update(self.tasks[job.chapter], completed=cell - 1, total=total)

    def _ended(self, job: Any) -> None:
        self.ended += 1
        if self.bars is not None and job.chapter in self.tasks:
            self.bars.remove_task(self.tasks.pop(job.chapter))
        took = f" in {minutes(job.seconds)}" if job.seconds else ""
        line = f"[{self.ended}/{self.total}] {job.chapter} ({job.profile}): {job.state}{took}"
        err.print(line, markup=False, style="red" if job.state == "failed" else None)


def _because(job: Any) -> str:
    shown = ", ".join(job.why[:3]) + (", …" if len(job.why) > 3 else "")
    return f"running ({shown})"
