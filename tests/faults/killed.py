"""Kill an action on a project at each of its write points in turn, and say what is left; a program of its own.

``python -m tests.faults.killed FOLDER`` prints one JSON line a kill, of all actions; ``--every 4`` takes each fourth
point alone, ``--rounds 20`` kills re-fits at so many random moments instead. The point before every sync, every rename
and every record is a write point. Children are forked, so that what they would import is imported once.
"""

import argparse
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
import labelvalue.model.fitting.fitting
import labelvalue.operate.refit.arrival
import labelvalue.operate.refit.refitting
import labelvalue.operate.refit.subprocess_fit
from labelvalue import Project, testing
from labelvalue.operate.store import ledger
from labelvalue.operate.store.folders import alone
from tests.operate.conftest import QUIET, Sampler, configure, fit_here

COUNTED = 10_000  # more write points than any action has
LEFT = [0]  # write points until the end, in a child


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
    LEFT[0] = point

    def guarded(function):
        def guard(*args, **settings):
            LEFT[0] -= 1
            if LEFT[0] == 0:
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


def left_behind(folder: Path) -> list[str]:
    """Names of files that a command in the making leaves."""
    unfinished = [path.name for path in (folder / "fits").iterdir() if path.name.startswith(".")]
    return unfinished + [p.name for p in folder.iterdir() if p.suffix == ".tmp" or p.name == "lock.json"]


def kill_and_mend(folder: Path, action: str, point: int, after: float | None, sampler: Sampler) -> dict | None:
    """Kill the action, look, do it again, look; ``None`` where it ended before that point."""
    if not killed(folder, action, point, after) and after is None:
        return None
    calls = len(sampler.calls)
    before = state(folder)
    if action == "init" and before["project"]:  # all was there but the end: the next writer tidies up
        with alone(folder, "the next command"):
            pass
    else:
        ACTIONS[action](folder)
    found = {"action": action, "point": point, "before": before, "after": state(folder)}
    return found | {"sampled": len(sampler.calls) - calls, "left": left_behind(folder)}


def points_of(place: Path, action: str, start: Path) -> int:
    """How many write points an action has, counted in a child that does it whole."""
    folder = place / "counted"
    if start.exists():
        shutil.copytree(start, folder)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        die_at(COUNTED)
        ACTIONS[action](folder)
        os.write(writing, str(COUNTED - LEFT[0]).encode())
        os._exit(0)
    os.waitpid(child, 0)
    return int(os.read(reading, 20))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("place", type=Path)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=0)
    given = parser.parse_args()
    sampler = Sampler()
    labelvalue.model.fitting.fitting.fit = sampler
    labelvalue.operate.refit.subprocess_fit.fit_in_subprocess = fit_here
    moments = random.Random(1)
    for action in ["refit"] if given.rounds else ACTIONS:
        place = given.place / action
        place.mkdir()
        start = place / "start"
        prepare(start, action)
        count = given.rounds or points_of(place, action, start)
        takes = duration(place, start, action) if given.rounds else 0.0
        for point in range(count, 0, -1 if given.rounds else -given.every):
            folder = place / str(point)
            if start.exists():
                shutil.copytree(start, folder)
            found = kill_and_mend(folder, action, point, moments.uniform(0.0, takes) if given.rounds else None, sampler)
            print(json.dumps(found | {"points": count}))
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
