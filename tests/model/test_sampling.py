"""What is tried again and what is kept; no sampler runs here."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

import labelvalue as lv
from labelvalue.model.sampling import sampling
from labelvalue.model.sampling.compiled import CompiledModel, Layout
from labelvalue.model.sampling.diagnostics import SamplerSettings
from labelvalue.model.sampling.sampling import Compiled, sample


def tree(kind, seed):
    """Draws of one attempt: fine, diverged (divergences) or short (chains apart)."""
    rng = np.random.default_rng(seed)
    a, energy = rng.normal(size=(2, 4, 500))
    diverging = np.zeros((4, 500), bool)
    if kind in ("diverged", "both"):
        diverging[:, :20] = True
    if kind in ("short", "both"):
        a[0] += 2.0
    one = ("chain", "draw")
    stats = {"diverging": (one, diverging), "energy": (one, energy)}
    return xr.DataTree.from_dict({"posterior": xr.Dataset({"a": (one, a)}), "sample_stats": xr.Dataset(stats)})


LAYOUT = Layout(("a", "b", "b_log__"), ((0, 1), (1, 4), (4, 7)), ((), (3,), (3,)), inputs=4, outputs=7)
MODEL = CompiledModel(LAYOUT, {"b": ("curve",)}, {}, None, None, None, {})


@pytest.fixture
def attempts(monkeypatch):
    """``attempts([kind, ...], ...)`` makes chains of each attempt give, or raise, these one after the other."""

    def prepare(*kinds):
        made, asked = [], []

        def rounds(compiled, settings, enough, advance, checkpoint):
            asked.append(settings)
            for kind in kinds[len(asked) - 1]:
                if isinstance(kind, BaseException):
                    raise kind
                made.append(tree(kind, len(made)))
                yield made[-1]

        monkeypatch.setattr(sampling, "_rounds", rounds)
        return made, asked, Compiled(MODEL, "there are no curves")

    return prepare


@pytest.mark.parametrize(
    ("kinds", "remedies", "verdicts"),
    [
        ([["fine"]], [], ["ok"]),
        ([["short", "fine"]], [], ["ok"]),
        ([["short", "short", "short"]], [], ["refused"]),
        ([["diverged"], ["fine"]], ["smaller steps"], ["refused", "ok"]),
        ([["short", "diverged"], ["short", "fine"]], ["smaller steps"], ["refused", "ok"]),
        ([["diverged"], ["diverged"]], ["smaller steps"], ["refused"] * 2),
        ([["both"], ["both"]], ["smaller steps"], ["refused"] * 2),
    ],
)
def test_short_chains_go_on_diverged_ones_begin_anew_once_and_the_last_is_kept(kinds, remedies, verdicts, attempts):
    made, asked, compiled = attempts(*kinds)
    kept, diagnostics = sample(compiled, SamplerSettings(draws=200, tune=100, random_seed=11))
    assert kept is made[-1]
    assert len(made) == sum(map(len, kinds))
    assert [a["remedy"] for a in diagnostics.attempts] == ["first attempt", *remedies]
    assert [a["verdict"] for a in diagnostics.attempts] == verdicts
    first = SamplerSettings(draws=200, tune=100, random_seed=11)
    again = SamplerSettings(draws=200, tune=200, target_accept=sampling.SMALLER_STEPS, random_seed=11)
    assert asked == [first, again][: len(kinds)]
    assert diagnostics.verdict == verdicts[-1]
    assert list(diagnostics.reasons) == diagnostics.attempts[-1]["reasons"]
    assert {a["because"] for a in diagnostics.attempts} == {"there are no curves"}


@pytest.mark.parametrize(
    ("kinds", "remedies"),
    [
        ([["fine"]], []),
        ([["diverged"], ["fine"]], ["the model's own coordinates"]),
        ([["short"] * 3, ["fine"]], ["the model's own coordinates"]),
    ],
)
def test_where_whitened_chains_do_not_pass_nuts_comes_last(kinds, remedies, attempts):
    made, _, compiled = attempts(*kinds)
    kept, diagnostics = sample(dataclasses.replace(compiled, whitenable=object()), SamplerSettings(draws=200, tune=100))
    assert kept is made[-1]
    assert diagnostics.verdict == "ok"
    assert [a["remedy"] for a in diagnostics.attempts] == ["first attempt", *remedies]
    own = [a["coordinates"] == sampling.PLAIN for a in diagnostics.attempts]
    assert own == [a["remedy"] == "the model's own coordinates" for a in diagnostics.attempts]


@pytest.mark.parametrize(("few", "longest"), [(True, 8), (False, 4)])
def test_chains_of_few_coordinates_go_on_for_longer_and_what_is_kept_is_evenly_spaced(
    few, longest, attempts, monkeypatch
):
    """Draws go on to eight times those asked for, or four; never more than four times as many are kept."""
    monkeypatch.setattr(sampling, "LONGER", ((MODEL.layout.inputs - (not few), 8), (np.inf, 4)))
    _, _, compiled = attempts()
    asked = []

    def rounds(compiled, settings, enough, advance, checkpoint):
        for draws in enough:
            asked.append(draws)
            kept = {"draw": np.arange(draws), "chain": [0, 1]}
            posterior = xr.Dataset({"a": (("chain", "draw"), np.tile(np.arange(draws), (2, 1)))}, kept)
            yield xr.DataTree.from_dict({"posterior": posterior, "sample_stats": posterior.rename(a="energy")})

    monkeypatch.setattr(sampling, "_rounds", rounds)
    monkeypatch.setattr(
        sampling, "figures_of", lambda tree: {**sampling.NO_DRAWS, "divergences": 0.0, "bfmi": 1.0, "chains": 2.0}
    )
    tree, _ = sampling._attempt(
        dataclasses.replace(compiled, whitenable=object()), SamplerSettings(draws=100), False, None
    )
    assert asked == [100, 200, 400, 800][: longest.bit_length()]
    kept = tree["posterior"]["a"].values[0]
    assert len(kept) == 400
    assert len(set(np.diff(kept))) == 1
    assert tree["posterior"]["draw"].values.tolist() == list(range(400))


@pytest.mark.parametrize(
    ("bulk", "tail", "rhat", "wanted"),
    [
        (380.0, 900.0, 1.0, 1250),  # 1,158 in steps of 125
        (900.0, 300.0, 1.0, 1500),
        (100.0, 300.0, 1.0, 2000),
        (399.9, 900.0, 1.0, 1125),
        (900.0, 900.0, 1.02, 2000),
        (399.9, 900.0, 1.02, 2000),
    ],
)
def test_chains_go_on_as_far_as_their_effective_sample_size_foretells(bulk, tail, rhat, wanted):
    """Never more than to twice as many, nor less than a step; what R-hat needs is not known, so that it is twice."""
    figures = {"rhat": rhat, "rhat_allowed": 1.01, "ess_bulk": bulk, "ess_tail": tail}
    assert sampling.draws_wanted(1000, figures, SamplerSettings(draws=1000)) == wanted


def test_nuts_is_not_asked_where_it_would_take_hours(attempts, monkeypatch):
    monkeypatch.setattr(sampling, "FEW_COORDINATES", MODEL.layout.inputs - 1)
    _, _, compiled = attempts(["diverged"], ["diverged"])
    _, diagnostics = sample(dataclasses.replace(compiled, whitenable=object()), SamplerSettings(draws=200, tune=100))
    assert [a["remedy"] for a in diagnostics.attempts] == ["first attempt", "smaller steps"]


@pytest.mark.parametrize(("parameters", "adaptation", "accept"), [(200, "low_rank", 0.95), (201, "diag", 0.94)])
def test_the_mass_matrix_of_plain_chains_goes_by_the_number_of_parameters(parameters, adaptation, accept, monkeypatch):
    import nutpie

    asked = []

    def sampled(model, **given):
        asked.append(given)
        posterior = xr.Dataset({"a": 1.0, "a_log__": 0.0})
        return SimpleNamespace(wait=lambda: xr.DataTree.from_dict({"posterior": posterior}))

    monkeypatch.setattr(nutpie, "sample", sampled)
    model = SimpleNamespace(layout=SimpleNamespace(inputs=parameters), for_nutpie=lambda: None)
    made = list(sampling.nutpie_rounds(model, SamplerSettings(random_seed=3), [10, 20]))
    assert [list(tree["posterior"].data_vars) for tree in made] == [["a"]] * 2
    assert [(a["adaptation"], a["target_accept"], a["seed"], a["tune"], a["draws"]) for a in asked] == [
        (adaptation, accept, 3, 600, draws) for draws in (10, 20)
    ]
    next(sampling.nutpie_rounds(model, SamplerSettings(target_accept=0.8), [10]))
    assert asked[-1]["target_accept"] == 0.8


@pytest.mark.parametrize("stop", [RuntimeError, np.linalg.LinAlgError])  # the second where no chain has moved
def test_a_sampler_that_stops_once_is_started_again(attempts, stop):
    made, _, compiled = attempts([stop("bad start\nand a long trace")], ["fine"])
    kept, diagnostics = sample(compiled, SamplerSettings())
    assert kept is made[0]
    assert diagnostics.verdict == "ok"
    assert diagnostics.attempts[0]["reasons"] == ["the sampler stopped: bad start"]


def test_a_sampler_that_stops_again_is_refused_with_draws_that_are_none(attempts):
    _, _, compiled = attempts([RuntimeError("bad start")], [RuntimeError("a chain died")])
    kept, diagnostics = sample(compiled, SamplerSettings())
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
        layout = Layout(tuple(shapes), (), tuple(shapes.values()), inputs=4, outputs=0)
        made = CompiledModel(layout, model.named_vars_to_dims, {}, None, None, None, {})
        return Compiled(made, "there are no curves")

    def stops(*_, **__):
        raise RuntimeError("All initialization points failed")

    monkeypatch.setattr(sampling, "compile_model", compiled)
    monkeypatch.setattr(sampling, "_rounds", stops)
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
    monkeypatch.setattr(sampling.time, "sleep", slept.append)
    monkeypatch.setattr(nutpie, "sample", lambda *_, **__: SimpleNamespace(wait=stops, cancel=lambda: None))
    model = SimpleNamespace(layout=SimpleNamespace(inputs=1), for_nutpie=lambda: None)
    with pytest.raises(RuntimeError, match="initialization"):
        next(sampling.nutpie_rounds(model, SamplerSettings(), [10]))
    assert slept == [sampling.SETTLE_SECONDS]


def test_ctrl_c_is_not_taken_for_a_failure(attempts):
    _, _, compiled = attempts([KeyboardInterrupt()])
    with pytest.raises(KeyboardInterrupt):
        sample(compiled, SamplerSettings())
