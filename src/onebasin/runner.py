"""Runs chapters: those that changed, several at a time, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from onebasin import files, keys, paths, profiles, worker
from onebasin.errors import CorruptFileError, InputError
from onebasin.locks import lock

WAITING, RUNNING, FRESH, PROSE = "waiting", "running", "unchanged", "prose updated"
DONE, FAILED, SLICE, STOPPED = worker.DONE, worker.FAILED, worker.SLICE, worker.STOPPED
_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Job:
    """One run of one chapter and how it goes.

    Args:
        chapter: E.g. ``"inrs/line"``.
        profile: Profile of the run.
        parameters: All of them, resolved.
        state: What became of it.
        seconds: Time taken; 0 if it was not run.
        message: What the chapter said when it failed.
        why: Why it had to be run.
        cell: Number of the cell at work, and of all cells.
    """

    chapter: str
    profile: str
    parameters: Mapping[str, Any]
    state: str = WAITING
    seconds: float = 0.0
    message: str = ""
    why: tuple[str, ...] = ()
    cell: tuple[int, int] | None = None


@dataclass(frozen=True)
class Options:
    """How chapters are run.

    Args:
        jobs: Chapters at a time; None means 2 at smoke, else 1.
        threads: Threads each; None means 1 at smoke, else the cores divided by the jobs.
        plain: Without Jupyter.
        force: Also those that are unchanged.
        slice_seconds: Stop between two shards or chapters once this time is over, or never.
    """

    jobs: int | None = None
    threads: int | None = None
    plain: bool = False
    force: bool = False
    slice_seconds: float | None = None

    def __post_init__(self) -> None:
        for name in ("jobs", "threads", "slice_seconds"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise InputError(name, value, "must be positive")


Watcher = Callable[[Job], None]


def plan(
    chosen: Sequence[str], profile: str, overrides: Mapping[str, Any] | None = None
) -> list[Job]:
    """The jobs of these chapters (none named: all of them), their parameters resolved.

    Args:
        chosen: Chapters (``inrs/line``), their files, or whole parts (``inrs``).
        profile: ``"smoke"``, ``"laptop"`` or ``"gpu"``.
        overrides: Parameter values that win over the profile's.

    Raises:
        InputError: if a chapter, profile or parameter is unknown, or a value is of another type.
    """
    known = profiles.chapters()
    profiles.load(profile)
    names = [one for name in chosen for one in _meant(name, known)] or known
    if not names:
        folder = str(paths.root() / "notebooks")
        raise InputError("chapters", folder, "holds no chapter; write one first")
    return [
        Job(name, profile, profiles.resolve(name, profile, overrides))
        for name in dict.fromkeys(names)
    ]


def reasons(job: Job, *, plain: bool = False) -> list[str]:
    """Why a job has to be run; empty if its last run still stands."""
    note = keys.read_note(job.chapter, job.profile)
    if note is None:
        return ["not run yet"]
    if note["state"] != DONE:
        return [f"last run: {note['state']}"]
    if not plain and _executed_mark(job).get("key") != note["key"]:
        return ["no executed copy of the last run"]
    return keys.moved(note, job.parameters, _text(job.chapter))


def run(jobs: Sequence[Job], options: Options, watch: Watcher | None = None) -> list[Job]:
    """Run every job that changed; one that fails does not stop the others.

    Args:
        jobs: From :func:`plan`.
        options: How to run them.
        watch: Called with a job whenever its state or cell changes, from several threads.

    Returns:
        The jobs in their order, with their states.

    Raises:
        KeyboardInterrupt: after every process that was running has been stopped.
    """
    smoke = all(job.profile == "smoke" for job in jobs)
    at_once = options.jobs or (2 if smoke else 1)
    threads = options.threads or (1 if smoke else max(1, (os.cpu_count() or 1) // at_once))
    crew = _Crew(options, threads, watch or (lambda job: None))
    with ThreadPoolExecutor(max_workers=at_once) as pool:
        futures = [pool.submit(crew.take, job) for job in jobs]
        try:
            return [future.result() for future in futures]
        except BaseException:
            crew.stop()
            raise


def environment(threads: int) -> dict[str, str]:
    """Environment of a chapter: quiet libraries, a fixed number of threads, the book's folders."""
    quiet = {
        "OPEN3D_DISABLE_WEB_VISUALIZER": "true",
        "TQDM_DISABLE": "1",
        "PYTHONHASHSEED": "0",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "ONEBASIN_ROOT": str(paths.root()),
        "ONEBASIN_BUILD": str(keys.build_folder()),
        "ONEBASIN_RECORDS": str(paths.live()),
    }
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
    return {**os.environ, **quiet, **dict.fromkeys(names, str(threads))}


