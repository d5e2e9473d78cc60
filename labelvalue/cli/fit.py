"""The commands that fit runs and forecast: demo, fit, backtest, gain, report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from labelvalue import exits, names
from labelvalue.cli import console
from labelvalue.cli.console import FORECAST, CiProb, FitFile, Json, Metric, RunsFile, Seed, Timezone, add
from labelvalue.printing import say
from labelvalue.problems import input_error

if TYPE_CHECKING:
    import labelvalue as lv

DEMO_BUDGETS = [500, 2_000, 8_000]
DEMO_LABELS = 10_000

Budgets = Annotated[str | None, typer.Option(help="Extra labels to consider, separated by commas.")]
AimedAt = Annotated[float | None, console.real("Error to be reached: how many labels each slice needs for it.")]
ModelName = Annotated[str, typer.Option("--model", help="Name of an installed model.")]
Draws = Annotated[int | None, console.whole("Posterior draws per chain.")]
DropMissing = Annotated[bool, typer.Option("--drop-missing", help="Leave rows with missing values out.")]
MergeSlices = Annotated[
    bool, typer.Option("--merge-similar-slices", help="Take slices that differ in spaces or case for one.")
]
NoBacktest = Annotated[
    bool, typer.Option("--no-backtest", help="Do not check forecasts from part of the runs: two quick fits less.")
]
Encoding = Annotated[str | None, typer.Option(help="Encoding of the file, such as cp1252.")]


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the fit and the report.")] = Path("labelvalue-demo"),
    draws: Draws = None,
    random_seed: Seed = None,
    no_backtest: NoBacktest = False,
    as_json: Json = False,
) -> None:
    """Walk the whole story on shipped data; the last line is the path of the report."""
    from importlib.resources import as_file, files

    import labelvalue as lv
    from labelvalue.forecast.backtesting.trust import with_backtest

    console.make_folder(out)
    for name in ("fit.nc", "case.toml", "report.html", "report.json"):
        console.check_writable(out / name)
    with as_file(files("labelvalue_data") / "adult_runs.csv") as path:
        runs = lv.read_runs(path)
    settings = console.given(draws=draws, random_seed=random_seed)
    fit = lv.fit(runs, **settings)
    fit = fit if no_backtest else with_backtest(fit, runs, fit.model.name, **settings)
    fit.save(out / "fit.nc")
    page = out / "report.html"
    result = {"fit": str(out / "fit.nc"), "report": str(page)}
    result |= console.show(fit, as_json, budgets=DEMO_BUDGETS) | console.show_backtest(fit, as_json)
    of: lv.Fit | lv.Decision = fit
    if fit.diagnostics.verdict == "ok":
        (out / "case.toml").write_text(lv.example_case(), encoding="utf-8")
        of = lv.decide(fit, lv.read_case(out / "case.toml"), DEMO_LABELS)
    lv.write_report(of, path=page, budgets=DEMO_BUDGETS, numbers=out / "report.json")
    console.finish(fit, result, as_json, str(page))


def fit_command(
    runs: RunsFile,
    out: Annotated[Path, typer.Option(help="Fit to write: .nc.")],
    metric: Metric = None,
    model: ModelName = "power_law",
    random_seed: Seed = None,
    draws: Draws = None,
    labels_now: Annotated[
        list[str] | None, typer.Option(help="SLICE=N: labels of a slice today; may be repeated.")
    ] = None,
    no_backtest: NoBacktest = False,
    checkpoint: Annotated[Path | None, typer.Option(help="Folder of finished draws, to go on from.")] = None,
    drop_missing: DropMissing = False,
    merge_similar_slices: MergeSlices = False,
    timezone: Timezone = None,
    encoding: Encoding = None,
    as_json: Json = False,
) -> None:
    """Fit learning curves to a runs table and say whether the fit can be trusted.

    It is flagged, and the command ends with 2, where chains have not converged, where more slices than chance allows do
    not follow the model, and where forecasts made from part of the runs did not come true on the rest.
    """
    import labelvalue as lv
    from labelvalue.forecast.backtesting.trust import with_backtest

    now = console.labels_now(labels_now or [])
    console.check_writable(out)
    how = console.given(metric=metric, encoding=encoding, timezone=timezone)
    table = lv.read_runs(runs, **how, drop_missing=drop_missing, merge_similar_slices=merge_similar_slices)
    settings = console.given(labels_now=now, random_seed=random_seed, draws=draws, checkpoint=checkpoint)
    fit = lv.fit(table, model=model, **settings)
    if not no_backtest:
        fit = with_backtest(fit, table, model, **console.given(random_seed=random_seed, draws=draws))
    fit.save(out)
    result = console.show(fit, as_json) | console.show_backtest(fit, as_json) | {"fit": str(out)}
    console.finish(fit, result, as_json, str(out))


def backtest(
    runs: RunsFile,
    by: Annotated[
        Literal["size", "batch"], typer.Option(help="Hold out the largest sizes, or the last batches.")
    ] = "size",
    holdout: Annotated[str, typer.Option(help="Doublings, or batches, to hold out; a fit for each.")] = "1,2,3",
    out: Annotated[Path | None, typer.Option(help="Also write the score of each forecast: .csv.")] = None,
    metric: Metric = None,
    model: ModelName = "power_law",
    random_seed: Seed = None,
    draws: Draws = None,
    drop_missing: DropMissing = False,
    merge_similar_slices: MergeSlices = False,
    timezone: Timezone = None,
    encoding: Encoding = None,
    as_json: Json = False,
) -> None:
    """Forecast what the runs already show from part of them, and say how far to trust forecasts."""
    import labelvalue as lv
    from labelvalue.observe.table.cells import guard_cells
    from labelvalue.report.render.terminal import backtest_text
    from labelvalue.report.words.checks import backtest_numbers
    from labelvalue.storage import write_whole

    steps = console.counts(holdout, "--holdout")
    if out is not None:
        console.check_writable(out)
    how = console.given(metric=metric, encoding=encoding, timezone=timezone)
    table = lv.read_runs(runs, **how, drop_missing=drop_missing, merge_similar_slices=merge_similar_slices)
    result = lv.backtest(table, model, by=by, holdout=steps, **console.given(random_seed=random_seed, draws=draws))
    numbers = backtest_numbers(result)
    if out is not None:
        rows = result.to_dataframe().dropna(subset=[names.TRUTH]).reset_index()
        write_whole(out, guard_cells(rows).to_csv(index=False, lineterminator="\n").encode())
    if as_json:
        console.print_json(numbers | ({} if out is None else {"out": str(out)}))
    else:
        console.say_text(backtest_text(numbers))
        say(*([] if out is None else [out]))
    if not numbers["scores"]:  # every re-fit was refused
        raise typer.Exit(exits.NOT_PUBLISHED)


def gain(
    fit_file: FitFile,
    budgets: Budgets = None,
    target: AimedAt = None,
    ci_prob: CiProb = 0.9,
    as_json: Json = False,
) -> None:
    """Say what more labels would gain in each slice, or how many it needs for an error, with credible intervals."""
    import labelvalue as lv

    if budgets is None and target is None:
        why, fix = "neither budgets nor a target are given", "give --budgets 500,2000, --target 0.08, or both"
        raise input_error(why, fix, column="--budgets")
    if target is not None and not target > 0:
        raise input_error("must be > 0", "give an error such as 0.08", column="--target", value=target)
    counts = None if budgets is None else console.counts(budgets, "--budgets")
    fit = lv.load_fit(fit_file)
    console.finish(fit, console.show(fit, as_json, budgets=counts, ci_prob=ci_prob, target=target), as_json)


def report(
    fit_file: FitFile,
    out: Annotated[Path, typer.Option(help="Page to write: .html.")] = Path("report.html"),
    budgets: Annotated[str | None, typer.Option(help="Extra labels to consider, by commas.")] = None,
    case_file: Annotated[
        Path | None, typer.Option("--case", help="Costs, value and rules: .toml; the page then has a decision.")
    ] = None,
    max_labels: Annotated[
        int | None, console.whole("Most labels of the plan; as many as there are today by default.")
    ] = None,
    numbers: Annotated[Path | None, typer.Option(help="Also write the page's numbers: .json.")] = None,
    tables: Annotated[
        Path | None, typer.Option(help="Also write its tables: a file .xlsx, or a folder for one CSV a table.")
    ] = None,
    figures: Annotated[Path | None, typer.Option(help="Also write its pictures: a folder for SVG files.")] = None,
    pdf: Annotated[
        Path | None, typer.Option(help="Also print its first page: .pdf; through Chromium or Chrome on PATH.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write the report: one HTML page that needs no network."""
    import labelvalue as lv
    from labelvalue.report.numbers.exports import is_workbook
    from labelvalue.report.render.images import find_browser

    counts = None if budgets is None else console.counts(budgets, "--budgets")
    console.check_writable(out)
    if pdf is not None:
        find_browser()
    for place in (numbers, tables, figures, pdf):
        if place is not None:
            is_file = place in (numbers, pdf) or (place is tables and is_workbook(place))
            (console.check_writable if is_file else console.check_folder)(place)
    case = None if case_file is None else lv.read_case(case_file)
    fit = lv.load_fit(fit_file)
    of: lv.Fit | lv.Decision = fit
    if case is not None:
        case.check(fit)
        if fit.diagnostics.verdict == "ok":  # no decision on a fit that is not
            of = lv.decide(fit, case, max_labels)
    lv.write_report(of, path=out, budgets=counts, numbers=numbers, tables=tables, pictures=figures, pdf=pdf)
    console.finish(fit, console.show(fit, as_json) | {"report": str(out)}, as_json, str(out))
    if isinstance(of, lv.Decision):
        raise typer.Exit(exits.STATES[of.state])


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    add(app, FORECAST, demo, "demo --out labelvalue-demo")
    add(app, FORECAST, fit_command, "fit runs.csv --out fit.nc --random-seed 1", name="fit")
    add(app, FORECAST, backtest, "backtest runs.csv --holdout 1,2")
    add(app, FORECAST, gain, "gain fit.nc --budgets 500,2000")
    add(app, FORECAST, report, "report fit.nc --case case.toml --out report.html")
