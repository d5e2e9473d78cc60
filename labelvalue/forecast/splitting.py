"""A sum split between labels for training and labels for evaluation."""

from __future__ import annotations

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.checks import Checks
from labelvalue.forecast.detection import evaluation_size, power_of
from labelvalue.forecast.gains import predict_gain
from labelvalue.model import Fit

SHARES = np.round(np.linspace(0.0, 0.9, 19), 3)
"""Shares of a budget for evaluation labels that are tried."""


def split_budget(
    fit: Fit,
    money: float,
    *,
    price: float,
    evaluation_price: float | None = None,
    replicates: int = 1,
    level: float = 0.05,
) -> xr.Dataset:
    """Split a sum between labels for training and labels for evaluation, slice by slice.

    What is maximised is the gain that will be seen: gain times power, averaged over the posterior, since a gain that
    no measurement shows is not put to use.

    Parameters
    ----------
    fit : Fit
        Fit.
    money : float
        Sum to spend on a slice, > 0.
    price, evaluation_price : float
        Price of a training label and of an evaluation label; the same by default.
    replicates : int
        Models trained before and after.
    level : float
        Probability of seeing a gain where there is none.

    Returns
    -------
    xarray.Dataset
        Dims slice (and learner, suite): ``labels`` bought for training, ``evaluation_labels`` bought for evaluation,
        ``seen`` (expected gain that is seen), ``gain`` (expected gain), ``power``, and ``unsplit``, what would be seen
        if all went into training labels.

    Raises
    ------
    InputError
        If a number is out of range.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> split = split_budget(fake_fit(seed=1), 500, price=0.1)
    >>> bool((split["seen"] >= split["unsplit"]).all())
    True
    """
    each = price if evaluation_price is None else evaluation_price
    checks = Checks()
    for key, value in (("money", money), ("price", price), ("evaluation_price", each)):
        checks.number(key, value, above=True)
    checks.whole("replicates", replicates, least=1)
    checks.share("level", level)
    checks.finish()
    today = evaluation_size(fit)
    parts = []
    for share in SHARES:
        more, labels = int(money * share / each), int(money * (1 - share) / price)
        gain = predict_gain(fit, [labels])
        power = power_of(fit, gain, today + more, replicates, level)
        gain, power = (drawn.isel({names.BUDGET: 0}, drop=True) for drawn in (gain, power))
        found = {
            "seen": (gain * power).mean(names.SAMPLE),
            names.GAIN: gain.mean(names.SAMPLE),
            names.POWER: power.mean(names.SAMPLE),
        }
        one = xr.Dataset({name: value.reset_coords(drop=True) for name, value in found.items()})
        parts.append(one.assign({names.LABELS: labels, names.EVALUATION_LABELS: more}))
    tried = xr.concat(parts, dim="share")
    best = tried["seen"].argmax("share")
    made = tried.isel(share=best).assign(unsplit=tried["seen"].isel(share=0))
    attrs = {"money": float(money), "price": float(price), "evaluation_price": float(each)}
    return made.assign_attrs(attrs | {"verdict": fit.diagnostics.verdict})
