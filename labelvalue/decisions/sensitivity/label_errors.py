"""The worst case of wrong labels: many, and where they hurt most."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.decisions.advice.decision import Decision
from labelvalue.decisions.case.case import Case
from labelvalue.decisions.outcomes.benefit import outcomes_of
from labelvalue.decisions.outcomes.errors import chosen_curves, plan_table
from labelvalue.forecast.gains.curves import slice_draws
from labelvalue.model.curve.label_noise import information_left, useless_share
from labelvalue.model.fitting.result import Fit
from labelvalue.problems import input_error
from labelvalue.settings import Checks

PLAUSIBLE = 0.1  # share of wrong labels among new ones where the case states none
NONE, EVERYWHERE, WEAKEST = "none", "everywhere", "weakest slice"


def stress_label_errors(
    fit: Fit, case: Case, plans: Mapping[str, Mapping[str, int]], *, probability: float = 0.95
) -> xr.Dataset:
    """Draw what plans bring where new labels are as wrong as may plausibly be.

    A share η of wrong labels among K classes leaves (1 − η·K/(K−1))^c of them, with c as the fit has it; where its runs
    say nothing of noise, the middle of its prior.

    Parameters
    ----------
    fit : Fit
        Fit of an error rate.
    case : Case
        ``label_errors`` gives the share of wrong labels; where it is 0, the fit's evaluation noise does, if it has any.
    plans : mapping of str to mapping of str to int
        As for :func:`labelvalue.plans.plan_outcomes`.
    probability : float
        The share is taken at this quantile of its distribution, 0 < probability < 1.

    Returns
    -------
    xarray.Dataset
        As :func:`labelvalue.plans.plan_outcomes` returns it, with dim stress: ``none``, no further label errors;
        ``everywhere``, the share in every slice; ``weakest slice``, as many wrong labels, but all of them among those
        bought for the slice of the highest error (of those the plan buys labels for, up to labels that say nothing).
        ``wrong_share``, dims stress, plan, slice.

    Raises
    ------
    InputError
        If neither case nor fit says how many labels are wrong, the metric is no error rate, or a plan is illegal.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> case = Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400}, label_errors=0.1)
    >>> drawn = stress_label_errors(fake_fit(seed=1), case, {"west": {"west": 500}})
    >>> enb = drawn["net_benefit"].mean(("chain", "draw"))
    >>> bool(enb.sel(plan="west", stress="everywhere") < enb.sel(plan="west", stress="none"))
    True
    """
    checks = Checks()
    checks.share("probability", probability)
    if float(fit.settings[names.UPPER]) != 1.0:
        checks.wrong(
            "label_errors", "wrong labels are modelled for error rates", "fit counts, or a metric within 0 and 1"
        )
    checks.finish()
    labels = plan_table(fit, case, plans)
    everywhere = (_plausible_share(fit, case, probability) * (labels > 0)).transpose(*labels.dims)
    shares = {
        NONE: xr.zeros_like(labels),
        EVERYWHERE: everywhere,
        WEAKEST: _concentrated(fit, case, labels, everywhere),
    }
    cost, classes = _noise_cost(fit), fit.settings[names.CLASSES]
    runs = [outcomes_of(fit, case, labels, labels * information_left(s, classes) ** cost) for s in shares.values()]
    joined = xr.concat(runs, dim=names.STRESS, data_vars="all").assign_coords({names.STRESS: list(shares)})
    return joined.assign({names.WRONG_SHARE: xr.concat(list(shares.values()), dim=names.STRESS)})


def stressed(plan: Decision) -> xr.Dataset | None:
    """Draw what the labels of a decision bring under :func:`stress_label_errors`, whatever the case says of them."""
    if float(plan.fit.settings[names.UPPER]) != 1.0:
        return None
    case = plan.case if plan.case.label_errors != 0.0 else replace(plan.case, label_errors=PLAUSIBLE)
    return stress_label_errors(plan.fit, case, {names.RECOMMENDED: plan.labels})


def _plausible_share(fit: Fit, case: Case, probability: float) -> xr.DataArray:
    """Share of wrong labels by slice, at the upper quantile."""
    share = slice_draws(fit, "label_errors", case.label_errors)
    posterior, _ = chosen_curves(fit, case)
    if not bool((share > 0).any()) and names.EVALUATION_NOISE in posterior:
        share = posterior[names.EVALUATION_NOISE]
        share = share.isel({d: 0 for d in share.dims if d not in (*names.SAMPLE, names.SLICE)}, drop=True)
    if not bool((share > 0).any()):
        fix = "give the case label_errors, such as { low = 0.01, high = 0.1 }"
        raise input_error("nothing says how many labels are wrong", fix, column="label_errors")
    if set(names.SAMPLE) <= set(share.dims):
        share = share.quantile(probability, names.SAMPLE).drop_vars("quantile")
    return share.clip(max=useless_share(fit.settings[names.CLASSES]))


def _concentrated(fit: Fit, case: Case, labels: xr.DataArray, everywhere: xr.DataArray) -> xr.DataArray:
    """All wrong labels of a plan in the weakest slice that it buys labels for."""
    posterior, _ = chosen_curves(fit, case)
    error = posterior[names.ERROR_NOW].mean([d for d in posterior[names.ERROR_NOW].dims if d != names.SLICE])
    weakest = error.where(labels > 0, -np.inf).argmax(names.SLICE)
    chosen = xr.DataArray(np.arange(labels.sizes[names.SLICE]), dims=names.SLICE) == weakest
    wrong = (labels * everywhere).sum(names.SLICE)
    share = (wrong / labels.where(labels > 0, 1.0)).clip(max=useless_share(fit.settings[names.CLASSES]))
    return (share * chosen * (labels > 0)).transpose(*labels.dims)


def _noise_cost(fit: Fit) -> float:
    if names.NOISE_COST in fit.posterior:
        return float(fit.posterior[names.NOISE_COST].mean())
    return float(np.exp(fit.model.priors[names.NOISE_COST].center))
