"""Wrong labels: what they take from training sets, and what they add to measured errors.

Labels are taken to be wrong uniformly: a share η of them is replaced by one of the K − 1 other classes at random.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.model.curve.families import namespace, softplus
from labelvalue.model.curve.observations import CURVE
from labelvalue.model.prior.priors import Prior
from labelvalue.problems import did_you_mean

CLEAN = -40.0  # logit of the noise of labels without any: a share of 4e-18
SHARES_OF_WRONG = ("error_rate", "accuracy")
"""Metrics whose error is the share of wrong answers, for which alone the formulas of wrong evaluation labels hold."""
LEAST_EXCESS = 0.05  # share of a measured error below which what noise leaves of it is bent smoothly to stay above 0


def useless_share(classes: int) -> float:
    """Share of wrong labels from which on labels tell nothing: what guessing among the classes gives."""
    return (classes - 1.0) / classes


def information_left(noise: Any, classes: int) -> Any:
    """Share of information left in labels of which a share is wrong: 1 for none, 0 for labels at random."""
    return 1.0 - noise * classes / (classes - 1.0)


def measured_error(error: Any, noise: Any, classes: int) -> Any:
    """Error that an evaluation set with wrong labels shows on average."""
    return noise + error * information_left(noise, classes)


def set_evaluation_noise(
    observations: xr.Dataset, noise: float | Prior | Mapping[str, float | Prior] | None
) -> xr.Dataset:
    """Put the share of wrong evaluation labels beside the observations, as a logit-normal by curve."""
    if noise is None:
        return observations
    metric = observations.attrs[names.METRIC]
    if metric not in SHARES_OF_WRONG:
        raise ValueError(
            f"evaluation_noise needs runs whose error is a share of wrong answers ({', '.join(SHARES_OF_WRONG)}), and "
            f"these measure {metric!r}, which wrong evaluation labels change in another way. "
            "Fix: give errors and trials, or leave evaluation_noise out."
        )
    slices = observations[names.SLICE].values.astype(str)
    by_slice = noise if isinstance(noise, Mapping) else dict.fromkeys(slices.tolist(), noise)
    center, spread = np.full(slices.size, CLEAN), np.zeros(slices.size)
    for name, share in by_slice.items():
        if name not in slices:
            raise ValueError(f"evaluation_noise: unknown slice {name!r}{did_you_mean(str(name), set(slices.tolist()))}")
        center[slices == name], spread[slices == name] = _logit(share, name, observations.attrs[names.CLASSES])
    noisy = observations.assign(noise_center=(CURVE, center), noise_spread=(CURVE, spread))
    return noisy.assign({names.ITEMS_VARIANCE: _of_true_level(noisy)})


def _of_true_level(observations: xr.Dataset) -> xr.DataArray:
    """Variance of the level of the error against true labels, from that of the measured one."""
    used = observations["used"].isel(knot=0) > 0
    measured = np.exp(observations["log_error"].isel(knot=0).where(used).mean("slot").fillna(0.5))
    noise = 1.0 / (1.0 + np.exp(-observations["noise_center"]))
    left = information_left(noise, observations.attrs[names.CLASSES])
    true = ((measured - noise) / left).clip(LEAST_EXCESS * measured, 1.0 - 1e-3)
    slope = measured * (1.0 - measured) / (left * true * (1.0 - true))
    return observations[names.ITEMS_VARIANCE] * slope**2


def _logit(share: float | Prior, name: str, classes: int) -> tuple[float, float]:
    if isinstance(share, Prior):
        if share.distribution != "logitnormal":
            raise ValueError(
                f"evaluation_noise of slice {name!r} is a share: its prior must be 'logitnormal', "
                f"got {share.distribution!r}"
            )
        return share.center, share.spread
    if not 0.0 <= share < useless_share(classes):
        raise ValueError(
            f"evaluation_noise of slice {name!r} must be a share, 0 ≤ x < {useless_share(classes):g} "
            f"with {classes} classes, got {share!r}"
        )
    return (float(np.log(share / (1.0 - share))) if share > 0 else CLEAN), 0.0


def true_labels(data: Mapping[Any, Any], noise: Any, classes: int) -> tuple[dict[Any, Any], Any]:
    """Turn measured errors into errors against true labels.

    With measured error m, the true one is (m − η) / (1 − η·K/(K−1)); relative noise grows by m / (m − η).
    """
    xp = namespace(noise)
    kept = LEAST_EXCESS * softplus((1.0 - noise * xp.exp(-data["log_error"])) / LEAST_EXCESS)
    changed = {
        "log_error": data["log_error"] + xp.log(kept) - xp.log(information_left(noise, classes)),
        "sampling_variance": data["sampling_variance"] / kept**2,
        "rounding": data["rounding"] / kept**2,
        "scatter": data["scatter"] / kept**2,
    }
    return {**data, **changed}, xp.log(kept)
