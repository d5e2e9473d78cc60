"""What the checks found, in plain words: convergence, flags, limitations, least squares, learners side by side."""

import json
import math
import operator
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.forecast.backtesting.trust import (
    backtest_verdict,
    far,
    gain_reliability,
    summarise_backtest,
    trusted_distance,
)
from labelvalue.forecast.gains.bootstrap import bootstrap_gain, gain_disagreement
from labelvalue.forecast.gains.curves import VALIDATED_DOUBLINGS
from labelvalue.forecast.gains.drift import drift_rate
from labelvalue.forecast.gains.learners_and_suites import MUCH_BETTER, gain_over_learners, step_value
from labelvalue.model.fitting.result import Fit
from labelvalue.model.sampling.diagnostics import FLAGGED, OK
from labelvalue.numerals import counted, significant, tails
from labelvalue.problems import InputError
from labelvalue.report.numbers.tables import plain, records
from labelvalue.report.words.doubts import Limit
from labelvalue.report.words.wording import percent, probability

DRAWS = 400
MOST_CURVES = 50  # curves up to which a page computes it: half a minute of resampling for 200 is left to whoever asks
CALL = "gain_disagreement(predict_gain(fit, budgets), bootstrap_gain(fit, budgets))"
DISAGREES = "disagrees"


def second_opinion(fit: Fit, gain: xr.DataArray, *, ci_prob: float = 0.9) -> dict[str, Any]:
    """Hold gains against those of a clustered bootstrap."""
    budgets = [int(b) for b in gain[names.BUDGET].values if b > 0]
    curves = fit.position[names.LABELS_NOW].size
    none: dict[str, Any] = {"rows": [], "draws": DRAWS}
    if not budgets:
        return none | {"sentence": "No budget above 0 was asked for, so there is no gain to compare."}
    if curves > MOST_CURVES:
        said = f"Not computed for {curves:,} curves, more than {MOST_CURVES}; in Python, {CALL} does it."
        return none | {"sentence": said}
    try:
        other = bootstrap_gain(fit, budgets, draws=DRAWS)
    except InputError as error:
        return none | {"sentence": f"Not computed: {error.problems[0].why}."}
    table = gain_disagreement(gain.sel({names.BUDGET: budgets}), other, ci_prob=ci_prob)
    return {"sentence": table.attrs["sentence"], "rows": records(table), "draws": DRAWS}


def disagreement_limits(opinion: dict[str, Any] | None) -> Iterator[Limit]:
    """Say that two opinions differ, as a limitation."""
    if opinion is not None and any(row[DISAGREES] for row in opinion["rows"]):
        text = "There priors, pooling or the noise model decide the gain, or the bootstrap's curve does not fit."
        yield "second-opinion", "another method says otherwise", f"{opinion['sentence']} {text}"


COMMAND = "labelvalue fit RUNS --out FIT.nc"  # what attaches a backtest to a fit


def backtest_numbers(result: xr.Dataset) -> dict[str, Any]:
    """Collect every number and text that is shown of a backtest."""
    by = str(result.attrs[names.BY])
    scores = summarise_backtest(result).sort_values(names.DISTANCE, kind="stable")
    scores["ahead"] = [far(int(d), by) for d in scores[names.DISTANCE]]
    seen = result[names.TRUTH].count([d for d in result[names.TRUTH].dims if d != names.SLICE])
    numbers = {
        "sentence": backtest_verdict(result),
        "trusted_distance": trusted_distance(result),
        names.BY: by,
        "scores": scores.to_dict(orient="records"),
        "reliability": gain_reliability(result).to_dict(orient="records"),
        "not_scored": result[names.SLICE].values[seen.values == 0].tolist(),
        "settings": json.loads(result.attrs["settings"]),
    }
    return {name: plain(value) for name, value in numbers.items()}


FLAG_MEANINGS = {
    names.BORROWED: (
        "Fewer than three sizes were measured in this slice. Its curve is inferred mostly from the other "
        "slices. Measuring two or three more sizes would mend that."
    ),
    names.MOSTLY_ASSUMPTION: (
        "The data hardly narrow the impact of labels in this slice: the answer is about as wide as what was "
        "assumed before seeing any data. Treat its gains as a guess."
    ),
    names.SHAPE_MISFIT: (
        "The observed errors do not fall as a learning curve of this model would, for instance because they "
        "rise with labels. Look for a fault in the data or the training before buying labels here."
    ),
    names.BEYOND_VALIDATED: (
        f"The size lies more than {VALIDATED_DOUBLINGS:g} doublings (a factor of "
        f"{2**VALIDATED_DOUBLINGS:g}) beyond the largest size observed in the slice. Intervals were checked "
        "on real curves up to that distance only."
    ),
}

