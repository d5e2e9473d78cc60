"""Where the next labels are worth most, how sure that is, and the strongest reason to doubt it."""

from __future__ import annotations

from typing import Any

import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.forecast.backtesting.trust import trusted_distance
from labelvalue.forecast.gains.curves import VALIDATED_DOUBLINGS, best_of
from labelvalue.model.fitting.result import Fit
from labelvalue.report.numbers.tables import LOWER, MEAN, P_POSITIVE, UPPER, beyond
from labelvalue.report.words.wording import CLEAR

TIE = 0.7  # P(best) below which the best slice counts as tied with others


def best_slices(fit: Fit, gain: xr.DataArray, table: pd.DataFrame) -> list[dict[str, Any]]:
    """Say for each learner in which slice labels are worth most, at one budget for all slices.

    Slices are compared at the largest budget for which no slice lies beyond the validated distance, else
    at the smallest. Best is the slice of the largest mean gain.
    """
    positive = [int(b) for b in gain[names.BUDGET].values if b > 0]
    if not positive:
        return []
    budget = _common_budget(gain, positive)
    learners = gain[names.LEARNER].values if names.LEARNER in gain.dims else [None]
    return [_for_learner(fit, gain, table, learner, budget, sorted(positive)) for learner in learners]


def _common_budget(gain: xr.DataArray, budgets: list[int]) -> int:
    """Largest budget at which every slice is within the validated distance, else the smallest."""
    farthest = gain[names.DOUBLINGS].max([d for d in gain[names.DOUBLINGS].dims if d != names.BUDGET])
    within = [b for b in budgets if float(farthest.sel({names.BUDGET: b})) <= VALIDATED_DOUBLINGS]
    return max(within) if within else min(budgets)


def _for_learner(
    fit: Fit, gain: xr.DataArray, table: pd.DataFrame, learner: Any, budget: int, budgets: list[int]
) -> dict[str, Any]:
    if learner is not None:
        gain = gain.sel({names.LEARNER: learner})
        table = table[table[names.LEARNER] == learner]
    rows = table[table[names.BUDGET] == budget].sort_values(MEAN, ascending=False, kind="stable")
    best = rows.iloc[0]
    name = best[names.SLICE]
    now = fit.posterior[names.ERROR_NOW].sel({names.SLICE: name})
    now = now if learner is None else now.sel({names.LEARNER: learner})
    own = gain.sel({names.SLICE: name, names.BUDGET: budget})
    chances = p_best(gain.sel({names.BUDGET: budget}))
    rivals: list[dict[str, Any]] = [
        {names.SLICE: str(row[names.SLICE]), names.P_BEST: chances[row[names.SLICE]], MEAN: float(row[MEAN])}
        for _, row in rows.iloc[1:].iterrows()
    ]
    rivals.sort(key=lambda r: (-r[names.P_BEST], -r[MEAN]))
    runner = None
    if len(rows) > 1:
        other = gain.sel({names.SLICE: rows.iloc[1][names.SLICE], names.BUDGET: budget})
        ahead = float((own > other).mean())
        runner = {
            names.SLICE: str(rows.iloc[1][names.SLICE]),
            MEAN: float(rows.iloc[1][MEAN]),
            "p_ahead": ahead,
        }
    said: dict[str, Any] = {
        names.LEARNER: None if learner is None else str(learner),
        names.BUDGET: budget,
        names.SLICE: str(name),
        **{key: float(best[key]) for key in (MEAN, LOWER, UPPER, P_POSITIVE, names.MCSE)},
        names.ERROR_NOW: float(now.mean()),
        "share_of_error": float((own / now).mean()),
        names.P_BEST: chances[name],
        "tie": len(rows) > 1 and chances[name] < TIE,
        "runner_up": runner,
        "rivals": rivals[:4],
        "within_validated": float(gain[names.DOUBLINGS].sel({names.BUDGET: budget}).max()) <= VALIDATED_DOUBLINGS,
        "by_budget": [_leader(gain, table, b) for b in budgets],
    }
    said["reservations"] = _reservations(fit, said, float(best[names.DOUBLINGS]))
    return said


def _leader(gain: xr.DataArray, table: pd.DataFrame, budget: int) -> dict[str, Any]:
    rows = table[table[names.BUDGET] == budget]
    best = rows.sort_values(MEAN, ascending=False, kind="stable").iloc[0]
    chance = p_best(gain.sel({names.BUDGET: budget}))[best[names.SLICE]]
    numbers = {key: float(best[key]) for key in (MEAN, LOWER, UPPER, P_POSITIVE)}
    far = beyond(float(best[names.DOUBLINGS]))
    return {
        names.BUDGET: budget,
        names.SLICE: str(best[names.SLICE]),
        **numbers,
        names.P_BEST: chance,
        names.FLAGS: far,
    }


def p_best(gain: xr.DataArray) -> dict[str, float]:
    """Share of draws in which each slice's gain is the largest."""
    share = best_of(gain, names.SLICE).mean(names.SAMPLE)
    return dict(zip(gain[names.SLICE].values.astype(str).tolist(), share.values.tolist(), strict=True))


def _reservations(fit: Fit, said: dict[str, Any], doublings: float) -> list[str]:
    """Reasons to doubt the sentence, the strongest first; the last always holds."""
    flags = fit.diagnostics.flags.get(said[names.SLICE], ())
    found = []
    if fit.diagnostics.verdict != "ok":
        found.append(f"The fit is {fit.diagnostics.verdict}: {'; '.join(fit.diagnostics.reasons)}.")
    if fit.backtest is not None and not trusted_distance(fit.backtest):
        found.append("The check of forecasts on these runs, below, gives no ground to trust them.")
    if names.MOSTLY_ASSUMPTION in flags:
        found.append("The data say little about this slice: its impact is mostly assumption.")
    if names.SHAPE_MISFIT in flags:
        found.append("The observed errors of this slice do not follow a learning curve of this model.")
    if beyond(doublings):
        found.append(
            f"The forecast reaches {doublings:.1f} doublings beyond the largest size observed for this "
            f"slice; forecasts were checked on real curves up to {VALIDATED_DOUBLINGS:g}."
        )
    if names.BORROWED in flags:
        found.append("Fewer than three sizes were measured in this slice, so the forecast leans on the other slices.")
    if said[P_POSITIVE] < CLEAR:
        found.append(f"There may be no gain at all: P(gain > 0) is only {said[P_POSITIVE]:.2f}.")
    every = fit.diagnostics.flags.values()
    count = sum(bool(f) for f in every)
    if count:
        found.append(
            f"{count} of {len(fit.slices)} slices carry a flag; their gains may be worth more or less than said."
        )
    found.append(
        "Gains of different slices are compared as they are: neither the share nor the stakes of a slice, "
        "nor the price of a label, is known to this page."
    )
    return found
