"""The data that ships: what it promises, and that the runs are what the product computes."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from labelvalue import names
from labelvalue.observe import read_runs, write_runs

DATA = Path(__file__).resolve().parents[2] / "data"


@pytest.fixture(scope="module")
def adult_runs():
    return read_runs(DATA / "adult_runs.csv")


def test_adult_is_whole():
    adult = pd.read_parquet(DATA / "adult.parquet")
    assert adult.shape == (48_842, 16)
    assert {"occupation", "education", "race", "sex", "native_country", "income"} <= set(adult)


def test_runs_read_without_a_note_and_have_the_promised_shape(adult_runs):
    frame = adult_runs.to_dataframe()
    total = frame[names.LABELS] + frame[names.OTHER_LABELS]
    assert json.loads(adult_runs.attrs[names.NOTES]) == []
    assert frame[names.SLICE].nunique() >= 6
    assert total.nunique() >= 7
    assert 100 <= total.min() <= 150
    assert total.max() == 16_000
    assert frame[names.REPLICATE].nunique() >= 5
    assert (frame[names.TRIALS] >= 500).all()


def test_runs_show_learning_and_are_not_collinear(adult_runs):
    frame = adult_runs.to_dataframe()
    total = frame[names.LABELS] + frame[names.OTHER_LABELS]
    curves = frame.pivot_table(index=names.SLICE, columns=total, values=names.ERROR)
    assert (curves[16_000] < 0.8 * curves[125]).all()
    for _, rows in frame.groupby(names.SLICE):
        logs = np.log1p(rows[[names.LABELS, names.OTHER_LABELS]])
        assert logs.corr().iloc[0, 1] < 0.99


def test_the_first_sizes_computed_anew_are_the_shipped_rows(adult_runs):
    spec = importlib.util.spec_from_file_location("make_adult_runs", DATA / "make_adult_runs.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    again = script.make(sizes=script.SIZES[:2], replicates=1)
    shipped = adult_runs.isel(run=(adult_runs[names.REPLICATE] == 0).values)
    total = shipped[names.LABELS] + shipped[names.OTHER_LABELS]
    shipped = shipped.isel(run=(total <= script.SIZES[1]).values)
    for name in set(again) - {names.ERRORS, names.ERROR}:
        assert again[name].equals(shipped[name]), name
    # The same machine gives the same counts; another processor may round a split the other way.
    assert abs(again[names.ERROR] - shipped[names.ERROR]).max() < 0.02


def test_written_as_the_product_writes(adult_runs, tmp_path):
    path = write_runs(adult_runs, tmp_path / "runs.csv")
    assert path.read_bytes() == (DATA / "adult_runs.csv").read_bytes()


def test_nothing_that_ships_names_a_machine():
    for path in (DATA / "README.md", DATA / "make_adult_runs.py"):
        text = path.read_text()
        assert "/work" not in text
        assert "../shared" not in text
