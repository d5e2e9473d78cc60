"""What the page says of a backtest, good, bad or missing."""

import dataclasses
import json

import pytest

import labelvalue as lv
from labelvalue import testing, write_report
from labelvalue.diagnostics import attach_backtest, backtest_verdict, summarise_backtest
from labelvalue.model.fitting.fitting import runs_digest
from labelvalue.numerals import number
from labelvalue.report.numbers.numbers import report_numbers
from labelvalue.report.numbers.plan import plan_numbers
from labelvalue.report.render.terminal import plan_text
from labelvalue.report.words.checks import COMMAND, backtest_numbers


@pytest.fixture(scope="module")
def good():
    return testing.fake_backtest(seed=1)


def words(seen, fit, folder):
    return seen(write_report(fit, path=folder / "report.html", budgets=[500]).read_text("utf-8")).words


def test_the_page_shows_the_sentence_twice_and_every_score(fake_fit, good, tmp_path, seen):
    text = words(seen, attach_backtest(fake_fit, good), tmp_path)
    assert text.count(backtest_verdict(good)) == 2, "next to the decision, and over the scores"
    for _, row in summarise_backtest(good).iterrows():
        assert f"{row['forecaster']} {row['forecasts']} {number(row['crps'], 4)} {number(row['crps_ratio'], 2)}" in text
    assert "not backtested" not in text


def test_a_bad_one_withholds_the_decision_and_is_its_reason(fake_fit, tmp_path, seen):
    bad = testing.fake_backtest(seed=1, shift=0.3)
    fit = attach_backtest(fake_fit, bad)
    told = backtest_verdict(bad).removesuffix(".")
    text = words(seen, fit, tmp_path)
    banner = text.partition("Flagged: no decision published.")[2]
    assert told in banner[: banner.index("For the analyst")]
    assert f"Checked on these runs: {told}." not in text, "there is no decision to stand beside"
    numbers = report_numbers(fit)
    assert (numbers["verdict"], numbers["reasons"]) == ("flagged", [told])
    assert numbers["backtest"]["trusted_distance"] == 0


def test_one_that_says_too_little_is_the_reservation_beside_the_decision(fake_fit, tmp_path, seen):
    made = testing.fake_backtest(seed=1)
    little = made.where((made["distance"] == 3) & (made["origin"] == 3)).assign_attrs(made.attrs)
    fit = attach_backtest(fake_fit, little.transpose(*made["crps"].dims))
    text = words(seen, fit, tmp_path)
    assert "Strongest reservation: The check of forecasts on these runs, below, gives no ground to trust them." in text
    assert f"Checked on these runs: {backtest_verdict(little)}" in text
    assert backtest_verdict(little).startswith("Too little to say")
    case = lv.Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400})
    bad = testing.fake_backtest(seed=1, shift=0.3)
    for of, told in ((fit, backtest_verdict(little)), (attach_backtest(fake_fit, bad), backtest_verdict(bad))):
        decision = lv.decide(of, case, 2000, measure=False)
        numbers = plan_numbers(decision)
        assert told.rstrip(".") in numbers["reservation"], "no advice stands beside a bad backtest without a word on it"
        assert numbers["reservation"].endswith("first batch, trained on and added to the runs, would settle it.")
        for said in (plan_text(numbers), str(decision)):
            one_line = " ".join(said.split())
            assert numbers["reservation"] in one_line
            assert ("No decision is published; by its forecasts alone" in one_line) == (of is not fit)
    good = report_numbers(attach_backtest(fake_fit, made))["decision"]["by_learner"][0]
    assert not [text for text in good["reservations"] if "no ground" in text]


def test_none_is_said_with_the_command(fake_fit, page, seen):
    text = seen(page).words
    assert f"Checked on these runs: not backtested. {COMMAND}" in text
    assert f"To check it: {COMMAND}." in text, "among the limitations"
    assert report_numbers(fake_fit)["backtest"] is None


def test_r18_a_backtest_draws_what_was_forecast_against_what_came(good):
    own = good.sel(forecaster="labelvalue")
    figure = lv.report.plot_forecasts(good)
    assert [text.get_text() for text in figure.texts][-1].replace("\n", " ") == backtest_verdict(good)
    for distance, ax in zip((1, 2, 3), figure.axes, strict=True):
        here = own.sel(distance=distance).stack(curve=("origin", "slice"), create_index=False)
        here = here[["forecast_gain", "gain", "covers_90"]].dropna("curve")
        count = int(here["covers_90"].sum())
        assert ax.texts[0].get_text() == f"{2**distance}x the labels: 90 % held {count} of {here.sizes['curve']}"
        for kind, held in (("held", 1), ("missed", 0)):
            (drawn,) = [line for line in ax.lines if line.get_gid() == kind]
            told = here.where(here["covers_90"] == held, drop=True)
            assert sorted(drawn.get_xdata()) == pytest.approx(sorted(told["forecast_gain"].values))
            assert sorted(drawn.get_ydata()) == pytest.approx(sorted(told["gain"].values))
        assert len(ax.texts) - 1 == here.sizes["curve"] - count, "a slice that missed is named"
    with pytest.raises(TypeError, match="must be a backtest"):
        lv.report.plot_forecasts(own)


def test_numbers_fit_into_json_and_are_those_of_the_table(good):
    numbers = backtest_numbers(good)
    assert json.loads(json.dumps(numbers, allow_nan=False)) == numbers
    table = summarise_backtest(good)
    assert sorted(r["crps"] for r in numbers["scores"]) == pytest.approx(sorted(table["crps"]))
    assert [r["ahead"] for r in numbers["scores"]] == ["2x the labels"] * 6 + ["4x the labels"] * 6 + [
        "8x the labels"
    ] * 6
    assert sum(r["share"] for r in numbers["reliability"]) == pytest.approx(1.0)
    assert numbers["not_scored"] == []


def test_hostile_names_stay_texts(hostile_fit, tmp_path, seen):
    """A slice that could not be scored is named on the page as it is written."""
    made = testing.fake_backtest(seed=1)
    names = hostile_fit.slices.astype(str)[:4]
    settings = json.loads(made.attrs["settings"]) | {"runs_sha256": runs_digest(hostile_fit.runs)}
    made = made.where(made["slice"] == "east").assign_attrs(made.attrs | {"settings": json.dumps(settings)})
    fit = attach_backtest(hostile_fit, made.assign_coords(slice=names))
    parsed = seen(write_report(fit, path=tmp_path / "report.html").read_text("utf-8"))
    assert parsed.open == []
    assert "script" not in parsed.tags
    assert backtest_numbers(fit.backtest)["not_scored"] == names[1:].tolist()
    assert set(names[1:]) <= set(parsed.names)


def test_a_flagged_fit_shows_its_backtest_under_the_banner(good, tmp_path, seen):
    fit = testing.fake_fit(seed=1, verdict="flagged")
    text = words(seen, attach_backtest(fit, good), tmp_path)
    assert backtest_verdict(good) in text
    assert dataclasses.asdict(fit.diagnostics)["verdict"] in text
