"""The command line: arguments in, text or JSON out, an exit code a scheduler can act on.

Nothing heavy is imported before a command needs it, so that ``labelvalue --help`` answers at once. What the
commands do is done by the public functions of the package, which a notebook calls just as well.
"""

import atexit
import gc
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from labelvalue import exits
from labelvalue.cli import console, fit, plan, project, runs
from labelvalue.cli.console import Group
from labelvalue.printing import never_silent, say
from labelvalue.problems import BusyError, InputError

app = typer.Typer(
    add_completion=False,
    cls=Group,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    epilog="Exit codes: 0 done, 1 bad input, 2 fit flagged or refused and nothing published, "
    "3 a rule says stop or an approval is missing, 4 busy, 5 storage, 6 a rule is undecided.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        say(f"labelvalue {version('labelvalue')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Say what the next batch of labels is worth, in which slice of the data, and how sure we are."""


for _module in (runs, fit, plan, project):
    _module.register(app)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if arguments is None:
        atexit.register(gc.freeze)  # a process that ends need not look for garbage: that takes up to a second
    with console.heeding_termination() as told, console.printing_warnings(), never_silent("reading"):
        try:
            console.check_letters(given)
            code = app(given, prog_name="labelvalue", standalone_mode=False) or exits.DONE
        except (KeyboardInterrupt, typer.Abort):
            code = exits.INTERRUPTED
        except InputError as error:
            return console.fail(exits.BAD_INPUT, error, given, error.problems)
        except BusyError as error:
            return console.fail(exits.BUSY, error, given)
        except OSError as error:  # StorageError is one
            return console.fail(exits.STORAGE, error, given)
        except (ValueError, TypeError, RuntimeError, console.Usage) as error:
            return console.fail(exits.BAD_INPUT, error, given)
        except Exception as error:  # nobody foresaw it; a scheduler needs a line and a code all the same
            return console.fail(exits.BAD_INPUT, console.unforeseen(error), given)
    return console.end_by_signal(told) if code == exits.INTERRUPTED else code
