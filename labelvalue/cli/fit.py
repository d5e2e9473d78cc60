"""The commands that fit runs and forecast: demo, fit, backtest, gain, report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

import labelvalue as lv
from labelvalue import exits, names
from labelvalue.cli import console
from labelvalue.cli.console import (
    FORECAST,
    Approved,
    CiProb,
    FitFile,
    Json,
    Metric,
    NoRefits,
    Pdf,
    RunsFile,
    Seed,
    Timezone,
    add,
)
from labelvalue.printing import WEIGHING, doing, say, wrapped
from labelvalue.problems import input_error

if TYPE_CHECKING:
    import xarray as xr

DEMO_BUDGETS = [500, 2_000, 8_000]
DEMO_LABELS = 10_000

Budgets = Annotated[str | None, typer.Option(help="Extra labels to consider, separated by commas.")]
AimedAt = Annotated[float | None, console.real("Error to be reached: how many labels each slice needs for it.")]
ModelName = Annotated[
    str, typer.Option("--model", help="Name of an installed model; several joined by + are blended by stacking.")
]
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
        doing(WEIGHING)
        of = lv.decide(fit, lv.read_case(out / "case.toml"), DEMO_LABELS)
    doing("writing the page")
    lv.write_report(of, path=page, budgets=DEMO_BUDGETS, numbers=out / "report.json")
    console.finish(fit, result, as_json, str(page))
    if isinstance(of, lv.Decision):
        raise typer.Exit(exits.ending(of.state, of.approvals))


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
    evaluation_noise: Annotated[
        list[str] | None,
        typer.Option(help="SLICE=SHARE, or SHARE for all: wrong labels in evaluation sets; may be repeated."),
    ] = None,
    related: Annotated[
        Path | None, typer.Option(help="Fit of a related project, whose group level informs priors.")
    ] = None,
    beliefs: Annotated[
        Path | None, typer.Option(help="Answers to plain questions, as priors: .toml, keys as of lv.priors.elicit.")
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
    from labelvalue.forecast.backtesting.trust import with_backtest

    now = console.by_slice(labels_now, "--labels-now") or None
    wrong = _evaluation_noise(evaluation_noise)
    console.check_writable(out)
    how = console.given(metric=metric, encoding=encoding, timezone=timezone)
    table = lv.read_runs(runs, **how, drop_missing=drop_missing, merge_similar_slices=merge_similar_slices)
    priors, told = _priors(related, beliefs, model, table)
    settings = console.given(random_seed=random_seed, draws=draws, evaluation_noise=wrong, priors=priors or None)
    fit = lv.fit(table, model=model, **settings, **console.given(labels_now=now, checkpoint=checkpoint))
    if not no_backtest:
        fit = with_backtest(fit, table, model, **settings)
    fit.save(out)
    if not as_json:
        say(*(f"Prior: {line}" for line in told))
    result = console.show(fit, as_json) | console.show_backtest(fit, as_json) | {"fit": str(out)}
    missing, lines = console.measure_next(table)
    result |= {"missing": missing} | ({"priors": told} if told else {})
    if not as_json:
        console.say_text("\n".join(map(wrapped, lines)))
    console.finish(fit, result, as_json, str(out))


def _evaluation_noise(given: list[str] | None) -> float | dict[str, float] | None:
    """A share of wrong evaluation labels for all slices, or by slice."""
    if given and len(given) == 1 and "=" not in given[0]:
        return console.shares(given[0], "--evaluation-noise")[0]
    return console.by_slice(given, "--evaluation-noise", share=True) or None


def _priors(
    related: Path | None, beliefs: Path | None, model: str, runs: xr.Dataset
) -> tuple[dict[str, lv.Prior], list[str]]:
    """Priors from a related project's fit, and from answers to plain questions, which go first; and what they say."""
    from labelvalue.model.fitting.result import load_fit
    from labelvalue.model.prior.elicitation import from_related, read_beliefs

    found = {} if related is None else from_related(load_fit(related))
    told = [f"{len(found)} of the group level from {related}"] if related is not None else []
    if beliefs is not None:
        elicited = read_beliefs(beliefs, model=model, runs=runs)
        found |= elicited.priors
        told += [
            f"{question}: asked {', '.join(f'{one:g}' for one in rows['asked'])}, "
            f"implied {', '.join(f'{one:.3g}' for one in rows['implied'])}"
            for question, rows in elicited.table.groupby("question", sort=False)
        ]
    return found, told


