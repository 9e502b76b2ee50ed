"""What the exit codes of the command mean: the one table."""

from __future__ import annotations

OK, FAILED, USAGE, AGAIN, INTERRUPTED = 0, 1, 2, 75, 130

TABLE = {
    OK: "all is well",
    FAILED: "a chapter, a check or the book failed; what is wrong was printed",
    USAGE: "the command was not understood, or an input is wrong",
    AGAIN: "the time slice is over: run the same command again to go on",
    INTERRUPTED: "interrupted; finished chapters and shards are kept",
}
