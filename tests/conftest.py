"""Shared by all tests: where the clone is, a quiet matplotlib, and fakes made once."""

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

os.environ.setdefault("MPLBACKEND", "Agg")

ROOT = Path(__file__).resolve().parents[1]

LONGEST = ("test_notebooks.py", "test_one_answer.py", "test_calibration.py", "test_crossed_calibration.py")
"""Files that take minutes, the longest first. A file stays with one process: begun last, it would run alone."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files."""
    rank = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.name, len(LONGEST)))


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder of the clone."""
    return ROOT


@pytest.fixture(scope="session")
def fake_fit():
    """One fit with known parameters, made without sampling. Shared: do not change it."""
    from labelvalue import testing

    return testing.fake_fit(seed=1)


@pytest.fixture(scope="session")
def fake_fit_file(fake_fit, tmp_path_factory) -> Path:
    """``fake_fit`` on disk. Shared: copy it before damaging it."""
    path = tmp_path_factory.mktemp("fit") / "fit.nc"
    fake_fit.save(path)
    return path


@pytest.fixture(autouse=True)
def sketched(request, monkeypatch):
    """Pages that a test makes have pictures that are drawn but not rendered, ArviZ's not even that: half the price.

    But where a browser looks at them, or the test is marked ``rendered``; pages made once for many are whole.
    """
    if "browser" in request.fixturenames or request.node.get_closest_marker("rendered"):
        return
    from matplotlib.figure import Figure

    from labelvalue.report.render import images

    def empty(fit, kind, **_):
        return SimpleNamespace(viz={"figure": np.array(Figure(), dtype=object)})

    blank = {"src": "data:image/png;base64,", "width": 1, "height": 1}
    monkeypatch.setattr(images, "plot_diagnostics", empty)
    monkeypatch.setattr(images, "embed", lambda figure, alt, *, sharp=True: blank | {"alt": alt})


@pytest.fixture(scope="module")
def browser():
    """A browser, or a reason to skip; see ``tests/browsing.py``."""
    from tests import browsing

    with browsing.started() as running:
        yield running


@pytest.fixture
def visit(browser):
    """Open a page in it; at the end, nothing may have been asked for and nothing may have gone wrong."""
    from tests import browsing

    with browsing.visiting(browser) as opened:
        yield opened
