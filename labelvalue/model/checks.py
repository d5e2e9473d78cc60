"""Checks of single slices: what the data say about them beyond convergence, and notes on the whole."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy
import xarray as xr

from labelvalue import names
from labelvalue.model.curves import signed_log
from labelvalue.model.diagnostics import FALSE_ALARM
from labelvalue.model.noise import run_variance
from labelvalue.model.observations import CURVE, LEAST_SIZES, crossed_dims, lever_of
from labelvalue.model.predictive import shape_surprise
from labelvalue.model.priors import Prior, Priors
from labelvalue.model.specification import Model

PRIOR_WIDTH = 0.9
"""Posterior over prior standard deviation of log impact above which a slice is mostly assumption."""
SURPRISE = 0.01
"""Predictive tail probability below which the shape of a slice's curve does not fit; its learners share it."""
CERTAIN_RISE = 0.001
"""Probability under which a rise of error with labels is no accident of noise; a slice's learners share it too."""
MISFIT_BY_CHANCE = 2 * SURPRISE + CERTAIN_RISE
"""Most often that a sound slice is said not to fit: too steep, too flat, or rising."""


def draw_prior(prior: Prior, size: int, rng: np.random.Generator) -> np.ndarray:
    """Draw from a prior, without PyMC.

    Parameters
    ----------
    prior : Prior
        The distribution.
    size : int
        Number of draws.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    array, shape (size,)
        Draws on the natural scale.

    Examples
    --------
    >>> draw_prior(Prior("lognormal", 0.0, 0.5), 3, np.random.default_rng(1)).min() > 0
    np.True_
    """
    z = rng.standard_t(4, size) if prior.distribution == "student" else rng.standard_normal(size)
    raw = prior.center + prior.spread * z
    match prior.distribution:
        case "lognormal":
            return np.exp(raw)
        case "logitnormal":
            return 1.0 / (1.0 + np.exp(-raw))
        case _:
            return raw


def prior_sd_of_log_elasticity(priors: Priors, crossed: int) -> float:
    """Standard deviation of one curve's log elasticity before any data.

    Parameters
    ----------
    priors : Priors
        Priors of the model.
    crossed : int
        How many of slices, learners and suites are crossed.

    Returns
    -------
    float
        Standard deviation (unitless), by simulation with a fixed seed.

    Examples
    --------
    >>> from labelvalue.model.catalogue import get_model
    >>> 0.5 < prior_sd_of_log_elasticity(get_model("power_law").priors, crossed=0) < 3
    True
    """
    rng = np.random.default_rng(20_000)
    size = 20_000
    value = draw_prior(priors["elasticity_mean"], size, rng)
    scales = ["elasticity_spread"] + ["elasticity_between"] * crossed
    for name in scales:
        value = value + draw_prior(priors[name], size, rng) * rng.standard_normal(size)
    return float(value.std())


def rise_surprise(posterior: xr.Dataset, observations: xr.Dataset) -> np.ndarray:
    """Probability of an overall rise of error with labels as large as observed, were the curve in truth flat.

    Only noise is held against it, no discrepancy: that a curve rises is then a fact about the data, however it came.

    Parameters
    ----------
    posterior : xarray.Dataset
        Draws with dim ``curve``; its means give the noise.
    observations : xarray.Dataset
        From :func:`labelvalue.model.observations.observe`.

    Returns
    -------
    array, dim (curve)
        One-sided probability of the weighted slope of log error on log labels; NaN with fewer than three sizes.

    Examples
    --------
    >>> from labelvalue.model.observations import observe
    >>> from labelvalue.testing import fake_fit, fake_runs
    >>> posterior = fake_fit(seed=1).posterior.rename(slice="curve")
    >>> bool((rise_surprise(posterior, observe(fake_runs(seed=1))) > 0.5).all())
    True
    """
    mean = posterior[[names.TRAINING_SD, "churn", "training_decay"]].mean(names.SAMPLE)
    variance = run_variance(observations, mean["churn"], mean[names.TRAINING_SD], mean["training_decay"])
    lever = lever_of(observations["used"] / variance, observations)
    information = (lever**2 * variance).sum(("knot", "slot"))
    slope = (lever * observations["log_error"]).sum(("knot", "slot"))
    z = (slope / information.clip(min=1e-12) ** 0.5).where(observations[names.SIZES] >= LEAST_SIZES)
    return scipy.special.ndtr(-z.transpose(CURVE).values)


