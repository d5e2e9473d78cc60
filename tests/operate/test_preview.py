"""What a batch would change, from re-weighted draws: nothing is recorded, and it says when not to be believed."""

from __future__ import annotations

import numpy as np
import pytest

from labelvalue import InputError, cli, names, testing, write_runs
from labelvalue.operate import Project
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


@pytest.mark.slow  # two real fits
def test_two_steps_come_near_the_joint_fit(tmp_path):
    """The approximation against what it stands for: where it calls itself reliable, means within half an sd."""
    project = Project.create(tmp_path / "p")
    configure(project, QUIET)
    first = testing.fake_runs(seed=3, slices=("east", "west"), sizes=(500, 1000, 2000, 4000), replicates=3)
    second = testing.fake_runs(seed=3, slices=("east", "west"), sizes=(8000,), replicates=2)
    project.add(first, batch="a").refit(progress=False)
    table = project.preview(second)
    before = project.published
    project.add(second, batch="b").refit(progress=False)
    joint = project.published
    near = table[table["quantity"] == names.ELASTICITY].set_index("slice")
    if not table.attrs["reliable"]:
        pytest.skip("it does not call itself reliable")
    for name in ("east", "west"):
        old, new = (fit.posterior[names.CURVE_ELASTICITY].sel(slice=name) for fit in (before, joint))
        moved = float(near.loc[name, "after"] - near.loc[name, "before"])
        wanted = float(new.mean() - old.mean())
        assert abs(moved - wanted) < 0.5 * float(old.std()), (name, moved, wanted)
