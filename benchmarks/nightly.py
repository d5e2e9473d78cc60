"""What the night's re-fit costs: with nothing compiled, with everything compiled, and with nothing new.

    python -m benchmarks.nightly                  # a project of four occupations, made for it
    python -m benchmarks.nightly --project DIR    # one that is there; its ledger gets two checks

Each is the command that a scheduler runs, ``labelvalue refit DIR``, in a fresh process with a cache of compiled code of
its own. Seconds on the clock depend on who else works on the machine, which the load says; seconds of processors, with
those of the child that fits, hardly do.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd

from labelvalue import Project, names

ROOT = Path(__file__).resolve().parents[1]
RUNS = ROOT / "data" / "adult_runs.csv"
RESULTS = ROOT / "benchmarks" / "results" / "nightly.json"
SLICES = ("Craft-repair", "Exec-managerial", "Other-service", "Sales")


def shipped() -> pd.DataFrame:
    """The shipped runs of four occupations."""
    table = pd.read_csv(RUNS)
    return table[table[names.SLICE].isin(SLICES)].reset_index(drop=True)


def timings(folder: Path) -> dict[str, Any]:
    """The nightly command with an empty cache of compiled code, a full one, and nothing new."""
    cache = tempfile.mkdtemp()
    kept = os.environ.get("PYTENSOR_FLAGS", "")
    own = {"PYTENSOR_FLAGS": f"{kept},base_compiledir={cache}".lstrip(","), "NUMBA_CACHE_DIR": f"{cache}/numba"}
    command = [sys.executable, "-m", "labelvalue", "refit", str(folder)]
    found: dict[str, Any] = {}
    for name, more in (("cold", ["--again"]), ("warm", ["--again"]), ("nothing new", [])):
        start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        told = subprocess.run([*command, *more], env=os.environ | own, capture_output=True, text=True, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        processors = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        found[name] = {
            "seconds": round(time.perf_counter() - start, 1),
            "processor_seconds": round(processors, 1),
            "load": round(os.getloadavg()[0], 1),
            "exit": told.returncode,
            "reproduced": "draws the same" in told.stdout,
        }
        print(f"nightly re-fit, {name}: {found[name]}", flush=True)
    shutil.rmtree(cache)
    return found


def project_of_shipped_runs(folder: Path) -> Project:
    """A project with one batch and its fit, the page included."""
    project = Project.create(folder)
    project.add(shipped(), batch="shipped").refit(progress=False)
    return project


def main() -> None:
    """Make the project, take the times, write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, default=None, help="a project folder; one is made by default")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = given.project or project_of_shipped_runs(Path(place) / "project").folder
        made = {"cores": os.cpu_count(), "runs": int(Project.open(folder).runs.sizes[names.RUN]), **timings(folder)}
    if given.project is None:
        RESULTS.write_text(json.dumps(made, indent=1) + "\n")


if __name__ == "__main__":
    main()
