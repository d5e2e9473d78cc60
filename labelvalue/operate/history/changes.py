"""Why the advice changed between two re-fits, and which batches came as a surprise."""

import copy
import dataclasses
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import xarray as xr

from labelvalue import names
from labelvalue.decisions.case.case import Case
from labelvalue.forecast.backtesting.holdout import CURVE
from labelvalue.forecast.backtesting.scores import recalibrated
from labelvalue.forecast.gains.curves import curve_dims
from labelvalue.forecast.gains.gains import predict_gain
from labelvalue.model.fitting.result import Fit
from labelvalue.operate.history import scorecard
from labelvalue.operate.refit import advice, refit as fits, subprocess_fit
from labelvalue.operate.refit.refit import runs_of
from labelvalue.operate.store.batches import content_digest, frame_of, joined, tables_of
from labelvalue.operate.store.folders import FITS, RUNS, ProjectFolder, load
from labelvalue.operate.store.records import Batch, Record
from labelvalue.problems import InputError, input_error
from labelvalue.report.numbers.numbers import AFTER, BEFORE, CHANGE, MCSE, QUANTITY, STEP
from labelvalue.report.numbers.tables import default_budgets

Ratios = Mapping[tuple[str, ...], float]  # forecast over measured error, by slice, learner and suite


def surprises(records: Sequence[Record]) -> dict[str, Ratios]:
    """Find the batches whose results fired the trigger of surprise, by the limit that held when they came."""
    found: dict[str, Ratios] = {}
    forecasts: dict[str, Mapping[str, Any]] = {}
    scored: Mapping[str, Any] | None = None
    for record in records:
        content = record.content
        if record.kind == "forecast" and content["of"] == names.BATCH:
            forecasts[content["content"]] = content
        elif record.kind == "score":
            scored = content
        elif record.kind == "check" and content["of"] == "triggers" and scored is not None:
            limits = [rule.get("limit", 0.0) for rule in content["triggers"] if rule["trigger"] == "surprise"]
            told = forecasts.get(scored["content"])
            if told is not None and limits and scored[scorecard.SURPRISE] < limits[0]:
                found[scored["content"]] = _ratios(told, scored)
            scored = None
    return found


def _ratios(forecast: Mapping[str, Any], scored: Mapping[str, Any]) -> Ratios:
    """A curve that was measured without an error gives no ratio, and stays as it was measured."""
    pairs = zip(forecast[scorecard.CELLS], scored[scorecard.CELLS], strict=False)
    return {
        _curve(cell): frozen["quantiles"]["0.5"] / cell[names.TRUTH] for frozen, cell in pairs if cell[names.TRUTH] > 0
    }


def _curve(row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(row[key]) for key in CURVE)


def as_forecast(table: pd.DataFrame, metric: Mapping[str, Any], ratios: Ratios) -> pd.DataFrame:
    """Return the runs of a batch with their errors multiplied, so that curves lie where they had been forecast."""
    curves = zip(*(table[key].astype(str) for key in CURVE), strict=True)
    ratio = np.array([ratios.get(curve, 1.0) for curve in curves])
    if names.ERRORS in table:
        errors = np.minimum(np.round(table[names.ERRORS] * ratio), table[names.TRIALS]).astype(int)
        return table.assign(**{names.ERRORS: errors})
    low, high = (
        np.inf * sign if bound is None else bound for bound, sign in zip(metric[names.BOUNDS], (-1, 1), strict=True)
    )
    best = high if metric[names.DIRECTION] == "higher" else low
    return table.assign(**{names.VALUE: np.clip(best + ratio * (table[names.VALUE] - best), low, high)})


CODE, DATA, DRIFT, LEARNER = "code", "data", "drift", "learner"
MODEL, PRIORS, SETTINGS = "model", "priors", "settings"
PRICE, CASE = "price", "case"  # the step of the scorecard's factor is named as its key in the settings of an advice

Values = dict[tuple[str, str], tuple[float, float]]  # mean and Monte Carlo error by quantity and slice


@dataclasses.dataclass(frozen=True)
class Asked:
    """What numbers are made from: a fit, and where there is one, a case with the rest of what advice needs."""

    fit: Fit
    case: str | None
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def explain_at_hand(project: ProjectFolder) -> pd.DataFrame | None:
    """Explain the last change of advice where that needs no fit in between."""
    records = project.ledger.records()
    if sum(record.kind == "advice" for record in records) < 2:
        return None
    (first, _), (last, _) = _ends(records)
    if len(list(_specs(project, first, last))) > 1:
        return None
    try:
        return explain(project, budget=None, at=None, progress=False)
    except InputError:  # a step on the way has a case that does not belong to its fit
        return None


