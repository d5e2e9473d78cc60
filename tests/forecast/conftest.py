"""Fits with known parameters, changed where a test needs it; nothing is sampled."""

import dataclasses
import json

import numpy as np
import pytest

from labelvalue import Fit, names, testing
from labelvalue.model.curve.posterior import at_now


def changed(fit: Fit, *, posterior=None, position=None, keep=None, settings=None) -> Fit:
    """A copy of a fit with other variables, fewer slices, or other settings; what is derived is derived again."""
    tree = fit.tree.copy()
    draws, place = fit.posterior.assign(posterior or {}), fit.position.assign(position or {})
    if keep is not None:
        draws, place = draws.sel(slice=keep), place.sel(slice=keep)
        runs = fit.runs
        tree[names.RUNS] = type(tree)(runs.isel(run=np.isin(runs[names.SLICE].values.astype(str), keep)))
    tree[names.POSTERIOR] = type(tree)(draws)
    tree["constant_data"] = type(tree)(place)
    tree.attrs = fit.tree.attrs | {"settings": json.dumps(fit.settings | (settings or {}))}
    made = dataclasses.replace(fit, tree=tree)
    tree[names.POSTERIOR] = type(tree)(draws.assign(at_now(draws, place, fit.model, made.walks).data_vars))
    return made


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
