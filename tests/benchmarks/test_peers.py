import sys
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from scipy.optimize import least_squares

from benchmarks import peers
from benchmarks.least_squares import fit_power_laws
from benchmarks.methods import PEERS, find_method

LABELS = np.rint(16 * 2 ** (np.arange(11) / 2))
POWER_LAW_PEERS = [
    partial(peers.power_law, floor=True),
    partial(peers.power_law, floor=True, residual=True),
    partial(peers.power_law, floor=True, residual=True, doublings=4),
    partial(peers.power_law, floor=True, residual=True, doublings=2),
]


def test_a_power_law_is_recovered():
    curve = 0.1 + 0.3 * (LABELS / 512) ** -0.6
    fit = fit_power_laws(LABELS, curve)
    assert [fit.floor[0], fit.scale[0], fit.elasticity[0]] == pytest.approx([0.1, 0.3, 0.6], abs=1e-3)
    assert fit.error(np.array([4096.0]))[0] == pytest.approx([0.1 + 0.3 * 8**-0.6], abs=1e-4)


def test_without_a_floor_relative_squares_recover_the_exponent():
    curve = 0.3 * (LABELS / 512) ** -0.25
    fit = fit_power_laws(LABELS, curve, curve**-2, floor=False)
    assert [fit.floor[0], fit.scale[0], fit.elasticity[0]] == pytest.approx([0, 0.3, 0.25], abs=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_no_start_of_a_local_search_finds_a_better_fit(seed):
    rng = np.random.default_rng(seed)
    curve = rng.uniform(0, 0.2) + rng.uniform(0, 0.3) * (LABELS / 512) ** -rng.uniform(0, 1.5)
    data = curve + rng.normal(0, 0.01, len(LABELS))
    found = fit_power_laws(LABELS, data).squares[0]

    def residuals(parameters):
        floor, scale, elasticity = parameters
        return floor + scale * (LABELS / 512) ** -elasticity - data

    starts = [(c, 0.2, b) for c in (0.01, 0.1) for b in (0.1, 0.5, 2.0)]
    best = min(2 * least_squares(residuals, start, bounds=(0, [1, 1, 4])).cost for start in starts)
    assert found <= best * (1 + 1e-3)


def test_missing_sizes_are_ignored():
    curve = 0.1 + 0.3 * (LABELS / 512) ** -0.6
    holes = np.tile(curve, (2, 1))
    holes[1, 3] = np.nan
    assert fit_power_laws(LABELS, holes).elasticity == pytest.approx(0.6, abs=1e-3)


def test_a_rising_curve_is_fitted_by_a_constant():
    fit = fit_power_laws(LABELS, 0.1 + 0.01 * np.arange(11))
    assert fit.error(np.array([16.0, 4096.0]))[0] == pytest.approx([0.15, 0.15])


@pytest.mark.parametrize("peer", POWER_LAW_PEERS)
def test_peers_with_a_floor_forecast_a_power_law(power_law_problem, peer):
    samples = peer(power_law_problem, seed=1)
    assert samples.shape == (1, 3, peers.SAMPLES)
    assert np.median(samples, axis=-1) == pytest.approx(power_law_problem.truth, abs=0.01)


def test_the_last_value_stays(power_law_problem):
    samples = peers.last_value(power_law_problem, seed=1)
    assert samples.mean(axis=-1) == pytest.approx(np.full((1, 3), power_law_problem.error_now), abs=0.003)


def test_seeds_fix_the_forecast(power_law_problem):
    first, again, other = (peers.power_law(power_law_problem, seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_replicate_that_lacks_a_size_leaves_the_others(power_law_problem):
    runs = power_law_problem.runs
    timed_out = (runs["labels"] == 512) & (runs["replicate"] > 0)
    means = peers.resample_replicates(runs[~timed_out], np.random.default_rng(1))
    assert np.isfinite(means.resampled).all()
    assert means.resampled[:, -1] == pytest.approx(means.observed[-1])
    assert means.resampled[:, 0].std() > 0


def test_the_package_peer_forecasts_a_power_law(power_law_problem, monkeypatch):
    pytest.importorskip("simple_scaling_laws")
    monkeypatch.setattr(peers, "SCALING_LAWS_DRAWS", 20)
    samples = peers.simple_scaling_laws(power_law_problem, seed=1)
    assert np.median(samples, axis=-1) == pytest.approx(power_law_problem.truth, abs=0.02)


def test_methods_are_found_by_name():
    assert [find_method(peer.name) for peer in PEERS] == list(PEERS)
    model = find_method("labelvalue:exponential")
    assert (model.peer, model.title) == (False, "labelvalue, exponential")
    with pytest.raises(ValueError, match=r"last_value.*labelvalue"):
        find_method("crystal_ball")


@pytest.mark.parametrize("with_learner", [True, False])
def test_the_models_draws_come_out_by_curve_and_distance(power_law_problem, monkeypatch, with_learner):
    """Against a stand-in with labelvalue's signatures: no sampling here."""
    dims = ("chain", "draw", "slice", *(["learner"] if with_learner else []), "labels")

    def predict_error(fit, labels):
        shape = [2, 1000] + [1] * (len(dims) - 3) + [len(labels)]
        values = np.broadcast_to(np.array(labels) / 10_000, shape)
        return xr.DataArray(values, dims=dims, coords={"slice": ["a"], "labels": labels}).assign_coords(
            {"learner": ["b"]} if with_learner else {}
        )

    stand_in = SimpleNamespace(
        read_runs=lambda table: table,
        fit=lambda runs, model, random_seed, progress: None,
        predict_error=predict_error,
    )
    monkeypatch.setitem(sys.modules, "labelvalue", stand_in)
    samples = find_method("labelvalue").forecast(power_law_problem, 1)
    assert samples.shape == (1, 3, 1000)
    assert samples[0, :, 0] == pytest.approx(power_law_problem.targets[0] / 10_000)
