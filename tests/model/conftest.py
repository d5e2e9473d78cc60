"""Small tables, and models that are built once."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import settings

from labelvalue import get_model, read_runs

settings.register_profile("a busy machine", deadline=None, derandomize=True)
settings.load_profile("a busy machine")


def make_table(rows, **how) -> xr.Dataset:
    """A runs table from rows of (slice, labels, errors, trials) with further columns by name."""
    columns = ["slice", "labels", "errors", "trials"]
    frame = pd.DataFrame([dict(zip(columns, row[:4], strict=True)) | (row[4] if len(row) > 4 else {}) for row in rows])
    if "replicate" not in frame:
        frame["replicate"] = np.arange(len(frame))
    for name in ("learner", "evaluation_set"):
        if name in frame:
            frame[name] = frame[name].fillna("")
    return read_runs(frame, **how)


@pytest.fixture(scope="session")
def table():
    return make_table


@pytest.fixture(scope="session")
def power_law():
    return get_model("power_law")


def value_table(seed=0, *, slices=("a", "b"), metric="rmse", sizes=(250, 500, 1000, 2000), level=4.0) -> xr.Dataset:
    """A runs table in the value form, of a metric without an upper bound."""
    rng = np.random.default_rng(seed)
    rows = [
        (name, n, level * (n / 2000) ** -0.2 * np.exp(0.02 * rng.standard_normal()), 0.03 * level, r)
        for name in slices
        for n in sizes
        for r in range(3)
    ]
    return read_runs(pd.DataFrame(rows, columns=["slice", "labels", "value", "stderr", "replicate"]), metric=metric)


@pytest.fixture(scope="session")
def values():
    return value_table
