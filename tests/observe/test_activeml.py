"""scikit-activeml's strategies through our door, and its scores behind our own."""

import dataclasses

import numpy as np
import pytest
from skactiveml import pool
from sklearn.linear_model import LogisticRegression

from labelvalue import names
from labelvalue.interventions import activeml_strategy
from labelvalue.observe.simulate.learners import Trained
from labelvalue.observe.simulate.strategies import QUERIES, Query, diversity


def query(x, labelled, count):
    labelled = np.array(labelled)
    return Query(
        trained=None,
        train=None,
        x=x,
        features=x,
        labelled=labelled,
        labels=np.where(x[labelled, 0] > 0, "yes", "no"),
        candidates=np.setdiff1d(np.arange(len(x)), labelled),
        classes=np.array(["no", "yes"]),
        count=count,
        seed=1,
    )


@pytest.mark.parametrize(
    ("name", "method"),
    [("uncertainty", "least_confident"), ("margin", "margin_sampling"), ("entropy", "entropy")],
)
def test_o18_built_in_strategies_choose_by_scores_of_scikit_activeml(name, method, monkeypatch):
    x = np.random.default_rng(3).normal(size=(300, 2))
    asked = query(x, range(30), 20)
    model = LogisticRegression().fit(x[:30], asked.labels)
    asked = dataclasses.replace(asked, trained=Trained(model, asked.labels))
    theirs = activeml_strategy(pool.UncertaintySampling(method=method))(asked)
    assert set(QUERIES[name](asked)) == set(theirs)
    monkeypatch.setattr(pool, "uncertainty_scores", lambda p, method: -p[:, 0])
    assert QUERIES[name](asked)[0] == 30 + model.predict_proba(x[30:])[:, 0].argmin(), "none of our own"


def test_core_set_needs_no_model_and_agrees_with_diversity_on_clusters():
    rng = np.random.default_rng(0)
    x = np.repeat([[0.0, 0.0], [30.0, 0.0], [0.0, 30.0]], 20, axis=0) + rng.normal(size=(60, 2))
    asked = query(x, [0], 2)
    ours, theirs = ({row // 20 for row in choose(asked)} for choose in (diversity, activeml_strategy(pool.CoreSet())))
    assert ours == theirs == {1, 2}


def test_in_a_simulation(simulate):
    strategies = {"random": None, "core set": activeml_strategy(pool.CoreSet())}
    clock = [names.SECONDS, names.MEASURED_AT]
    one, two = (simulate(strategies=strategies, sizes=[40, 60]).drop_vars(clock) for _ in range(2))
    assert set(one[names.STRATEGY].values) == {"random", "core set"}
    assert one.drop_attrs().identical(two.drop_attrs())


def test_what_is_no_strategy():
    with pytest.raises(TypeError, match="not str"):
        activeml_strategy("CoreSet")
    with pytest.raises(TypeError, match="QueryByCommittee asks for 'ensemble'"):
        activeml_strategy(pool.QueryByCommittee())