class _Crew:
    """The processes at work, so that all can be stopped."""

    def __init__(self, options: Options, threads: int, watch: Watcher) -> None:
        self.options, self.watch = options, watch
        self.running: set[subprocess.Popen[str]] = set()
        self.guard, self.stopped = threading.Lock(), False
        self.environment = environment(threads)
        self.deadline = float("inf")
        if options.slice_seconds is not None:
            self.deadline = time.time() + options.slice_seconds
            self.environment["ONEBASIN_DEADLINE"] = repr(self.deadline)

    def take(self, job: Job) -> Job:
        """See one job through, whatever it takes."""
        path = keys.note_path(job.chapter, job.profile).with_suffix(".lock")
        while not self.stopped:
            with lock(path) as free:
                if free:
                    return self._tell(self._locked(job))
            time.sleep(_POLL_SECONDS)  # another runner has this chapter
        return replace(job, state=STOPPED)

    def stop(self) -> None:
        """Close every worker's input, at which it leaves and its kernel follows."""
        with self.guard:
            self.stopped = True
            for process in self.running:
                _close_input(process)

    def _locked(self, job: Job) -> Job:
        options = self.options
        why = ["asked for"] if options.force else reasons(job, plain=options.plain)
        if not why:
            return replace(job, state=FRESH if options.plain else _refreshed(job))
        if time.time() > self.deadline:
            return replace(job, state=SLICE, message="the time slice was over before it began.")
        job = self._tell(replace(job, state=RUNNING, why=tuple(why)))
        begin = time.perf_counter()
        state, message = self._process(job)
        return replace(job, state=state, message=message, seconds=time.perf_counter() - begin)

    def _tell(self, job: Job) -> Job:
        self.watch(job)
        return job

    def _process(self, job: Job) -> tuple[str, str]:
        """Start a worker, follow its events, and give the state and message it ended with."""
        log = log_path(job.chapter, job.profile)
        log.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="onebasin-") as folder, log.open("w") as said:
            process = subprocess.Popen(
                [sys.executable, "-m", "onebasin.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
                env={**self.environment, "TMPDIR": folder},
                cwd=paths.root(),
                start_new_session=True,
            )
            with self.guard:
                self.running.add(process)
                if self.stopped:
                    _close_input(process)
            try:
                return self._follow(job, process)
            finally:
                _close_input(process)
                process.wait()
                with self.guard:
                    self.running.discard(process)

    def _follow(self, job: Job, process: subprocess.Popen[str]) -> tuple[str, str]:
        assert process.stdin is not None and process.stdout is not None
        content = {"chapter": job.chapter, "profile": job.profile, "plain": self.options.plain}
        try:
            process.stdin.write(json.dumps({**content, "parameters": dict(job.parameters)}) + "\n")
            process.stdin.flush()
        except (OSError, ValueError):
            pass  # it died, or was stopped, before it could listen
        for line in process.stdout:
            event = json.loads(line)
            if "state" in event:
                return event["state"], event["message"]
            self._tell(replace(job, cell=(event["cell"], event["total"])))
        if self.stopped:
            return STOPPED, ""
        code = process.wait()
        end = log_path(job.chapter, job.profile).read_text(encoding="utf8", errors="replace")
        message = f"the process of {job.chapter} ended with code {code} before it was done"
        return FAILED, f"{message}.\n{end[-4000:]}".rstrip()


def log_path(chapter: str, profile: str) -> Path:
    """Where what a chapter and its libraries printed on the last run lies."""
    return keys.build_folder() / "logs" / profile / f"{chapter}.txt"


def _refreshed(job: Job) -> str:
    """Bring changed prose into the executed copy of a job whose outputs still stand."""
    from onebasin import notebook

    if _executed_mark(job)["source_sha256"] == keys.source_mark(_text(job.chapter)):
        return FRESH
    return PROSE if notebook.refresh(job.chapter, job.profile) else FRESH


def _executed_mark(job: Job) -> dict[str, Any]:
    """What an executed copy was made from; empty where there is none, or it is damaged."""
    path = keys.executed_path(job.chapter, job.profile)
    try:
        return files.read_json(path, "run the chapter again")["metadata"]["onebasin"]
    except (FileNotFoundError, CorruptFileError, KeyError, TypeError):
        return {}


def _close_input(process: subprocess.Popen[str]) -> None:
    try:
        if process.stdin is not None:
            process.stdin.close()
    except OSError:
        pass  # the other end is gone already


def _text(chapter: str) -> str:
    return paths.chapter_source(chapter).read_text(encoding="utf8")


def _meant(name: str, known: Sequence[str]) -> list[str]:
    """Chapters that a name on the command line stands for."""
    short = name.removeprefix("./").removeprefix("notebooks/").removesuffix(".py").rstrip("/")
    return [one for one in known if one.startswith(f"{short}/")] or [short]
