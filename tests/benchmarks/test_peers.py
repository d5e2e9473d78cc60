import sys
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from benchmarks import peers
from benchmarks.methods import PEERS, find_method
from labelvalue.forecast.backtesting.backtesting import SAMPLES

POWER_LAW_PEERS = [
    partial(peers.power_law, floor=True),
    partial(peers.power_law, floor=True, residual=True),
    partial(peers.power_law, floor=True, residual=True, doublings=4),
    partial(peers.power_law, floor=True, residual=True, doublings=2),
]


@pytest.mark.parametrize("peer", POWER_LAW_PEERS)
def test_peers_with_a_floor_forecast_a_power_law(power_law_problem, peer):
    samples = peer(power_law_problem, seed=1)
    assert samples.shape == (1, 3, SAMPLES)
    assert np.median(samples, axis=-1) == pytest.approx(power_law_problem.truth, abs=0.01)


def test_the_last_value_stays(power_law_problem):
    samples = peers.last_value(power_law_problem, seed=1)
    assert samples.mean(axis=-1) == pytest.approx(np.full((1, 3), power_law_problem.error_now), abs=0.003)


def test_seeds_fix_the_forecast(power_law_problem):
    first, again, other = (peers.power_law(power_law_problem, seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


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

    diagnostics = SimpleNamespace(verdict="flagged", reasons=("R-hat 1.02 is above 1.01", "too few"))
    stand_in = SimpleNamespace(
        read_runs=lambda table: table,
        fit=lambda runs, model, random_seed, progress: SimpleNamespace(diagnostics=diagnostics),
        on_items=lambda made: made,
        predict_error=predict_error,
    )
    monkeypatch.setitem(sys.modules, "labelvalue", stand_in)
    samples, verdicts = find_method("labelvalue").forecast(power_law_problem, 1)
    assert verdicts == ("flagged: R-hat 1.02 is above 1.01; too few",)
    assert samples.shape == (1, 3, 1000)
    assert samples[0, :, 0] == pytest.approx(power_law_problem.targets[0] / 10_000)
