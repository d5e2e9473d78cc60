"""A project over time: forecasts against what their batch then brought; money, labels and gains batch by batch."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
import scipy
import xarray as xr

from labelvalue import names
from labelvalue.decisions.case.costs import joined, learner_names
from labelvalue.forecast.backtesting.backtesting import REPEATS, RULES, measured_now, model_samples, rule_samples
from labelvalue.forecast.backtesting.holdout import CURVE, SIZE, Origin, frame_of, measure, rungs
from labelvalue.forecast.backtesting.scores import add_truth_noise, central_interval, score_rows
from labelvalue.model.fitting.result import Fit
from labelvalue.numerals import estimated, significant
from labelvalue.operate.refit.advice import CASE_SHA, CASE_TEXT, PLAN, WIDTH
from labelvalue.operate.store.folders import current_batches
from labelvalue.operate.store.records import Record
from labelvalue.reading import parse_toml
from labelvalue.report.numbers.tables import INNER_LOWER, INNER_UPPER, LOWER, UPPER

LEAST = 8  # scored forecasts from which the record widens or narrows intervals, and the weight that it has to outvote
KEPT_DRAWS = 200
RULE_SEED = 0  # of the rule that forecasts are held against: its resamples need no seed of anybody
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
CELLS = "cells"
SURPRISE = "surprise"
RANK = "rank"  # share of the forecast below what was measured (uniform where forecasts are calibrated)
PROMISED, DELIVERED = "promised", "delivered"  # gain of a batch as forecast, and as measured
RATIO = "crps_over_repeated"  # mean CRPS over that of the rule: below 1 the model was better
BIAS_MONEY = "bias_money"  # bias of a forecast at what its case says a unit of error is worth
REPEATED = "crps_repeated"  # CRPS of the rule that the last gain of the ledger's runs repeats
FACTOR = "factor"  # by which the record multiplies the width of intervals on log error; 1 while it is too short
ORDER = (
    names.BATCH, *CURVE, names.LABELS, PROMISED, DELIVERED, names.TRUTH, "low", "high", names.COVERS_90,
    names.COVERS_50, names.BIAS, BIAS_MONEY, names.WIDTH, RANK, names.CRPS, REPEATED, names.INTERVAL_SCORE,
    names.TRUTH_STDERR, names.RUN_COUNT, FACTOR, "fit",
)  # fmt: skip
"""Columns of a scorecard: which curve, what was promised and came, the error in its interval, scores, where from."""


def origin_of(fit: Fit, batch: xr.Dataset) -> Origin:
    """Set a batch against a fit that has not seen it.

    Of each curve the batch's largest size is forecast, where it is more than the fit has seen.
    """
    seen = fit.runs
    common = [str(name) for name in seen.data_vars if name in batch]
    both = xr.concat([seen[common], batch[common]], dim=names.RUN, coords="minimal", compat="override", join="override")
    frame = frame_of(both, SIZE)
    first_new = seen.sizes[names.RUN]
    past, new = frame[frame.index < first_new], frame[frame.index >= first_new]
    now = past.groupby(CURVE)["size"].max().rename("now")
    new = new[new["plain"]].join(now, on=CURVE, how="inner")
    largest = new.groupby(CURVE)["size"].transform("max")
    grown = new[(rungs(new["size"], largest) == 0) & (largest > new["now"])]
    ahead = np.log2(grown["size"] / grown["now"])
    future = grown.assign(ahead=ahead, distance=1, previous=grown["now"] / 2.0)
    return Origin(1, past, future)


def forecast_batch(
    fit: Fit, origin: Origin, planned: Sequence[Mapping[str, Any]] = ()
) -> tuple[pd.DataFrame, np.ndarray]:
    """Forecast the mean errors of a batch: by the draws frozen for the plan where it is at its labels, else by the fit.

    Nothing that the batch measured goes in: of it, only which curves it is about and at how many labels. Column
    ``planned`` of the cells says whose draws are those of the plan.

    Shapes: gives ``samples`` (cell, sample).
    """
    cells = measure(origin)
    told = {tuple(one[key] for key in CURVE): one for one in planned}
    asked = [told.get(curve) for curve in cells.reset_index()[CURVE].itertuples(index=False, name=None)]
    at = origin.future.groupby(cells.index.names)[[names.LABELS, names.OTHER_LABELS]]
    ends = pd.concat([at.min(), at.max()], axis=1).reindex(cells.index).to_numpy()
    cells["planned"] = [
        one is not None and bool((row == [one[names.LABELS], one[names.OTHER_LABELS]] * 2).all())
        for one, row in zip(asked, ends, strict=True)
    ]
    if not cells["planned"].all():
        samples = model_samples(fit, origin, cells).clip(0.0, float(fit.settings["upper"]))
    else:
        samples = np.zeros((len(cells), KEPT_DRAWS))
    for place, one in enumerate(asked):
        if one is not None and cells["planned"].iloc[place]:
            drawn = np.asarray(one["draws"])
            samples[place] = drawn[np.arange(samples.shape[1]) * drawn.size // samples.shape[1]]
    return cells, samples


def by_curve[Values: (xr.DataArray, xr.Dataset)](fit: Fit, values: Values) -> Values:
    """Lay values out by slice, learner and suite first, where the fit has one of these too."""
    only = {names.LEARNER: fit.settings["learners"], names.SUITE: fit.settings["suites"]}
    whole = values.expand_dims({dim: found for dim, found in only.items() if dim not in values.dims})
    return whole.transpose(*CURVE, ...)


def forecast_plan(fit: Fit, plan: Mapping[str, int]) -> list[dict[str, Any]]:
    """Forecast the error of every curve once a plan's labels are there, as plain values to be frozen."""
    table = by_curve(fit, fit.position[[names.LABELS_NOW, names.OTHER_LABELS_NOW]]).to_dataframe().reset_index()
    own = table[names.SLICE].map(lambda name: plan.get(str(name), 0))
    labels = table[names.LABELS_NOW] + own
    other = table[names.OTHER_LABELS_NOW] + sum(plan.values()) - own
    more: dict[str, Any] = {names.LABELS: labels, names.OTHER_LABELS: other, names.DISTANCE: 1, names.RUN_COUNT: 1}
    future = table[CURVE].assign(**more)
    cells = future.set_index([*CURVE, names.DISTANCE])
    samples = model_samples(fit, Origin(1, future, future), cells).clip(0.0, float(fit.settings["upper"]))
    asked = zip(frozen(cells, samples), other, strict=True)
    return [{**cell, names.OTHER_LABELS: float(others)} for cell, others in asked]


