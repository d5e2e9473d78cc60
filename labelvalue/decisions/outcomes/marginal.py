"""What one more label brings in money, and where it stops to pay."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.decisions.case.case import Case
from labelvalue.decisions.outcomes.benefit import slice_outcomes
from labelvalue.forecast.gains.gains import whole_numbers
from labelvalue.forecast.gains.rates import UNSEEN_BREAKS
from labelvalue.model.fitting.result import Fit
from labelvalue.problems import input_error


def marginal_benefit(fit: Fit, case: Case, budgets: Sequence[int]) -> xr.Dataset:
    """Draw the net benefit of one more label of a slice, step by step, and where it crosses zero.

    Parameters
    ----------
    fit : Fit
        Fit.
    case : Case
        Case; fixed costs do not enter.
    budgets : sequence of int
        Ends of the steps, at least two whole numbers ≥ 0.

    Returns
    -------
    xarray.Dataset
        ``marginal``, dims chain, draw, slice, budget: net benefit a label of the step that ends at this budget;
        ``cumulative_cost``, the same dims. ``labels_worth_buying``, dim slice: where the *expected* net benefit of one
        more label crosses zero, between two steps by interpolation; 0 where the first step does not pay, infinite
        where the last one does. ``labels_worth_buying_draws``, dims chain, draw, slice: the same of each draw, for an
        interval. The attribute ``notes`` says that breaks of the curve beyond the data are not seen.

    Raises
    ------
    InputError
        If the case does not belong to the fit, or there are fewer than two budgets.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> case = Case(costs={"price_per_label": 0.1}, value={"per_error_point": 40})
    >>> marginal_benefit(fake_fit(seed=1), case, [0, 250, 500, 1000]).sizes["budget"]
    3
    """
    numbers = np.sort(whole_numbers(budgets, names.BUDGET)[0])
    if numbers.size < 2:
        raise input_error("one step needs two budgets", "give more, such as 0, 500", column=names.BUDGET)
    outcomes = slice_outcomes(fit, case, numbers.tolist())
    steps = xr.DataArray(np.diff(numbers), dims=names.BUDGET, coords={names.BUDGET: numbers[1:]})
    marginal = (outcomes[names.VALUE] - outcomes[names.COST]).diff(names.BUDGET) / steps
    marginal = marginal.transpose(*names.SAMPLE, names.SLICE, names.BUDGET)
    made = {
        names.MARGINAL: marginal,
        names.CUMULATIVE_COST: outcomes[names.COST].isel({names.BUDGET: slice(1, None)}),
        names.LABELS_WORTH_BUYING: _crossing(marginal.mean(names.SAMPLE), numbers),
        names.LABELS_WORTH_BUYING_DRAWS: _crossing(marginal, numbers),
    }
    return xr.Dataset(made, attrs=outcomes.attrs | {names.NOTES: json.dumps([UNSEEN_BREAKS])})


def _crossing(marginal: xr.DataArray, numbers: np.ndarray) -> xr.DataArray:
    """Where a curve first falls to zero, taking each step's value at its middle."""
    values = marginal.values
    middles = (numbers[1:] + numbers[:-1]) / 2.0
    stops = values <= 0
    first = stops.argmax(axis=-1)
    before = np.maximum(first - 1, 0)
    high = np.take_along_axis(values, before[..., None], axis=-1)[..., 0]
    low = np.take_along_axis(values, first[..., None], axis=-1)[..., 0]
    share = np.divide(high, high - low, out=np.zeros_like(high), where=high > low)
    at = middles[before] + share * (middles[first] - middles[before])
    found = np.where(first == 0, 0.0, at)
    dims = [d for d in marginal.dims if d != names.BUDGET]
    coords = {d: marginal[d] for d in dims}
    return xr.DataArray(np.where(stops.any(axis=-1), found, np.inf), dims=dims, coords=coords)
