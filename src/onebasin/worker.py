"""One chapter in a process of its own, started by the runner: ``python -m onebasin.worker``.

The job comes as one JSON line on standard input, which stays open: when it closes, the runner is
gone and so is this process (its kernel follows within a second). What happens goes to standard
output, one JSON line an event; anything else a chapter prints goes to standard error.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from onebasin import files, keys, paths, sidecar
from onebasin.errors import OneBasinError, RunError, SliceEnd

DONE, FAILED, SLICE, STOPPED = "done", "failed", "slice over", "stopped"
Tell = Callable[..., None]


def work(job: Mapping[str, Any], tell: Tell) -> None:
    """Run one chapter and leave its records, executed copy and note.

    Args:
        job: ``chapter``, ``profile``, ``parameters`` and ``plain``.
        tell: Called with the fields of each event.

    Raises:
        RunError: if a cell fails or the chapter never finished its run.
        SliceEnd: if the time slice is over.
    """
    chapter, profile, params = job["chapter"], job["profile"], job["parameters"]
    text = paths.chapter_source(chapter).read_text(encoding="utf8")
    sidecar.path(paths.live(), profile, chapter).unlink(missing_ok=True)
    begin, clock = keys.snapshot(), time.perf_counter()
    executed = _execute(job, lambda number, total: tell(cell=number, total=total))
    beside = sidecar.read(paths.live(), profile, chapter)
    if beside is None:
        raise RunError(f"chapter {chapter} left no records: its last cell must be run.finish().")
    parts = keys.parts(chapter, profile, params=params, text=text, begin=begin)
    note = {"parts": parts, "key": keys.key(parts), "digest": beside["digest"]}
    if executed is not None:
        from onebasin import notebook

        mark = {"source_sha256": keys.source_mark(text), "parameters": params, "key": note["key"]}
        notebook.save(executed, chapter, profile, {"chapter": chapter, "profile": profile, **mark})
    write_note(job, state=DONE, seconds=time.perf_counter() - clock, **note)


def write_note(job: Mapping[str, Any], *, state: str, seconds: float, **more: Any) -> None:
    """Leave the note from which the runner and ``onebasin status`` know how a run ended."""
    held = {name: job[name] for name in ("chapter", "profile", "parameters", "plain")}
    held |= {"state": state, "seconds": round(seconds, 3), "ended": time.time()}
    files.write_json(keys.note_path(job["chapter"], job["profile"]), {**held, **more})


def _execute(job: Mapping[str, Any], on_cell: Callable[[int, int], None]) -> Any | None:
    if job["plain"]:
        from onebasin import plain

        plain.execute(job["chapter"], job["parameters"], on_cell)
        return None
    from onebasin import notebook

    return notebook.execute(job["chapter"], job["parameters"], Path(tempfile.gettempdir()), on_cell)


def main() -> int:
    """Read the job, do it, tell how it went."""
    events = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    job = json.loads(sys.stdin.readline())
    threading.Thread(target=_leave_with_parent, daemon=True).start()

    def tell(**event: Any) -> None:
        events.write(json.dumps(event) + "\n")

    clock = time.perf_counter()
    try:
        work(job, tell)
    except SliceEnd as end:
        state, message = SLICE, str(end)
    except OneBasinError as error:
        state, message = FAILED, str(error)
    else:
        state, message = DONE, ""
    if state != DONE:
        write_note(job, state=state, seconds=time.perf_counter() - clock, message=message)
    if state == FAILED:
        keys.executed_path(job["chapter"], job["profile"]).unlink(missing_ok=True)
    tell(state=state, message=message)
    return 0


def _leave_with_parent() -> None:
    while os.read(0, 1):  # not through sys.stdin, whose lock would block a normal end
        pass
    os._exit(130)


if __name__ == "__main__":
    sys.exit(main())
