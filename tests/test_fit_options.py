"""What only Python could do: mixes, slices without runs, priors and noise, from the command line."""

import contextlib
import io
import json

import numpy as np
import pytest

import labelvalue as lv
from labelvalue import cli, names
from labelvalue.forecast.gains import left_out

BELIEFS = "labels = 1000\nerror_now = [0.10, 0.14]\nerror_at_double = [0.08, 0.12]\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A runs table, and the fit of a related project."""
    folder = tmp_path_factory.mktemp("project")
    lv.write_runs(lv.testing.fake_runs(seed=1, slices=("a", "b")), folder / "runs.csv")
    lv.testing.fake_fit(seed=2, draws=100).save(folder / "old.nc")
    (folder / "beliefs.toml").write_text(BELIEFS)
    return folder


@pytest.fixture
def run(capsys, folder, monkeypatch):
    def run(*arguments):
        monkeypatch.chdir(folder)
        capsys.readouterr()
        return cli.main([*map(str, arguments)]), *capsys.readouterr()

    return run


def test_f12_gains_under_another_mix_are_those_of_python(run, folder):
    fit = lv.load_fit(folder / "old.nc")
    _, out, _ = run("gain", "old.nc", "--budgets", 500, "--mix", "west=3", "--mix", "east=1", "--json")
    found = json.loads(out)
    weights = dict.fromkeys(fit.slices.tolist(), 0.0) | {"west": 3.0, "east": 1.0}
    told = lv.predict_total_gain(fit, [500], weights).isel(budget=0).mean(names.SAMPLE)
    assert {row["slice"]: row["total_mean"] for row in found["gain"]} == pytest.approx(
        {name: float(told.sel(slice=name)) for name in weights}
    )
    _, text, _ = run("gain", "old.nc", "--budgets", 500, "--mix", "west=3", "--mix", "east=1")
    assert text.rstrip().endswith("Gains in all are under the mix west 0.75, east 0.25.")
    code, _, err = run("gain", "old.nc", "--budgets", 500, "--mix", "west")
    assert (code, "SLICE=SHARE" in err) == (1, True)
    code, _, err = run("gain", "old.nc", "--budgets", 500, "--mix", "wets=1")
    assert (code, "did you mean 'west'" in err) == (1, True)


def test_a_slice_without_runs_is_forecast_beside_the_others(run, folder):
    _, out, _ = run("gain", "old.nc", "--budgets", 500, "--new-slice", "west coast=800", "--json")
    rows = {row["slice"]: row for row in json.loads(out)["gain"]}
    wider = lv.new_slice(lv.load_fit(folder / "old.nc"), "west coast", labels_now=800)
    expected = lv.predict_gain(wider, [500]).sel(slice="west coast").mean()
    assert len(rows) == 5
    assert rows["west coast"]["mean"] == pytest.approx(float(expected))
    assert "borrowed" in rows["west coast"]["flags"]


