"""A project whose fits take milliseconds: draws that depend on the runs and the seed, and were never sampled."""

from __future__ import annotations

import dataclasses
import functools
import zlib

import pytest
import xarray as xr

import labelvalue.model
from labelvalue import names, testing
from labelvalue.observe.text import to_csv
from labelvalue.operate import Project
from labelvalue.operate.refit import fit_spec

QUIET = "[report]\npage = false\n"


@functools.cache
def pretended(seed, verdict):
    return testing.fake_fit(seed=seed, draws=100, verdict=verdict)


class Sampler:
    """Stands where ``labelvalue.model.fit`` stood, and keeps what it was asked."""

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
        tree = made.tree.copy()
        posterior = made.posterior
        posterior[names.CURVE_ELASTICITY] = posterior[names.CURVE_ELASTICITY] * factor
        tree[names.POSTERIOR] = xr.DataTree(posterior)
        tree[names.RUNS] = xr.DataTree(runs)
        return dataclasses.replace(made, tree=tree)


def fit_here(place, runs, spec, *, memory_gb, progress):
    """What a child process would do, in this one."""
    return fit_spec(runs, spec, progress=progress)


@pytest.fixture
def sampler(monkeypatch):
    stand_in = Sampler()
    monkeypatch.setattr(labelvalue.model, "fit", stand_in)
    monkeypatch.setattr("labelvalue.operate.apart.fit_apart", fit_here)
    return stand_in


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


def configure(project, text):
    (project.folder / "labelvalue.toml").write_text(text)


def kinds(project):
    return project.history()["kind"].tolist()