VERDICT_MEANINGS = {
    "ok": "The sampler passed every check, and the model fits the runs. Results may be used.",
    "flagged": "A check was missed: of convergence, of whether the model fits the runs, or of whether forecasts came "
    "true. The reasons say which. Results are shown to be looked at; no decision is published from them.",
    "refused": "The sampler failed its checks. Its numbers mean nothing, so only the diagnostics are shown.",
}

# figure, title, sign of the comparison with a threshold, format, meaning
_CHECKS = (
    ("rhat", "R-hat, worst", "≤", "{:.3f}", "Do the chains (runs of the sampler) agree? 1 is perfect."),
    ("ess_bulk", "Bulk ESS, worst", "≥", "{:.0f}", "Effective sample size: independent draws, centre."),
    ("ess_tail", "Tail ESS, worst", "≥", "{:.0f}", "The same, for ends of intervals."),
    ("divergences", "Divergent draws", "≤", "{:.2f} %", "Draws where the sampler lost its way; they bias."),
    ("bfmi", "E-BFMI, worst chain", "≥", "{:.2f}", "Does it reach likely and unlikely regions alike?"),
    ("depth", "Draws at depth limit", "≤", "{:.2f} %", "Draws cut off too early."),
)


def checks(fit: Fit) -> list[dict[str, Any]]:
    """List the convergence figures against their thresholds."""
    found = []
    for name, title, sign, digits, meaning in _CHECKS:
        value = float(fit.diagnostics.figures.get(name, math.nan))
        gate = "ess" if name.startswith("ess") else name
        strict, loose = float(getattr(OK, gate)), float(getattr(FLAGGED, gate))

        better = operator.le if sign == "≤" else operator.ge
        passed = "ok" if better(value, strict) else "flagged" if better(value, loose) else "refused"
        row = {"name": name, "title": title, "meaning": meaning, "value": value, "sign": sign, "ok": strict}
        shown = [_shown(v, digits) for v in (value, strict, loose)]
        found.append(row | {"flagged": loose, "passed": passed, "shown": shown})
    return found


def _shown(value: float, digits: str) -> str:
    if not math.isfinite(value):
        return "not available"
    return digits.format(100 * value if "%" in digits else value)


def flagged_slices(fit: Fit) -> dict[str, list[str]]:
    """Group flags with the slices that carry them."""
    found: dict[str, list[str]] = {}
    for name, flags in sorted(fit.diagnostics.flags.items()):
        for flag in flags:
            found.setdefault(flag, []).append(str(name))
    return found


def limitations(
    fit: Fit,
    far: list[tuple[str, int, float]],
    decided: Iterable[Limit] | None = None,
    assumed: Iterable[Limit] = (),
    ci_prob: float = 0.9,
) -> list[dict[str, str]]:
    """Generate the assumptions and limitations that hold for this fit, those of a case and a decision among them."""
    found = [*_found(fit, far), *assumed, *(decided or ()), *_standing(fit, ci_prob)]
    if decided is None:
        text = "Nothing here knows how often a slice occurs, what an error costs in it, or what a label costs."
        found.append(("weights", "slices weigh the same", text))
    return [dict(zip(("check", "topic", "text"), limit, strict=True)) for limit in found]


def _found(fit: Fit, far: list[tuple[str, int, float]]) -> Iterator[Limit]:
    """What the checks of the fit found."""
    verdict = fit.diagnostics.verdict
    if verdict != "ok":
        text = f"{VERDICT_MEANINGS[verdict]} Reasons: {'; '.join(fit.diagnostics.reasons)}."
        yield "verdict", f"fit {verdict}", text
    for flag, slices in flagged_slices(fit).items():
        meaning = FLAG_MEANINGS.get(flag, "A check of this slice found something unusual.")
        yield f"flag/{flag}", flag, f"{meaning} Slices ({len(slices)}): {', '.join(slices)}."
    if far:
        name, budget, doublings = max(far, key=lambda f: f[2])
        where = f"the farthest is slice {name} at +{budget:,} labels, {doublings:.1f} doublings."
        text = f"{FLAG_MEANINGS[names.BEYOND_VALIDATED]} This holds for {len(far)} of the forecasts here; {where}"
        yield "distance", names.BEYOND_VALIDATED, text
    if names.WEIGHT in fit.runs:
        weight, batches = fit.runs[names.WEIGHT].values, fit.runs[names.BATCH].values.astype(str)
        told = sorted({*batches[weight < 1.0].tolist()})
        said = ", ".join(f"{name} ({float(weight[batches == name].min()):g})" for name in told)
        text = f"Runs of these batches count for only a share of their likelihood, as was asked for: {said}."
        yield "discount", "old runs count for less", text
    for note in fit.settings.get(names.NOTES, []):
        yield "note", "note from the data or the fit", str(note)
    if fit.backtest is None:
        text = "Whether forecasts made from part of these runs come true on the rest was not checked."
        yield names.BACKTEST, "not backtested", f"{text} To check it: {COMMAND}."


