"""Batches that came as a surprise, and what they would have been had they come as forecast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from labelvalue import names
from labelvalue.forecast.backtesting.holdout import CURVE
from labelvalue.operate.history import scorecard
from labelvalue.operate.store.records import Record

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
