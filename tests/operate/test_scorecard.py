"""Forecasts frozen before their batch, scored when it comes, and what their record says of the next ones."""

import shutil

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from labelvalue import Project, names
from labelvalue.numerals import significant
from labelvalue.operate.history import scorecard
from labelvalue.operate.history.assets import evaluate
from labelvalue.operate.history.scorecard import calibration, surprise_of, widened, width_factor
from labelvalue.operate.refit.outcome import calibration_line
from labelvalue.operate.store.batches import brought_by
from labelvalue.problems import InputError
from labelvalue.report import plot_forecasts
from labelvalue.report.words.project import scorecard_numbers
from labelvalue.testing import fake_runs
from tests.operate.conftest import CASE, QUIET, configure, put_case


def worse(batch):
    """The same batch, had it measured something else."""
    errors = np.minimum(batch[names.ERRORS] + 150, batch[names.TRIALS])
    return batch.assign({names.ERRORS: errors, names.ERROR: errors / batch[names.TRIALS]})


def test_d30_what_is_scored_was_frozen_at_the_refit_and_knows_nothing_of_what_came(fitted, second, tmp_path):
    """Of a batch it takes curves and counts alone: whatever was measured, the forecast is the same, draw for draw."""
    other = Project.open(shutil.copytree(fitted.folder, tmp_path / "other"))
    told = []
    for project, batch in ((fitted, second), (other, worse(second))):
        project.add(batch, batch="b")
        assert [record.kind for record in project.ledger.records()][-4:] == ["batch", "forecast", "score", "check"]
        told.append([project.ledger.records(kind)[-1].content for kind in ("forecast", "score")])
    (forecast, score), (again, other_score) = told
    assert forecast["cells"] == again["cells"]
    assert [cell["truth"] for cell in score["cells"]] != [cell["truth"] for cell in other_score["cells"]]
    (fit,) = fitted.ledger.records("fit")
    assert {cell["frozen"] for cell in forecast["cells"]} == {fit.number}, "whose draws a digest in the ledger seals"
    for frozen, cell in zip(forecast["cells"], score["cells"], strict=True):
        assert names.TRUTH not in frozen
        assert (frozen["slice"], frozen["labels"]) == (cell["slice"], cell["labels"])
        draws = np.array(frozen["draws"])
        assert np.quantile(draws, 0.5) == pytest.approx(frozen["quantiles"]["0.5"], rel=0.05)
        assert cell["bias"] == pytest.approx(draws.mean() - cell["truth"], abs=0.01)
        assert cell["covers_90"] == (cell["low"] <= cell["truth"] <= cell["high"])
        below = norm.cdf((cell["truth"] - draws) / cell["truth_stderr"]).mean()
        assert cell["rank"] == pytest.approx(below, abs=0.1), "with the noise of one such measurement"


def test_d30_a_batch_of_the_planned_size_is_held_against_the_draws_of_the_plan_itself(decided, monkeypatch):
    """They stand in the ledger since the advice: nothing is forecast when the batch arrives."""
    frozen = decided.ledger.records("forecast")[-1]
    plan = decided.ledger.records("advice")[-1].content["plan"]
    assert (frozen.content["of"], sum(plan.values()) > 0) == ("plan", True)
    fit, total = decided.published, sum(plan.values())
    now = {name: int(fit.position[names.LABELS_NOW].sel(slice=name)) for name in plan}
    rows = [
        {"slice": name, "labels": now[name] + plan[name], "other_labels": cell["other_labels"], "replicate": r}
        for name, cell in zip(plan, frozen.content["cells"], strict=True)
        for r in (0, 1)
    ]
    other = fit.position[names.OTHER_LABELS_NOW].to_series()
    assert {r["slice"]: r["other_labels"] - other[r["slice"]] for r in rows} == {n: total - plan[n] for n in plan}
    batch = pd.DataFrame(rows).assign(errors=300, trials=2000)
    batch[["labels", "other_labels"]] = batch[["labels", "other_labels"]].astype(int)

    def forecast(*given):
        raise AssertionError("a forecast after the fact")

    monkeypatch.setattr("labelvalue.operate.history.scorecard.model_samples", forecast)
    decided.add(batch, batch="b")
    made = decided.ledger.records("forecast")[-1].content["cells"]
    score = decided.ledger.records("score")[-1].content["cells"]
    planned = {cell["slice"]: cell for cell in frozen.content["cells"]}
    assert {cell["slice"] for cell in score} == {name for name in plan if plan[name] or total}
    for cell, scored in zip(made, score, strict=True):
        assert cell["frozen"] == frozen.number
        assert cell["draws"] == planned[cell["slice"]]["draws"]
        assert scored["labels"] == planned[cell["slice"]]["labels"]
        assert scored["bias"] == pytest.approx(np.mean(cell["draws"]) - 0.15, abs=3e-3)


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


def test_r18_a_scorecard_draws_what_was_promised_against_what_came(running):
    card = running.scorecard()
    (ax,) = plot_forecasts(card).axes
    assert ax.texts[0].get_text() == f"b: 90 % held {card['covers_90'].sum():.0f} of {len(card)}"
    drawn = np.concatenate([line.get_xydata() for line in ax.lines if line.get_gid()])
    told = card.sort_values("promised")[["promised", "delivered"]]
    np.testing.assert_allclose(drawn[drawn[:, 0].argsort()], told)
    with pytest.raises(InputError, match="no forecast has been measured yet"):
        plot_forecasts(card.iloc[:0])


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


# --- stagnation -------------------------------------------------------------------------------------------------------


def test_three_batches_in_a_row_that_gain_too_little_are_called_stagnation(project, first):
    put_case(project, f"{CASE}[guardrails]\nminimum_gain = {{ limit = 0.5 }}\n")
    project.add(first, batch="a").refit(progress=False)
    for name, size in (("b", 16_000), ("c", 32_000)):
        project.add(fake_runs(seed=1, sizes=(size,), replicates=2), batch=name).refit(progress=False)
    assert project.assets().attrs["warnings"] == [], "two are no habit"
    project.add(fake_runs(seed=1, sizes=(64_000,), replicates=2), batch="d")
    (warning,) = project.assets().attrs["warnings"]
    assert warning.startswith("stagnation: each of the last 3 batches gained at most")
    assert project.refit(progress=False).notes == (warning,)
