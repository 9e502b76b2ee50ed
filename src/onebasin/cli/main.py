"""The command and its sub-commands; every one ends with an exit code that means something."""

from __future__ import annotations

import sys

import typer

from onebasin.cli import building, results, running, surroundings
from onebasin.cli.console import fail
from onebasin.errors import InputError, MissingDataError, OneBasinError

#: What the exit codes mean.
OK, FAILED, USAGE, SLICE_OVER, INTERRUPTED = 0, 1, 2, 75, 130

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help=(
        "Run the chapters of [bold]One Basin[/bold], build the book, keep and compare its results."
        "\n\nStart with `onebasin run foundations/permutations`, then `onebasin build`."
        "\n\nExit codes: 0 all is well; 1 a chapter, a check or a build failed; 2 the command was "
        "not understood or an input is wrong; 75 the time slice is over, run again to go on; "
        "130 interrupted, nothing is lost."
    ),
)
for module in (running, building, results, surroundings):
    module.attach(app)


def main() -> None:
    """Entry point: errors made on purpose become one sentence and an exit code."""
    try:
        app()
    except (InputError, MissingDataError) as error:
        fail(str(error))
        sys.exit(USAGE)
    except OneBasinError as error:
        fail(str(error))
        sys.exit(FAILED)
    except KeyboardInterrupt:
        fail("Interrupted. Finished chapters and shards are kept; run again to go on.")
        sys.exit(INTERRUPTED)
