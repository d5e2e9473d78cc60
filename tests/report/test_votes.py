"""Votes against items on the page, and where the effects of interventions come from: picture, table, forecast agree."""

import dataclasses
import json

import numpy as np
import pytest

import labelvalue as lv
from labelvalue import names, testing, write_report
from labelvalue.decisions.sensitivity.offers import LEAST, SHOWN
from labelvalue.numerals import endless, significant
from labelvalue.report.numbers.alternatives import frontier_numbers, offer_numbers
from labelvalue.report.plots.plan import draw_frontiers
from labelvalue.report.words.wording import likely

SAMPLE = ("chain", "draw")


def case_of(**more) -> lv.Case:
    given = {
        "costs": {"price_per_label": {"low": 0.05, "high": 0.2}},
        "value": {"per_error_point": 400},
        "currency": "USD",
    }
    return lv.Case(**(given | more))


@pytest.fixture(scope="module")
def made():
    fit = testing.fake_fit(seed=1, draws=50, slices=("east", "west <b>"))
    offers = (
        lv.interventions.Consensus(3, name="three <i>", slices=("west <b>",)),
        lv.interventions.Pretraining(excess=0.999, cost=5),
    )
    limits = {"west <b>": {"available": 150}}
    case = case_of(label_noise={"default": 0.03, "west <b>": 0.4}, interventions=offers, slices=limits)
    return fit, case, lv.decide(fit, case, max_labels=1500, measure=False)


def test_d23_numbers_are_those_of_the_frontier_for_the_plans_money(made):
    fit, case, plan = made
    found = {one["slice"]: one for one in frontier_numbers(plan)}
    assert list(found) == sorted(plan.labels, key=lambda name: -plan.labels[name])
    for name, one in found.items():
        assert one["planned"][1] == plan.labels[name]
        planned = next(row for row in one["rows"] if row["votes"] == one["planned"][0])
        assert planned["labels"] == plan.labels[name]
        known = {"available": 150} if name == "west <b>" else {}
        told = lv.label_quality.quality_frontier(fit, one["money"], price=one["price"], noise=case.label_noise,
                                   votes=[row["votes"] for row in one["rows"]], **known)  # fmt: skip
        own = told.sel(slice=name)
        np.testing.assert_allclose([row["gain"] for row in one["rows"]], own[names.GAIN].mean(SAMPLE))
        np.testing.assert_allclose([row["p_best"] for row in one["rows"]], own[names.P_BEST])
        assert [row["labels"] for row in one["rows"]] == own[names.LABELS].values.tolist()
        (chosen,) = [row["votes"] for row in one["rows"] if row["chosen"]]
        assert chosen == int(own["votes_chosen"])
        np.testing.assert_allclose(one["surface"]["gain"], own["surface"].transpose("votes", "budget"))
    prices = [one["price"] for one in found.values()]
    assert prices[0] == prices[1] == pytest.approx(float(found["east"]["money"]) / plan.labels["east"])


def test_d23_the_plan_takes_votes_where_the_frontier_does(made):
    plan = made[2]
    assert "three <i>" in plan.interventions
    found = {one["slice"]: one for one in frontier_numbers(plan)}
    assert found["east"]["planned"][0] == 1
    assert found["west <b>"]["planned"][0] == 3
    best = {name: next(row["votes"] for row in one["rows"] if row["chosen"]) for name, one in found.items()}
    assert best["east"] == 1
    assert best["west <b>"] >= 3


def test_the_picture_is_the_table(made):
    entries = frontier_numbers(made[2])
    figure = draw_frontiers(entries, "", foot=False)
    for ax, one in zip(figure.axes, entries, strict=True):
        lines = {line.get_gid(): line for line in ax.lines if line.get_gid()}
        assert lines["sum"].get_xdata().tolist() == [row["labels"] for row in one["rows"]]
        assert lines["sum"].get_ydata().tolist() == [row["votes"] for row in one["rows"]]
        assert lines["chosen"].get_ydata().tolist() == [row["votes"] for row in one["rows"] if row["chosen"]]
        assert [lines["planned"].get_ydata()[0], lines["planned"].get_xdata()[0]] == one["planned"]
        said = {text.get_text() for text in ax.texts}
        assert {f"{100 * row['p_best']:.0f} %" for row in one["rows"] if row["p_best"] >= 0.005} <= said


def test_the_page_shows_contours_table_and_origins(made, seen, tmp_path):
    _, _, plan = made
    path = tmp_path / "page.html"
    write_report(plan, path=path, budgets=[500], numbers=path.with_suffix(".json"))
    page, numbers = path.read_text("utf-8"), json.loads(path.with_suffix(".json").read_text("utf-8"))
    section = page[page.index('id="votes"') :].partition("</section>")[0]
    assert section.count("<img ") == 1
    for one in numbers["plan"]["frontiers"]:
        for row in one["rows"]:
            for text in (f"{row['labels']:,}", significant(row["gain"]), likely(row["p_best"])):
                assert text.replace("<", "&lt;").replace(">", "&gt;") in section
    assert section.count("as planned") == 2
    offers = page[page.index('id="offers"') : page.index('id="candidates"')]
    assert offers.count("from an elicited prior: as stated") == 2
    assert "<i>" not in offers
    assert "<b>" not in section
    assert "three <i>" in seen(page).words


