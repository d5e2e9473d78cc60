"""What a batch would change, from re-weighted draws: nothing is recorded, and it says when not to be believed."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from labelvalue import InputError, cli, names, testing, write_runs
from labelvalue.forecast import predict_error, predict_gain
from labelvalue.operate import Project
from labelvalue.operate.configuration import Guardrails
from labelvalue.operate.preview import preview
from tests.operate.conftest import QUIET, configure


def test_a_preview_records_nothing_and_says_how_far_to_trust_it(fitted, second, tmp_path, capsys):
    before = fitted.ledger.records()
    table = fitted.preview(second)
    assert fitted.ledger.records() == before
    assert set(table["quantity"]) == {names.GAIN, names.ELASTICITY}
    assert table["slice"].nunique() == 4
    assert 0 < table.attrs["effective_draws"] <= 400
    assert table.attrs["reliable"] == (table.attrs["pareto_k"] <= min(0.7, 1 - 1 / np.log10(400)))
    assert cli.main(["preview", str(fitted.folder), str(write_runs(second, tmp_path / "b.csv"))]) == 0
    assert "be relied on" in capsys.readouterr().out


def test_a_batch_that_no_draw_forecast_is_not_to_be_relied_on(fitted, second):
    table = second.to_dataframe()[["slice", "labels", "other_labels", "replicate", "errors", "trials"]]
    table["errors"] = table["errors"] // 4
    assert not fitted.preview(table).attrs["reliable"]


def test_without_a_fit_or_without_news_there_is_no_preview(project, first):
    with pytest.raises(InputError, match="no fit is published"):
        project.preview(first)
    project.add(first, batch="a").refit(progress=False)
    with pytest.raises(InputError, match="got more labels"):
        project.preview(testing.fake_runs(seed=1, sizes=(125,), replicates=2))


@pytest.mark.parametrize("place", [0.1, 0.9])
def test_a_preview_is_the_posterior_that_the_batch_leaves(place):
    """Against Bayes' rule with the likelihood of the batch's counts themselves, on all draws: how far, and how sure."""
    fit = testing.fake_fit(seed=3, slices=("east", "west"), draws=1000)
    now, other = (int(fit.position[name].sel(slice="east")) for name in (names.LABELS_NOW, names.OTHER_LABELS_NOW))
    size, trials = 4 * now, 20_000
    error = predict_error(fit, [size]).sel(slice="east").values.ravel()
    wrong = round(float(np.quantile(error, place)) * trials)
    row = {"slice": "east", "labels": size, "other_labels": other, "errors": wrong, "trials": trials}
    stand_in = SimpleNamespace(published=fit, configuration=SimpleNamespace(metric=None, guardrails=Guardrails()))
    table = preview(stand_in, pd.DataFrame([row]))
    assert table.attrs["reliable"]
    weight = binom.pmf(wrong, trials, error)
    for quantity, draws in (
        (names.GAIN, predict_gain(fit, [1000]).isel({names.BUDGET: 0})),
        (names.ELASTICITY, fit.posterior[names.ELASTICITY]),
    ):
        values = draws.sel(slice="east").transpose("chain", "draw").values.ravel()
        (said,) = table[(table["quantity"] == quantity) & (table["slice"] == "east")].itertuples()
        after = np.average(values, weights=weight)
        wanted, sd = after - values.mean(), np.sqrt(np.average((values - after) ** 2, weights=weight))
        assert abs(wanted) > 0.4 * values.std(), "the batch moves something"
        assert said.after - said.before == pytest.approx(wanted, abs=0.2 * abs(wanted))
        assert said.sd_before == pytest.approx(values.std())
        assert said.sd_after == pytest.approx(sd, rel=0.2)
        assert said.sd_after < 0.95 * said.sd_before


@pytest.mark.slow  # two real fits
def test_two_steps_come_near_the_joint_fit(tmp_path):
    """The approximation against what it stands for, on a batch that moves something."""
    project = Project.create(tmp_path / "p")
    configure(project, QUIET)
    slices = ("east", "west")
    first = testing.fake_runs(seed=3, slices=slices, sizes=(500, 1000, 2000, 4000), replicates=3, trials=500)
    second = testing.fake_runs(seed=3, slices=slices, sizes=(16_000,), replicates=2, trials=500)
    project.add(first, batch="a").refit(progress=False)
    table = project.preview(second)
    before = project.published
    project.add(second, batch="b").refit(progress=False)
    joint = project.published
    assert table.attrs["reliable"]
    near = table[table["quantity"] == names.ELASTICITY].set_index("slice")
    for name in slices:
        old, new = (fit.posterior[names.ELASTICITY].sel(slice=name) for fit in (before, joint))
        said, wanted = near.loc[name], float(new.mean() - old.mean())
        assert abs(wanted) > float(old.std()), "the batch moves something"
        assert abs(float(said["after"] - said["before"]) - wanted) < 0.5 * abs(wanted), name
        assert float(said["sd_after"]) == pytest.approx(float(new.std()), rel=0.3)
        assert float(new.std()) < 0.7 * float(old.std())
