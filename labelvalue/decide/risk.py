"""Risk: what may be lost against doing nothing."""

from __future__ import annotations

import xarray as xr

from labelvalue import names
from labelvalue.checks import Checks


def value_at_risk(loss: xr.DataArray, level: float = 0.9) -> xr.Dataset:
    """Loss that is exceeded with probability 1 − level.

    Parameters
    ----------
    loss : xarray.DataArray
        Draws of the loss against doing nothing, positive = loss; dims chain, draw and any others.
    level : float
        Level α, 0 < α < 1.

    Returns
    -------
    xarray.Dataset
        ``value_at_risk`` and its Monte Carlo standard error ``mcse``; the other dims.

    Raises
    ------
    InputError
        If the level is no level.

    Examples
    --------
    >>> import numpy as np
    >>> loss = xr.DataArray(np.random.default_rng(1).normal(size=(4, 5000)), dims=("chain", "draw"))
    >>> round(float(value_at_risk(loss, 0.9)["value_at_risk"]), 1)
    1.3
    """
    import arviz_stats as azs

    _check_level(level)
    made = {
        names.VALUE_AT_RISK: loss.quantile(level, names.SAMPLE).drop_vars("quantile"),
        names.MCSE: azs.mcse(loss, method="quantile", prob=level),
    }
    return xr.Dataset(made, attrs={names.LEVEL: level})


def conditional_value_at_risk(loss: xr.DataArray, level: float = 0.9) -> xr.Dataset:
    """Mean of the worst 1 − level share of losses.

    Parameters
    ----------
    loss : xarray.DataArray
        Draws of the loss against doing nothing, positive = loss; dims chain, draw and any others.
    level : float
        Level α, 0 < α < 1.

    Returns
    -------
    xarray.Dataset
        ``conditional_value_at_risk`` and its Monte Carlo standard error ``mcse``; the other dims.

    Raises
    ------
    InputError
        If the level is no level.

    References
    ----------
    Rockafellar and Uryasev (2000), "Optimization of conditional value-at-risk", Journal of Risk 2, for the form
    VaR + E(loss − VaR)⁺ / (1 − α), whose mean is flat in VaR, so that its own error does not count to first order.

    Examples
    --------
    >>> import numpy as np
    >>> loss = xr.DataArray(np.random.default_rng(1).normal(size=(4, 5000)), dims=("chain", "draw"))
    >>> round(float(conditional_value_at_risk(loss, 0.9)["conditional_value_at_risk"]), 1)
    1.7
    """
    import arviz_stats as azs

    _check_level(level)
    threshold = loss.quantile(level, names.SAMPLE).drop_vars("quantile")
    tail = threshold + (loss - threshold).clip(min=0.0) / (1.0 - level)
    made = {names.CONDITIONAL_VALUE_AT_RISK: tail.mean(names.SAMPLE), names.MCSE: azs.mcse(tail, method="mean")}
    return xr.Dataset(made, attrs={names.LEVEL: level})


def loss_against_nothing(outcomes: xr.Dataset) -> xr.DataArray:
    """Draw what each plan loses against doing nothing.

    Parameters
    ----------
    outcomes : xarray.Dataset
        From :func:`labelvalue.decide.plan_outcomes`.

    Returns
    -------
    xarray.DataArray
        ``loss``, dims chain, draw, plan; positive = loss, exactly 0 for doing nothing.

    Examples
    --------
    >>> net = xr.DataArray([[[0.0, 5.0]]], dims=("chain", "draw", "plan"), coords={"plan": ["do nothing", "buy"]})
    >>> loss_against_nothing(xr.Dataset({"net_benefit": net})).sel(plan="buy").item()
    -5.0
    """
    net = outcomes[names.NET_BENEFIT]
    return (net.sel({names.PLAN: names.NOTHING}, drop=True) - net).transpose(*net.dims).rename(names.LOSS)


def _check_level(level: float) -> None:
    checks = Checks()
    checks.share("level", level)
    checks.finish()
