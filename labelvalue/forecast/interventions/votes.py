"""What several votes on an item leave of the annotators' errors: exact, without simulation."""

import itertools
import math
import zlib
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.forecast.gains.curves import ENTROPY, slice_draws, without
from labelvalue.model.curve.families import useless_share
from labelvalue.model.fitting.result import Fit
from labelvalue.model.prior.priors import draw_prior
from labelvalue.problems import input_error
from labelvalue.quantities import by_slice
from labelvalue.settings import Checks, is_whole


def consensus_error(rates: Any, votes: int, classes: int = 2, correlation: Any = 0.0) -> Any:
    """Share of items that a majority of votes labels wrongly, ties broken by lot.

    A wrong vote names any of the other classes with equal probability. With probability ``correlation`` all annotators
    answer an item alike; otherwise they err independently.

    Parameters
    ----------
    rates : float, array or DataArray, or a list of them
        Share of votes that are wrong, 0 ≤ e ≤ 1: one for all annotators, or a list with one for each vote.
    votes : int
        Votes an item, ≥ 1.
    classes : int
        Number of classes, ≥ 2.
    correlation : float, array or DataArray
        0 ≤ c ≤ 1.

    Returns
    -------
    same kind as the rates
        Share of wrong labels after the vote, 0 to 1.

    Raises
    ------
    ValueError
        If votes are no whole number ≥ 1, classes no whole number ≥ 2, or there is not one rate a vote.

    References
    ----------
    Sheng, Provost and Ipeirotis (2008), "Get another label?", KDD, for two classes and independent errors.

    Examples
    --------
    >>> round(consensus_error(0.2, 3), 3), round(consensus_error(0.2, 3, correlation=0.5), 3)
    (0.104, 0.152)
    """
    if not is_whole(votes, 1):
        raise ValueError(f"votes must be a whole number ≥ 1, got {votes!r}")
    if not is_whole(classes, 2):
        raise ValueError(f"classes must be a whole number ≥ 2, got {classes!r}")
    each = list(rates) if isinstance(rates, Sequence) else [rates] * votes
    if len(each) != votes:
        raise ValueError(f"rates must be one number, or a list of one a vote; got {len(each)} for {votes} votes")
    alike = sum(each) / votes
    right: Any = 0.0
    for wrong, probability in enumerate(_wrong_counts(each)):
        right = right + probability * _majority_is_right(votes - wrong, wrong, classes)
    return correlation * alike + (1.0 - correlation) * (1.0 - right)


def _wrong_counts(rates: list[Any]) -> list[Any]:
    """Probability of 0, 1, … wrong votes among independent ones with rates of their own."""
    counts: list[Any] = [1.0]
    for rate in rates:
        padded = [0.0, *counts, 0.0]
        counts = [before * rate + here * (1.0 - rate) for before, here in itertools.pairwise(padded)]
    return counts


@cache
def _majority_is_right(right: int, wrong: int, classes: int) -> float:
    """Probability that the right class wins given its votes; sequences of others by a generating function."""
    if right == 0:
        return 0.0 if wrong else 1.0 / classes
    fewer = np.array([1.0 / math.factorial(j) for j in range(min(right - 1, wrong) + 1)])
    total = 0.0
    for level in range(min(classes - 1, wrong // right) + 1):
        rest = wrong - level * right
        ways = _coefficient(fewer, classes - 1 - level, rest) / math.factorial(right) ** level
        total += math.comb(classes - 1, level) * ways / (1 + level)
    return total * math.factorial(wrong) / (classes - 1) ** wrong


def _coefficient(polynomial: np.ndarray, power: int, degree: int) -> float:
    """Coefficient of a degree in a power of a polynomial."""
    product = np.ones(1)
    for _ in range(power):
        product = np.convolve(product, polynomial)[: degree + 1]
    return float(product[degree]) if degree < product.size else 0.0


SAMPLE = "sample"  # dim of draws of label noise that were stacked


def noise_draws(fit: Fit, noise: Any, stated: str = names.ELICITED) -> tuple[xr.DataArray | None, str]:
    """Turn what is known of the share of wrong labels into draws, one a posterior draw."""
    if noise is None:
        return None, names.ELICITED
    if isinstance(noise, xr.DataArray):
        found, origin = _drawn_anew(fit, noise), names.FROM_ANNOTATIONS
    else:
        found, origin = _stated(fit, noise), stated
    most = useless_share(int(fit.settings[names.CLASSES]))
    if not bool(((found >= 0) & (found < most)).all()):
        fix = "give a smaller share, or fit with the number of classes, such as fit(runs, classes=10)"
        why = f"labels of which {float(found.max()):.3g} are wrong carry no information: must be 0 ≤ … < {most:g}"
        raise input_error(why, fix, column="noise")
    return found, origin


def _stated(fit: Fit, noise: Any) -> xr.DataArray:
    checks = Checks()
    noise = by_slice(checks, "noise", noise, share=True)
    unknown = set(noise) - {*map(str, fit.slices), "default"} if isinstance(noise, Mapping) else set()
    for name in sorted(unknown):
        checks.wrong(f"noise.{name}", f"unknown slice {name!r}", f"one of {', '.join(map(str, fit.slices))}")
    if not checks.problems:
        for name in without(fit, noise):
            checks.wrong("noise", f"no number for slice {name!r}", "give it one, or a default")
    checks.finish()
    return slice_draws(fit, "noise", noise)


def _drawn_anew(fit: Fit, noise: xr.DataArray) -> xr.DataArray:
    """Draws of another posterior, drawn from once for each draw of the fit; its slices stay together."""
    found = noise
    if names.SLICE in noise.dims:
        missing = [str(name) for name in fit.slices if name not in noise[names.SLICE].values]
        if missing:
            why = f"no label noise for slice {', '.join(map(repr, missing))}"
            raise input_error(why, "estimate it for every slice, or give numbers", column="noise")
        found = noise.sel({names.SLICE: fit.slices})
    sample = [d for d in (names.CHAIN, names.DRAW) if d in found.dims]
    if not sample:
        return found
    stacked = found.stack({SAMPLE: sample}, create_index=False).reset_coords(drop=True)
    posterior = fit.posterior
    shape = (posterior.sizes[names.CHAIN], posterior.sizes[names.DRAW])
    rng = np.random.default_rng([fit.settings["random_seed"], ENTROPY, zlib.crc32(b"noise")])
    which = rng.integers(stacked.sizes[SAMPLE], size=shape)
    place = xr.DataArray(which, dims=(names.CHAIN, names.DRAW), coords={d: posterior[d] for d in sample})
    return stacked.isel({SAMPLE: place}).assign_coords({names.SLICE: fit.slices} if names.SLICE in found.dims else {})


def noise_cost(fit: Fit) -> tuple[xr.DataArray, str]:
    """Draw the power of the information left by which effective labels shrink."""
    posterior = fit.posterior
    if names.NOISE_COST in posterior:
        return posterior[names.NOISE_COST], names.FROM_RUNS
    shape = (posterior.sizes[names.CHAIN], posterior.sizes[names.DRAW])
    rng = np.random.default_rng([fit.settings["random_seed"], ENTROPY, zlib.crc32(names.NOISE_COST.encode())])
    drawn = draw_prior(fit.model.priors[names.NOISE_COST], shape[0] * shape[1], rng).reshape(shape)
    coords = {d: posterior[d] for d in (names.CHAIN, names.DRAW)}
    return xr.DataArray(drawn, dims=(names.CHAIN, names.DRAW), coords=coords), names.ELICITED
