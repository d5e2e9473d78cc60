import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from benchmarks.methods import find_method


@pytest.fixture
def two_slices(power_law_problem):
    """Two slices whose targets have labels, and others' labels, of their own."""
    targets = np.array([[1000, 2000, 4000], [500, 1000, 2000]])
    runs = pd.concat([power_law_problem.runs.assign(slice=s) for s in "ac"], ignore_index=True)
    return replace(
        power_law_problem,
        runs=runs,
        curves=(("a", "b"), ("c", "b")),
        now=np.array([512, 250]),
        targets=targets,
        error_now=np.array([0.3, 0.2]),
        truth=np.full((2, 3), 0.1),
        truth_se=np.zeros((2, 3)),
        target_other=targets[::-1] * 10,
    )


class Made:
    """What stands for a fit: its slices, and a verdict."""

    diagnostics = SimpleNamespace(verdict="ok", reasons=())

    def __init__(self, slices):
        self.slices = slices


@pytest.fixture
def fitted(monkeypatch):
    """A stand-in with labelvalue's signatures whose error tells what was asked; returns the slices of each fit."""
    fits = []

    def predict_error(made, labels, other_labels=None):
        fit = made.slices
        other_labels = [0] * len(labels) if other_labels is None else other_labels
        assert all(type(n) is int for n in [*labels, *other_labels])
        told = np.array(labels) / 10_000 + np.array(other_labels) / 1e7
        values = np.broadcast_to(told, (2, 600, len(fit), len(labels))) + np.arange(len(fit))[:, None] * 1e-5
        return xr.DataArray(
            values, dims=("chain", "draw", "slice", "labels"), coords={"slice": list(fit), "labels": labels}
        )

    def fit(runs, model, random_seed, progress):
        fits.append(tuple(dict.fromkeys(runs["slice"])))
        return Made(fits[-1])

    stand_in = SimpleNamespace(
        read_runs=lambda table: table, fit=fit, on_items=lambda made: made, predict_error=predict_error
    )
    monkeypatch.setitem(sys.modules, "labelvalue", stand_in)
    return fits


def expected(problem, place):
    return problem.targets / 10_000 + problem.target_other / 1e7 + np.array(place)[:, None] * 1e-5


def test_each_curve_is_forecast_with_its_targets_other_labels(two_slices, fitted):
    samples, verdicts = find_method("labelvalue").forecast(two_slices, 1)
    assert verdicts == ("ok",)
    assert samples.shape == (2, 3, 1000)
    assert samples[..., 0] == pytest.approx(expected(two_slices, [0, 1]))
    assert fitted == [("a", "c")]


def test_unpooled_fits_each_curve_alone(two_slices, fitted):
    method = find_method("labelvalue:unpooled")
    samples, verdicts = method.forecast(two_slices, 1)
    assert verdicts == ("ok", "ok")
    assert samples[..., 0] == pytest.approx(expected(two_slices, [0, 0]))
    assert fitted == [("a",), ("c",)]
    assert (method.peer, method.title) == (False, "labelvalue, each curve alone")


def test_unpooled_fits_only_what_is_judged(two_slices, fitted):
    sparse = replace(two_slices, sparse=np.array([False, True]))
    samples, _ = find_method("labelvalue:unpooled").forecast(sparse, 1)
    assert fitted == [("c",)]
    assert np.isnan(samples[0]).all()
    assert samples[1, :, 0] == pytest.approx(expected(two_slices, [0, 0])[1])


def test_pooled_fits_one_curve_and_gives_it_to_all(two_slices, fitted):
    samples, _ = find_method("labelvalue:pooled").forecast(two_slices, 1)
    assert fitted == [("all",)]
    assert samples[..., 0] == pytest.approx(two_slices.targets / 10_000)
