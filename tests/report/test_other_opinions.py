"""What a page says of strategies, of other suites, and of a second method, with truths that are known."""

import json

import numpy as np
import pytest
import xarray as xr

import labelvalue as lv
from labelvalue import names, testing, write_report
from labelvalue.forecast.gains.learners_and_suites import on_suite
from labelvalue.report.numbers.alternatives import NOT_WORTH, OPEN, WORTH, strategy_numbers
from labelvalue.report.numbers.exports import report_tables
from labelvalue.report.numbers.numbers import report_numbers
from labelvalue.report.words.checks import MOST_CURVES, second_opinion
from labelvalue.report.words.project import Context
from labelvalue.report.words.wording import probability
from tests.fits import altered, with_suites

SAMPLE = ("chain", "draw")
CASE = {"costs": {"price_per_label": 0.1}, "value": {"per_error_point": 400}}


def changed(fit, posterior=None, settings=None):
    return altered(fit, posterior=posterior or {}, settings=(settings or {}))


@pytest.fixture(scope="module")
def small():
    return testing.fake_fit(seed=1, slices=("east", "west"), draws=50)


@pytest.fixture(scope="module")
def active(small):
    """Labels by margin are worth 1.5 random ones in most draws, by entropy half of one, by luck one or none better."""
    rng = np.random.default_rng(3)
    like = small.posterior[names.ERROR_REFERENCE]
    worth = xr.concat(
        [like * 0 + center + sd * rng.standard_normal(like.shape[:2])[..., None]
         for center, sd in ((1.5, 0.1), (0.5, 0.1), (1.0, 0.3))], dim="strategy",
    ).assign_coords(strategy=["margin", "<i>entropy</i>", "luck"]).transpose(..., "strategy")  # fmt: skip
    trend = xr.zeros_like(worth.isel(slice=0, drop=True))
    given = {names.EFFICIENCY: worth, names.EFFICIENCY_TREND: trend}
    return changed(small, given, {names.STRATEGIES: ["random", "margin", "<i>entropy</i>", "luck"]})


def test_m8_a_strategy_is_judged_per_label_and_for_its_money(active):
    offered = lv.interventions.ActiveLearning("margin", unit_cost=0.1)
    plain = strategy_numbers(active)
    assert [row["label"]["verdict"] for row in plain] == [WORTH, NOT_WORTH, OPEN]
    worth = lv.interventions.strategy_efficiency(active).mean("slice")
    for row in plain:
        own = worth.sel(strategy=row["strategy"])
        assert row["label"]["mean"] == pytest.approx(float(own.mean()))
        assert row["label"]["p_better"] == float((own > 1).mean())
        assert row["money"] == row["label"]
        assert not row["priced"]
    dear = strategy_numbers(active, lv.Case(**CASE, interventions=(offered,)))[0]
    assert dear["money"]["mean"] == pytest.approx(float(worth.sel(strategy="margin").mean()) / 2)
    assert (dear["label"]["verdict"], dear["money"]["verdict"]) == (WORTH, NOT_WORTH)
    assert dear["price_ratio"] == pytest.approx(2.0)


def test_m8_the_page_says_whether_choosing_labels_pays(active, seen, tmp_path):
    page = write_report(active, path=tmp_path / "page.html", budgets=[500]).read_text("utf-8")
    rows = report_numbers(active, [500])["strategies"]
    words = seen(page).words.replace(" ", "")
    for row in rows:
        said = row["sentence"]
        assert said.replace(" ", "") in words
        assert f"P(better than random) {probability(row['label']['p_better'])}" in said
    assert "<i>entropy" not in page
    assert "it breaks even where its label costs 1.50 times as much" in rows[0]["sentence"]
    assert "strategies" in report_tables(report_numbers(active, [500]))


def test_runs_of_one_strategy_have_no_such_line(page):
    assert "Is it worth choosing labels?" not in page


@pytest.fixture(scope="module")
def suites():
    """Two suites: on the second every curve falls half as fast."""
    fit = testing.fake_fit(seed=1, slices=("east", "west"), learners=("holdout", "shifted"), draws=50)
    return with_suites(fit)


def test_f21_a_fit_of_several_suites_has_a_page_about_one_of_them(suites, seen, tmp_path):
    case = lv.Case(**CASE, suite="shifted")
    plan = lv.decide(suites, case, max_labels=600, measure=False)
    path = tmp_path / "page.html"
    write_report(plan, path=path, budgets=[0, 500], numbers=path.with_suffix(".json"))
    numbers = json.loads(path.with_suffix(".json").read_text("utf-8"))
    whole = lv.predict_gain(suites, [500]).sel(budget=500)
    for row in numbers["gain"]:
        if row["budget"]:
            assert row["mean"] == pytest.approx(float(whole.sel(slice=row["slice"], suite="shifted").mean()))
    assert numbers["plan"]["net_benefit"]["mean"] == pytest.approx(float(plan.advantage().mean()))
    words = seen(path.read_text("utf-8")).words
    assert "All of it is about suite shifted" in words
    assert "Do gains persist on other suites?" in words
    assert on_suite(suites, "shifted").runs.sizes["run"] == suites.runs.sizes["run"] / 2


def test_f21_persistence_is_that_of_the_forecast(suites):
    found = report_numbers(suites, [500])["suites"]
    gain = lv.predict_gain(suites, [500]).sel(budget=500).mean("slice")
    assert found["suite"] == "holdout"
    for row in found["modelled"]:
        own = gain.sel(suite=row["suite"])
        kept = own / gain.sel(suite="holdout")
        assert row["gain"]["mean"] == pytest.approx(float(own.mean()))
        assert row["gain"]["p_positive"] == float((own > 0).mean())
        assert row["kept"]["median"] == float(kept.quantile(0.5, method="nearest"))
    assert sum(row["p_worst"] for row in found["modelled"]) == pytest.approx(1.0)
    assert found["modelled"][0]["kept"] == {"median": 1.0, "lower": 1.0, "upper": 1.0}
    assert found["sentence"].startswith("By the posterior, suite shifted keeps least of the gain on holdout")


