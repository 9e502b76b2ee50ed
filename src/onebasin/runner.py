"""Runs chapters: those that changed, several at a time, each in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from onebasin import files, keys, notebook, paths, profiles, worker
from onebasin.errors import InputError

State = Literal["waiting", "running", "unchanged", "done", "failed", "slice over", "interrupted"]
_STATES: dict[int, State] = {
    worker.DONE: "done",
    worker.SLICE: "slice over",
    worker.INTERRUPTED: "interrupted",
}


@dataclass(frozen=True)
class Job:
    """One run of one chapter and how it went.

    Args:
        chapter: E.g. ``"inrs/line"``.
        profile: Profile of the run.
        parameters: All of them, resolved.
        state: What became of it.
        seconds: Time taken; 0 if it was not run.
        message: What the chapter said when it failed.
    """

    chapter: str
    profile: str
    parameters: Mapping[str, Any]
    state: State = "waiting"
    seconds: float = 0.0
    message: str = ""


@dataclass(frozen=True)
class Options:
    """How chapters are run.

    Args:
        jobs: Chapters at a time.
        threads: Threads each; by default 1 if several run at a time, else all cores.
        plain: Without Jupyter.
        force: Also those that are unchanged.
        slice_seconds: Stop between two shards once this time is over, or never.
    """

    jobs: int = 1
    threads: int | None = None
    plain: bool = False
    force: bool = False
    slice_seconds: float | None = None

    def __post_init__(self) -> None:
        if self.jobs < 1:
            raise InputError("jobs", self.jobs, "must be at least 1")
        if self.threads is not None and self.threads < 1:
            raise InputError("threads", self.threads, "must be at least 1")


Watcher = Callable[[Job], None]


def plan(
    chapters: Sequence[str], profile: str, overrides: Mapping[str, Any] | None = None
) -> list[Job]:
    """The jobs of these chapters (none named: all of them), their parameters resolved.

    Raises:
        InputError: if a chapter, profile or parameter is unknown, or a value is of another type.
    """
    names = list(chapters) or profiles.chapters()
    return [Job(name, profile, profiles.resolve(name, profile, overrides)) for name in names]


def unchanged(job: Job, *, plain: bool = False) -> bool:
    """Whether the records and the executed copy of a job are there and still good."""
    path = keys.executed_path(job.chapter, job.profile)
    mark = notebook.read_mark(path)
    if plain:
        path = keys.plain_mark(job.chapter, job.profile)
        mark = json.loads(path.read_text(encoding="utf8")) if path.is_file() else {}
    key = mark.get("key")
    return key is not None and key == keys.current_key(job.chapter, job.profile, job.parameters)


def run(jobs: Sequence[Job], options: Options, watch: Watcher | None = None) -> list[Job]:
    """Run every job that changed; one that fails does not stop the others.

    Args:
        jobs: From :func:`plan`.
        options: How to run them.
        watch: Called with a job whenever its state changes, from several threads.

    Returns:
        The jobs in their order, with their states.

    Raises:
        KeyboardInterrupt: after every process that was running has been stopped.
    """
    crew = _Crew(options, watch or (lambda job: None))
    with ThreadPoolExecutor(max_workers=options.jobs) as pool:
        futures = [pool.submit(crew.take, job) for job in jobs]
        try:
            return [future.result() for future in futures]
        except KeyboardInterrupt:
            crew.stop()
            raise


class _Crew:
    """The processes at work, so that all can be stopped."""

    def __init__(self, options: Options, watch: Watcher) -> None:
        self.options, self.watch = options, watch
        self.running: set[subprocess.Popen] = set()
        self.guard, self.stopped = threading.Lock(), False
        self.deadline = options.slice_seconds and time.time() + options.slice_seconds

    def take(self, job: Job) -> Job:
        if self.stopped:
            return replace(job, state="interrupted")
        if not self.options.force and unchanged(job, plain=self.options.plain):
            return self._tell(replace(job, state="unchanged"))
        self._tell(replace(job, state="running"))
        begin = time.perf_counter()
        code, said = self._process(job)
        state: State = _STATES.get(code, "interrupted" if self.stopped else "failed")
        if state == "failed" and not said:
            said = f"the process ended with code {code}, without a word (out of memory?)"
        files.write(log_path(job.chapter, job.profile), said.encode())
        return self._tell(
            replace(job, state=state, seconds=time.perf_counter() - begin, message=said)
        )

    def stop(self) -> None:
        """Stop all processes, kernels included; a second later the hard way."""
        self.stopped = True
        with self.guard:
            running = list(self.running)
        for sign, pause in ((signal.SIGINT, 1.0), (signal.SIGKILL, 0.0)):
            for process in running:
                if process.poll() is None:
                    os.killpg(process.pid, sign)
            time.sleep(pause if running else 0.0)

    def _tell(self, job: Job) -> Job:
        self.watch(job)
        return job

    def _process(self, job: Job) -> tuple[int, str]:
        options = self.options
        threads = options.threads or (1 if options.jobs > 1 else None)
        environment = notebook.quiet_environment(threads)
        if self.deadline:
            environment["ONEBASIN_DEADLINE"] = str(self.deadline)
        content = {"chapter": job.chapter, "profile": job.profile, "plain": options.plain}
        with tempfile.TemporaryDirectory(prefix="onebasin-job-") as folder:
            path = Path(folder) / "job.json"
            path.write_text(json.dumps({**content, "parameters": dict(job.parameters)}))
            command = [sys.executable, "-m", "onebasin.worker", str(path)]
            process = subprocess.Popen(
                command,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                env=environment,
                cwd=paths.root(),
                start_new_session=True,
            )
            with self.guard:
                self.running.add(process)
            _, said = process.communicate()
            with self.guard:
                self.running.discard(process)
        return process.returncode, said.strip()


def log_path(chapter: str, profile: str) -> Path:
    """Where what a chapter said on its last run lies."""
    return paths.root() / "_build" / "logs" / profile / f"{chapter}.txt"
