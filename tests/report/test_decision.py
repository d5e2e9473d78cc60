"""Where labels are worth most: probabilities, ties, reservations, and the words for them."""

import dataclasses

import numpy as np
import pytest
import xarray as xr

import labelvalue as lv
from labelvalue import names
from labelvalue.decisions.sensitivity import tornado
from labelvalue.numerals import number, significant
from labelvalue.report.numbers import plan as plan_numbers_of
from labelvalue.report.numbers.numbers import report_numbers
from labelvalue.report.numbers.tables import default_budgets
from labelvalue.report.plots.style import count, plain
from labelvalue.report.render.html import _groups, moment
from labelvalue.report.words.verdicts import best_slices, p_best
from labelvalue.report.words.wording import comparison, decimals, percent, probability, sentence
from tests.fits import altered


def said(fit, draws, budgets=(500,), doublings=0.0):
    """Decide on gains of our own, shape (slice, budget) broadcast over draws."""
    chains, count = fit.posterior.sizes["chain"], fit.posterior.sizes["draw"]
    draws = np.broadcast_to(draws, (chains, count, fit.slices.size, len(budgets)))
    gain = xr.DataArray(
        draws,
        dims=("chain", "draw", "slice", "budget"),
        name="gain",
        coords={
            "slice": fit.slices,
            "budget": list(budgets),
            "doublings": (("slice", "budget"), np.full(draws.shape[2:], doublings)),
        },
    )
    (one,) = best_slices(fit, gain, lv.summarise(gain))
    return one


@pytest.fixture
def noise(fake_fit):
    sizes = fake_fit.posterior.sizes
    return np.random.default_rng(1).normal(size=(sizes["chain"], sizes["draw"], 4, 1))


def test_p_best_against_counting(fake_fit):
    gain = lv.predict_gain(fake_fit, budgets=[500]).sel(budget=500)
    winners = gain.values.reshape(-1, 4).argmax(axis=1)
    for i, name in enumerate(fake_fit.slices):
        assert p_best(gain)[name] == pytest.approx((winners == i).mean())
    assert sum(p_best(gain).values()) == pytest.approx(1)


def test_clear_winner(fake_fit, noise):
    one = said(fake_fit, 0.01 * noise + np.array([[0.1], [0.9], [0.2], [0.3]]))
    assert (one["slice"], one["tie"], one["p_best"]) == ("north", False, 1.0)
    assert one["runner_up"]["slice"] == "west"
    assert "clearly ahead of the runner-up “west”" in comparison(one)
    assert "are worth most in slice “north”" in sentence(one, 0.9)


def test_probable_winner_is_not_called_clear(fake_fit, noise):
    one = said(fake_fit, 0.1 * noise + np.array([[0.5], [0.4], [0.0], [0.0]]))
    assert not one["tie"]
    assert 0.7 <= one["p_best"] < 0.95
    assert "probably, not surely, ahead of" in comparison(one)


def test_a_tie_is_called_a_tie(fake_fit, noise):
    one = said(fake_fit, 0.1 * noise + np.array([[0.5], [0.49], [0.49], [0.0]]))
    assert one["tie"]
    assert sentence(one, 0.9).startswith("It is a tie where the next 500 labels are worth most.")
    assert "cannot be told apart" in comparison(one)


def test_one_slice_has_no_rival():
    fit = lv.testing.fake_fit(seed=1, slices=("only",), draws=50)
    numbers = report_numbers(fit, budgets=[500])
    (one,) = numbers["decision"]["by_learner"]
    assert one["runner_up"] is None
    assert not one["tie"]
    assert "only one slice" in one["comparison"]
    case = lv.Case(costs={"price_per_label": 0.01}, value={"per_error_point": 400})
    plan = report_numbers(lv.decide(fit, case, max_labels=500, measure=False), budgets=[500])["plan"]
    assert " lower the error from " in plan["sentence"]
    assert plan["gain_sentence"].startswith("The error goes from ")


def test_slices_are_compared_within_the_validated_distance(fake_fit):
    one = decide_on(fake_fit, [60_000, 500, 2000, 0])
    assert (one["budget"], one["within_validated"]) == (2000, True)
    assert [row["budget"] for row in one["by_budget"]] == [500, 2000, 60_000]
    assert [bool(row["flags"]) for row in one["by_budget"]] == [False, False, True]
    one = decide_on(fake_fit, [600_000, 60_000])
    assert (one["budget"], one["within_validated"]) == (60_000, False)
    assert "doublings beyond the largest size" in one["reservations"][0]


def decide_on(fit, budgets):
    (one,) = report_numbers(fit, budgets=budgets)["decision"]["by_learner"]
    return one


