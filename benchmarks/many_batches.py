"""A project of thousands of batches: what a note, a batch and a re-fit with nothing new cost, imports included.

    python -m benchmarks.many_batches                # 3,000 batches; building them takes some minutes
    python -m benchmarks.many_batches --batches 100 --quick

Each is the command in a fresh process. Batches are put into the ledger as ``add`` would have: a record of the batch,
of its forecast, its scores and its triggers, each batch with a file of its own. Seconds of processors say more than
seconds on the clock of a machine that others use; ``loop`` is what ten million additions take at that very time, 0.4 to
0.5 s on a quiet core of 2024.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from labelvalue import Project, names, testing, write_runs
from labelvalue.exits import DONE, NOT_PUBLISHED
from labelvalue.operate.store.batches import describe, packed, store

RESULTS = Path(__file__).parent / "results" / "many_batches.json"
QUIET = "[report]\npage = false\n"


def batch_of(number: int) -> Any:
    """Runs that no other batch has: replicates of their own."""
    runs = testing.fake_runs(seed=1, sizes=(4000,), replicates=1)
    runs[names.REPLICATE] = runs[names.REPLICATE] + number
    return runs


def build(folder: Path, count: int) -> Project:
    """A project of so many batches, all of them scored and in its published fit."""
    project = Project.create(folder)
    (folder / "labelvalue.toml").write_text(QUIET)
    project.add(testing.fake_runs(seed=1, sizes=(500, 1000, 2000), replicates=2), batch="b0").refit(progress=False)
    project.add(batch_of(1), batch="b1")
    told = {record.kind: record.content for record in project.ledger.records()}
    entries: list[tuple[str, Mapping[str, Any]]] = []
    for number in range(2, count):
        runs, name = batch_of(number), f"b{number}"
        file, content = packed(runs)
        store(folder / "runs", file, content)
        about = describe(runs, name, file, None)
        link = {names.BATCH: name, "content": about["content"]}
        entries += [("batch", about), ("forecast", told["forecast"] | link), ("score", told["score"] | link)]
        entries.append(("check", told["check"] | {names.BATCH: name}))
    project.ledger.append(entries)
    project.refit(progress=False)
    return project


def timed(*command: str) -> dict[str, float]:
    """One command in a fresh process: seconds on the clock and of processors, and of a loop of known length."""
    begun, total = time.process_time(), 0
    for number in range(10_000_000):
        total += number
    loop = time.process_time() - begun
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    ended = subprocess.run([sys.executable, "-m", "labelvalue", *command], capture_output=True, text=True, check=False)
    if ended.returncode not in (DONE, NOT_PUBLISHED):  # whether the fit passed its gate is not what is measured
        raise SystemExit(f"labelvalue {command[0]} ended with {ended.returncode}: {ended.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processors = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": round(time.perf_counter() - start, 2), "processor_seconds": round(processors, 2),
            "loop": round(loop, 2), "load": round(os.getloadavg()[0], 1)}  # fmt: skip


def main() -> None:
    """Build, ask, write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=3000)
    parser.add_argument("--quick", action="store_true", help="results are printed only")
    parser.add_argument("--project", type=Path, help="a project that this benchmark built before")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = given.project or Path(place) / "project"
        project = Project.open(folder) if (folder / "ledger.sqlite").is_file() else build(folder, given.batches)
        runs = str(write_runs(batch_of(time.time_ns() % 10**9 + 10**6), Path(place) / "new.csv"))
        timed("history", str(folder))  # what is compiled once is compiled by now
        found: dict[str, Any] = {"batches": len(project.ledger.records("batch"))}
        found["refit, nothing new"] = timed("refit", str(folder))
        found["note"] = timed("note", str(folder), "a note", "--slice", "west")
        found["add"] = timed("add", str(folder), runs, "--batch", f"new-{time.time_ns()}")
        found["verify"] = timed("verify", str(folder))
    print(json.dumps(found, indent=1))
    if not given.quick:
        RESULTS.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
