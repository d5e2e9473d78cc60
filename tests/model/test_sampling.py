"""What is tried again and what is kept; no sampler runs here."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

import labelvalue as lv
from labelvalue.model import sampling
from labelvalue.model.sampling import SamplerSettings, next_attempt, sample

FINE = {"rhat": 1.0, "ess_bulk": 900.0, "ess_tail": 900.0, "divergences": 0.0, "bfmi": 1.0, "chains": 4.0}
ROUGH = [{"divergences": 0.002}, {"bfmi": 0.25}, {"divergences": 0.5, "rhat": 1.3}]
SHORT = [
    ({"rhat": 1.011}, 2),
    ({"rhat": 1.02}, 3),
    ({"rhat": 1.2}, 4),
    ({"rhat": np.nan}, 4),
    ({"ess_bulk": 399.0}, 2),
    ({"ess_tail": 210.0}, 3),
    ({"ess_tail": 199.0}, 4),
    ({"ess_tail": 0.0}, 4),
    ({"rhat": 1.011, "ess_bulk": 100.0}, 4),
]


@pytest.mark.parametrize("change", ROUGH)
def test_rough_draws_ask_for_smaller_steps_first(change):
    remedy, after = next_attempt(SamplerSettings(draws=500, tune=300, random_seed=7), FINE | change, frozenset())
    assert remedy == "smaller steps"
    assert after == SamplerSettings(draws=500, tune=600, target_accept=0.99, random_seed=7)


@pytest.mark.parametrize(("change", "times"), SHORT)
def test_short_chains_ask_for_as_many_draws_as_will_do(change, times):
    """Half as many again as the figure, were it to grow with the draws, would need."""
    remedy, after = next_attempt(SamplerSettings(draws=500, tune=300), FINE | change, frozenset())
    assert remedy == {2: "twice", 3: "three times", 4: "four times"}[times] + " the draws"
    assert after == SamplerSettings(draws=times * 500, tune=300)


def test_each_remedy_is_used_once():
    both = FINE | {"divergences": 0.1, "rhat": 1.012}
    assert next_attempt(SamplerSettings(), both, frozenset({"smaller steps"}))[0] == "twice the draws"
    assert next_attempt(SamplerSettings(), both, frozenset({"twice the draws"}))[0] == "smaller steps"
    assert next_attempt(SamplerSettings(), both, frozenset({"smaller steps", "four times the draws"})) is None
    assert next_attempt(SamplerSettings(), FINE | {"rhat": 1.2}, frozenset({"twice the draws"})) is None


def test_draws_that_miss_the_gate_otherwise_are_not_tried_again():
    assert next_attempt(SamplerSettings(), FINE | {"depth": 0.5}, frozenset()) is None


def tree(kind, seed):
    """Draws of one attempt: fine, rough (divergences) or short (chains apart)."""
    rng = np.random.default_rng(seed)
    a, energy = rng.normal(size=(2, 4, 500))
    diverging = np.zeros((4, 500), bool)
    if kind in ("rough", "both"):
        diverging[:, :20] = True
    if kind in ("short", "both"):
        a[0] += 2.0
    one = ("chain", "draw")
    stats = {"diverging": (one, diverging), "energy": (one, energy)}
    return xr.DataTree.from_dict({"posterior": xr.Dataset({"a": (one, a)}), "sample_stats": xr.Dataset(stats)})


@pytest.fixture
def attempts(monkeypatch):
    """``attempts(kind, ...)`` makes the sampler return, or raise, these one after the other; returns what it made."""

    def prepare(*kinds):
        made, asked = [], []
        compiled = SimpleNamespace(
            n_dim=4, shapes={"a": (), "b": (3,), "b_log__": (3,)}, dims={"b": ("curve",)}, variables=()
        )

        def once(given, settings, *, progress=False, checkpoint=None):
            assert given is compiled
            asked.append(settings)
            kind = kinds[len(asked) - 1]
            if isinstance(kind, BaseException):
                raise kind
            made.append(tree(kind, len(asked)))
            return made[-1]

        monkeypatch.setattr(sampling, "compile_model", lambda model: compiled)
        monkeypatch.setattr(sampling, "sample_once", once)
        return made, asked

    return prepare


@pytest.mark.parametrize(
    ("kinds", "remedies", "verdicts"),
    [
        (["fine"], [], ["ok"]),
        (["rough", "fine"], ["smaller steps"], ["refused", "ok"]),
        (["short", "fine"], ["four times the draws"], ["refused", "ok"]),
        (["both", "short", "fine"], ["smaller steps", "four times the draws"], ["refused", "refused", "ok"]),
        (["short", "rough", "rough"], ["four times the draws", "smaller steps"], ["refused"] * 3),
        (["rough", "rough"], ["smaller steps"], ["refused"] * 2),
        (["both", "both", "both"], ["smaller steps", "four times the draws"], ["refused"] * 3),
    ],
)
def test_attempts_are_recorded_and_the_last_is_kept(kinds, remedies, verdicts, attempts):
    made, asked = attempts(*kinds)
    kept, diagnostics = sample(None, SamplerSettings(draws=100, tune=100))
    assert kept is made[-1]
    assert len(made) == len(kinds)
    assert [a["remedy"] for a in diagnostics.attempts] == ["first attempt", *remedies]
    assert [a["verdict"] for a in diagnostics.attempts] == verdicts
    assert [(a["draws"], a["tune"], a["target_accept"]) for a in diagnostics.attempts] == [
        (s.draws, s.tune, s.target_accept) for s in asked
    ]
    assert diagnostics.verdict == verdicts[-1]
    assert list(diagnostics.reasons) == diagnostics.attempts[-1]["reasons"]


@pytest.mark.parametrize(
    ("parameters", "given", "adaptation", "target_accept"),
    [
        (200, {}, "low_rank", 0.95),
        (201, {}, "diag", 0.94),
        (900, {"target_accept": 0.8}, "diag", 0.8),
    ],
)
def test_attempts_say_which_mass_matrix_and_acceptance_were_used(
    parameters, given, adaptation, target_accept, attempts
):
    _, asked = attempts("fine")
    compiled = sampling.compile_model(None)
    compiled.n_dim = parameters
    _, diagnostics = sample(None, SamplerSettings(**given))
    used = diagnostics.attempts[0]
    assert (used["adaptation"], used["target_accept"]) == (adaptation, target_accept)
    assert asked == [SamplerSettings(adaptation=adaptation, target_accept=target_accept)]


def test_the_seed_is_the_same_in_every_attempt(attempts):
    _, asked = attempts("both", "both", "both")
    sample(None, SamplerSettings(random_seed=11))
    assert [s.random_seed for s in asked] == [11, 11, 11]


def test_a_sampler_that_stops_once_is_started_again(attempts):
    made, _ = attempts(RuntimeError("bad start\nand a long trace"), "fine")
    kept, diagnostics = sample(None, SamplerSettings())
    assert kept is made[0]
    assert diagnostics.verdict == "ok"
    assert diagnostics.attempts[0]["reasons"] == ["the sampler stopped: bad start"]


def test_a_sampler_that_stops_again_is_refused_with_draws_that_are_none(attempts):
    attempts(RuntimeError("bad start"), RuntimeError("a chain died"))
    kept, diagnostics = sample(None, SamplerSettings())
    assert diagnostics.verdict == "refused"
    assert diagnostics.reasons == ("the sampler stopped: a chain died",)
    assert [a["remedy"] for a in diagnostics.attempts] == ["first attempt", "smaller steps"]
    posterior = kept["posterior"].to_dataset()
    assert {n: v.dims for n, v in posterior.data_vars.items()} == {
        "a": ("chain", "draw"), "b": ("chain", "draw", "curve"),
    }  # fmt: skip
    assert all(np.isnan(v).all() for v in posterior.data_vars.values())
    assert diagnostics.figures["chains"] == 0


def test_a_fit_whose_sampler_stops_is_refused_and_complete(monkeypatch, fake_fit, tmp_path):
    """Faults, row 12: a verdict with its reason, no traceback; the file can be written and read."""

    def compiled(model):
        shapes = {v.name: tuple(d.eval() for d in v.shape) for v in model.unobserved_RVs}
        return SimpleNamespace(n_dim=4, shapes=shapes, dims=model.named_vars_to_dims, variables=())

    def stops(*_, **__):
        raise RuntimeError("All initialization points failed")

    monkeypatch.setattr(sampling, "compile_model", compiled)
    monkeypatch.setattr(sampling, "sample_once", stops)
    fit = lv.fit(fake_fit.runs, progress=False)
    assert fit.diagnostics.verdict == "refused"
    assert fit.diagnostics.reasons == ("the sampler stopped: All initialization points failed",)
    assert fit.slices.tolist() == fake_fit.slices.tolist()
    assert set(fake_fit.posterior.data_vars) - set(fit.posterior.data_vars) <= {"elasticity_between"}
    loaded = lv.load_fit(fit.save(tmp_path / "fit.nc"))
    assert loaded.diagnostics == fit.diagnostics
    assert np.isnan(loaded.posterior["impact"]).all()


def test_after_a_failure_the_samplers_threads_are_given_time_to_end(monkeypatch):
    """nutpie does not join them, and an interpreter that ends before they do crashes."""
    import nutpie

    def stops(*_, **__):
        raise RuntimeError("All initialization points failed")

    slept = []
    monkeypatch.setattr(nutpie, "sample", stops)
    monkeypatch.setattr(sampling.time, "sleep", slept.append)
    with pytest.raises(RuntimeError, match="initialization"):
        sampling.sample_once(SimpleNamespace(n_dim=1), SamplerSettings())
    assert slept == [sampling.SETTLE_SECONDS]


def test_ctrl_c_is_not_taken_for_a_failure(attempts):
    attempts(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        sample(None, SamplerSettings())
