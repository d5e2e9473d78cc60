"""ArviZ's plots of a fit, their readings, and the table of its parameters."""

import dataclasses
import warnings

import arviz_stats as azs
import matplotlib.text
import numpy as np
import pytest
import xarray as xr

import labelvalue as lv
from labelvalue import testing
from labelvalue.model.fitting.arviz_tree import pointwise_loglikelihood
from labelvalue.report.plots.analysis import READINGS
from tests.fits import altered


@pytest.fixture(scope="module")
def fit():
    return testing.fake_fit(seed=1, slices=("east", "west"), draws=100)


@pytest.mark.parametrize("kind", sorted(READINGS))
def test_every_plot_is_a_collection_of_arviz_with_a_reading(fit, kind):
    import arviz_plots as azp

    drawn = lv.report.plot_diagnostics(fit, kind)
    assert isinstance(drawn, azp.PlotCollection | azp.PlotMatrix)
    said = lv.report.read_diagnostics(fit, kind)
    assert said.startswith(READINGS[kind])
    assert "Here: " in said
    assert " nan" not in said


def test_predictive_plots_say_what_their_figures_say(fit):
    tree = lv.diagnostics.arviz_tree(fit)
    drawn, seen = (tree[g].to_dataset()["log_error"] for g in ("posterior_predictive", "observed_data"))
    above = (drawn.std("cell") >= seen.std()).mean().item()
    assert f"{100 * above:.0f} % of draws have a standard deviation above" in lv.report.read_diagnostics(fit, "ppc")
    assert f"of {seen.size} cells lie in their 90 % interval" in lv.report.read_diagnostics(fit, "loo_pit")
    prior, posterior = tree["prior"].to_dataset(), tree["posterior"].to_dataset()
    left = {n: float(posterior[n].std() / prior[n].std()) for n in prior}
    assert f"whose spread is {max(left.values()):.2f} times" in lv.report.read_diagnostics(fit, "prior")
    assert "floor at most" in lv.report.read_diagnostics(fit, "psense")


def test_a_narrower_posterior_is_read_as_learned(fit):
    posterior = fit.posterior
    centre = posterior["error_mean"].mean()
    learned = altered(fit, posterior=posterior.assign(error_mean=centre + 0.1 * (posterior["error_mean"] - centre)))
    assert "made 0 at least twice as certain" in lv.report.read_diagnostics(fit, "prior")
    assert "made 1 at least twice as certain" in lv.report.read_diagnostics(learned, "prior")


def test_intervals_far_too_narrow_are_read_as_uneven(fit):
    posterior = fit.posterior
    narrow = altered(fit, posterior=posterior.assign({n: 0.2 * posterior[n] for n in ("training_sd", "discrepancy")}))
    assert "uneven, intervals do not hold" in lv.report.read_diagnostics(narrow, "loo_pit")


ON_THE_SAVED_TREE = ("rank", "trace", "dist", "forest", "ridge", "autocorr", "ess", "mcse", "parallel", "rank_dist")
ON_THE_WHOLE_TREE = ("energy", "ppc_dist", "ppc_pit", "ppc_interval", "loo_pit", "khat", "prior_posterior")


@pytest.mark.parametrize("name", ON_THE_SAVED_TREE + ON_THE_WHOLE_TREE)
def test_functions_of_arviz_take_the_trees(fit, name):
    import arviz_plots as azp

    tree = fit.tree if name in ON_THE_SAVED_TREE else lv.diagnostics.arviz_tree(fit)
    variables = {"var_names": ["elasticity", "floor"]} if name in ON_THE_SAVED_TREE else {}
    if name == "prior_posterior":
        variables = {"var_names": ["error_mean", "churn"]}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Estimated shape parameter")
        what = azs.loo(tree, pointwise=True) if name == "khat" else tree
        assert getattr(azp, f"plot_{name}")(what, backend="none", **variables) is not None


