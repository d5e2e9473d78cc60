"""Guardrails: rules about gains, errors and labels, each PASS, STOP or INCONCLUSIVE, with the labels to decide it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import scipy
import xarray as xr

from labelvalue import names
from labelvalue.decisions.advice.decision import worst_state
from labelvalue.decisions.advice.rules import state_of
from labelvalue.forecast.gains.curves import VALIDATED_DOUBLINGS, curve_dims
from labelvalue.forecast.gains.gains import predict_error, predict_gain, predict_observed_gain
from labelvalue.model.fitting.result import Fit
from labelvalue.numerals import PER_LABELS
from labelvalue.operate.store.configuration import Guardrails
from labelvalue.problems import InputError, Problem, did_you_mean

PASS, STOP, INCONCLUSIVE = names.PASS, names.STOP, names.INCONCLUSIVE
STATE = "state"
LADDER = 6  # budgets tried for the labels that would decide a rule: the batch, and its doublings


def evaluate(fit: Fit, rules: Guardrails, spent: float | None = None) -> list[dict[str, Any]]:
    """Judge a fit by rules."""
    _check_slices(fit, rules)
    found = []
    if rules.minimum_gain_per_1000 is not None:
        found.append(_minimum_gain(fit, rules, rules.minimum_gain_per_1000))
    if rules.maximum_labels is not None:
        found.append(_maximum_labels(fit, rules.maximum_labels))
    if rules.maximum_spend is not None:
        found.append(_maximum_spend(spent, rules.maximum_spend))
    found += [_error_limit(fit, rules, name, limit) for name, limit in rules.error_limits.items()]
    return found


def overall(judged: Sequence[Mapping[str, Any]]) -> str:
    """Return one state for all that was judged."""
    return worst_state(one[STATE] for one in judged)


def _curves(fit: Fit) -> Iterator[dict[str, str]]:
    """Each curve by its slice and, where there are several, learner and suite."""
    dims = curve_dims(fit)
    shape = [fit.position[d].values for d in dims]
    for index in np.ndindex(*(len(values) for values in shape)):
        yield {d: str(values[i]) for d, values, i in zip(dims, shape, index, strict=True)}


def _flat(draws: xr.DataArray, where: Mapping[str, str]) -> np.ndarray:
    """Draws of one curve, dims draw and the last dim."""
    one = draws.sel(where).transpose(names.CHAIN, names.DRAW, ...)
    return one.values.reshape(one.sizes[names.CHAIN] * one.sizes[names.DRAW], -1)


def _minimum_gain(fit: Fit, rules: Guardrails, least: float) -> dict[str, Any]:
    """Some slice's next batch must gain at least so much per 1,000 labels."""
    batch = rules.batch_labels
    ladder = [batch * 2**step for step in range(LADDER)]
    gain, shown = predict_gain(fit, [batch]), predict_observed_gain(fit, ladder)
    threshold = least * batch / PER_LABELS
    curves: list[dict[str, Any]] = []
    for where in _curves(fit):
        drawn = _flat(gain, where)[:, 0]
        probability = float((drawn >= threshold).mean())
        state = state_of(probability, rules.probability)
        within = _within(fit, where, ladder)
        needed: int | None = 0
        if state == INCONCLUSIVE:
            needed = _labels_to_decide(drawn, _flat(shown, where), threshold, rules.probability, within)
        curves.append({**where, STATE: state, "probability": probability, "labels_to_decide": needed})
    states = [curve[STATE] for curve in curves]
    state = PASS if PASS in states else STOP if set(states) == {STOP} else INCONCLUSIVE
    wanted: list[int] = [c["labels_to_decide"] for c in curves if c["labels_to_decide"]]
    needed = min(wanted, default=None) if state == INCONCLUSIVE else 0
    about = {"limit": least, "needed_probability": rules.probability, "batch_labels": batch}
    return {"rule": "minimum_gain_per_1000", STATE: state, **about, "labels_to_decide": needed, "curves": curves}


def _within(fit: Fit, where: Mapping[str, str], ladder: Sequence[int]) -> list[int]:
    now = float(fit.position[names.LABELS_NOW].sel(where))
    most = float(fit.position[names.REFERENCE_LABELS].sel(where)) * 2.0**VALIDATED_DOUBLINGS - now
    return [labels for labels in ladder if labels <= most]


def _labels_to_decide(
    gain: np.ndarray, shown: np.ndarray, threshold: float, probability: float, ladder: Sequence[int]
) -> int | None:
    """Return the fewest labels of the ladder after which the rule would be decided, were the mean to stay.

    Measuring at a budget leaves the share 1 − ρ² of the gain's variance, ρ its correlation with what one training and
    evaluation there would show.
    """
    distance = abs(float(gain.mean()) - threshold)
    for labels, seen in zip(ladder, shown.T, strict=False):
        rho = float(np.corrcoef(gain, seen)[0, 1])
        if distance >= scipy.special.ndtri(probability) * float(gain.std()) * np.sqrt(max(0.0, 1.0 - rho**2)):
            return int(labels)
    return None


def _maximum_labels(fit: Fit, most: int) -> dict[str, Any]:
    """All slices together may have so many labels."""
    now = fit.position[names.LABELS_NOW]
    others = [d for d in now.dims if d != names.SLICE]
    have = int(now.max(others).sum())
    state = STOP if have >= most else PASS
    return {"rule": "maximum_labels", STATE: state, "limit": most, "labels": have, "labels_to_decide": 0}


def _maximum_spend(spent: float | None, most: float) -> dict[str, Any]:
    """All batches together may have cost so much; where nobody said what they cost, nothing is decided."""
    state = INCONCLUSIVE if spent is None else STOP if spent >= most else PASS
    needed = None if spent is None else 0
    return {"rule": "maximum_spend", STATE: state, "limit": most, "spent": spent, "labels_to_decide": needed}


def _error_limit(fit: Fit, rules: Guardrails, name: str, limit: float) -> dict[str, Any]:
    """After the next batch, a slice's error must lie below its limit."""
    other = {d: str(fit.position[d].values[0]) for d in curve_dims(fit) if d != names.SLICE}
    where = {names.SLICE: name, **other}
    now = int(fit.position[names.LABELS_NOW].sel(where))
    ladder = [rules.batch_labels * 2**step for step in range(LADDER)]
    errors = _flat(predict_error(fit, [now + labels for labels in ladder]), where)
    holds = (errors <= limit).mean(axis=0)
    state = state_of(float(holds[0]), rules.probability)
    within = _within(fit, where, ladder)
    enough = [labels for labels, p in zip(within, holds, strict=False) if p >= rules.probability]
    needed = 0 if state == PASS else min(enough, default=None)
    about = {"limit": limit, "needed_probability": rules.probability, "batch_labels": rules.batch_labels}
    return {
        "rule": "error_limit",
        **where,
        STATE: state,
        "probability": float(holds[0]),
        **about,
        "labels_to_decide": needed,
    }


def _check_slices(fit: Fit, rules: Guardrails) -> None:
    known = [str(name) for name in fit.slices]
    problems = [
        Problem(
            column="guardrails.error_limits",
            value=name,
            why=f"unknown slice{did_you_mean(name, known)}",
            fix=f"one of {', '.join(known[:20])}",
        )
        for name in rules.error_limits
        if name not in known
    ]
    if problems:
        raise InputError(problems)