@pytest.fixture(scope="module")
def informed(folder):
    """One fit with all that may inform it, and what the command printed of it."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        told = ["--related", folder / "old.nc", "--beliefs", folder / "beliefs.toml", "--evaluation-noise", "a=0.02"]
        options = ["--out", folder / "fit.nc", "--random-seed", 1, "--no-backtest", "--draws", 100]
        code = cli.main([*map(str, ["fit", folder / "runs.csv", *options, *told])])
    assert code in (0, 2)
    return lv.load_fit(folder / "fit.nc"), " ".join(text.getvalue().split())


def test_a_related_projects_group_level_and_beliefs_are_the_priors_of_the_fit(informed, folder):
    fit, text = informed
    related = lv.priors.from_related(lv.load_fit(folder / "old.nc"))
    elicited = lv.priors.elicit(1000, error_now=(0.10, 0.14), error_at_double=(0.08, 0.12), runs=fit.runs)
    for name, prior in (related | dict(elicited.priors)).items():
        used = fit.model.priors[name]
        assert (used.center, used.spread, used.source) == (prior.center, prior.spread, prior.source), name
    assert set(elicited.priors) == {"error_mean", "elasticity_mean"}
    implied = elicited.table[elicited.table["question"] == "error_now"]["implied"]
    assert f"Prior: error_now: asked 0.1, 0.14, implied {', '.join(f'{one:.3g}' for one in implied)}" in text
    assert f"Prior: {len(related)} of the group level from " in text


def test_wrong_evaluation_labels_are_those_of_the_slice(informed):
    fit, _ = informed
    share = fit.posterior[names.EVALUATION_NOISE].mean(names.SAMPLE)
    assert [float(share.sel(slice=name).squeeze()) for name in "ab"] == pytest.approx([0.02, 0.0], abs=1e-6)


@pytest.mark.parametrize(
    ("text", "said"),
    [("labels = 1000\n", "error_now"), (BELIEFS + "best_eror = [0.01, 0.02]\n", "did you mean 'best_error'"),
     (BELIEFS.replace("[0.10, 0.14]", "[0.14, 0.10]"), "not in rising order")],
)  # fmt: skip
def test_beliefs_that_say_too_little_or_nothing_known_are_refused(run, folder, text, said):
    (folder / "wrong.toml").write_text(text)
    code, _, err = run("fit", "runs.csv", "--out", "x.nc", "--beliefs", "wrong.toml")
    assert (code, said in err) == (1, True), err


def test_f12_the_page_and_the_text_say_what_the_plan_gains_under_a_mix_that_may_come(run, folder):
    case = (
        "[costs]\nprice_per_label = 0.05\n[value]\nper_error_point = 400\nhorizon_days = 300\nvolume = { east = 2.0 }\n"
        "mix_changes = [{ after_days = 30, factors = { west = 9.0 }, probability = 0.4 }]\n"
    )
    (folder / "case.toml").write_text(case)
    _, out, _ = run("plan", "old.nc", "--case", "case.toml", "--max-labels", 900, "--report", "page.html")
    made = lv.decide(lv.load_fit(folder / "old.nc"), lv.read_case(folder / "case.toml"), 900)
    shares = {"east": 2.0, "north": 1.0, "south": 1.0, "west": 9.0}
    gain = lv.plans.gain_under_mix(made.outcomes, shares).sel(plan="recommended")
    low, high = np.quantile(gain, [0.05, 0.95])
    said = f"west × 9 after 30 days: mean gain {float(gain.mean()):.4f} (90 %: {low:.4f} to {high:.4f})"
    assert said in " ".join(out.split())
    assert "Under the mix that the case says may come (west × 9 after 30 days) the same plan gains" in (
        folder / "page.html"
    ).read_text("utf-8")


def test_f25_a_backtest_leaves_out_one_slice_at_a_time_beside_its_in_sample_score(run, monkeypatch):
    made, leave_one_out = [], left_out.leave_one_out
    monkeypatch.setattr(left_out, "leave_one_out", lambda *a, **k: made.append(leave_one_out(*a, **k)) or made[-1])
    code, out, _ = run("backtest", "runs.csv", "--holdout", 1, "--draws", 100, "--random-seed", 1)
    assert code == 0
    (found,) = made
    sentence = found.attrs["sentence"]
    assert sentence in " ".join(out.split())
    for how in ("in sample", "left out"):
        own = found.sel(how=how)
        assert f"{how}, 90 % intervals held {int(own['covers_90'].sum())} of 2 falls" in sentence
        assert f"CRPS {float(own['crps'].mean()):.2g}" in sentence
    assert float(found["width"].sel(how="left out").mean()) > float(found["width"].sel(how="in sample").mean())


def test_f25_runs_of_one_slice_say_why_none_is_left_out(folder, run):
    lv.write_runs(lv.testing.fake_runs(seed=1, slices=("a",)), folder / "one.csv")
    _, out, _ = run("backtest", "one.csv", "--holdout", 1, "--draws", 100, "--json")
    assert json.loads(out)["left_out"]["sentence"].startswith("No slice was left out: one slice")
