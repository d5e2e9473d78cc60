"""Every reader under attack: no traceback, no hang, no flood of memory, nothing wrong that is taken for right."""

import os
import signal
import time
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

import labelvalue as lv
from labelvalue import InputError
from labelvalue.observe.exports import annotations
from labelvalue.problems import Problem
from tests.faults import mutations
from tests.faults.commands import prepared
from tests.faults.corpus import FAMILIES, separated
from tests.faults.mutations import attack, faults, for_minutes, names_of, table

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
MINUTES = float(os.environ.get("LABELVALUE_MUTATION_MINUTES", "10"))


def told(found):
    return "\n".join(f"{f.family} {f.number} {f.outcome}: {f.why} [{f.what}]" for f in faults(found))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_few_mutations_of_every_input(family):
    with prepared([family]):
        first = len(names_of(family))
        found = list(attack(family, range(first, first + 6)))
    assert len(found) == 6
    assert not faults(found), told(found)


def raises(error):
    def read(*given, **settings):
        raise error

    return read


def slips(*given, **settings):
    return REAL(*given, **settings).assign(label="another")


def prints(*given, **settings):
    print("\x1b[2J")
    return REAL(*given, **settings)


def takes(*given, **settings):
    bytes(range(256)) * (3 << 20)
    return REAL(*given, **settings)


def leaves(*given, **settings):
    Path("half.parquet").write_bytes(b"PAR1")
    raise InputError([Problem(file="in.csv", why="it is wrong", fix="mend it")])


REAL = lv.label_quality.read_annotations
BROKEN = [
    (REAL, "accepted"),
    (slips, "silent"),
    (raises(KeyError("of")), "traceback"),
    (raises(ValueError("it is wrong")), "bare"),
    (raises(InputError([Problem(file="in.csv", why="it is wrong", fix="mend it")])), "refused"),
    (prints, "terminal"),
    (takes, "memory"),
    (leaves, "leftover"),
    (lambda *given, **settings: time.sleep(60), "hang"),
    (lambda *given, **settings: os.kill(os.getpid(), signal.SIGUSR1), "traceback"),
]


@pytest.mark.parametrize(("reader", "outcome"), BROKEN)
def test_the_attack_sees_what_a_broken_reader_does(monkeypatch, reader, outcome):
    monkeypatch.setattr(mutations, "mutated", lambda seed, rng: seed)
    monkeypatch.setattr(mutations, "SECONDS", 3.0 if outcome == "hang" else 60.0)
    with prepared(["plain_csv"]):
        monkeypatch.setattr(annotations, "read_annotations", reader)
        (found,) = attack("plain_csv", [1000])
    assert found.outcome == outcome, found


@pytest.mark.slow  # as many minutes as LABELVALUE_MUTATION_MINUTES says
def test_every_hostile_input_and_mutations_for_minutes():
    with prepared(FAMILIES):
        found = list(for_minutes(MINUTES, FAMILIES))
    print(f"\n{table(found)}")
    assert not faults(found), told(found)


CELLS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=6), quoting=st.sampled_from([0, 1]))
def test_cells_of_any_text_arrive_or_are_refused_by_name(tmp_path_factory, rows, quoting):
    path = tmp_path_factory.mktemp("cells") / "in.csv"
    numbered = [[f"i{n}", *row] for n, row in enumerate(rows)]
    path.write_bytes(separated([["item", "label", "c", "question"], *numbered], quoting=quoting))
    try:
        found = lv.label_quality.read_annotations(path, "csv", slice="c", batch="b")
    except InputError as error:
        told = str(error)
    else:
        kept = {row[0]: row for row in numbered}
        for item, label, part in found[["item", "label", "slice"]].itertuples(index=False):
            assert (label, part) == (kept[item][1].strip(), kept[item][2])
        return
    assert "in.csv" in told
    assert told.replace("\n", "").isprintable()
