"""The command line: arguments in, text or JSON out, an exit code a scheduler can act on.

Nothing heavy is imported before a command needs it, so that ``labelvalue --help`` answers at once. What the
commands do is done by the public functions of the package, which a notebook calls just as well.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labelvalue import console, names
from labelvalue.problems import InputError

if TYPE_CHECKING:
    from labelvalue.model import Fit

DEMO_BUDGETS = [500, 2_000, 8_000]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    epilog="Exit codes: 0 done, 1 bad input, 2 fit flagged or refused and nothing published, 5 storage.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"labelvalue {version('labelvalue')}")
        raise typer.Exit


Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
FitFile = Annotated[Path, typer.Argument(metavar="FIT", help="A fit written by 'labelvalue fit'.")]
Budgets = Annotated[str, typer.Option(help="Extra labels to consider, separated by commas.")]
CiProb = Annotated[float, typer.Option(help="Probability of the interval, between 0 and 1.")]
Seed = Annotated[int | None, typer.Option(help="Same seed, same result.")]


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Say what the next batch of labels is worth, in which slice of the data, and how sure we are."""


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the fit and the report.")] = Path("labelvalue-demo"),
    draws: Annotated[int | None, typer.Option(help="Posterior draws per chain.")] = None,
    random_seed: Seed = None,
    as_json: Json = False,
) -> None:
    """Walk the whole story on shipped data; the last line is the path of the report."""
    from importlib.resources import as_file, files

    import labelvalue as lv

    console.make_folder(out)
    with as_file(files("labelvalue_data") / "adult_runs.csv") as path:
        runs = lv.read_runs(path)
    fit = lv.fit(runs, **_given(draws=draws, random_seed=random_seed))
    fit.save(out / "fit.nc")
    page = out / "report.html"
    result = {"fit": str(out / "fit.nc"), "report": str(page)}
    result |= _show(fit, as_json, budgets=DEMO_BUDGETS)
    lv.write_report(fit, path=page, budgets=DEMO_BUDGETS)
    _finish(fit, result, as_json, str(page))


@app.command()
def simulate(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Labelled data: .csv or .parquet.")],
    target: Annotated[str, typer.Option(help="Column that the model learns to predict.")],
    slice_: Annotated[str, typer.Option("--slice", help="Column whose values are the slices.")],
    out: Annotated[Path, typer.Option(help="Runs table to write: .csv or .parquet.")],
    learner: Annotated[
        str, typer.Option(help="hist_gradient_boosting, logistic_regression or random_forest.")
    ] = "hist_gradient_boosting",
    sizes: Annotated[str | None, typer.Option(help="Sizes of the training sets, by commas.")] = None,
    replicates: Annotated[int | None, typer.Option(help="Training sets drawn at each size.")] = None,
    random_seed: Seed = None,
    jobs: Annotated[int | None, typer.Option(help="Processes that train side by side.")] = None,
    as_json: Json = False,
) -> None:
    """Train a model on subsets of your data, test it per slice, and write a runs table."""
    import labelvalue as lv
    from labelvalue.observe.tabular import read_table, tabular_classifier

    console.check_writable(out)
    table = read_table(data, target=target, slices=slice_)
    features = table.drop(columns=target)
    runs = lv.simulate_runs(
        tabular_classifier(features, learner=learner, random_state=random_seed),
        features,
        table[target],
        table[slice_],
        **_given(
            sizes=None if sizes is None else console.counts(sizes, "--sizes"),
            replicates=replicates,
            random_state=random_seed,
            n_jobs=jobs,
        ),
    )
    lv.write_runs(runs, out)
    rows = int(runs.sizes[names.RUN])
    if as_json:
        console.print_json({"runs": str(out), "rows": rows})
    else:
        typer.echo(f"{rows} runs in\n{out}")


