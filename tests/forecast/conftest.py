"""Fits with known parameters, changed where a test needs it; nothing is sampled."""

import numpy as np
import pytest

from labelvalue import Fit, names, testing
from labelvalue.model.curve.posterior import at_now
from tests.fits import altered


def changed(fit: Fit, *, posterior=None, position=None, keep=None, settings=None) -> Fit:
    """A copy of a fit with other variables, fewer slices, or other settings; what is derived is derived again."""
    draws, place, runs = fit.posterior.assign(posterior or {}), fit.position.assign(position or {}), None
    if keep is not None:
        draws, place = draws.sel(slice=keep), place.sel(slice=keep)
        runs = fit.runs.isel(run=np.isin(fit.runs[names.SLICE].values.astype(str), keep))
    made = altered(fit, posterior=draws, position=place, runs=runs, settings=settings)
    return altered(made, posterior=at_now(draws, place, fit.model, made.walks).data_vars)


@pytest.fixture(scope="session")
def change():
    return changed


@pytest.fixture(scope="session")
def straight(fake_fit):
    """A fit whose curves are of their family: no shape discrepancy to speak of."""
    return changed(fake_fit, posterior={names.DISCREPANCY: fake_fit.posterior[names.DISCREPANCY] * 1e-12})


@pytest.fixture(scope="session")
def two_learners():
    return testing.fake_fit(seed=1, learners=("a", "b"), slices=("east", "north"), draws=100)


def moved(fit, factor) -> Fit:
    """The same fit with other current labels: a factor of the reference, in whole labels."""
    now = (fit.position[names.REFERENCE_LABELS] * factor).round()
    return changed(fit, position={names.LABELS_NOW: now})


@pytest.fixture(scope="session")
def stand_at():
    return moved