def explain(project: ProjectFolder, *, budget: int | None, at: int | None, progress: bool) -> pd.DataFrame:
    """Walk from the last advice but one to the last, one difference at a time; changes add up."""
    records = [record for record in project.ledger.records() if at is None or record.number <= at]
    (first, told), (last, tells) = _ends(records)
    loaded = [(load(project.folder / FITS, fit), given) for fit, given in ((first, told), (last, tells))]
    old, new = (
        Asked(fit, None) if given is None else Asked(fit, given.content[advice.CASE_TEXT], given.content["settings"])
        for fit, given in loaded
    )
    labels = budget or max(default_budgets(new.fit))
    before = _values(old, labels)
    if told is not None:
        before |= _recorded(told.content)
    rows: list[dict[str, Any]] = []
    for step, asked in _steps(project, (first, told), (last, tells), old, new, progress):
        after = _values(asked, labels)
        rows += _rows(step, before, after)
        before = after
    made = pd.DataFrame(rows, columns=[STEP, QUANTITY, names.SLICE, BEFORE, AFTER, CHANGE, MCSE])
    made.attrs = {names.BUDGET: labels, "fits": [first.content["fit"], last.content["fit"]]}
    return made


def _ends(records: Sequence[Record]) -> tuple[tuple[Record, Record | None], tuple[Record, Record | None]]:
    """The last two pieces of advice with their fits, or, where there are not two, the last two published fits."""
    passed = [record for record in records if record.kind == "fit" and record.content["published"]]
    advised = [record for record in records if record.kind == "advice"]
    if len(advised) >= 2:
        by_id = {record.content["fit"]: record for record in passed}
        first, last = ((by_id[record.content["fit"]], record) for record in advised[-2:])
        return first, last
    if len(passed) < 2:
        why = f"{len(passed)} fit{'' if len(passed) == 1 else 's'} published; a change needs two"
        raise input_error(why, "add a batch and run 'labelvalue refit DIR'")
    return (passed[-2], None), (passed[-1], None)


def _steps(
    project: ProjectFolder,
    first: tuple[Record, Record | None],
    last: tuple[Record, Record | None],
    old: Asked,
    new: Asked,
    progress: bool,
) -> Iterator[tuple[str, Asked]]:
    """Name each difference, with what numbers are made from once it and those before it are put in.

    Fits in between run on today's code.
    """
    here = old
    specs = list(_specs(project, first[0], last[0]))
    told, tells = first[1], last[1]
    if CODE not in [step for step, *_ in specs] and told and tells and told.content["code"] != tells.content["code"]:
        yield CODE, here
    for place, (step, spec, runs) in enumerate(specs):
        ends = place == len(specs) - 1
        fit = new.fit if ends else _fitted(project, spec, runs, progress)
        here = dataclasses.replace(here, fit=fit)
        yield step, here
    if here.case is None or new.case is None:
        return
    factor = new.settings.get(advice.WIDTH, 1.0)
    if here.settings.get(advice.WIDTH, 1.0) != factor:
        here = Asked(here.fit, old.case, {**here.settings, advice.WIDTH: factor})
        yield advice.WIDTH, here
    if (here.case, here.settings) == (new.case, new.settings):
        return
    mixed = _with_prices(str(old.case), new.case)
    if mixed is not None:
        here = dataclasses.replace(here, case=mixed)
        yield PRICE, here
    if mixed is None or mixed != advice.with_key(new.case, "name", "").to_toml() or here.settings != new.settings:
        yield CASE, new


def _specs(project: ProjectFolder, earlier: Record, later: Record) -> Iterator[tuple[str, dict[str, Any], xr.Dataset]]:
    """Each specification on the way, with its runs."""
    old, new = (fits.read_spec(project.folder / FITS, record) for record in (earlier, later))
    here = copy.deepcopy(old)
    if old["code"] != new["code"]:
        here["code"] = new["code"]
        yield CODE, copy.deepcopy(here), _runs(project, old, {})
    if any(old[part] != new[part] for part in ("runs", names.LABELS_NOW)):
        for part in ("runs", "batches", names.LABELS_NOW):
            here[part] = new[part]
        for step, runs in _arrivals(project, old, new, earlier.content["learners"], later.content["learners"]):
            yield step, copy.deepcopy(here), runs
    if old["model"] != new["model"]:
        here["model"], here["fit"]["model"] = new["model"], new["fit"]["model"]
        step = PRIORS if old["model"]["name"] == new["model"]["name"] else MODEL
        yield step, copy.deepcopy(here), _runs(project, new, {})
    if here["fit"] != new["fit"]:
        here["fit"] = new["fit"]
        yield SETTINGS, copy.deepcopy(here), _runs(project, new, {})


