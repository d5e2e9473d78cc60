"""A backtest in numbers and words, for the page, for JSON and for a terminal."""

from __future__ import annotations

import json
from typing import Any

import xarray as xr

from labelvalue import names
from labelvalue.forecast import backtest_verdict, summarise_backtest
from labelvalue.forecast.trust import far, gain_reliability, trusted_distance
from labelvalue.report.tables import plain

COMMAND = "labelvalue fit RUNS --out FIT.nc"
"""What attaches a backtest to a fit."""


def backtest_numbers(result: xr.Dataset) -> dict[str, Any]:
    """Collect every number and text that is shown of a backtest.

    Parameters
    ----------
    result : xarray.Dataset
        From :func:`labelvalue.backtest`.

    Returns
    -------
    dict
        ``sentence`` (the verdict), ``trusted_distance`` (steps ahead, 0 where none), ``by``, ``scores`` (rows of
        ``summarise_backtest``, with the distance in words as ``ahead``), ``reliability`` (of P(gain > 0), by bin),
        ``not_scored`` (slices that had too little) and ``settings``.

    Examples
    --------
    >>> from labelvalue.testing import fake_backtest
    >>> backtest_numbers(fake_backtest(seed=1))["trusted_distance"]
    1
    """
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
