"""Where least squares through resampled replicates disagrees with the posterior, in numbers and one sentence."""

from __future__ import annotations

import json
from typing import Any

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
from labelvalue.forecast.gains.curves import curve_dims
from labelvalue.model.fitting.result import Fit
from labelvalue.problems import InputError
from labelvalue.report.numbers.plan import records
from labelvalue.report.numbers.tables import plain

DRAWS = 400
MOST_CURVES = 50  # curves up to which a page computes it: half a minute of resampling for 200 is left to whoever asks
CALL = "gain_disagreement(predict_gain(fit, budgets), bootstrap_gain(fit, budgets))"
DISAGREES = "disagrees"


def second_opinion(fit: Fit, gain: xr.DataArray, *, ci_prob: float = 0.9) -> dict[str, Any]:
    """Hold gains against those of a clustered bootstrap."""
    budgets = [int(b) for b in gain[names.BUDGET].values if b > 0]
    curves = 1
    for dim in curve_dims(fit):
        curves *= fit.position.sizes[dim]
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


def disagreement_limits(opinion: dict[str, Any] | None) -> list[tuple[str, str, str]]:
    """Say that two opinions differ, as a limitation."""
    if opinion is None or not any(row[DISAGREES] for row in opinion["rows"]):
        return []
    text = (
        f"{opinion['sentence']} The bootstrap knows no priors, no pooling and no noise model: where the two differ, "
        "these decide the gain, or its curve does not fit."
    )
    return [("second-opinion", "another method says otherwise", text)]


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
