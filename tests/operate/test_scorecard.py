"""Forecasts frozen before their batch, scored when it comes, and what their record says of the next ones."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from labelvalue import names, predict_error, predict_gain, predict_observed_gain
from labelvalue.forecast.backtesting.scores import recalibrated
from labelvalue.numerals import significant
from labelvalue.operate.history import scorecard
from labelvalue.operate.history.scorecard import calibration, widened, width_factor
from labelvalue.operate.refit.guardrails import evaluate as judge_rules
from labelvalue.operate.refit.outcome import calibration_line, rule_line
from labelvalue.operate.refit.triggers import evaluate, surprise_of
from labelvalue.operate.store.batches import brought_by
from labelvalue.report.words.project import scorecard_numbers
from labelvalue.testing import fake_fit, fake_runs
from tests.operate.conftest import QUIET, configure


def test_a_forecast_is_frozen_and_scored_in_the_same_stroke(running):
    kinds = [record.kind for record in running.ledger.records()]
    assert kinds[-4:] == ["batch", "forecast", "score", "check"]
    forecast, score = (running.ledger.records(kind)[-1].content for kind in ("forecast", "score"))
    assert forecast["content"] == score["content"] == running.ledger.records("batch")[-1].content["content"]
    for frozen, cell in zip(forecast["cells"], score["cells"], strict=True):
        assert names.TRUTH not in frozen, "the forecast knows nothing of what came"
        assert (frozen["slice"], frozen["labels"]) == (cell["slice"], cell["labels"])
        draws = np.array(frozen["draws"])
        assert np.quantile(draws, 0.5) == pytest.approx(frozen["quantiles"]["0.5"], rel=0.05)
        assert cell["bias"] == pytest.approx(draws.mean() - cell["truth"], abs=0.01)
        assert cell["covers_90"] == (cell["low"] <= cell["truth"] <= cell["high"])
        assert cell["rank"] == pytest.approx((draws < cell["truth"]).mean(), abs=0.1)


def test_f23_forecasts_stand_beside_the_last_gain_of_the_ledger_repeated(project):
    """The rule's CRPS by its definition, from the runs of the batches; and the sentence says which was better."""
    rng = np.random.default_rng(5)

    def measured(sizes, replicates):
        levels = {"east": 0.1, "north": 0.1, "south": 0.2, "west": 0.2}
        rows = [
            (name, size, replicate, rng.binomial(20_000, level * (size / 2000) ** -0.35), 20_000)
            for name, level in levels.items() for size in sizes for replicate in range(replicates)
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=["slice", "labels", "replicate", "errors", "trials"])

    first, second = measured((500, 1000, 2000, 4000), 4), measured((8000,), 3)
    project.add(first, batch="a").refit(progress=False)
    project.add(second, batch="b")
    card = project.scorecard().set_index("slice")
    error = {name: (part["errors"] / part["trials"]).groupby([part["slice"], part["labels"]]).apply(np.array)
             for name, part in (("before", first), ("after", second))}  # fmt: skip
    for name in card.index:
        last, now = error["before"][name, 2000], error["before"][name, 4000]
        drawn = rng.integers(0, now.size, (40_000, now.size))
        forecast = (2 * now[drawn] - last[drawn]).mean(axis=1)
        forecast = forecast + card.loc[name, "truth_stderr"] * rng.standard_normal(40_000)
        came = error["after"][name, 8000].mean()
        crps = abs(forecast - came).mean() - 0.5 * abs(forecast[:20_000] - forecast[20_000:]).mean()
        assert card.loc[name, "crps_repeated"] == pytest.approx(crps, rel=0.1), name
    found = calibration(project.scorecard())
    assert found["crps_over_repeated"] == pytest.approx(card["crps"].mean() / card["crps_repeated"].mean())
    sentence = scorecard_numbers(project.scorecard())["sentence"]
    better = "better than" if found["crps_over_repeated"] < 1 else "no better than"
    assert f"They are {better} 'the last gain repeats': CRPS {significant(card['crps'].mean())} against" in sentence
    assert f"CRPS {found['crps_over_repeated']:.2f} times that of 'the last gain repeats'" in calibration_line(found)


def test_a_batch_that_shows_nothing_new_has_no_score(fitted):
    small = fake_runs(seed=1, sizes=(250,), replicates=2)
    fitted.add(small, batch="small")
    assert fitted.ledger.records("score") == []
    assert fitted.scorecard().empty
    assert calibration(fitted.scorecard()) == {names.FORECASTS: 0, "factor": 1.0}


