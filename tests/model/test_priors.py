"""Priors are frozen numbers that survive every way of writing them."""

import dataclasses
import json

import numpy as np
import pymc as pm
import pytest
from hypothesis import given, strategies as st
from scipy import stats

from labelvalue import Prior, fit, get_model
from labelvalue.model.hierarchy.building import variable
from labelvalue.model.hierarchy.specification import model_names
from labelvalue.model.prior.priors import draw_prior, priors_of, read_priors, suited
from labelvalue.priors import Priors

KINDS = ("normal", "lognormal", "student", "logitnormal")
FINITE = st.floats(-1e6, 1e6)
PRIOR = st.builds(
    Prior,
    st.sampled_from(KINDS),
    FINITE,
    st.floats(1e-6, 1e6),
    meaning=st.text(max_size=20),
    source=st.text(max_size=20),
)


@given(st.dictionaries(st.text(min_size=1, max_size=10), PRIOR, max_size=5))
def test_priors_survive_json(by_name):
    priors = Priors(by_name)
    assert priors_of(json.loads(json.dumps(priors.as_dict()))) == priors


def test_priors_survive_toml(tmp_path):
    file = tmp_path / "bank.toml"
    file.write_text(
        'provenance = "made up"\n[churn]\ndistribution = "logitnormal"\ncenter = -0.5\nspread = 1.0\nmeaning = "m"\n'
        '[floor_mean]\ndistribution = "normal"\ncenter = 0.25\nspread = 2.0\nsource = "elsewhere"\n'
    )
    assert read_priors(file) == Priors(
        {
            "churn": Prior("logitnormal", -0.5, 1.0, "m", "made up"),
            "floor_mean": Prior("normal", 0.25, 2.0, "", "elsewhere"),
        }
    )


@pytest.mark.parametrize("name", model_names())
def test_shipped_priors_say_what_they_mean_and_where_they_come_from(name):
    for prior in get_model(name).priors.values():
        assert prior.meaning
        assert prior.source


def test_replace_returns_new_priors_and_leaves_the_old():
    old = Priors({"churn": Prior("logitnormal", 0.0, 1.0), "hindsight": Prior("lognormal", 0.0, 0.3)})
    new = old.replace({"churn": Prior("logitnormal", 1.0, 0.5)})
    assert (old["churn"].center, new["churn"].center) == (0.0, 1.0)
    assert new["hindsight"] is old["hindsight"]
    assert list(new) == list(old)
    assert len(new) == 2


def test_an_unknown_name_is_refused_with_the_nearest_one(power_law):
    with pytest.raises(ValueError, match=r"unknown prior 'elastisity_mean'; did you mean 'elasticity_mean'\?"):
        power_law.priors.replace({"elastisity_mean": Prior("normal", 0.0, 1.0)})


def test_fit_refuses_an_unknown_prior_before_it_works(power_law, table):
    runs = table([("a", 100, 5, 50), ("a", 200, 4, 50)])
    with pytest.raises(ValueError, match=r"unknown prior 'nonsense'.*Priors of this model: error_mean"):
        fit(runs, priors={"nonsense": Prior("normal", 0.0, 1.0)}, progress=False)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (("gamma", 0.0, 1.0), "unknown distribution 'gamma'"),
        (("normal", 0.0, 0.0), "spread > 0"),
        (("normal", 0.0, -1.0), "spread > 0"),
        (("normal", 0.0, float("inf")), "spread > 0"),
        (("normal", 0.0, float("nan")), "spread > 0"),
        (("normal", float("nan"), 1.0), "finite center"),
        (("normal", float("inf"), 1.0), "finite center"),
    ],
)
def test_bad_numbers_are_refused(fields, text):
    with pytest.raises(ValueError, match=text):
        Prior(*fields)


def test_a_prior_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Prior("normal", 0.0, 1.0).center = 2.0


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_drawn_without_pymc_is_what_pymc_is_given(kind):
    """False alarms: 1 in 10 000 (Kolmogorov–Smirnov, both sides exact in distribution)."""
    prior = Prior(kind, -0.4, 0.7)
    ours = draw_prior(prior, 4000, np.random.default_rng(1))
    with pm.Model():
        theirs = pm.draw(variable("x", prior), draws=4000, random_seed=2)
    assert stats.ks_2samp(ours, theirs).pvalue > 1e-4


def test_m25_a_bank_has_numbers_of_its_own_between_learners(tmp_path):
    """Several learners and single curves take the wide numbers; what the user says wins on both levels."""
    file = tmp_path / "bank.toml"
    stated = 'distribution = "lognormal"\ncenter = -1.2\nspread = 0.5\nmeaning = "m"\n'
    wide = "[elasticity_spread.between_learners]\ncenter = -0.2\nspread = 0.3\n"
    file.write_text(f'provenance = "made up"\n[elasticity_spread]\n{stated}{wide}')
    bank = read_priors(file)
    found = {(slices, learners): suited(bank, slices, learners) for slices in (1, 5) for learners in (1, 3)}
    assert {key: priors["elasticity_spread"].center for key, priors in found.items()} == {
        (1, 1): -0.2,
        (1, 3): -0.2,
        (5, 1): -1.2,
        (5, 3): -0.2,
    }
    assert found[1, 1]["elasticity_spread"].meaning == "m"
    own = bank.replace({"elasticity_spread": Prior("lognormal", 0.7, 0.1)})
    assert [suited(own, 5, learners)["elasticity_spread"].center for learners in (1, 3)] == [0.7, 0.7]
    assert suited(found[5, 1], 5, 3)["elasticity_spread"].center == -1.2  # settled once