def test_f24_what_came_on_other_suites_stands_on_the_page(small, seen, tmp_path):
    """Half of the gain that was forecast came on the shifted suite, all of it on the holdout."""
    share = xr.DataArray(np.ones((2, 50, 2)) * [1.0, 0.5], dims=(*SAMPLE, "suite"),
                         coords={"suite": ["holdout", "shifted"]})  # fmt: skip
    context = Context(persistence=xr.Dataset({"persistence": share}))
    page = write_report(small, path=tmp_path / "page.html", budgets=[500], context=context).read_text("utf-8")
    said = report_numbers(small, [500], context=context)["suites"]
    assert said["measured"][1] == {
        "suite": "shifted",
        "learner": None,
        "kept": {"median": 0.5, "lower": 0.5, "upper": 0.5},
    }
    assert said["modelled"] == []
    assert "Of the gain that had been forecast on holdout, least came on suite shifted: 50 %" in seen(page).words


def test_f26_the_page_says_where_the_bootstrap_disagrees(small, seen, tmp_path):
    """A posterior whose gains are thrice what they are must be found out; one that is right need not."""
    path = tmp_path / "page.html"
    write_report(small, path=path, budgets=[0, 1000], numbers=path.with_suffix(".json"))
    numbers = json.loads(path.with_suffix(".json").read_text("utf-8"))
    gain = lv.predict_gain(small, [1000])
    table = lv.diagnostics.gain_disagreement(gain, lv.diagnostics.bootstrap_gain(small, [1000], draws=400))
    said = numbers["second_opinion"]
    assert said["sentence"] == table.attrs["sentence"]
    assert [row["second_median"] for row in said["rows"]] == pytest.approx(table["second_median"].tolist())
    assert said["sentence"] in seen(path.read_text("utf-8")).words
    wrong = second_opinion(small, gain + 0.2)
    assert all(row["disagrees"] for row in wrong["rows"])
    assert "disagrees with the posterior on 2 of 2" in wrong["sentence"]


def test_f26_a_disagreement_is_a_limitation(small, monkeypatch):
    from labelvalue.report.numbers import numbers

    monkeypatch.setattr(numbers, "second_opinion", lambda fit, gain, ci_prob: second_opinion(fit, gain + 0.2))
    found = [one for one in report_numbers(small, [1000])["limitations"] if one["check"] == "second-opinion"]
    assert len(found) == 1
    assert "disagrees with the posterior on 2 of 2" in found[0]["text"]


def test_f26_what_was_not_computed_says_so(small):
    many = testing.fake_fit(seed=1, slices=tuple(f"s{i}" for i in range(MOST_CURVES + 1)), draws=5)
    assert second_opinion(many, lv.predict_gain(many, [500]))["sentence"].startswith("Not computed for 51 curves")
    two = altered(small, runs=small.runs.isel(run=small.runs["replicate"].values < 2))
    assert second_opinion(two, lv.predict_gain(two, [500]))["sentence"].startswith("Not computed: 2 replicates")
    none = second_opinion(small, lv.predict_gain(small, [0]))
    assert (none["rows"], none["sentence"][:9]) == ([], "No budget")


def test_f26_gains_that_cannot_be_compared_do_not_count_as_agreement(small):
    gain = lv.predict_gain(small, [500])
    second = lv.diagnostics.bootstrap_gain(small, [500], draws=100)
    table = lv.diagnostics.gain_disagreement(gain, second.where(second["slice"] != "west"))
    assert "of 2 gains there were too few runs" in table.attrs["sentence"]
    assert "all 2" not in table.attrs["sentence"]


CARRIED = {
    "learner": "<b>new</b>",
    "before": ["old", "older"],
    "labels": 1000,
    "carry_over": {"mean": 0.61, "low": 0.19, "high": 0.91, "prior": 0.25},
    "slices": [
        {"slice": "east", "with": 0.003, "without": 0.006, "share": 0.75},
        {"slice": "west", "with": 0.004, "without": 0.005, "share": 0.37},
    ],
}


def test_m16_the_page_says_how_much_old_runs_still_inform_a_new_learner(small, seen, tmp_path):
    context = Context(carried=(CARRIED, CARRIED | {"learner": "third", "slices": [], "why": "too few runs"}))
    page = write_report(small, path=tmp_path / "page.html", budgets=[500], context=context).read_text("utf-8")
    words = seen(page).words
    assert "What do runs of old learners still say of the new one?" in words
    assert "Learner <b>new</b>: 56 % of what is known of its gains stems from runs of old, older" in words
    assert "known to 0.00350 (standard deviation, mean over slices), without them to 0.00550" in words
    assert "61 % goes for the next learner too (90 % interval: 19 % to 91 %; assumed before any runs: 25 %)" in words
    assert "Learner third: how much runs of old, older still say of it is not known (too few runs)." in words
    assert "<b>new" not in page
    numbers = report_numbers(small, [500], context=context)
    assert numbers["carried"][0]["slices"] == CARRIED["slices"]
    table = report_tables(numbers)["carried"]
    assert table[["slice", "with", "without"]].values.tolist() == [["east", 0.003, 0.006], ["west", 0.004, 0.005]]
    assert (
        "old learners"
        not in seen(write_report(small, path=tmp_path / "b.html", budgets=[500]).read_text("utf-8")).words
    )
