"""The command and its sub-commands; every one ends with an exit code that means something."""

from __future__ import annotations

import sys

import typer

from onebasin.cli import building, exits, results, running, surroundings
from onebasin.cli.console import fail
from onebasin.errors import InputError, MissingDataError, OneBasinError, SliceEnd

_CODES = "\n\n".join(f"{code}: {meaning}." for code, meaning in exits.TABLE.items())

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help=(
        "Run the chapters of **One Basin**, build the book, keep and compare its results.\n\n"
        "Start with `onebasin run foundations/permutations`; then `onebasin status`, "
        "`onebasin build`. `onebasin COMMAND --help` shows examples."
    ),
    epilog=f"Exit codes:\n\n{_CODES}",
)
for module in (running, building, results, surroundings):
    module.attach(app)


def main() -> None:
    """Entry point: errors made on purpose become one sentence and an exit code."""
    try:
        app()
    except (InputError, MissingDataError) as error:
        fail(str(error))
        sys.exit(exits.USAGE)
    except SliceEnd as error:
        fail(str(error))
        sys.exit(exits.AGAIN)
    except OneBasinError as error:
        fail(str(error))
        sys.exit(exits.FAILED)
    except KeyboardInterrupt:
        fail("interrupted: finished chapters and shards are kept; run again to go on.")
        sys.exit(exits.INTERRUPTED)
