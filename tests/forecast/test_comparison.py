"""Models compared on the same runs, and their draws mixed in proportion."""

import dataclasses
import html

import numpy as np
import pytest
import xarray as xr
from scipy.stats import norm

from labelvalue import (
    Case,
    InputError,
    decide,
    get_model,
    load_fit,
    names,
    new_slice,
    predict_gain,
    testing,
    write_report,
)
from labelvalue.diagnostics import attach_backtest, blend, compare_models
from labelvalue.model.fitting import fitting
from labelvalue.model.fitting.derived import weight_draws
from labelvalue.model.hierarchy.specification import model_source
from labelvalue.plans import plan_outcomes
from tests.fits import altered

SAMPLE = names.SAMPLE
WEIGHTS = ["weight", "weight_lower", "weight_upper"]


@pytest.fixture(scope="module")
def fit():
    return testing.fake_fit(seed=1)


@pytest.fixture(scope="module")
def worse(fit):
    """The same fit with every error half as high again."""
    return altered(fit, posterior={names.ERROR_REFERENCE: 1.5 * fit.posterior[names.ERROR_REFERENCE]})


def test_the_better_model_comes_first_and_takes_the_weight(fit, worse):
    table = compare_models({"worse": worse, "better": fit})
    assert table["model"].tolist() == ["better", "worse"]
    assert table["weight"].sum() == pytest.approx(1.0)
    assert table["weight"][0] > 0.9
    assert table["elpd_difference"][1] != 0
    assert table["crps"].isna().all()
    assert (table["worst_k"] > 0).all()


def test_m13_weights_have_an_interval_that_is_narrow_where_one_model_is_plainly_better(fit, worse):
    table = compare_models({"worse": worse, "better": fit}).set_index("model")
    assert (table["weight_lower"] <= table["weight"] + 0.02).all()
    assert (table["weight"] <= table["weight_upper"] + 0.02).all()
    assert table.loc["better", "weight_lower"] > 0.8
    assert table.loc["worse", "weight_upper"] == pytest.approx(1 - table.loc["better", "weight_lower"], abs=1e-6)


def test_m13_the_interval_of_a_weight_covers_the_best_weight_of_endless_data():
    """Cells come from a mixture of two densities, of which the stacking weight is known: its share, 0.3."""
    rng, held, widths = np.random.default_rng(3), [], {100: [], 900: []}
    for world in range(60):
        cells = 100 if world % 2 else 900
        drawn = np.where(rng.random(cells) < 0.3, rng.normal(0.0, 1.0, cells), rng.normal(1.5, 1.0, cells))
        elpd = np.column_stack([norm.logpdf(drawn, 0.0, 1.0), norm.logpdf(drawn, 1.5, 1.0)])
        low, high = np.quantile(weight_draws(elpd)[:, 0], [0.05, 0.95])
        held.append(low < 0.3 < high)
        widths[cells].append(high - low)
    assert 0.8 < np.mean(held) < 0.98
    assert np.mean(widths[100]) == pytest.approx(3 * np.mean(widths[900]), rel=0.2)


def test_held_out_scores_stand_beside_leave_one_out(fit, worse):
    tested = attach_backtest(fit, testing.fake_backtest(seed=1))
    table = compare_models({"a": tested, "b": worse}).set_index("model")
    assert table.loc["a", "crps"] > 0
    assert np.isnan(table.loc["b", "crps"])


def test_fits_of_other_runs_are_refused(fit):
    with pytest.raises(ValueError, match="different runs"):
        compare_models({"a": fit, "b": testing.fake_fit(seed=2)})
    with pytest.raises(ValueError, match="at least two"):
        compare_models({"a": fit})


@pytest.fixture(scope="module")
def families(fit):
    """Fits of two families, the second with a parameter of its own, to the same runs."""
    own, group = fit.posterior[names.ERROR_REFERENCE], fit.posterior["error_mean"]
    headroom = {
        names.HEADROOM: xr.full_like(own, 0.3),
        "headroom_mean": 0 * group - 1,
        "headroom_spread": 0 * group + 1,
    }
    other = altered(fit, posterior=headroom)
    return {"power_law": fit, "mmf": dataclasses.replace(other, model=get_model("morgan_mercer_flodin"))}


def test_a_blend_holds_each_models_share_of_draws(families):
    made = blend(families, {"power_law": 0.25, "mmf": 0.75})
    family = made.posterior[names.FAMILY]
    assert float(family.mean()) == pytest.approx(0.75, abs=0.003)
    ratio = xr.DataArray([0.0, 1.0, 2.0], dims="at")
    for number, one in enumerate(families.values()):
        own = made.model.curve(ratio, made.posterior)
        wanted = one.model.curve(ratio, made.posterior)
        assert (own == wanted).where(family == number, True).all()
    levels = made.posterior[names.ERROR_REFERENCE].transpose(*names.SAMPLE, ...).values.reshape(-1, 4)
    drawn = families["mmf"].posterior[names.ERROR_REFERENCE].transpose(*names.SAMPLE, ...).values.reshape(-1, 4)
    of_mmf = levels[family.values.ravel() == 1]
    assert len(np.unique(of_mmf[:, 0])) == len(of_mmf), "every draw of a fit is used once at most"
    assert np.isin(of_mmf, drawn).all()