def expected_now(fit: Fit) -> pd.Series:
    """Return the expected error of each curve at its labels now."""
    return by_curve(fit, fit.posterior[names.ERROR_NOW].mean(names.SAMPLE)).to_series()


def frozen(cells: pd.DataFrame, samples: np.ndarray) -> list[dict[str, Any]]:
    """Return a forecast as plain values: quantiles and thinned draws of each cell, without what was measured."""
    keep = np.linspace(0, samples.shape[1] - 1, min(KEPT_DRAWS, samples.shape[1])).astype(int)
    kept = []
    for row, drawn in zip(_rows(cells), samples, strict=True):
        kept.append({**row, "quantiles": quantiles_of(drawn), "draws": drawn[keep].tolist()})
    return kept


def quantiles_of(drawn: np.ndarray) -> dict[str, float]:
    """Quantiles of draws as records keep them."""
    return dict(zip(map(str, QUANTILES), np.quantile(drawn, QUANTILES).tolist(), strict=True))


def scored(
    origin: Origin,
    cells: pd.DataFrame,
    samples: np.ndarray,
    factor: float,
    now: pd.Series | None = None,
    worth: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Score a forecast, as it was made and as the record so far would have widened it.

    Shapes: ``samples`` (cell, sample).
    """
    truth = cells[names.TRUTH].to_numpy()
    curves = pd.MultiIndex.from_frame(cells.reset_index()[CURVE])
    reference = measured_now(origin).reindex(curves).to_numpy()
    plain = _scores(samples, truth, reference)
    (repeated,) = rule_samples(origin, cells, RULE_SEED, {REPEATS: RULES[REPEATS]}).values()
    repeated = add_truth_noise(repeated, cells[names.TRUTH_STDERR].to_numpy(), RULE_SEED)
    plain[REPEATED] = _scores(repeated, truth, reference)[names.CRPS]
    wide = _scores(widened(samples, factor), truth, reference)
    rank = ((samples < truth[:, None]).sum(axis=1) + 0.5 * (samples == truth[:, None]).sum(axis=1) + 0.5) / (
        samples.shape[1] + 1.0
    )
    before = reference if now is None else now.reindex(curves).to_numpy()
    rows = []
    for i, row in enumerate(_rows(cells)):
        measured = {name: float(cells[name].iloc[i]) for name in (names.TRUTH, names.TRUTH_STDERR)}
        own = {name: float(values[i]) for name, values in plain.items()}
        own |= {PROMISED: float(before[i] - samples[i].mean()), DELIVERED: float(reference[i] - truth[i])}
        if worth is not None:
            own[BIAS_MONEY] = own[names.BIAS] * worth[row[names.SLICE]]
        rows.append(
            {**row, **measured, **own, RANK: float(rank[i]), "widened": {n: float(v[i]) for n, v in wide.items()}}
        )
    return {CELLS: rows, SURPRISE: surprise_of(samples, truth), FACTOR: factor}


def milestone(promised: Mapping[str, Any], batch: xr.Dataset) -> dict[str, Any] | None:
    """Hold what a batch measured against the errors that an advice promised for its parts."""
    frame = frame_of(batch, SIZE)
    kept = learner_names(promised[names.LEARNER])
    own = frame[names.LEARNER].isin(kept) & (frame[names.SUITE] == promised[names.SUITE])
    frame, each = frame[own & frame["plain"]], [names.SLICE, names.LEARNER]
    frame = frame[(frame[names.LABELS] == frame.groupby(each)[names.LABELS].transform("max"))]
    measured = frame.groupby(each)[[names.ERROR, names.LABELS]].mean().unstack().dropna()  # noqa: PD010  one cell each
    if not {*kept} <= {*frame[names.LEARNER]}:
        return None
    errors = joined(promised[names.LEARNER], [measured[names.ERROR, name] for name in kept])
    seen = pd.DataFrame({names.ERROR: errors, names.LABELS: measured[names.LABELS].min(axis=1)})
    weights, now = (pd.Series(promised[key], dtype=float) for key in ("weights", names.LABELS_NOW))
    if not weights.index.isin(seen.index).all():
        return None
    seen, rows = seen.loc[weights.index], pd.DataFrame(promised["rows"])
    delivered = int((seen[names.LABELS] - now).clip(lower=0).sum())
    there = rows[rows[names.LABELS] <= delivered]
    if there.empty:
        return None
    error, row = float((seen[names.ERROR] * weights).sum()), there.iloc[-1]
    low, high = (float(np.interp(delivered, rows[names.LABELS], rows[key])) for key in ("low", "high"))
    gain, last = promised["now"] - error, len(there) == len(rows)
    go = None if last else bool(row["p_go"] == 1.0 or (row["p_go"] > 0.0 and gain >= row["go_if_gain"]))
    found = {"step": int(row["step"]), "steps": len(rows), names.LABELS: delivered, names.ERROR: error, "low": low}
    return found | {"high": high, names.GAIN: gain, "inside": low <= error <= high, "go": go}


def _scores(samples: np.ndarray, truth: np.ndarray, reference: np.ndarray) -> dict[str, np.ndarray]:
    every = score_rows(samples[:, None], truth[:, None], reference)
    wanted = (names.CRPS, names.INTERVAL_SCORE, names.WIDTH, names.COVERS_50, names.COVERS_90)
    low, high = central_interval(samples, 0.9)
    scores = {name: every[name][:, 0] for name in wanted}
    return scores | {names.BIAS: samples.mean(axis=1) - truth, "low": low, "high": high}


def _rows(cells: pd.DataFrame) -> list[dict[str, Any]]:
    """Which curve, at how many labels, from how many runs."""
    table = cells.reset_index()
    return [
        {name: str(row[name]) for name in CURVE}
        | {names.LABELS: float(row[names.LABELS]), names.RUN_COUNT: int(row[names.RUN_COUNT])}
        for row in table.to_dict("records")
    ]


OUTERMOST = 10  # samples so far out that counting them says little


def surprise_of(samples: np.ndarray, truth: np.ndarray) -> float:
    """Say how little a forecast expected what was measured.

    Shapes: ``samples`` (cell, sample), ``truth`` (cell,).
    """
    least = np.finfo(float).tiny
    logs, measured = np.log(np.maximum(samples, least)), np.log(np.maximum(truth, least))
    single = _two_sided(logs, measured)
    together = _two_sided(logs.mean(axis=0)[None], measured.mean()[None])
    return float(min(1.0, 2.0 * min(single.size * single.min(), together.min())))


def _two_sided(samples: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """p-value of each row; beyond the outermost samples from a normal distribution of their mean and spread."""
    below = ((samples < measured[:, None]).sum(axis=1) + 0.5) / (samples.shape[1] + 1.0)
    counted = 2.0 * np.minimum(below, 1.0 - below)
    spread = np.maximum(samples.std(axis=1), np.finfo(float).tiny)
    normal = 2.0 * scipy.special.ndtr(-np.abs(measured - samples.mean(axis=1)) / spread)
    return np.where(counted < OUTERMOST / samples.shape[1], np.minimum(normal, counted), counted)


def widened(samples: np.ndarray, factor: float) -> np.ndarray:
    """Stretch samples about their median on log error.

    Shapes: ``samples`` (..., sample); gives (..., sample).
    """
    positive = np.maximum(samples, np.finfo(float).tiny)
    center = np.median(positive, axis=-1, keepdims=True)
    return center * (positive / center) ** factor if factor != 1.0 else samples


def scorecard(records: Sequence[Record]) -> pd.DataFrame:
    """Lay out every scored forecast of the batches that stand, one row a curve and batch."""
    rows: list[dict[str, Any]] = []
    counted = {batch.content for batch in current_batches(records)}
    for record in records:
        if record.kind == "score" and record.content["content"] in counted:
            known = record.content
            about = {names.BATCH: known[names.BATCH], "fit": known["fit"], FACTOR: known[FACTOR]}
            rows += [{**about, **{k: v for k, v in cell.items() if k != "widened"}} for cell in known[CELLS]]
    table = pd.DataFrame(rows)
    return table[[name for name in ORDER if name in table]]


def width_factor(ranks: Sequence[float]) -> float:
    """Say by how much intervals should have been wider, from the ranks of what was measured in its forecasts.

    Root mean square of the normal scores, shrunk to 1 as by eight calibrated forecasts more. Forecasts of one batch
    err together, so that the record says less than their number.
    """
    if len(ranks) < LEAST:
        return 1.0
    squares = np.array([NormalDist().inv_cdf(rank) for rank in ranks]) ** 2
    return float(np.sqrt((LEAST + squares.sum()) / (LEAST + squares.size)))


def calibration(card: pd.DataFrame) -> Mapping[str, Any]:
    """Sum up a scorecard: how often intervals held, mean CRPS and bias, and the factor that follows."""
    if card.empty:
        return {names.FORECASTS: 0, FACTOR: 1.0}
    means = {n: float(card[n].mean()) for n in (names.COVERS_50, names.COVERS_90, names.CRPS, names.BIAS)}
    if REPEATED in card and card[REPEATED].notna().any():
        both = card[[names.CRPS, REPEATED]].dropna()  # of forecasts that the rule was held against
        means |= {REPEATED: float(both[REPEATED].mean()), RATIO: float(both[names.CRPS].mean() / both[REPEATED].mean())}
    if BIAS_MONEY in card and card[BIAS_MONEY].notna().any():
        means[BIAS_MONEY] = float(card[BIAS_MONEY].mean())
    return {names.FORECASTS: len(card), **means, FACTOR: width_factor(card[RANK].tolist())}


def both_widths(records: Sequence[Record], name: str) -> pd.DataFrame:
    """Lay out the gains that a fit promised with both of their intervals: the model's, and as the record widens it."""
    made = [r.content for r in records if r.kind == "forecast" and r.content["of"] == names.GAIN]
    made = [content for content in made if content["fit"] == name and content[FACTOR] != 1.0]
    if not made:
        return pd.DataFrame()
    low, high = (str(q) for q in (QUANTILES[0], QUANTILES[-1]))
    rows = []
    for cell in made[-1][CELLS]:
        where = {key: cell[key] for key in (names.SLICE, names.LEARNER, names.SUITE, names.BUDGET) if key in cell}
        plain, wide = cell["quantiles"], cell["widened"]
        rows.append(where | {"low": plain[low], "high": plain[high], "wide_low": wide[low], "wide_high": wide[high]})
    table = pd.DataFrame(rows)
    table.attrs = {FACTOR: made[-1][FACTOR]}
    return table


KINDS = ("batch", "score", "advice", "forecast", "fit", "check")  # kinds of records that tell of a project over time
FORECAST, LIMIT = "forecast", "surprise_limit"
RECENT = 3  # batches or pieces of advice in a row that must fall short before that is called stagnation
TOTALS = (names.LABELS, names.COST, PROMISED, DELIVERED)
PRICES = "costs"  # part of a case that says what things cost; all other parts say what is wanted
PER_MONEY = "per_money"  # expected net benefit of an advice over its expected cost


def batches_over_time(table: pd.DataFrame, records: Sequence[Record]) -> list[dict[str, Any]]:
    """Sum up money, labels and gains batch by batch and all up to each, with how its forecast did and what was advised.

    ``forecast`` holds means over the curves that were forecast, ``None`` where none was.
    """
    arrived = {record.content[names.BATCH]: record for record in records if record.kind == "batch"}
    forecasts = _forecasts(records)
    contents = {batch.name: batch.content for batch in current_batches(records)}
    sums = table.groupby(names.BATCH, sort=False)[list(TOTALS)].sum(min_count=1)
    so_far = sums.fillna(0.0).cumsum().where(sums.notna().cummax())
    advised = [row[names.UNIT] for row in advice_over_time(records)]
    made = []
    for name, own, all_of_them in zip(sums.index, sums.to_dict("records"), so_far.to_dict("records"), strict=True):
        totals = {key: _known(own[key]) for key in TOTALS}
        totals |= {f"{key}_so_far": _known(all_of_them[key]) for key in TOTALS}
        told = {FORECAST: forecasts.get(contents[name]), names.UNIT: advised[-1] if advised else ""}
        about = {names.BATCH: str(name), "time": arrived[name].time}
        made.append({**about, **totals, **told, **_judged(arrived[name].number, records)})
    return made


def _forecasts(records: Sequence[Record]) -> dict[str, dict[str, Any]]:
    """How the forecast of each batch did, by the digest of its runs.

    The band of the promised gain is that of the mean over curves: draws of one fit move together.
    """
    frozen = {
        r.content["content"]: r.content[CELLS] for r in records if r.kind == "forecast" and "content" in r.content
    }
    found: dict[str, dict[str, Any]] = {}
    scored: Mapping[str, Any] | None = None
    for record in records:
        content = record.content
        if record.kind == "score":
            scored, cells = content, pd.DataFrame(content[CELLS])
            columns = (PROMISED, DELIVERED, names.BIAS, names.WIDTH, names.COVERS_90)
            told = {name: float(cells[name].mean()) for name in columns if name in cells}
            told |= {names.FORECASTS: len(cells), SURPRISE: content[SURPRISE]}
            if PROMISED in told and content["content"] in frozen:
                drawn = np.mean([cell["draws"] for cell in frozen[content["content"]]], axis=0)
                spread = float(np.sqrt((cells[names.TRUTH_STDERR] ** 2).sum())) / len(cells)  # of what is measured
                drawn = drawn + spread * np.random.default_rng(record.number).standard_normal(drawn.size)
                ends = np.quantile(drawn, (0.95, 0.75, 0.25, 0.05))
                shown = zip((LOWER, INNER_LOWER, INNER_UPPER, UPPER), ends, strict=True)
                told |= {end: float(told[PROMISED] + drawn.mean() - at) for end, at in shown}
            found[content["content"]] = told
        elif record.kind == "check" and content["of"] == "triggers" and scored is not None:
            limits = [rule.get("limit") for rule in content["triggers"] if rule["trigger"] == SURPRISE]
            found[scored["content"]][LIMIT] = limits[0] if limits else None
            scored = None
    return found


def _judged(number: int, records: Sequence[Record]) -> dict[str, Any]:
    """The last verdict on a fit, and the last advice, after a batch and before the next one."""
    later = [record.number for record in records if record.kind == "batch" and record.number > number]
    end = min(later, default=float("inf"))
    told = {r.kind: r.content for r in records if number < r.number < end}
    verdict = told["fit"]["verdict"] if "fit" in told else None
    return {"verdict": verdict, "advice": told.get("advice", {}).get("advice")}


def _known(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)


def advice_over_time(records: Sequence[Record]) -> list[dict[str, Any]]:
    """Lay out what each advice was expected to bring for its money."""
    made = []
    for record in records:
        content = record.content
        if record.kind != "advice" or names.COST not in content:
            continue
        cost, net = content[names.COST]["mean"], content[names.NET_BENEFIT]["mean"]
        about = {"number": record.number, "time": record.time, "advice": content["advice"]}
        money = {names.COST: cost, names.NET_BENEFIT: net, names.UNIT: content[names.UNIT]}
        made.append({**about, names.LABELS: content["total"], **money, PER_MONEY: per_money(content)})
    return made


def per_money(content: Mapping[str, Any]) -> float | None:
    """Return the expected net benefit per unit of money of an advice."""
    cost = content.get(names.COST, {}).get("mean", 0.0)
    return content[names.NET_BENEFIT]["mean"] / cost if cost > 0 else None


def less_for_money(records: Sequence[Record]) -> list[str]:
    """Say so where the net benefit per unit of money has fallen at each of the last pieces of advice."""
    rates = [row[PER_MONEY] for row in advice_over_time(records) if row[PER_MONEY] is not None][-RECENT - 1 :]
    if len(rates) <= RECENT or not all(a > b for a, b in pairwise(rates)):
        return []
    said = ", ".join(significant(rate) for rate in rates)
    return [f"stagnation: expected net benefit per unit of money fell {RECENT} times in a row: {said}"]


def goal_drift(records: Sequence[Record]) -> list[str]:
    """Say so where the case wants something else than it did for the advice before the last."""
    made = [record for record in records if record.kind == "advice"]
    if len(made) < 2:
        return []
    old, new = (parse_toml(record.content[CASE_TEXT]) for record in made[-2:])
    changed = sorted(key for key in {*old, *new} - {PRICES, "name", "approvals"} if old.get(key) != new.get(key))
    if not changed:
        return []
    return [f"goal drift: the case wants something else than at record {made[-2].number}: {', '.join(changed)}"]


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    """Say what differs from the advice before: inputs first, then the decision, then every slice, most moved first."""
    return (*_inputs(before, after), *_decided(before, after), *_slices(before, after))


def _inputs(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    if before["fit"] != after["fit"]:
        yield f"fit: {after['fit']} instead of {before['fit']}"
    if before[CASE_SHA] != after[CASE_SHA]:
        yield "the case was edited"
    old, new = (told.get("settings", {}).get(WIDTH, 1.0) for told in (before, after))
    if old != new:
        yield f"intervals: × {new:.2f} by the scorecard, × {old:.2f} before"


def _decided(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    if before["advice"] != after["advice"]:
        yield f"advice: from {before['advice']} to {after['advice']}"
    for name, said in ((names.NET_BENEFIT, "expected net benefit"), (names.COST, "expected cost")):
        if name not in before or name not in after:
            continue
        old, new = (
            f"{estimated(told[name]['mean'], told[name].get(names.MCSE))} {told[names.UNIT]}"
            for told in (before, after)
        )
        if old != new:
            yield f"{said}: from {old} to {new}"


def _slices(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    old, new = (told[PLAN] for told in (before, after))
    moved = {name: (old.get(name, 0), new.get(name, 0)) for name in dict.fromkeys([*new, *old])}
    for name, (was, now) in sorted(moved.items(), key=lambda item: (-abs(item[1][1] - item[1][0]), item[0])):
        if was != now:
            yield f"labels of {name}: from {was:,} to {now:,}"
