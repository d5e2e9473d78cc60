"""Every promise has tests, and the tests are there: ``tests/promises.txt`` says which show which."""

import ast
import re
from collections import Counter
from pathlib import Path

TESTS = Path(__file__).parent
TABLE = [line for line in (TESTS / "promises.txt").read_text("utf-8").splitlines() if not line.startswith("#")]
ROWS = [re.fullmatch(r"([A-Z])(\d+) ([\w/]+): (test_\w+(?:, test_\w+)*)", line) for line in TABLE]
LAST = {"D": 35, "F": 28, "M": 22, "O": 16, "P": 15, "R": 15, "X": 10}
"""Promises of decisions, forecasts, the model, observing, operating, reports and practice, numbered from 1."""
MEASURED = {("D", 34)}
"""What benchmarks show: closed loops of buying are no worse than simple rules."""


def test_no_promise_is_left_out():
    assert None not in ROWS, "a line that is not read"
    assert {(row[1], int(row[2])) for row in ROWS} == {
        (room, n + 1) for room, last in LAST.items() for n in range(last)
    } - MEASURED
    assert max(Counter(row[3] + row[1] + row[2] for row in ROWS).values()) == 1, "a module twice for one promise"


def test_tests_of_a_promise_are_there():
    trees = {module: ast.parse((TESTS / f"{module}.py").read_text("utf-8")) for module in {row[3] for row in ROWS}}
    there = {(m, node.name) for m, tree in trees.items() for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert {(row[3], name) for row in ROWS for name in row[4].split(", ")} - there == set()