def test_m13_a_blend_is_decided_on_and_says_its_weights_with_intervals(families, tmp_path):
    """Stacked, saved and read again: plan, page and forecasts are between those of its models."""
    made = load_fit(blend(families).save(tmp_path / "blend.nc"))
    assert made.model.name == "power_law+morgan_mercer_flodin"
    table = compare_models(families).set_index("model")
    told = ", ".join("{} {:.2f} (90 % {:.2f} to {:.2f})".format(n, *table.loc[n, WEIGHTS]) for n in families)
    (note,) = (note for note in made.settings["notes"] if note.startswith("a blend"))
    assert note.endswith(told)
    gain = {n: predict_gain(one, [8000]).mean(SAMPLE) for n, one in {**families, "blend": made}.items()}
    low, high = np.minimum(*list(gain.values())[:2]), np.maximum(*list(gain.values())[:2])
    assert ((low - 0.002 <= gain["blend"]) & (gain["blend"] <= high + 0.002)).all()
    case = Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400})
    decision = decide(made, case, max_labels=2000, measure=False)
    bought = {"p": decision.labels}
    net = [plan_outcomes(one, case, bought)["net_benefit"].sel(plan="p").mean() for one in families.values()]
    slack = 0.05 * abs(net[0])
    assert min(net) - slack < decision.advantage().mean() < max(net) + slack
    page = write_report(decision, path=tmp_path / "page.html").read_text("utf-8")
    assert html.unescape(page).replace("<wbr>", "").count(told)
    wider = new_slice(made, "new", labels_now=500)
    assert np.isfinite(wider.posterior[names.ERROR_NOW]).all()


def test_m13_one_call_fits_blends_and_asks_for_every_model(monkeypatch, fit):
    asked = []

    def alone(runs, model="power_law", **given):
        if "+" in getattr(model, "name", model):
            return whole(runs, model, **given)
        asked.append((model, given["random_seed"]))
        return dataclasses.replace(fit, model=get_model(model))

    whole = fitting.fit
    monkeypatch.setattr(fitting, "fit", alone)
    made = fitting.fit(fit.runs, "power_law+exponential", random_seed=5)
    assert asked == [("power_law", 5), ("exponential", 5)]
    assert made.model.name == "power_law+exponential"
    sources = made.settings["model_source"]["file_sha256"].split("+")
    assert sources == [model_source(get_model(one))["file_sha256"] for one, _ in asked]
    assert {*made.model.priors} == {n for n, p in get_model("exponential").priors.items() if fit.model.priors[n] == p}
    refused = dataclasses.replace(fit, diagnostics=testing.fake_fit(seed=1, verdict="refused").diagnostics)
    fit = refused
    assert fitting.fit(refused.runs, "power_law+exponential", random_seed=5).diagnostics.verdict == "refused"


def test_a_blend_has_the_worst_verdict_of_its_fits_and_takes_none_that_is_refused(fit, families):
    bad = testing.fake_fit(seed=1, verdict="flagged").diagnostics
    made = blend({"good": fit, "bad": dataclasses.replace(fit, diagnostics=bad)}, {"good": 0.9, "bad": 0.1})
    assert made.diagnostics.verdict == "flagged"
    assert made.diagnostics.reasons[0].endswith(bad.reasons[0])
    none = blend({"good": fit, "bad": dataclasses.replace(fit, diagnostics=bad)}, {"good": 1.0, "bad": 0.0})
    assert none.diagnostics.verdict == "ok", "no draw is of the fit that is flagged"
    refused = dataclasses.replace(fit, diagnostics=testing.fake_fit(seed=1, verdict="refused").diagnostics)
    with pytest.raises(InputError, match="the fit 'b' is refused"):
        blend({"a": fit, "b": refused})
    with pytest.raises(ValueError, match="is a blend already"):
        blend({"a": fit, "b": made})


def test_a_weight_of_one_is_that_model(families):
    made = blend(families, {"power_law": 1.0, "mmf": 0.0})
    np.testing.assert_allclose(predict_gain(made, [500]), predict_gain(families["power_law"], [500]))


@pytest.mark.parametrize("weights", [{"a": 0.5, "b": 0.6}, {"a": -0.5, "b": 1.5}, {"a": 1.0}])
def test_weights_that_are_no_shares_are_refused(weights, fit):
    with pytest.raises(ValueError, match="weight"):
        blend({"a": fit, "b": fit}, weights)