@app.command(name="fit")
def fit_command(
    runs: Annotated[Path, typer.Argument(metavar="RUNS", help="A runs table: .csv or .parquet.")],
    out: Annotated[Path, typer.Option(help="Fit to write: .nc.")],
    metric: Annotated[str | None, typer.Option(help="Metric in column 'value', such as accuracy.")] = None,
    model: Annotated[str, typer.Option(help="Name of an installed model.")] = "power_law",
    random_seed: Seed = None,
    draws: Annotated[int | None, typer.Option(help="Posterior draws per chain.")] = None,
    labels_now: Annotated[
        list[str] | None, typer.Option(help="SLICE=N: labels of a slice today; may be repeated.")
    ] = None,
    drop_missing: Annotated[bool, typer.Option("--drop-missing", help="Leave rows with missing values out.")] = False,
    merge_similar_slices: Annotated[
        bool,
        typer.Option("--merge-similar-slices", help="Take slices that differ in spaces or case for one."),
    ] = False,
    timezone: Annotated[str | None, typer.Option(help="Time zone of times without one.")] = None,
    encoding: Annotated[str | None, typer.Option(help="Encoding of the file, such as cp1252.")] = None,
    as_json: Json = False,
) -> None:
    """Fit learning curves to a runs table and say whether the fit can be trusted."""
    import labelvalue as lv

    now = console.labels_now(labels_now or [])
    console.check_writable(out)
    table = lv.read_runs(
        runs,
        **_given(metric=metric, encoding=encoding, timezone=timezone),
        drop_missing=drop_missing,
        merge_similar_slices=merge_similar_slices,
    )
    fit = lv.fit(table, model=model, **_given(labels_now=now, random_seed=random_seed, draws=draws))
    fit.save(out)
    _finish(fit, _show(fit, as_json) | {"fit": str(out)}, as_json, str(out))


@app.command()
def gain(
    fit_file: FitFile,
    budgets: Budgets,
    ci_prob: CiProb = 0.9,
    as_json: Json = False,
) -> None:
    """Say what more labels would gain in each slice, with credible intervals."""
    import labelvalue as lv

    counts = console.counts(budgets, "--budgets")
    fit = lv.load_fit(fit_file)
    _finish(fit, _show(fit, as_json, budgets=counts, ci_prob=ci_prob), as_json)


@app.command()
def report(
    fit_file: FitFile,
    out: Annotated[Path, typer.Option(help="Page to write: .html.")] = Path("report.html"),
    budgets: Annotated[str | None, typer.Option(help="Extra labels to consider, by commas.")] = None,
    as_json: Json = False,
) -> None:
    """Write the report: one HTML page that needs no network."""
    import labelvalue as lv

    counts = None if budgets is None else console.counts(budgets, "--budgets")
    console.check_writable(out)
    fit = lv.load_fit(fit_file)
    lv.write_report(fit, path=out, **_given(budgets=counts))
    _finish(fit, _show(fit, as_json) | {"report": str(out)}, as_json, str(out))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        What stands after ``labelvalue`` on the command line; default ``sys.argv[1:]``.

    Returns
    -------
    int
        0 done · 1 bad input or configuration · 2 fit flagged or refused, no decision published · 5 storage.

    Examples
    --------
    >>> main(["gain", "fit.nc", "--budgets", "many"])
    1
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        code = app(given, prog_name="labelvalue", standalone_mode=False) or console.DONE
        return console.end_by_signal() if code == console.INTERRUPTED else code
    except (KeyboardInterrupt, typer.Abort):
        return console.end_by_signal()
    except InputError as error:
        return console.fail(console.BAD_INPUT, error, given, error.problems)
    except OSError as error:  # StorageError is one
        return console.fail(console.STORAGE, error, given)
    except (ValueError, TypeError, RuntimeError, console.Usage) as error:
        return console.fail(console.BAD_INPUT, error, given)


def _given(**options: object) -> dict:
    """Options the user gave; the functions' own defaults hold for the rest."""
    return {name: value for name, value in options.items() if value is not None}


def _show(fit: Fit, as_json: bool, budgets: list[int] | None = None, ci_prob: float = 0.9) -> dict:
    """Print verdict and gains, or return them for the JSON document; a refused fit has no gains."""
    import labelvalue as lv
    from labelvalue.report.terminal import gain_text, verdict_text

    result = {"verdict": fit.diagnostics.verdict, "reasons": list(fit.diagnostics.reasons)}
    if not as_json:
        typer.echo(verdict_text(fit.diagnostics))
    if budgets is not None and fit.diagnostics.verdict != "refused":
        table = lv.summarise(lv.predict_gain(fit, budgets=budgets), ci_prob=ci_prob)
        if not as_json:
            typer.echo(f"\n{gain_text(table)}")
        result |= console.table_as_json(table)
    return result


def _finish(fit: Fit, result: dict, as_json: bool, last_line: str = "") -> None:
    if as_json:
        console.print_json(result)
    elif last_line:
        typer.echo(last_line)
    if fit.diagnostics.verdict != "ok":
        raise typer.Exit(console.NOT_PUBLISHED)
