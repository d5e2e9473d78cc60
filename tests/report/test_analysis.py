"""ArviZ's plots of a fit, their readings, and the table of its parameters."""

from __future__ import annotations

import dataclasses

import arviz_stats as azs
import numpy as np
import pytest
import xarray as xr

import labelvalue as lv
from labelvalue import testing
from labelvalue.report.analysis import READINGS


@pytest.fixture(scope="module")
def fit():
    return testing.fake_fit(seed=1, slices=("east", "west"), draws=100)


@pytest.mark.parametrize("kind", sorted(READINGS))
def test_every_plot_is_a_collection_of_arviz_with_a_reading(fit, kind):
    import arviz_plots as azp

    drawn = lv.plot_diagnostics(fit, kind, backend="none")
    assert isinstance(drawn, azp.PlotCollection | azp.PlotMatrix)
    said = lv.read_diagnostics(fit, kind)
    assert said.startswith(READINGS[kind])
    assert "Here: " in said
    assert " nan" not in said


def test_readings_hold_the_figures_of_the_fit(fit):
    figures = dict(fit.diagnostics.figures) | {"rhat": 1.234, "divergences": 0.021}
    judged = dataclasses.replace(fit.diagnostics, figures=figures)
    bad = dataclasses.replace(fit, diagnostics=judged)
    assert "worst R-hat 1.234, needed ≤ 1.01" in lv.read_diagnostics(bad, "rank")
    assert "divergent draws 2.10 %, needed ≤ 0.1 %" in lv.read_diagnostics(bad, "trace")


def test_the_table_has_every_parameter_with_figures_of_arviz(fit):
    table = lv.diagnostics_table(fit).set_index("parameter")
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
    tree = fit.tree.copy()
    tree["posterior"] = xr.DataTree(posterior.assign(error_mean=posterior["error_mean"] + shift))
    table = lv.diagnostics_table(dataclasses.replace(fit, tree=tree))
    assert table["parameter"][0] == "error_mean"
    assert table["passed"][0] == "refused"


def test_what_is_unknown_is_named(fit):
    with pytest.raises(ValueError, match=r"unknown kind 'ranks'.*rank"):
        lv.plot_diagnostics(fit, "ranks")
    with pytest.raises(ValueError, match="no variable 'slope'"):
        lv.plot_diagnostics(fit, var_names=["slope"])
    with pytest.raises(ValueError, match="unknown kind"):
        lv.read_diagnostics(fit, "ranks")