def _arrivals(
    project: ProjectFolder,
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    known: Sequence[str],
    learners: Sequence[str],
) -> Iterator[tuple[str, xr.Dataset]]:
    """From the old runs to the new ones.

    What had come as a surprise and no longer stands is first put where it was forecast; then come the new batches, each
    where it was forecast if it is a surprise; then these as they were measured; then runs of new learners.
    """
    strange = surprises(project.ledger.records())
    there, here = ({batch["content"] for batch in spec["batches"]} for spec in (old, new))
    gone, came = ({c: r for c, r in strange.items() if c in only} for only in (there - here, here - there))
    if gone:
        yield DRIFT, _runs(project, old, gone)
    added = bool({*learners} - {*known})
    steps = [(DATA, came), (DRIFT, {})] if came else [(DATA, came)]
    for step, ratios in steps:
        runs = _runs(project, new, ratios)
        runs = runs_of(runs, known) if added else runs
        if runs.sizes[names.RUN] and (not added or content_digest(runs) != old["runs"]):
            yield step, runs
    if added:
        yield LEARNER, _runs(project, new, {})


def _runs(project: ProjectFolder, spec: Mapping[str, Any], strange: Mapping[str, Ratios]) -> xr.Dataset:
    """The runs of a specification, some batches of which lie where they had been forecast."""
    batches = [Batch(**batch) for batch in spec["batches"]]
    tables = tables_of(project.folder / RUNS, batches)
    for place, batch in enumerate(batches):
        if batch.content in strange:
            moved = as_forecast(frame_of(tables[place]), batch.metric, strange[batch.content])
            tables[place] = pa.Table.from_pandas(moved, preserve_index=False)
    return joined(tables, batches)


def _fitted(project: ProjectFolder, spec: Mapping[str, Any], runs: xr.Dataset, progress: bool) -> Fit:
    most = dataclasses.asdict(project.configuration.limits)
    with tempfile.TemporaryDirectory() as place:
        return subprocess_fit.fit_in_subprocess(
            Path(place), runs, fits.without_backtest(spec), **most, progress=progress
        )


def _with_prices(old: str, new: str) -> str | None:
    """The old case with the new one's costs; ``None`` where costs are the same."""
    before, after = advice.with_key(old, "name", ""), advice.with_key(new, "name", "")
    if before.costs == after.costs:
        return None
    mixed: Case = dataclasses.replace(before, costs=after.costs, currency=after.currency)
    return mixed.to_toml()


def _values(asked: Asked, labels: int) -> Values:
    """Expected gain of each slice, over learners and suites where there are several; plan and worth with a case."""
    wide = recalibrated(asked.fit, asked.settings.get(advice.WIDTH, 1.0))
    gain = predict_gain(wide, [labels]).isel({names.BUDGET: 0})
    gain = gain.mean([d for d in curve_dims(asked.fit) if d != names.SLICE])
    found: Values = {
        (names.GAIN, str(name)): _mean(gain.sel({names.SLICE: name}).transpose(names.CHAIN, names.DRAW).values)
        for name in gain[names.SLICE].values
    }
    if asked.case is not None:
        content = {advice.CASE_TEXT: asked.case, "settings": asked.settings}
        found |= _recorded(advice.again(asked.fit, content))
    return found


def _recorded(content: Mapping[str, Any]) -> Values:
    net = content.get(names.NET_BENEFIT, {"mean": 0.0, "mcse": 0.0})
    plan = {(names.LABELS, name): (float(count), 0.0) for name, count in content[advice.PLAN].items()}
    return plan | {(names.NET_BENEFIT, ""): (net["mean"], net["mcse"])}


def _mean(draws: np.ndarray) -> tuple[float, float]:
    """Mean and Monte Carlo error, from the spread of the chains' means where there are several."""
    chains = draws.mean(axis=1)
    spread = chains.std(ddof=1) / np.sqrt(chains.size) if chains.size > 1 else draws.std() / np.sqrt(draws.size)
    return float(draws.mean()), float(max(spread, draws.std() / np.sqrt(draws.size)))


def _rows(step: str, before: Values, after: Values) -> list[dict[str, Any]]:
    """What a step changed; a slice that was not there before, or is no longer, counts as 0."""
    rows = []
    for quantity, name in sorted({*before, *after}, key=lambda key: (key[0], key[1])):
        (old, old_error), (new, new_error) = (side.get((quantity, name), (0.0, 0.0)) for side in (before, after))
        error = 0.0 if quantity == names.LABELS else float(np.hypot(old_error, new_error))
        rows.append(
            {STEP: step, QUANTITY: quantity, names.SLICE: name, BEFORE: old, AFTER: new, CHANGE: new - old, MCSE: error}
        )
    return rows
