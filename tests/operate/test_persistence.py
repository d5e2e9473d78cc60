"""The page of a re-fit says how much of a gain that small training sets promised came on perturbed suites (F24)."""

import numpy as np
from sklearn.linear_model import RidgeClassifier

import labelvalue as lv
from labelvalue import names
from labelvalue.forecast.gains import learners_and_suites
from labelvalue.report.words.wording import percent
from labelvalue.suites import FeatureNoise
from tests.operate.conftest import configure

SIZES = [60, 120, 240, 480, 960]


def test_f24_a_refit_measures_what_came_on_perturbed_suites(tmp_path, monkeypatch):
    """Trained for real: the forecast is of half the data at most, and what came is what the runs then measured."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(2000, 20))
    y = x @ rng.normal(size=20) + rng.normal(size=2000) > 0
    runs = lv.simulate_runs(
        RidgeClassifier(), x, y, rng.choice(["a", "b"], 2000), sizes=SIZES, replicates=4, suites=[FeatureNoise(0.5)],
        random_state=1, execution=lv.Execution(progress=False, n_jobs=1),
    )  # fmt: skip
    made, forecast = [], learners_and_suites.forecast_persistence
    monkeypatch.setattr(
        learners_and_suites, "forecast_persistence", lambda *a: made.append((a[0], forecast(*a))) or made[-1][1]
    )
    project = lv.Project.create(tmp_path / "project")
    configure(project, "[fit]\nrandom_seed = 1\ndraws = 300\n")
    done = project.add(runs, batch="a").refit(progress=False, backtest=False)
    page = (project.folder / "reports" / f"{done.fit}.html").read_text("utf-8")
    ((small, found),) = made
    total = runs[names.LABELS] + runs[names.OTHER_LABELS]
    assert int((small.runs[names.LABELS] + small.runs[names.OTHER_LABELS]).max()) == 480
    noisy = runs["error"].where(runs["suite"] == "noise 0.5")
    drop = [float(noisy.where(total == size).groupby(runs["slice"]).mean().mean()) for size in (480, 960)]
    np.testing.assert_allclose(float(found["realised"].sel(suite="noise 0.5").mean()), drop[0] - drop[1], atol=1e-12)
    low, median, high = found["persistence"].sel(suite="noise 0.5").quantile([0.05, 0.5, 0.95], method="nearest")
    said = f"{percent(float(median))} (90 % interval {percent(float(low))} to {percent(float(high))})"
    assert f"Of the gain that had been forecast on holdout, least came on suite noise 0.5: {said}" in page