def test_only_budget_zero(fake_fit):
    numbers = report_numbers(fake_fit, budgets=[0])
    assert numbers["decision"]["by_learner"] == []
    assert "No budget above 0" in numbers["decision"]["sentence"]


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        (names.MOSTLY_ASSUMPTION, "mostly assumption"),
        (names.SHAPE_MISFIT, "do not follow a learning curve"),
        (names.BORROWED, "leans on the other slices"),
    ],
)
def test_a_flag_of_the_best_slice_is_the_strongest_reservation(fake_fit, flag, words):
    flags = {str(name): (flag,) for name in fake_fit.slices}
    fit = dataclasses.replace(fake_fit, diagnostics=dataclasses.replace(fake_fit.diagnostics, flags=flags))
    assert words in decide_on(fit, [500])["reservations"][0]


def test_an_unsure_gain_is_said(fake_fit, noise):
    one = said(fake_fit, noise)
    assert "There may be no gain at all" in one["reservations"][0]


def test_there_is_always_a_reservation(fake_fit, noise):
    one = said(fake_fit, 0.01 * noise + np.array([[0.1], [0.9], [0.2], [0.3]]))
    assert len(one["reservations"]) == 1
    assert "price of a label" in one["reservations"][0]


def test_a_negative_gain_is_not_called_lowering(fake_fit, noise):
    one = said(fake_fit, 0.001 * noise - 0.1)
    assert "expected to change the error" in sentence(one, 0.9)
    assert "−0.1" in sentence(one, 0.9)


def test_share_of_error(fake_fit):
    one = decide_on(fake_fit, [500])
    gain = lv.predict_gain(fake_fit, budgets=[500]).sel(slice=one["slice"], budget=500)
    now = fake_fit.posterior["error_now"].sel(slice=one["slice"])
    assert one["share_of_error"] == pytest.approx(float((gain / now).mean()))


@pytest.mark.parametrize(
    ("sizes", "expected"), [((125, 250, 500, 1000, 8000), [200, 500, 1000, 2000]), ((4, 8, 16), [1, 2, 5, 10])]
)
def test_default_budgets_are_rounded_and_about_double_the_median_slice(fake_fit, sizes, expected):
    now = {names.LABELS_NOW: (names.SLICE, np.full(4, max(sizes) / 4))}
    assert default_budgets(altered(fake_fit, position=now)) == expected


def test_groups_are_even_and_complete():
    assert _groups([1, 2, 3, 4, 5]) == [[1, 2, 3], [4, 5]]
    assert _groups([1]) == [[1]]
    assert _groups([]) == []


def test_words_for_numbers():
    assert decimals([]) == 3
    assert decimals([0, None, float("nan"), 250.0]) == 0
    assert number(None, 2) == number(float("inf"), 2) == "not available"
    assert number(-1234.5, 1) == "−1,234.5"
    assert significant(0) == "0"
    assert significant(None) == "not available"
    assert significant(-0.00123456) == "−0.00123"
    assert [probability(p) for p in (0, 0.5, 1, None)] == ["< 0.01", "= 0.50", "> 0.99", "not available"]
    shares = {-0.052: "−5.2 %", 0: "0 %", 4.1e-10: "< 0.01 %", -4.1e-10: "> −0.01 %", 0.9: "90 %", 123.456: "12,346 %"}
    assert {share: percent(share) for share in shares} == shares
    assert [plain(v) for v in (4.1e-05, 12345.6, 0, 0.0123)] == ["0.000041", "12,346", "0", "0.0123"]
    assert [count(v) for v in (800, 1.5e6, 2e-05, 1e15)] == ["800", "1.5M", "0.00002", "1,000,000G"]


def test_moment_keeps_what_is_no_time():
    assert moment("yesterday") == "yesterday"


def test_what_several_tables_of_a_page_need_is_drawn_once(fake_fit, monkeypatch):
    case = lv.Case(costs={"price_per_label": 0.1}, value={"per_error_point": 40})
    plan = lv.decide(fake_fit, case, max_labels=800, measure=False)
    drawn = []

    def counted(name, function):
        return lambda *given, **more: (drawn.append(name), function(*given, **more))[1]

    for module, name in (
        (tornado, "stress_label_errors"),
        (plan_numbers_of, "uncertain_inputs"),
        (plan_numbers_of, "alternative_outcomes"),
    ):
        monkeypatch.setattr(module, name, counted(name, getattr(module, name)))
    plan_numbers_of.decision_numbers(plan)
    assert sorted(drawn) == ["alternative_outcomes", "stress_label_errors", "uncertain_inputs"]