def flag_curves(
    model: Model, posterior: xr.Dataset, observations: xr.Dataset, random_seed: int
) -> tuple[tuple[str, ...], ...]:
    """Flag curves whose answer leans on others, on the prior, or whose shape does not fit.

    A slice that is seen under many learners has as many chances to look odd by accident, so that each of its curves
    must be odder before it is said not to fit: a sound slice is flagged as seldom as under one learner.

    Parameters
    ----------
    model : Model
        With the priors that were used.
    posterior : xarray.Dataset
        Draws with dim ``curve``.
    observations : xarray.Dataset
        From :func:`labelvalue.model.observations.observe`.
    random_seed : int
        Seed of the predictive check.

    Returns
    -------
    tuple of tuple of str
        Flags by curve, in the order of the observations.

    References
    ----------
    Dunn (1961), "Multiple comparisons among means", JASA 56, for sharing a probability among tests.

    Examples
    --------
    >>> flag_curves(model, posterior, observations, 1)  # doctest: +SKIP
    """
    slices = observations[names.SLICE].values
    prior_sd = prior_sd_of_log_elasticity(model.priors, len(crossed_dims(observations)))
    log_impact = signed_log(posterior[names.CURVE_ELASTICITY]) + np.log(posterior[names.ERROR_REFERENCE])
    width = log_impact.std(names.SAMPLE, skipna=False).values / prior_sd
    finite = bool(np.isfinite(width).all())  # draws that are not say nothing about a slice
    surprise = shape_surprise(model, posterior, observations, random_seed) if finite else np.full(width.shape, np.nan)
    rise = rise_surprise(posterior, observations) if finite else surprise
    _, which, curves = np.unique(slices, return_inverse=True, return_counts=True)
    chances = curves[which]
    flags = []
    for i in range(slices.size):
        found = []
        if int(observations["sizes"][i]) < LEAST_SIZES:
            found.append(names.BORROWED)
        if width[i] > PRIOR_WIDTH:
            found.append(names.MOSTLY_ASSUMPTION)
        odd = min(surprise[i], 1.0 - surprise[i]) < SURPRISE / chances[i]
        if odd or rise[i] < CERTAIN_RISE / chances[i] or bool(observations[names.PLAIN_ELASTICITY][i] < 0):
            found.append(names.SHAPE_MISFIT)
        flags.append(tuple(found))
    return tuple(flags)


def misfit_reason(flags: Sequence[tuple[str, ...]], observations: xr.Dataset) -> str:
    """Say that more curves do not fit than chance allows.

    A sound curve is said not to fit with a probability of at most 0.021: a hundredth for each tail of the posterior
    predictive check, and a thousandth for a rise; less where its slice is seen under several learners. Allowed is the
    count that, were all curves sound and independent (binomial), one fit in twenty at most would exceed: none of one or
    two curves, one of up to seventeen, two of up to thirty-nine. So one learner among twenty that follows no such curve
    is told of itself, by its flag, and condemns no fit.

    Parameters
    ----------
    flags : sequence of tuple of str
        From :func:`flag_curves`.
    observations : xarray.Dataset
        From :func:`labelvalue.model.observations.observe`.

    Returns
    -------
    str
        A reason with both numbers, empty where chance would do. Curves with fewer than three sizes are not counted.

    References
    ----------
    Gelman, Meng and Stern (1996), "Posterior predictive assessment of model fitness via realized discrepancies",
    Statistica Sinica 6.

    Examples
    --------
    >>> from labelvalue.model.observations import observe
    >>> from labelvalue.testing import fake_runs
    >>> seen = observe(fake_runs(seed=1))
    >>> misfit_reason([(names.SHAPE_MISFIT,), (names.SHAPE_MISFIT,), (), ()], seen)
    '2 of 4 slices do not follow a learning curve of this model; chance would allow 1'
    >>> misfit_reason([(names.SHAPE_MISFIT,), (), (), ()], seen)
    ''
    """
    wrong = np.array([names.SHAPE_MISFIT in found for found in flags])
    count = int((wrong | (observations[names.SIZES].values >= LEAST_SIZES)).sum())
    allowed = misfits_allowed(count)
    if wrong.sum() <= allowed:
        return ""
    what = "slice" if np.unique(observations[names.SLICE].values).size == len(flags) else "curve"
    does = "does" if count == 1 else "do"
    return (
        f"{wrong.sum()} of {count} {what}{'s' if count != 1 else ''} {does} not follow a learning curve of this model; "
        f"chance would allow {allowed or 'none'}"
    )


