"""The list of what to measure next: complete, ordered, and right about each column."""

from __future__ import annotations

import pandas as pd
import pytest

from labelvalue import names
from labelvalue.observe import read_runs, what_is_missing
from labelvalue.observe.missing import ANSWERS
from labelvalue.observe.schema import COLUMNS, MEASURES, REQUIRED

BARE = pd.DataFrame({"slice": ["a", "a"], "labels": [10, 20], "errors": [5, 4], "trials": [50, 50]})

SAID = {
    names.OTHER_LABELS: [0, 5],
    names.EVALUATION_SET: ["v1", "v1"],
    names.REPLICATE: [0, 1],
    names.MEASURED_AT: ["2026-01-01T00:00Z", "2026-01-02T00:00Z"],
    names.STRATEGY: ["random", "margin"],
    names.LABEL_NOISE: [0.1, None],
    names.SUITE: ["holdout", "late"],
    names.LEARNER: ["big", "small"],
    names.SYNTHETIC_LABELS: [0, 5],
    names.BATCH: ["b1", "b1"],
    names.DIVERSITY: [1.0, 1.2],
    names.SECONDS: [1.0, 2.0],
    names.PROTOCOL: ["v1", "v1"],
}


def test_every_optional_column_has_its_answer():
    optional = set(COLUMNS) - set(MEASURES) - set(REQUIRED) - {names.OTHER_SYNTHETIC_LABELS, names.SOURCE_ID}
    assert set(ANSWERS) == optional == set(SAID)


def test_a_bare_table_lacks_everything():
    assert dict(what_is_missing(read_runs(BARE)).to_numpy()) == ANSWERS


@pytest.mark.parametrize("name", SAID)
def test_a_column_that_speaks_is_not_missing(name):
    missing = what_is_missing(read_runs(BARE.assign(**{name: SAID[name]})))["column"].tolist()
    assert missing == [other for other in ANSWERS if other != name]


@pytest.mark.parametrize("name", [names.STRATEGY, names.LEARNER, names.SUITE, names.OTHER_LABELS, names.REPLICATE])
def test_a_column_that_compares_nothing_is(name):
    same = [SAID[name][1]] * 2
    assert name in what_is_missing(read_runs(BARE.assign(**{name: same})))["column"].tolist()


def test_nothing_is_missing_where_all_is_said():
    assert what_is_missing(read_runs(BARE.assign(**SAID))).empty


def test_no_runs():
    with pytest.raises(TypeError, match="not DataFrame"):
        what_is_missing(BARE)
