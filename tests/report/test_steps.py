"""Lines that only some runs can tell, from models that were trained: diversity, steps, learners that differ."""

import numpy as np
import pytest
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures

import labelvalue as lv
from labelvalue import names, write_report
from labelvalue.forecast.gains.learners_and_suites import gain_over_learners, step_value
from labelvalue.interventions import diversity_efficiency
from labelvalue.numerals import significant
from labelvalue.report.numbers.numbers import report_numbers
from labelvalue.report.words.wording import probability

BUDGET = 600


def first(x):
    return x[:, :1]


@pytest.fixture(scope="module")
def fit():
    """Products of features tell the classes apart: one learner has that step, the other soon stays where it is."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(1600, 4))
    y = x[:, 0] + 0.8 * x[:, 0] * x[:, 1] + 0.8 * x[:, 2] * x[:, 3] + 0.5 * rng.normal(size=1600) > 0
    steps = make_pipeline(PolynomialFeatures(3, include_bias=False), RidgeClassifier(10.0))
    learners = {"first": make_pipeline(FunctionTransformer(first), RidgeClassifier()), "products": steps}
    runs = lv.simulate_runs(
        learners, x, y, rng.choice(["a", "b"], 1600), sizes=[60, 120, 250, 500, 900], replicates=4,
        strategies=("random", "diversity"), random_state=1, execution=lv.Execution(progress=False, n_jobs=1),
    )  # fmt: skip
    return lv.fit(runs, random_seed=1, draws=200, labels_now={"a": 50, "b": 50}, progress=False)


@pytest.fixture(scope="module")
def page(fit, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "page.html"
    write_report(fit, path=path, budgets=[BUDGET])
    return path.read_text("utf-8")


def test_m17_the_page_says_what_a_step_is_worth_as_labels_grow(fit, page):
    (said,) = report_numbers(fit, budgets=[BUDGET])["steps"]
    gain = lv.predict_gain(fit, [0, BUDGET])
    error = (fit.posterior[names.ERROR_NOW] - gain).rename({"budget": "labels"}).mean("slice").reset_coords(drop=True)
    found = step_value(error, "products", "first")
    for drawn in (found["value"].isel(labels=0), found["value"].isel(labels=1), found["interaction"]):
        low, high = np.quantile(drawn, [0.05, 0.95])
        assert f"{significant(float(drawn.mean()))} (90 % interval {significant(low)} to {significant(high)})" in said
    assert f"P(it gains value as labels grow) {probability(float(found['p_grows']))}" in said
    assert float(found["p_grows"]) > 0.9, "that is how these data were made"
    assert said in page


def test_f27_a_limitation_says_that_the_average_over_learners_hides_the_best(fit, page):
    (line,) = [row for row in report_numbers(fit, budgets=[BUDGET])["limitations"] if row["check"] == "learners"]
    found = gain_over_learners(lv.predict_gain(fit, [BUDGET]).isel(budget=0, drop=True).mean("slice"))
    assert bool(found["hidden"])
    assert line["text"].startswith("One sentence for all learners would hide products: ")
    assert line["text"].endswith(f"with probability {probability(float(found['p_hidden']))}.")
    assert line["text"] in page


def test_m9_the_page_says_how_probably_diversity_matters(fit, page):
    said = report_numbers(fit, budgets=[BUDGET])["diversity"]
    worth = diversity_efficiency(fit)
    assert said.startswith(f"P(diversity of labels matters) {probability(worth.attrs['p_matters'])}, ")
    most = worth.isel(diversity=-1)
    low, high = np.quantile(most, [0.05, 0.95])
    assert f"worth {float(most.mean()):.2f} random labels (90 % credible interval {low:.2f} to {high:.2f})" in said
    assert said in page


def test_runs_of_one_learner_and_strategy_say_none_of_these():
    numbers = report_numbers(lv.testing.fake_fit(seed=1, draws=50), budgets=[BUDGET])
    assert (numbers["steps"], numbers["diversity"]) == ([], "")
    assert "learners" not in [row["check"] for row in numbers["limitations"]]
    alike = lv.testing.fake_fit(seed=1, draws=50, learners=("line", "tree"))
    assert "learners" not in [row["check"] for row in report_numbers(alike, budgets=[BUDGET])["limitations"]]
