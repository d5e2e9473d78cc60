"""Where least squares through resampled replicates disagrees with the posterior, in numbers and one sentence."""

from __future__ import annotations

from typing import Any

import xarray as xr

from labelvalue import names
from labelvalue.forecast import bootstrap_gain, gain_disagreement
from labelvalue.forecast.curves import curve_dims
from labelvalue.model import Fit
from labelvalue.problems import InputError
from labelvalue.report.plans import records

DRAWS = 400
MOST_CURVES = 50
"""Curves up to which a page computes it: half a minute of resampling for 200 is left to whoever asks."""
CALL = "gain_disagreement(predict_gain(fit, budgets), bootstrap_gain(fit, budgets))"
DISAGREES = "disagrees"


def second_opinion(fit: Fit, gain: xr.DataArray, *, ci_prob: float = 0.9) -> dict[str, Any]:
    """Hold gains against those of a clustered bootstrap.

    Parameters
    ----------
    fit : Fit
        Fit.
    gain : xarray.DataArray
        From ``predict_gain``.
    ci_prob : float
        Probability of the equal-tailed intervals, 0 < ci_prob < 1.

    Returns
    -------
    dict
        ``sentence``; ``rows`` of :func:`labelvalue.gain_disagreement` at budgets above 0, empty where it was not
        computed; ``draws``, resamples.

    Examples
    --------
    >>> from labelvalue.forecast import predict_gain
    >>> from labelvalue.testing import fake_fit
    >>> fit = fake_fit(seed=1)
    >>> len(second_opinion(fit, predict_gain(fit, [0, 500]))["rows"])
    4
    """
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
    """Say that two opinions differ, as a limitation.

    Parameters
    ----------
    opinion : dict or None
        From :func:`second_opinion`.

    Returns
    -------
    list of (check, topic, text)
        Empty where they agree.

    Examples
    --------
    >>> disagreement_limits({"rows": [{"disagrees": True}], "sentence": "They differ."})[0][0]
    'second-opinion'
    """
    if opinion is None or not any(row[DISAGREES] for row in opinion["rows"]):
        return []
    text = (
        f"{opinion['sentence']} The bootstrap knows no priors, no pooling and no noise model: where the two differ, "
        "these decide the gain, or its curve does not fit."
    )
    return [("second-opinion", "another method says otherwise", text)]
