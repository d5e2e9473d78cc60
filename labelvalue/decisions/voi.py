"""Value of information: what knowing more, before deciding, is worth.

Everything is read off the draws that there are: the net benefit of every option under every draw. What a piece of
information would tell is the regression of those net benefits on it; nothing is sampled inside a sample.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names

KNOTS = 4
"""Inner knots of a spline, at even quantiles of the draws."""
DEGREE = 3
TAIL = 1.645
"""Standard errors on either side of a 90 % interval."""
PENALTIES = np.logspace(-4.0, 4.0, 9)
"""Ridge penalties, of which generalised cross-validation picks one for each option."""


def value_of_perfect_information(net: xr.DataArray) -> xr.Dataset:
    """Expected gain from deciding with the truth in hand, over deciding now (EVPI).

    Parameters
    ----------
    net : xarray.DataArray
        Draws of net benefit, dims chain, draw, plan.

    Returns
    -------
    xarray.Dataset
        ``evpi`` ≥ 0 and its Monte Carlo standard error ``mcse``, in money; of the plans at hand, so that more plans may
        raise it.

    Examples
    --------
    >>> net = xr.DataArray([[[0.0, 2.0], [0.0, -1.0]]], dims=("chain", "draw", "plan"), coords={"plan": ["no", "yes"]})
    >>> float(value_of_perfect_information(net)["evpi"])
    0.5
    """
    flat = _flat(net)
    return _summary(names.EVPI, flat.max(axis=1) - flat[:, flat.mean(axis=0).argmax()])


def value_of_partial_information(net: xr.DataArray, inputs: Mapping[str, xr.DataArray]) -> pd.DataFrame:
    """Expected gain from deciding with one uncertain input known, input by input (EVPPI).

    Parameters
    ----------
    net : xarray.DataArray
        Draws of net benefit, dims chain, draw, plan.
    inputs : mapping of str to DataArray
        Draws of each input, dims chain, draw; one more dim for inputs that would be learnt together.

    Returns
    -------
    pandas.DataFrame
        One row an input, the most valuable first: ``input``, ``evppi`` ≥ 0, its Monte Carlo standard error ``mcse``,
        ``share`` of the EVPI, ``changes``, the probability that another plan than today's would be best, and
        ``instead``, the one that would be most often, empty where none.
        Attributes: ``evpi`` and its ``mcse``.

    Raises
    ------
    ValueError
        If there is no input.

    References
    ----------
    Strong, Oakley and Brennan (2014), "Estimating multiparameter partial expected value of perfect information from a
    probabilistic sensitivity analysis sample: a nonparametric regression approach", Medical Decision Making 34(3).

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> price, noise = (xr.DataArray(rng.normal(size=(4, 500)), dims=("chain", "draw")) for _ in range(2))
    >>> net = xr.concat([0 * price, price], dim="plan").assign_coords(plan=["no", "yes"])
    >>> value_of_partial_information(net, {"noise": noise, "price": price})["input"].tolist()
    ['price', 'noise']
    """
    if not inputs:
        raise ValueError("no input given. Fix: give draws of at least one uncertain input.")
    flat = _flat(net)
    today = int(flat.mean(axis=0).argmax())
    perfect = value_of_perfect_information(net)
    evpi = float(perfect[names.EVPI])
    rows = []
    for name, draws in inputs.items():
        expected = conditional_mean(flat, as_columns(draws))
        gained = _summary(names.EVPPI, expected.max(axis=1) - expected[:, today])
        best = expected.argmax(axis=1)
        others = best[best != today]
        instead = str(net[names.PLAN].values[np.bincount(others).argmax()]) if others.size else ""
        found = min(float(gained[names.EVPPI]), evpi)
        share = found / evpi if evpi > 0 else 0.0
        rows.append((name, found, float(gained[names.MCSE]), share, others.size / best.size, instead))
    table = pd.DataFrame(rows, columns=["input", names.EVPPI, names.MCSE, "share", "changes", "instead"])
    table = table.sort_values(names.EVPPI, ascending=False, kind="stable", ignore_index=True)
    table.attrs = {names.EVPI: evpi, names.MCSE: float(perfect[names.MCSE])}
    return table


def value_of_sample_information(net: xr.DataArray, seen: xr.DataArray, cost: float = 0.0) -> xr.Dataset:
    """Expected gain from deciding after a measurement, over deciding now (EVSI), and what is left of it (ENBS).

    Parameters
    ----------
    net : xarray.DataArray
        Draws of net benefit, dims chain, draw, plan.
    seen : xarray.DataArray
        What the measurement would show, one prediction a draw with all its noise; dims chain, draw, and one more where
        it shows several numbers.
    cost : float
        Money that the measurement costs.

    Returns
    -------
    xarray.Dataset
        ``evsi`` ≥ 0 with Monte Carlo error ``mcse`` and the 90 % interval ``lower`` to ``upper`` that follows;
        ``enbs`` = evsi − cost; ``changes``, the probability that another plan than today's will look best.

    References
    ----------
    Strong, Oakley, Brennan and Breeze (2015), "Estimating the expected value of sample information using the
    probabilistic sensitivity analysis sample", Medical Decision Making 35(5).

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> worth = xr.DataArray(rng.normal(size=(4, 500)), dims=("chain", "draw"))
    >>> net = xr.concat([0 * worth, worth], dim="plan").assign_coords(plan=["no", "yes"])
    >>> seen = worth + rng.normal(size=(4, 500))
    >>> bool(value_of_sample_information(net, seen)["evsi"] < value_of_perfect_information(net)["evpi"])
    True
    """
    flat = _flat(net)
    expected = conditional_mean(flat, as_columns(seen))
    today = int(flat.mean(axis=0).argmax())
    made = _summary(names.EVSI, expected.max(axis=1) - expected[:, today])
    worth, error = float(made[names.EVSI]), float(made[names.MCSE])
    more = {
        names.ENBS: worth - cost,
        "lower": max(worth - TAIL * error, 0.0),
        "upper": worth + TAIL * error,
        "changes": float((expected.argmax(axis=1) != today).mean()),
    }
    return made.assign(more)


def conditional_mean(values: np.ndarray, inputs: np.ndarray) -> np.ndarray:
    """Expected values given inputs, by regression on draws: splines of every input, products of pairs.

    Parameters
    ----------
    values : array of float, shape (sample, option)
        Draws of what is expected.
    inputs : array of float, shape (sample, input)
        Draws of what is known.

    Returns
    -------
    array of float, shape (sample, option)
        Fitted values; their means are those of ``values``.

    Examples
    --------
    >>> x = np.random.default_rng(1).normal(size=(2000, 1))
    >>> fitted = conditional_mean(x**2, x)
    >>> float(abs(fitted - x**2).mean()) < 0.01
    True
    """
    from sklearn.linear_model import RidgeCV

    moving = np.ptp(inputs, axis=0) > 0
    center = values.mean(axis=0)
    spread = values.std(axis=0)
    fitted = np.broadcast_to(center, values.shape).copy()
    varying = spread > 1e-12 * np.maximum(np.abs(center), 1e-12)
    if not moving.any() or not varying.any():
        return fitted
    basis = _basis(inputs[:, moving])
    scaled = (values[:, varying] - center[varying]) / spread[varying]
    model = RidgeCV(alphas=PENALTIES, fit_intercept=True, alpha_per_target=True).fit(basis, scaled)
    found = model.predict(basis).reshape(scaled.shape)
    fitted[:, varying] += found * spread[varying]
    return fitted


def _basis(inputs: np.ndarray) -> np.ndarray:
    """Columns of unit variance: B-splines of each input, and products of pairs of inputs."""
    from sklearn.preprocessing import StandardScaler

    scaled = StandardScaler().fit_transform(inputs)
    columns = [_splines(column) for column in scaled.T]
    count = scaled.shape[1]
    pairs = [scaled[:, i] * scaled[:, j] for i in range(count) for j in range(i)]
    if pairs:
        columns.append(np.column_stack(pairs))
    return StandardScaler().fit_transform(np.hstack(columns))


def _splines(column: np.ndarray) -> np.ndarray:
    """The column itself, and cubic B-splines with knots at its quantiles."""
    from scipy.interpolate import BSpline

    inner = np.unique(np.quantile(column, np.linspace(0.0, 1.0, KNOTS + 2)))
    if inner.size < 2 + 1:
        return column[:, None]
    knots = np.concatenate([[inner[0]] * DEGREE, inner, [inner[-1]] * DEGREE])
    return np.column_stack([column, BSpline.design_matrix(column, knots, DEGREE).toarray()])


def as_columns(draws: xr.DataArray) -> np.ndarray:
    """Draws as a table: one row a draw, one column an input.

    Parameters
    ----------
    draws : xarray.DataArray
        Dims chain, draw, and any others.

    Returns
    -------
    array of float, shape (sample, input)
        Draws in the order of chains.

    Examples
    --------
    >>> as_columns(xr.DataArray(np.zeros((4, 10, 3)), dims=("chain", "draw", "slice"))).shape
    (40, 3)
    """
    values = draws.transpose(*names.SAMPLE, ...).values
    return values.reshape(values.shape[0] * values.shape[1], -1)


def _flat(net: xr.DataArray) -> np.ndarray:
    return as_columns(net.transpose(*names.SAMPLE, names.PLAN))


def _summary(name: str, gained: np.ndarray) -> xr.Dataset:
    """Mean over draws, not below 0, with its standard error."""
    error = float(gained.std(ddof=1) / np.sqrt(gained.size))
    return xr.Dataset({name: max(float(gained.mean()), 0.0), names.MCSE: error})
