"""What a batch would change: a fit with it that nothing records."""

import numpy as np
import pytest

from labelvalue import InputError, Project, cli, names, predict_gain, read_runs, testing, write_runs
from tests.operate.conftest import QUIET, configure


def test_a_preview_records_nothing_and_names_its_verdict(fitted, second, sampler, tmp_path, capsys):
    before = fitted.ledger.records()
    files = sorted(fitted.folder.rglob("*"))
    sampler.verdict = "flagged"
    table = fitted.preview(second, progress=False)
    assert fitted.ledger.records() == before
    assert sorted(fitted.folder.rglob("*")) == files
    assert set(table["quantity"]) == {names.GAIN, names.ELASTICITY}
    assert table["slice"].nunique() == 4
    assert table.attrs["verdict"] == "flagged"
    assert sampler.calls[-1]["runs"].sizes["run"] == fitted.published.runs.sizes["run"] + second.sizes["run"]
    assert cli.main(["preview", str(fitted.folder), str(write_runs(second, tmp_path / "b.csv"))]) == 0
    assert "the fit with the batch is flagged" in capsys.readouterr().out


def test_what_cannot_be_previewed_is_said(project, first):
    with pytest.raises(InputError, match="no fit is published"):
        project.preview(first)
    project.add(first, batch="a").refit(progress=False)
    with pytest.raises(InputError, match="in already, as batch 'a'"):
        project.preview(first)
    loss = (
        testing.fake_runs(seed=1).to_dataframe().assign(value=0.3, stderr=0.01)[["slice", "labels", "value", "stderr"]]
    )
    with pytest.raises(InputError, match="batch 'the batch that is previewed' does not go with the others"):
        project.preview(read_runs(loss.assign(labels=16_000).drop_duplicates(), metric="rmse"))


def test_a_preview_is_what_the_re_fit_then_says(tmp_path):
    """Two real fits of the same runs: to the last digit."""
    project = Project.create(tmp_path / "p")
    configure(project, QUIET + "[fit]\ndraws = 200\ntune = 200\nbacktest = false\n")
    few = {"slices": ("east", "west"), "replicates": 2}
    first = testing.fake_runs(seed=1, sizes=(500, 1000, 2000, 4000), **few)
    second = testing.fake_runs(seed=1, sizes=(16_000,), **few)
    project.add(first, batch="a").refit(progress=False)
    table = project.preview(second, progress=False).set_index(["quantity", "slice"])
    before = project.published
    project.add(second, batch="b").refit(progress=False)
    joint, labels = project.published, table.attrs[names.BUDGET]
    for side, fit in (("before", before), ("after", joint)):
        gain = predict_gain(fit, [labels]).isel(budget=0)
        for quantity, draws in ((names.GAIN, gain), (names.ELASTICITY, fit.posterior[names.ELASTICITY])):
            told = table.loc[quantity]
            np.testing.assert_allclose(told[side], draws.mean(names.SAMPLE), rtol=1e-12)
            deviation = told["sd_before" if side == "before" else "sd_after"]
            np.testing.assert_allclose(deviation, draws.std(names.SAMPLE), rtol=1e-12)