def misfits_allowed(count: int) -> int:
    """Return how many of so many sound curves may be said not to fit before it is more than chance.

    Parameters
    ----------
    count : int
        Curves that were checked.

    Returns
    -------
    int
        The least number that is exceeded in at most one fit of twenty.

    Examples
    --------
    >>> [misfits_allowed(count) for count in (0, 1, 2, 3, 17, 18, 100)]
    [0, 0, 0, 1, 1, 2, 5]
    """
    within = scipy.special.bdtr(np.arange(count + 1), count, MISFIT_BY_CHANCE)
    return int(np.argmax(within >= 1.0 - FALSE_ALARM))


def by_slice(flags: Sequence[tuple[str, ...]], observations: xr.Dataset) -> dict[str, tuple[str, ...]]:
    """Gather the flags of curves by slice.

    Parameters
    ----------
    flags : sequence of tuple of str
        From :func:`flag_curves`.
    observations : xarray.Dataset
        From :func:`labelvalue.model.observations.observe`.

    Returns
    -------
    dict of str to tuple of str
        Flags by slice; a slice under several learners has those of all of them, each once.

    Examples
    --------
    >>> from labelvalue.model.observations import observe
    >>> from labelvalue.testing import fake_runs
    >>> by_slice([("borrowed",), ("borrowed",)], observe(fake_runs(seed=1, slices=("a",), learners=("x", "y"))))
    {'a': ('borrowed',)}
    """
    found: dict[str, tuple[str, ...]] = {}
    for name, own in zip(observations[names.SLICE].values.astype(str).tolist(), flags, strict=True):
        found[name] = tuple(dict.fromkeys([*found.get(name, ()), *own]))
    return found


def composition_note(observations: xr.Dataset) -> str:
    """Say whether the runs let the effect of other slices' labels be told from that of a slice's own.

    Parameters
    ----------
    observations : xarray.Dataset
        From :func:`labelvalue.model.observations.observe`.

    Returns
    -------
    str
        A note, empty where composition varied or other labels are absent.

    Examples
    --------
    >>> from labelvalue.model.observations import observe
    >>> from labelvalue.testing import fake_runs
    >>> composition_note(observe(fake_runs(seed=1)))
    ''
    """
    used = observations["used"] > 0
    other = observations[names.OTHER_LABELS]
    if not bool((other.where(used) > 0).any()):
        return ""
    share = xr.apply_ufunc(np.log, (other + 1.0) / (observations[names.LABELS] + 1.0))
    share = share.where(used & (observations[names.LABELS] > 0))
    if float(share.std(("knot", "slot")).max()) > 0.05:
        return ""
    return (
        "labels and other_labels grow in proportion in all runs: the worth of other slices' labels (transfer) is "
        "an assumption only; runs whose composition varies would identify it"
    )


def strategy_note(observations: xr.Dataset) -> str:
    """Name the slices whose runs never chose labels at random, so that a strategy's worth there comes from the group.

    Parameters
    ----------
    observations : xarray.Dataset
        From :func:`labelvalue.model.observations.observe`.

    Returns
    -------
    str
        A note, empty where every slice has random runs.

    Examples
    --------
    >>> from labelvalue.model.observations import observe
    >>> from labelvalue.testing import fake_runs
    >>> strategy_note(observe(fake_runs(seed=1)))
    ''
    """
    used = observations["used"] > 0
    chosen = (observations["strategy_code"] > 0) & used
    random = (used & ~chosen).any(("knot", "slot"))
    without = chosen.any(("knot", "slot")) & ~random
    found = list(dict.fromkeys(observations[names.SLICE].values[without.values].astype(str).tolist()))
    if not found:
        return ""
    return (
        f"no run of slice {', '.join(map(repr, found))} chose labels at random: what its strategy is worth there comes "
        "from the group"
    )