def backtest(
    runs: RunsFile,
    by: Annotated[
        Literal["size", "batch"], typer.Option(help="Hold out the largest sizes, or the last batches.")
    ] = "size",
    holdout: Annotated[str, typer.Option(help="Doublings, or batches, to hold out; a fit for each.")] = "1,2,3",
    no_left_out: Annotated[
        bool, typer.Option("--no-left-out", help="Do not also leave out one slice at a time: a fit less for each.")
    ] = False,
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
    from labelvalue.observe.table.schema import guard_cells
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
    if numbers["scores"] and not no_left_out:
        numbers["left_out"] = _left_out(table, model, **console.given(random_seed=random_seed, draws=draws))
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


def _left_out(runs: xr.Dataset, model: str, **settings: Any) -> dict[str, Any]:
    """What the other slices lead to expect of each, beside a fit that has seen it; or why that is not told."""
    import numpy as np

    from labelvalue.forecast.backtesting.trust import DRAWS
    from labelvalue.forecast.gains.left_out import LEAST_SLICES, MOST_SLICES, leave_one_out

    slices = np.unique(runs[names.SLICE].values.astype(str)).size
    if not LEAST_SLICES <= slices <= MOST_SLICES:
        why = f"{slices} slices, a fit each" if slices > MOST_SLICES else "one slice leaves nothing to expect it from"
        return {"sentence": f"No slice was left out: {why}."}
    draws = min(settings.pop("draws", DRAWS), DRAWS)
    fit = lv.fit(runs, model=model, draws=draws, **settings)
    if fit.diagnostics.verdict == "refused":
        return {"sentence": f"No slice was left out: the fit is refused ({'; '.join(fit.diagnostics.reasons)})."}
    found = leave_one_out(fit, draws=draws)
    rows = found[[names.CRPS, names.COVERS_90, names.BIAS]].to_dataframe().dropna().reset_index()
    return {"sentence": found.attrs["sentence"], "rows": rows.to_dict("records")}


def gain(
    fit_file: FitFile,
    budgets: Budgets = None,
    target: AimedAt = None,
    mix: Annotated[
        list[str] | None, typer.Option(help="SLICE=SHARE: gains in all under another mix; may be repeated.")
    ] = None,
    new_slice: Annotated[
        list[str] | None, typer.Option(help="NAME=N: also a slice without runs, with N labels now; may be repeated.")
    ] = None,
    ci_prob: CiProb = 0.9,
    as_json: Json = False,
) -> None:
    """Say what more labels would gain in each slice, or how many it needs for an error, with credible intervals."""
    if budgets is None and target is None:
        why, fix = "neither budgets nor a target are given", "give --budgets 500,2000, --target 0.08, or both"
        raise input_error(why, fix, column="--budgets")
    if target is not None and not target > 0:
        raise input_error("must be > 0", "give an error such as 0.08", column="--target", value=target)
    counts = None if budgets is None else console.counts(budgets, "--budgets")
    shares, unseen = console.by_slice(mix, "--mix", share=True), console.by_slice(new_slice, "--new-slice")
    fit = lv.load_fit(fit_file)
    for name, labels in unseen.items():
        fit = lv.new_slice(fit, name, labels_now=labels)
    weights = dict.fromkeys(map(str, fit.slices), 0.0) | shares if shares else None
    result = console.show(fit, as_json, budgets=counts, ci_prob=ci_prob, target=target, mix=weights)
    said = ", ".join(f"{name} {share / sum(shares.values()):.3g}" for name, share in shares.items())
    result |= {"mix": shares} if shares else {}
    console.finish(fit, result, as_json, f"Gains in all are under the mix {said}." if said else "")


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
    approved: Approved = None,
    no_refits: NoRefits = False,
    numbers: Annotated[Path | None, typer.Option(help="Also write the page's numbers: .json.")] = None,
    tables: Annotated[
        Path | None, typer.Option(help="Also write its tables: a file .xlsx, or a folder for one CSV a table.")
    ] = None,
    figures: Annotated[Path | None, typer.Option(help="Also write its pictures: a folder for SVG files.")] = None,
    pdf: Pdf = None,
    as_json: Json = False,
) -> None:
    """Write the report: one HTML page that needs no network."""
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
            doing(WEIGHING)
            of = lv.decide(fit, case, max_labels)
    context = console.context_of(of, no_refits)
    doing("writing the page")
    lv.write_report(
        of, path=out, budgets=counts, context=context, numbers=numbers, tables=tables, pictures=figures, pdf=pdf
    )
    console.finish(fit, console.show(fit, as_json) | {"report": str(out)}, as_json, str(out))
    if isinstance(of, lv.Decision):
        raise typer.Exit(exits.ending(of.state, console.missing_approvals(of, approved)))


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    add(app, FORECAST, demo, "demo --out labelvalue-demo")
    add(app, FORECAST, fit_command, "fit runs.csv --out fit.nc --related old.nc --beliefs beliefs.toml", name="fit")
    add(app, FORECAST, backtest, "backtest runs.csv --holdout 1,2")
    add(app, FORECAST, gain, "gain fit.nc --budgets 500,2000 --mix north=0.7 --new-slice west=100")
    add(app, FORECAST, report, "report fit.nc --case case.toml --out report.html")
