"""kill -9 at every write point: the old state or the new, and the same command again ends the work."""

import itertools
import json
import subprocess
import sys

import pytest

from labelvalue import Project

OLD = {"project": True, "runs": 12, "batch": 1, "score": 0, "fit": 1}
ENDS = {
    "init": ({"project": False}, {"project": True, "runs": None, "batch": 0, "score": 0, "fit": 0}),
    "add": (OLD, OLD | {"batch": 2, "score": 1}),
    "refit": (OLD | {"batch": 2, "score": 1}, OLD | {"batch": 2, "score": 1, "fit": 2, "runs": 20}),
}  # of each action, the state before it and the state after it
LEAST = {"init": 3, "add": 5, "refit": 15}  # write points that it has at least


def kills(root, tmp_path, *options):
    command = [sys.executable, "-W", "ignore", "-m", "tests.faults.killed", str(tmp_path), *options]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def known(state):
    return {key: value for key, value in state.items() if key != "failure"}


@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.slow(reason="every write point, a minute"))])
def test_old_or_new_and_both_whole(root, tmp_path, every):
    """Faults 1, 2 and 20: from the last write point backwards, each fourth or each one."""
    rows = kills(root, tmp_path, "--every", str(every))
    for action, (old, new) in ENDS.items():
        mine = [row for row in rows if row["action"] == action]
        assert mine[0]["points"] >= LEAST[action]
        assert len(mine) == -(-mine[0]["points"] // every)
        for row in mine:
            assert known(row["before"]) in (old, new), row
            assert known(row["after"]) == new, row
            assert row["left"] == [], row
        if action == "refit":
            assert {row["sampled"] for row in mine} == {0, 1}, "a fit that was whole is adopted, not made again"


LEFT = {
    "labelvalue.toml": "[fit]\nrandom_seed = 7\n",
    "lock": "",
    "lock.json": '{"what": "init", "process": 1, "host": "h", "started": "s"}',
    ".0123456789abcdef.tmp": "half of a file",
    "runs": None,
    "fits": None,
    "reports": None,
}  # what a killed ``init`` may have left: files with their content, and folders


@pytest.mark.parametrize("count", range(len(LEFT) + 1))
def test_init_goes_on_from_whatever_a_killed_one_left(tmp_path, count):
    for number, names in enumerate(itertools.combinations(LEFT, count)):
        folder = tmp_path / str(number)
        folder.mkdir()
        for name in names:
            (folder / name).mkdir() if LEFT[name] is None else (folder / name).write_text(LEFT[name])
        project = Project.create(folder)
        assert project.configuration.fit.random_seed == (7 if "labelvalue.toml" in names else 0)
        assert len(project.verify()) == 64
        assert {path.name for path in folder.iterdir()} == {
            "labelvalue.toml",
            "ledger.sqlite",
            "lock",
            "runs",
            "fits",
            "reports",
        }


def test_a_new_ledger_appears_at_one_stroke(tmp_path, monkeypatch):
    """Made in place, it once left a journal that the next ``init`` did not know."""
    seen = []
    monkeypatch.setattr(
        "labelvalue.operate.store.ledger.write_whole",
        lambda path, content: seen.append(sorted(p.name for p in path.parent.iterdir())),
    )
    with pytest.raises(Exception, match="no such file"):
        Project.create(tmp_path / "p").verify()
    assert seen == [["fits", "labelvalue.toml", "lock", "lock.json", "reports", "runs"]]