def test_a_scorecard_says_which_curve_then_what_was_promised_and_came_then_how_good_that_was(running):
    columns = running.scorecard().columns.tolist()
    assert columns[:6] == ["batch", "slice", "learner", "suite", "labels", "promised"]
    score = running.ledger.records("score")[-1].content
    assert {*columns} == {"batch", "fit", "factor"} | {*score["cells"][0]} - {"widened"}, "nothing is left out"


def test_a_superseded_batch_leaves_the_scorecard(running, second):
    card = running.scorecard()
    worse = second.to_dataframe()[["slice", "labels", "other_labels", "replicate", "errors", "trials"]]
    worse["errors"] = np.minimum(worse["errors"] + 400, worse["trials"])
    running.add(worse, batch="b", supersede=True)
    again = running.scorecard()
    assert len(again) == len(card), "that of its successor counts in its place"
    assert (again["truth"] > card["truth"]).all()
    assert len(running.ledger.records("score")) == 2, "both stay in the ledger"


def test_widths_are_left_alone_until_the_record_is_long_enough():
    assert width_factor([0.001] * (scorecard.LEAST - 1)) == 1.0
    assert width_factor([0.001, 0.999] * (scorecard.LEAST // 2)) > 2.0


@pytest.mark.parametrize("spread", [0.5, 1.0, 2.0])
def test_widths_go_where_calibration_is(spread):
    """Truths that scatter ``spread`` times as far as forecasts say: intervals end up about as wide as needed."""
    rng = np.random.default_rng(1)
    ranks = norm.cdf(spread * rng.normal(size=400))
    assert width_factor(ranks.tolist()) == pytest.approx(spread, rel=0.12)


def test_widening_keeps_the_median_and_stretches_the_rest():
    samples = np.exp(np.random.default_rng(1).normal(-2, 0.1, size=(3, 1001)))
    wide = widened(samples, 2.0)
    np.testing.assert_allclose(np.median(wide, axis=1), np.median(samples, axis=1))
    np.testing.assert_allclose(np.log(wide).std(axis=1), 2.0 * np.log(samples).std(axis=1), rtol=1e-6)
    assert widened(samples, 1.0) is samples


def test_the_factor_is_frozen_with_every_promise_and_both_widths_are_there(project, first, monkeypatch):
    monkeypatch.setattr("labelvalue.operate.history.scorecard.width_factor", lambda ranks: 1.5)
    project.add(first, batch="a").refit(progress=False)
    project.add(fake_runs(seed=1, sizes=(16000,), replicates=2), batch="b").refit(progress=False)
    promised = project.ledger.records("forecast")[-1].content
    assert promised["factor"] == 1.5
    for cell in promised["cells"]:
        if cell["budget"]:
            plain, wide = (cell[key]["0.95"] - cell[key]["0.05"] for key in ("quantiles", "widened"))
            assert wide == pytest.approx(1.5 * plain, rel=0.1)


# --- surprise, triggers -----------------------------------------------------------------------------------------------


def test_surprise_is_a_p_value():
    """Under forecasts that are right it falls below 0.05 in at most about a twentieth of all batches."""
    rng = np.random.default_rng(1)
    found = []
    for _ in range(400):
        shared = rng.normal(size=501)[None] + rng.normal(size=(6, 501))
        found.append(surprise_of(np.exp(shared[:, :500]), np.exp(shared[:, 500])))
    assert np.mean(np.array(found) < 0.05) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)


def test_a_drift_of_all_cells_is_seen_sooner_than_in_any_of_them():
    rng = np.random.default_rng(1)
    samples = np.exp(rng.normal(size=(20, 2000)))
    together = np.full(20, np.exp(0.9))
    assert surprise_of(samples, together) < 0.001
    assert surprise_of(samples[:1], together[:1]) > 0.2


@pytest.mark.parametrize(("labels", "limit", "fired"), [(9000, 1000, True), (8500, 10_000_000, False)])
def test_new_labels_call_for_a_fit(project, first, labels, limit, fired):
    configure(project, QUIET + f"[triggers]\nnew_labels = {limit}\n")
    project.add(first, batch="a").refit(progress=False)
    rules = project.configuration.triggers
    last = project.ledger.records("fit")[-1]
    found = {t["trigger"]: t for t in evaluate([brought_by(fake_runs(seed=1, sizes=(4 * labels,)))], rules, last, [])}
    assert found["new_labels"]["fired"] is fired
    assert found["new_labels"]["value"] > 0


def test_labels_that_were_only_evaluated_on_are_new_too():
    runs = fake_runs(seed=1, sizes=(400,))
    more = runs.assign({names.LABELS_NOW: 0 * runs[names.LABELS] + 500})
    assert {*brought_by(more)[names.LABELS].values()} == {500}
    assert max(brought_by(runs)[names.LABELS].values()) < 500


# --- guardrails -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rules():
    from labelvalue.operate.store.configuration import Guardrails

    return Guardrails


@pytest.mark.parametrize(
    ("least", "state"), [(1e-7, "PASS"), (0.9, "STOP")],
)  # fmt: skip
def test_a_least_gain(rules, least, state):
    (found,) = judge_rules(fake_fit(seed=1), rules(minimum_gain_per_1000=least))
    assert (found["state"], found["labels_to_decide"]) == (state, 0)


def test_where_a_least_gain_is_undecided_the_labels_that_would_decide_it_are_said(rules):
    fit = fake_fit(seed=1, draws=1000)
    gain = predict_gain(fit, [1000]).isel(budget=0)
    middle = float(gain.median(("chain", "draw")).max())
    (found,) = judge_rules(fit, rules(minimum_gain_per_1000=middle))
    assert (found["state"], found["labels_to_decide"]) == ("INCONCLUSIVE", None), "at the limit itself none would"
    (found,) = judge_rules(fit, rules(minimum_gain_per_1000=0.8 * middle))
    assert (found["state"], found["labels_to_decide"]) == ("INCONCLUSIVE", 8000)
    assert "8000 labels would decide it" in rule_line(found)
    (of_north,) = [curve for curve in found["curves"] if curve["slice"] == "north"]
    assert of_north["probability"] < found["needed_probability"] <= held_after(fit, "north", 8000, 0.8 * middle)
    (wide,) = judge_rules(recalibrated(fit, 4.0), rules(minimum_gain_per_1000=0.5 * middle))
    (plain,) = judge_rules(fit, rules(minimum_gain_per_1000=0.5 * middle))
    best = [max(curve["probability"] for curve in one["curves"]) for one in (wide, plain)]
    assert best[0] < best[1], "a record of misses widens what a rule is judged by"


@pytest.mark.parametrize(("limit", "state"), [(0.9, "PASS"), (1e-6, "STOP")])
def test_a_limit_on_errors(rules, limit, state):
    (found,) = judge_rules(fake_fit(seed=1), rules(error_limits={"west": limit}))
    assert (found["slice"], found["state"]) == ("west", state)


def held_after(fit, name, labels, threshold):
    """P(the next 1,000 labels gain so much) once so many were measured, by the draws that remain about the mean."""
    gain = predict_gain(fit, [1000]).sel(slice=name).values.ravel()
    seen = predict_observed_gain(fit, [labels]).sel(slice=name).values.ravel()
    left = gain - np.polyval(np.polyfit(seen, gain, 1), seen)
    return (gain.mean() + left >= threshold).mean()


@pytest.mark.parametrize(("limit", "batch", "needed"), [(0.165, 1000, 4000), (0.12, 16_000, None)])
def test_where_a_limit_on_errors_is_undecided_the_labels_that_would_hold_it_are_said(rules, limit, batch, needed):
    """The fewest of the batch and its doublings; none where they end beyond what forecasts were validated for."""
    fit = fake_fit(seed=1, draws=1000)
    (found,) = judge_rules(fit, rules(error_limits={"west": limit}, batch_labels=batch))
    assert (found["state"], found["labels_to_decide"]) == ("INCONCLUSIVE", needed)
    now = int(fit.position["labels_now"].sel(slice="west"))
    budgets = [batch, 2000, 4000] if needed else [batch]
    drawn = predict_error(fit, [now + labels for labels in budgets]).sel(slice="west")
    held = (drawn <= limit).mean(("chain", "draw")).values
    assert held[0] == pytest.approx(found["probability"])
    if needed:
        assert held[1] < found["needed_probability"] <= held[2]
    else:
        assert "no number of labels in reach would decide it" in rule_line(found)


@pytest.mark.parametrize(("most", "state"), [(10, "STOP"), (10**9, "PASS")])
def test_a_cap_on_labels(rules, most, state):
    (found,) = judge_rules(fake_fit(seed=1), rules(maximum_labels=most))
    assert (found["state"], found["limit"]) == (state, most)


# --- stagnation -------------------------------------------------------------------------------------------------------


def test_three_batches_in_a_row_that_gain_too_little_are_called_stagnation(project, first):
    configure(project, QUIET + "[guardrails]\nminimum_gain_per_1000 = 0.5\n")
    project.add(first, batch="a").refit(progress=False)
    for name, size in (("b", 16_000), ("c", 32_000)):
        project.add(fake_runs(seed=1, sizes=(size,), replicates=2), batch=name).refit(progress=False)
    assert project.assets().attrs["warnings"] == [], "two are no habit"
    project.add(fake_runs(seed=1, sizes=(64_000,), replicates=2), batch="d")
    (warning,) = project.assets().attrs["warnings"]
    assert warning.startswith("stagnation: each of the last 3 batches gained at most")
    assert project.refit(progress=False).notes == (warning,)
