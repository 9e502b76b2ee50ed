"""One chapter in a process of its own: ``python -m onebasin.worker JOB.json``.

The runner starts it. Its exit code says how it went: 0 done, 1 the chapter failed, 75 the time
slice is over (run again to go on), 130 interrupted.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from onebasin import files, keys, notebook, paths, plain, sidecar
from onebasin.errors import OneBasinError, RunError, SliceEnd

DONE, FAILED, SLICE, INTERRUPTED = 0, 1, 75, 130


def work(chapter: str, profile: str, parameters: dict[str, Any], *, plainly: bool) -> str:
    """Run one chapter and leave its records and the mark by which it is known to be done.

    Args:
        chapter: E.g. ``"inrs/line"``.
        profile: Where its records go.
        parameters: All of them, resolved.
        plainly: Without Jupyter; then there is no executed copy, only its mark.

    Returns:
        The run's key.

    Raises:
        RunError: if a cell fails or the chapter never finished its run.
        SliceEnd: if the time slice is over.
    """
    text = paths.chapter_source(chapter).read_text(encoding="utf8")
    sidecar.path(paths.live(), profile, chapter).unlink(missing_ok=True)
    executed = plain.execute(chapter, parameters) if plainly else None
    executed = executed if plainly else notebook.execute(chapter, parameters)
    key = keys.current_key(chapter, profile, parameters)
    if key is None:
        raise RunError(f"chapter {chapter} left no records; end it with run.finish().")
    mark = {"key": key, "source_sha256": keys.source_mark(text), "parameters": parameters}
    if plainly:
        files.write_json(keys.plain_mark(chapter, profile), mark)
    else:
        notebook.save(executed, keys.executed_path(chapter, profile), mark)
    return key


def main() -> int:
    """Read the job, do it, print what went wrong if anything did."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf8"))
    try:
        work(job["chapter"], job["profile"], job["parameters"], plainly=job["plain"])
    except SliceEnd as end:
        print(end, file=sys.stderr)
        return SLICE
    except KeyboardInterrupt:
        return INTERRUPTED
    except OneBasinError as error:
        print(error, file=sys.stderr)
        return FAILED
    return DONE


if __name__ == "__main__":
    sys.exit(main())
