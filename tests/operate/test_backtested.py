"""A project backtests where runs or model are new, remembers what came of it, and publishes nothing that failed it."""

import json

import pytest

from labelvalue import Project, cli, names, testing
from labelvalue.diagnostics import backtest_verdict
from labelvalue.operate.refit.refit import fit_backtested
from labelvalue.problems import InputError, Problem

from .conftest import QUIET, configure


@pytest.fixture(scope="module")
def good():
    return backtest_verdict(testing.fake_backtest(seed=1))


@pytest.fixture(scope="module")
def bad():
    return backtest_verdict(testing.fake_backtest(seed=1, shift=0.3))


class Backtests:
    """Stands where the backtest stood, and counts what it was asked."""

    def __init__(self):
        self.calls, self.shift, self.error = [], 0.0, None

    def __call__(self, runs, model, **settings):
        self.calls.append(settings | {"model": model})
        if self.error is not None:
            raise self.error
        return testing.fake_backtest(seed=1, shift=self.shift)


@pytest.fixture
def backtests(sampler, monkeypatch):
    def fit_here(place, runs, spec, *, memory_gb, minutes=None, progress, checkpoint=None):
        return fit_backtested(runs, spec, progress=progress, checkpoint=checkpoint)

    made = Backtests()
    monkeypatch.setattr("labelvalue.operate.refit.subprocess_fit.fit_in_subprocess", fit_here)
    monkeypatch.setattr("labelvalue.forecast.backtesting.trust.backtesting.backtest", made)
    return made


def refit(project, **how):
    return project.refit(progress=False, **how)


def test_it_is_made_attached_recorded_and_said(project, first, backtests, capsys, good):
    configure(project, f"[fit]\nrandom_seed = 7\nclasses = 3\ndraws = 2000\n{QUIET}")
    done = refit(project.add(first, batch="a"))
    assert (done.verdict, done.backtest, done.exit_code) == ("ok", good, 0)
    asked = backtests.calls[0]
    assert (asked["holdout"], asked["draws"], asked["tune"]) == ((1, 2), 500, 200), "quick"
    assert (asked["random_seed"], asked["classes"], asked["chains"], asked["discount"]) == (7, 3, 4, {})
    assert {*asked["priors"]} >= {"churn"}, "by the priors of the fit"
    assert backtest_verdict(project.published.backtest) == good
    assert good.removesuffix(".") in project.history().query("kind == 'fit'")["what"].item()
    assert cli.main(["refit", str(project.folder)]) == 0
    assert good[:40] in " ".join(capsys.readouterr().out.split())


def test_forecasts_that_did_not_come_true_publish_nothing(project, first, second, backtests, capsys, bad):
    published = refit(project.add(first, batch="a")).published
    backtests.shift = 0.3
    done = refit(project.add(second, batch="b"))
    assert (done.verdict, done.exit_code, done.published) == ("flagged", 2, published)
    assert done.reasons == (bad.removesuffix("."),)
    assert cli.main(["refit", str(project.folder), "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["reasons"] == [bad.removesuffix(".")]
    assert cli.main(["refit", str(project.folder)]) == 2
    assert " ".join(capsys.readouterr().out.split()).count(bad[:30]) == 1, "said once"


def test_it_is_not_made_again_where_nothing_of_it_changed(project, first, second, backtests, good):
    refit(project.add(first, batch="a"))
    assert not refit(project).new
    configure(project, f"[fit]\ndraws = 1200\nrandom_seed = 3\n{QUIET}")
    done = refit(project)
    assert done.new
    assert done.backtest == good, "more draws: the earlier backtest holds, and comes along"
    assert len(backtests.calls) == 1
    configure(project, f"[fit]\nclasses = 3\n{QUIET}")
    refit(project)
    configure(project, QUIET)
    refit(project.add(second, batch="b"))
    assert len(backtests.calls) == 3, "other classes, then other runs"


def test_it_is_switched_off_for_good_or_for_once(project, first, backtests, good):
    configure(project, f"[fit]\nbacktest = false\n{QUIET}")
    done = refit(project.add(first, batch="a"))
    assert (done.backtest, project.published.backtest, backtests.calls) == ("", None, [])
    configure(project, QUIET)
    assert cli.main(["refit", str(project.folder), "--no-backtest"]) == 0
    assert backtests.calls == []
    assert not refit(project, backtest=False).new
    done = refit(project)
    assert (done.new, done.backtest, len(backtests.calls)) == (True, good, 1), "asked for now"
    assert not refit(project, backtest=False).new, "a fit that has been backtested does as well"
    assert cli.main(["refit", str(project.folder.parent), "--all", "--no-backtest"]) == 0
    assert len(backtests.calls) == 1


def test_runs_that_allow_none_are_published_and_say_so(project, first, backtests):
    backtests.error = InputError([Problem(why="2 sizes; a backtest needs 4", fix="add runs at other sizes")] * 3)
    done = refit(project.add(first, batch="a"))
    assert (done.verdict, done.exit_code) == ("ok", 0)
    assert done.backtest == "not backtested: 2 sizes; a backtest needs 4. Fix: add runs at other sizes. (and 2 more)"
    assert done.backtest in project.published.settings[names.NOTES]


def test_the_setting_is_true_or_false(project):
    configure(project, f'[fit]\nbacktest = "no"\n{QUIET}')
    with pytest.raises(InputError, match=r"fit\.backtest.*true or false"):
        Project.open(project.folder).configuration  # noqa: B018
