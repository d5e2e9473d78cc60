"""Two hundred small projects, fitted again in one command: what a night costs a team that keeps many.

    python -m benchmarks.many_projects                # 200 projects, two at a time
    python -m benchmarks.many_projects --quick        # six

Each project has a runs table of its own, simulated from other curves, of three slices at three sizes; all have the same
shape, so that all but the first find its model compiled. One project is broken on purpose. Then everything is asked for
again, with nothing new, and after a batch for one project in ten.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from labelvalue import Project, refit_all, testing

RESULTS = Path(__file__).parent / "results" / "many_projects.json"
SLICES = ("east", "north", "west")
QUIET = "[report]\npage = false\n"


def build(root: Path, count: int) -> None:
    """Projects with one batch each, and one whose configuration is wrong."""
    for number in range(count):
        project = Project.create(root / f"team-{number % 10}" / f"project-{number:03}")
        (project.folder / "labelvalue.toml").write_text(QUIET)
        project.add(testing.fake_runs(seed=number, slices=SLICES, sizes=(300, 900, 2700), replicates=2), batch="first")
    broken = Project.create(root / "team-0" / "broken")
    (broken.folder / "labelvalue.toml").write_text("[fit]\ndraw = 1\n")


def night(root: Path, jobs: int, what: str) -> dict[str, Any]:
    """One night: the command, its time, how the projects ended."""
    start = time.perf_counter()
    table = refit_all(root, n_jobs=jobs, progress=False)
    seconds = time.perf_counter() - start
    fitted = table[table["new"]]
    found = {
        "night": what,
        "projects": len(table),
        "fitted": len(fitted),
        "exit_codes": {str(code): int(n) for code, n in table["exit_code"].value_counts().sort_index().items()},
        "verdicts": {str(v): int(n) for v, n in fitted["verdict"].value_counts().items()},
        "seconds": round(seconds, 1),
        "seconds_a_fit": round(float(fitted["seconds"].median()), 2) if len(fitted) else None,
        "load": round(os.getloadavg()[0], 1),
    }
    print(json.dumps(found), flush=True)
    return found


def main() -> None:
    """Build, three nights, write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--projects", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="six projects; results are printed only")
    given = parser.parse_args()
    count = 6 if given.quick else given.projects
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        build(root, count)
        nights = [night(root, given.jobs, "first"), night(root, given.jobs, "nothing new")]
        for number in range(0, count, 10):
            project = Project.open(root / f"team-{number % 10}" / f"project-{number:03}")
            project.add(testing.fake_runs(seed=number, slices=SLICES, sizes=(8100,), replicates=2), batch="second")
        nights.append(night(root, given.jobs, "a batch for one in ten"))
    if not given.quick:
        made = {"projects": count, "jobs": given.jobs, "cores": os.cpu_count(), "nights": nights}
        RESULTS.write_text(json.dumps(made, indent=1) + "\n")


if __name__ == "__main__":
    main()
