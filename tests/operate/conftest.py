"""A project whose fits take milliseconds: draws that depend on the runs and the seed, and were never sampled."""

import functools
import shutil
import zlib

import pytest

import labelvalue.model.fitting.fitting
from labelvalue import Project, names, testing
from labelvalue.observe.table.files import to_csv
from labelvalue.operate.refit.refit import fit_spec
from tests.fits import altered

QUIET = "[report]\npage = false\n"
CASE = """\
currency = "USD"
[costs]
price_per_label = 0.1
retraining = 20
[value]
per_error_point = 400
"""
WITH_CASE = 'case = "case.toml"\n[plan]\nmax_labels = 2000\nlot = 100\n'


@functools.cache
def pretended(seed, verdict):
    return testing.fake_fit(seed=seed, draws=100, verdict=verdict)


class Sampler:
    """Stands where ``labelvalue.fit`` stood, and keeps what it was asked."""

    def __init__(self):
        self.calls = []
        self.verdict = "ok"
        self.seed = 1
        self.error = None

    def __call__(self, runs, **settings):
        self.calls.append(settings | {"runs": runs})
        if self.error is not None:
            raise self.error
        made = pretended(self.seed, self.verdict)
        text = f"{to_csv(runs)}{settings['random_seed']}{settings['priors']}"
        factor = 1.0 + (zlib.crc32(text.encode()) % 1000) / 1e4
        steeper = {names.CURVE_ELASTICITY: made.posterior[names.CURVE_ELASTICITY] * factor}
        return altered(made, posterior=steeper, runs=runs)


def fit_here(place, runs, spec, *, memory_gb, minutes=None, progress, checkpoint=None):
    """What a child process would do, in this one."""
    return fit_spec(runs, spec, progress=progress, checkpoint=checkpoint)


def put_in(monkeypatch):
    """Let fits be pretended ones, in this process."""
    stand_in = Sampler()
    monkeypatch.setattr(labelvalue.model.fitting.fitting, "fit", stand_in)
    monkeypatch.setattr("labelvalue.forecast.gains.prior_sensitivity.fit_again", lambda fit, **_: fit)
    monkeypatch.setattr("labelvalue.operate.refit.subprocess_fit.fit_in_subprocess", fit_here)
    return stand_in


@pytest.fixture
def sampler(monkeypatch):
    return put_in(monkeypatch)


@pytest.fixture(scope="session")
def first():
    """Runs of the first batch."""
    return testing.fake_runs(seed=1, sizes=(500, 1000, 2000, 4000, 8000), replicates=2)


@pytest.fixture(scope="session")
def second():
    """Runs of the second batch: twice the labels."""
    return testing.fake_runs(seed=1, sizes=(16000,), replicates=3)


@pytest.fixture
def project(tmp_path, sampler):
    """An empty project that writes no pages."""
    made = Project.create(tmp_path / "project")
    configure(made, QUIET)
    return made


@pytest.fixture(scope="session")
def made_once(tmp_path_factory, first, second):
    """Folders of projects that many tests begin with; they are copied, never changed."""
    place = tmp_path_factory.mktemp("made-once")
    with pytest.MonkeyPatch.context() as monkeypatch:
        put_in(monkeypatch)
        project = Project.create(place / "fitted")
        configure(project, QUIET)
        project.add(first, batch="a").refit(progress=False)
        shutil.copytree(project.folder, place / "running")
        Project.open(place / "running").add(second, batch="b")
        project = Project.create(place / "decided")
        put_case(project)
        project.add(first, batch="a").refit(progress=False)
    return place


def copied(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "project")
    return Project.open(tmp_path / "project")


@pytest.fixture
def fitted(tmp_path, sampler, made_once):
    """A project with one batch and its published fit."""
    return copied(made_once / "fitted", tmp_path)


@pytest.fixture
def running(tmp_path, sampler, made_once):
    """A project with a published fit, and a batch that it has not seen."""
    return copied(made_once / "running", tmp_path)


@pytest.fixture
def decided(tmp_path, sampler, made_once):
    """A project with a case, a published fit, and advice on it."""
    return copied(made_once / "decided", tmp_path)


def put_case(project, text=CASE, more=""):
    (project.folder / "case.toml").write_text(text)
    configure(project, WITH_CASE + QUIET + more)


def configure(project, text):
    (project.folder / "labelvalue.toml").write_text(text)


def kinds(project):
    return project.history()["kind"].tolist()
