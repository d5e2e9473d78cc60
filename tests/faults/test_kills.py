"""kill -9 at every write point: the old state or the new, and the same command again ends the work."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

OLD = {"project": True, "runs": 12, "batch": 1, "score": 0, "fit": 1}


def kills(root, tmp_path, action):
    command = [sys.executable, "-W", "ignore", "-m", "tests.faults.killed", str(tmp_path), action]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def known(state):
    return {key: value for key, value in state.items() if key != "failure"}


@pytest.mark.parametrize(
    ("action", "least", "old", "new"),
    [
        ("init", 3, {"project": False}, {"project": True, "runs": None, "batch": 0, "score": 0, "fit": 0}),
        ("add", 5, OLD, OLD | {"batch": 2, "score": 1}),
        ("refit", 15, OLD | {"batch": 2, "score": 1}, OLD | {"batch": 2, "score": 1, "fit": 2, "runs": 20}),
    ],
)
def test_old_or_new_and_both_whole(root, tmp_path, action, least, old, new):
    rows = kills(root, tmp_path, action)
    assert len(rows) >= least
    for row in rows:
        assert known(row["before"]) in (old, new), row
        assert known(row["after"]) == new, row
        assert row["left"] == [], row
    if action == "refit":
        assert {row["sampled"] for row in rows} == {0, 1}, "a fit that was whole is adopted, not made again"