def _standing(fit: Fit, ci_prob: float) -> Iterator[Limit]:
    """Assumptions that hold for every fit of this kind."""
    text = "give or take a discrepancy that grows with the distance from the data."
    yield "curve", "learning curve", f"Errors follow the model '{fit.model.name}', {text}"
    text = "New labels are drawn and labelled as the old ones were; the slice itself is unchanged."
    yield "data-distribution", "more of the same", text
    text = "Gains are drops in expected error on evaluation sets like those of the runs, not in other uses."
    more = "What a single new training would show scatters more (observed gain)."
    yield "evaluation", "the same evaluation", f"{text} {more}"
    sizes = counted(int(np.min(fit.position[names.SIZES].values)), "distinct size")
    text = "Slices with few runs are pulled towards the rest through group-level priors; the slice measured least has "
    yield "pooling", "borrowing strength", f"{text}{sizes}."
    if fit.diagnostics.verdict != "refused":
        yield "drift", "doing nothing", _drift(fit, ci_prob)
    if bool((fit.position[names.OTHER_LABELS_NOW] > 0).any()):
        text = "A gain counts labels of one slice while the others keep what they have"
        yield "one-at-a-time", "one slice at a time", f"{text}; gains of several slices do not add up."


def _drift(fit: Fit, ci_prob: float) -> str:
    """What is taken of errors that move with time, and where that comes from."""
    rate = drift_rate(fit)
    ends = np.quantile(rate.mean(names.SLICE), tails(ci_prob))
    low, high = (percent(float(np.expm1(end))) for end in ends)
    said = rate.attrs[names.NOTES].splitlines()[0].partition(" Fix:")[0].removesuffix(".")
    return (
        f"Left as it is, a model's error would move by {low} to {high} in a year "
        f"({percent(ci_prob)} interval, mean over slices): {said}."
    )


MOST_STEPS = 4  # learners that a page holds against the first


def step_sentences(fit: Fit, gain: xr.DataArray, budget: int | None, first: str, ci_prob: float) -> list[str]:
    """Say what each other learner takes off the first one's error, and whether that grows with labels."""
    if names.LEARNER not in gain.dims or not budget:
        return []
    now = fit.posterior[names.ERROR_NOW].reset_coords(drop=True)
    then = now - gain.sel({names.BUDGET: budget}, drop=True).reset_coords(drop=True)
    error = xr.concat([now, then], dim=names.LABELS).mean(names.SLICE)
    known = error[names.LEARNER].values.astype(str).tolist()
    without = first if first in known else known[0]
    said = []
    for step in [name for name in known if name != without][:MOST_STEPS]:
        found = step_value(error, step, without)
        worth = [_spread(found[names.VALUE].isel({names.LABELS: i}), ci_prob) for i in (0, 1)]
        said.append(
            f"Learner {step} instead of {without} takes {worth[0]} off the error now, and {worth[1]} with {budget:,} "
            f"more labels a slice: a change of {_spread(found['interaction'], ci_prob)}; P(it gains value as labels "
            f"grow) {probability(float(found['p_grows']))}."
        )
    return said


def hidden_limits(gain: xr.DataArray | None, budget: int | None) -> Iterator[Limit]:
    """Say that an average over learners hides the best of them, as a limitation, where it does."""
    if gain is None or names.LEARNER not in gain.dims or not budget:
        return
    own = gain.sel({names.BUDGET: budget}, drop=True).reset_coords(drop=True).mean(names.SLICE)
    found = gain_over_learners(own)
    if not bool(found["hidden"]):
        return
    each = own.mean(names.SAMPLE)
    best = str(each[names.LEARNER].values[int(each.argmax(names.LEARNER))])
    text = (
        f"One sentence for all learners would hide {best}: with {budget:,} more labels a slice its error drops by "
        f"{significant(float(each.max()))}, the average over {own.sizes[names.LEARNER]} learners by "
        f"{significant(float(each.mean()))}; the best gains more than {MUCH_BETTER:g} times the average with "
        f"probability {probability(float(found['p_hidden']))}."
    )
    yield "learners", "an average over learners hides the best", text


def _spread(drawn: xr.DataArray, ci_prob: float) -> str:
    low, high = (significant(float(end)) for end in np.quantile(drawn, tails(ci_prob)))
    return f"{significant(float(drawn.mean()))} ({percent(ci_prob)} interval {low} to {high})"
