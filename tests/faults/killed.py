"""Kill an action on a project at each of its write points in turn, and say what is left; a program of its own.

``python -m tests.faults.killed FOLDER ACTION`` prints one JSON line a kill. The point before every sync, every rename
and every record is a write point. Children are forked, so that what they would import is imported once.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

import labelvalue.model
import labelvalue.operate.apart
import labelvalue.operate.arrival
import labelvalue.operate.refitting
from labelvalue import testing
from labelvalue.operate import Project, ledger
from tests.operate.conftest import QUIET, Sampler, configure, fit_here

MOST = 200


def first():
    return testing.fake_runs(seed=1, sizes=(500, 1000, 2000), replicates=1)


def second():
    return testing.fake_runs(seed=1, sizes=(4000,), replicates=2)


ACTIONS = {
    "init": lambda folder: Project.create(folder),
    "add": lambda folder: Project.open(folder).add(second(), batch="b"),
    "refit": lambda folder: Project.open(folder).refit(progress=False),
}


def prepare(folder: Path, action: str) -> None:
    """A project with one published fit; before a re-fit, with a batch that it has not seen."""
    if action == "init":
        return
    project = Project.create(folder)
    configure(project, QUIET)
    project.add(first(), batch="a").refit(progress=False)
    if action == "refit":
        project.add(second(), batch="b")


def die_at(point: int) -> None:
    """Let this process be killed before its write point of that number."""
    left = [point]

    def guarded(function):
        def guard(*args, **settings):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **settings)

        return guard

    os.fsync, os.replace = guarded(os.fsync), guarded(os.replace)
    ledger.sealed = guarded(ledger.sealed)


def die_after(seconds: float) -> None:
    """Let this process be killed at a moment that no write point knows of."""
    threading.Thread(target=lambda: (time.sleep(seconds), os.kill(os.getpid(), signal.SIGKILL)), daemon=True).start()


def killed(folder: Path, action: str, point: int, after: float | None = None) -> bool:
    """Do the action in a child that dies at a point, or after some seconds; whether it came to die."""
    child = os.fork()
    if child == 0:
        die_at(point) if after is None else die_after(after)
        try:
            ACTIONS[action](folder)
        except BaseException as error:
            print(f"child: {error!r}", file=sys.stderr)
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise RuntimeError(f"the action failed before point {point}")
    return os.WIFSIGNALED(status)


def state(folder: Path) -> dict:
    """What a project holds, after checking all of it."""
    if not (folder / "ledger.sqlite").is_file():
        return {"project": False}
    project = Project.open(folder)
    project.verify()
    kinds = [record.kind for record in project.ledger.records()]
    fit = project.published
    runs = None if fit is None else int(fit.runs.sizes["run"])
    return {"project": True, "runs": runs} | {kind: kinds.count(kind) for kind in ("batch", "score", "fit", "failure")}


def duration(place: Path, start: Path, action: str) -> float:
    """How long the action takes when nobody disturbs it."""
    folder = place / "undisturbed"
    shutil.copytree(start, folder)
    begun = time.monotonic()
    if killed(folder, action, 0, 60.0):
        raise RuntimeError("it did not end")
    return time.monotonic() - begun


def main(place: str, action: str, rounds: str = "") -> None:
    sampler = Sampler()
    labelvalue.model.fit = sampler
    labelvalue.operate.apart.fit_apart = fit_here
    start = Path(place) / "start"
    prepare(start, action)
    moments = random.Random(1)
    takes = duration(Path(place), start, action) if rounds else 0.0
    for point in range(1, int(rounds) + 1 if rounds else MOST):
        folder = Path(place) / str(point)
        if start.exists():
            shutil.copytree(start, folder)
        after = moments.uniform(0.0, takes) if rounds else None
        if not killed(folder, action, point, after) and not rounds:
            return
        calls = len(sampler.calls)
        before = state(folder)
        if not (action == "init" and before["project"]):
            ACTIONS[action](folder)
        after = state(folder)
        fits = folder / "fits"
        leftovers = [path.name for path in fits.iterdir() if path.name.startswith(".")] + [
            path.name for path in folder.iterdir() if path.suffix == ".tmp" or path.name == "lock.json"
        ]
        sampled = len(sampler.calls) - calls
        print(json.dumps({"point": point, "before": before, "after": after, "sampled": sampled, "left": leftovers}))
        shutil.rmtree(folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