def test_figures_of_arviz_take_the_trees(fit):
    assert azs.summary(fit.tree, var_names=["elasticity"]).shape[0] == 2
    assert azs.ess(fit.tree, var_names=["elasticity"])["elasticity"].sizes == {"slice": 2}
    tree = lv.diagnostics.arviz_tree(fit)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Estimated shape parameter")
        assert azs.loo(tree).elpd == azs.loo(pointwise_loglikelihood(fit)).elpd


@pytest.mark.parametrize("kind", ["forest", "psense"])
def test_names_of_slices_are_drawn_as_they_are(kind, tmp_path):
    odd = testing.fake_fit(seed=1, slices=("$\\frac{", "_x <b>"), draws=60)
    drawn = lv.report.plot_diagnostics(odd, kind)
    drawn.savefig(tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 1000


def test_what_has_no_prior_of_its_own_is_named(fit):
    with pytest.raises(ValueError, match=r"'elasticity' has no prior of its own.*error_mean"):
        lv.report.plot_diagnostics(fit, "prior", var_names=["elasticity"])


def test_readings_hold_the_figures_of_the_fit(fit):
    figures = dict(fit.diagnostics.figures) | {"rhat": 1.234, "divergences": 0.021}
    judged = dataclasses.replace(fit.diagnostics, figures=figures)
    bad = dataclasses.replace(fit, diagnostics=judged)
    assert "worst R-hat 1.234, needed ≤ 1.01" in lv.report.read_diagnostics(bad, "rank")
    assert "divergent draws 2.10 %, needed ≤ 0.1 %" in lv.report.read_diagnostics(bad, "trace")


def test_a_rank_plot_marks_a_chain_that_strays_and_none_for_being_slow(fit):
    rng = np.random.default_rng(5)
    slow = rng.normal(size=(4, 1000))
    for at in range(1, 1000):  # one draw hangs on the last, and the chains agree
        slow[:, at] = 0.8 * slow[:, at - 1] + 0.6 * slow[:, at]
    apart = rng.normal(size=(4, 1000)) + np.array([[0.5], [0.0], [0.0], [0.0]])
    made = xr.Dataset({name: (("chain", "draw"), draws) for name, draws in {"slow": slow, "apart": apart}.items()})
    drawn = lv.report.plot_diagnostics(altered(fit, posterior=made), "rank", var_names=["slow", "apart"])
    marks = drawn.viz["suspicious_points"]
    marked = {name: sum(len(dots.get_offsets()) for dots in marks[name].values.flat) for name in ("slow", "apart")}
    assert marked["apart"] > 0 == marked["slow"]
    assert "p=" not in str([text.get_text() for text in drawn.viz["figure"].item().findobj(matplotlib.text.Text)])


def test_the_table_has_every_parameter_with_figures_of_arviz(fit):
    table = lv.report.diagnostics_table(fit).set_index("parameter")
    draws = fit.posterior["elasticity"].sel(slice="west").values
    row = table.loc["elasticity[west]"]
    assert row["rhat"] == azs.rhat(draws)
    assert row["ess_bulk"] == azs.ess(draws, method="bulk")
    assert row["mean"] == draws.mean()
    assert (row["lower"], row["upper"]) == tuple(np.quantile(draws, [0.05, 0.95]))
    cells = sum(int(np.prod(v.shape[2:])) for v in fit.posterior.data_vars.values())
    assert len(table) == cells


def test_a_chain_that_stands_apart_is_refused_and_comes_first(fit):
    posterior = fit.posterior
    shift = xr.zeros_like(posterior["error_mean"])
    shift[0] = 100.0
    table = lv.report.diagnostics_table(
        altered(fit, posterior=posterior.assign(error_mean=posterior["error_mean"] + shift))
    )
    assert table["parameter"][0] == "error_mean"
    assert table["passed"][0] == "refused"


def test_what_is_unknown_is_named(fit):
    with pytest.raises(ValueError, match=r"unknown kind 'ranks'.*rank"):
        lv.report.plot_diagnostics(fit, "ranks")
    with pytest.raises(ValueError, match="no variable 'slope'"):
        lv.report.plot_diagnostics(fit, var_names=["slope"])
    with pytest.raises(ValueError, match="unknown kind"):
        lv.report.read_diagnostics(fit, "ranks")
