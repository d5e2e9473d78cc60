"""A fit's runs fitted once more as they were, but for what runs or priors count."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from labelvalue import names
from labelvalue.model.fitting.fitting import ASKED, fit as fit_runs
from labelvalue.model.fitting.result import Fit
from labelvalue.model.prior.priors import Prior

LEFT_OUT = 1e-6  # share of their likelihood that runs which are left out count for: of their slice all else stays known


def fit_again(
    fit: Fit,
    *,
    counts: np.ndarray | None = None,
    priors: Mapping[str, Prior] | None = None,
    most_draws: int | None = None,
) -> Fit:
    """Fit the runs of a fit once more, each counting as ``counts`` (run,) says, with all else as it was asked for."""
    runs = fit.runs
    if counts is not None:
        before = runs[names.WEIGHT].values if names.WEIGHT in runs else 1.0
        runs = runs.assign({names.WEIGHT: (names.RUN, before * np.asarray(counts))})
    known = fit.settings
    asked: dict[str, Any] = {
        key: _with_priors(value) for key, value in known.get(ASKED, {}).items() if value is not None
    }
    if most_draws is not None and "draws" in asked:
        asked["draws"] = min(asked["draws"], most_draws)
    seed = known["random_seed"]
    return fit_runs(
        runs, fit.model, priors=priors, classes=known[names.CLASSES], random_seed=seed, progress=False, **asked
    )


def _with_priors(value: Any) -> Any:
    """A setting as it was asked for: priors out of their plain values."""
    if not isinstance(value, Mapping):
        return value
    return Prior(**value) if "distribution" in value else {key: _with_priors(one) for key, one in value.items()}