def test_f13_every_offer_has_its_worth_in_labels_and_its_break_even_price(made, seen, tmp_path):
    fit, case, plan = made
    rows = {row["name"]: row for row in offer_numbers(plan, ci_prob=0.8)}
    path = tmp_path / "page.html"
    write_report(plan, path=path, budgets=[500], ci_prob=0.8)
    page = seen(path.read_text("utf-8")).words
    price = case.costs.price_per_label
    for offer in case.interventions:
        worth = lv.interventions.exchange_rate(fit, offer, noise=case.label_noise, price=price)
        for key in ("equivalent_labels", "break_even"):
            drawn = np.sort(worth[key].sum("slice").values.ravel())
            told = [rows[offer.name][key][end] for end in ("median", "lower", "upper")]
            ends = np.quantile(drawn, [0.5, 0.1, 0.9], method="nearest")
            assert [np.inf if one is None else one for one in told] == pytest.approx(ends)
            assert f"{endless(told[0])} {endless(told[1])} to {endless(told[2])}" in page
    dear = dict.fromkeys(("east", "west <b>"), price) | {"west <b>": 2.0}
    by_slice = lv.interventions.exchange_rate(fit, case.interventions[1], price=dear)
    own = by_slice["break_even"].sel(slice="west <b>") / by_slice["equivalent_labels"].sel(slice="west <b>")
    np.testing.assert_allclose(own, 2.0)


def test_origins_are_those_of_the_forecast():
    """What the runs tell is from data, what the case states is not."""
    fit = testing.fake_fit(seed=1, draws=30, slices=("a", "b"), learners=("old", "new"))
    offers = (
        lv.interventions.NewLearner("new"),
        lv.interventions.Guideline(0.5, cost=10),
        lv.interventions.Consensus(3, slices=("a",)),
    )
    case = case_of(label_noise=0.1, interventions=offers, learner="old")
    rows = offer_numbers(lv.decide(fit, case, max_labels=100, measure=False))
    assert [row["origin"] for row in rows] == [
        "from data: the runs", "from an elicited prior: as stated", "from an elicited prior: as stated"]  # fmt: skip
    assert [row["slices"] for row in rows] == [[], [], ["a"]]
    estimated = dataclasses.replace(case, label_noise_origin="from annotations")
    rows = offer_numbers(lv.decide(fit, estimated, max_labels=100, measure=False))
    assert [row["origin"] for row in rows] == [
        "from data: the runs", "from an elicited prior: as stated", "from data: annotations"]  # fmt: skip


def test_the_page_says_that_annotations_tell_the_noise(seen, tmp_path):
    """In offers, in label quality and in the list of assumptions."""
    fit = testing.fake_fit(seed=1, draws=30, slices=("a", "b"))
    noise = {"label_noise": {"low": 0.05, "high": 0.2}, "label_noise_origin": "from annotations"}
    case = case_of(interventions=(lv.interventions.Consensus(3),), **noise)
    path = tmp_path / "page.html"
    plan = lv.decide(fit, case, max_labels=300, measure=False)
    write_report(plan, path=path, budgets=[500], numbers=path.with_suffix(".json"))
    words, numbers = seen(path.read_text("utf-8")).words, json.loads(path.with_suffix(".json").read_text("utf-8"))
    assert "from data: annotations" in words
    assert "from data: judgements of the annotations" in words
    assert "elicited" not in words
    (row,) = [row for row in numbers["assumptions"] if row["id"].startswith("case/label_noise")]
    assert row["source"] == "the case, given in Python; from annotations"


def test_where_nothing_says_how_many_labels_are_wrong_or_little_is_bought_there_is_none():
    fit = testing.fake_fit(seed=1, draws=20)
    case = case_of()
    plan = lv.decide(fit, case, max_labels=800, measure=False)
    assert frontier_numbers(plan) == []
    noisy = case_of(label_noise=0.2)
    few = lv.decide(fit, noisy, max_labels=3 * LEAST - 1, measure=False)
    assert frontier_numbers(few) == []
    many = testing.fake_fit(seed=1, draws=20, slices=tuple(f"s{i}" for i in range(SHOWN + 2)))
    bought = lv.decide(
        many,
        case_of(label_noise=0.2, slices={f"s{i}": {"minimum": 100} for i in range(6)}),
        max_labels=900,
        measure=False,
    )
    assert len(frontier_numbers(bought)) == SHOWN
