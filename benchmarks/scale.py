"""How time and memory of a fit grow with the number of slices.

Run from the repository's root:

    python -m benchmarks.scale
    python -m benchmarks.scale --full
    python -m benchmarks.scale --quick

Each fit runs in a fresh process, twice as in `benchmarks.speed`, and its second run counts; with `--once` its only run
does, compiling and all. `--quick` draws little, in one attempt,
and shows what a gradient costs and how many a draw takes, which is where the time goes; its verdicts mean nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks import speed

SLICES = (50, 200, 1000)
FULL = (*SLICES, 5000)
SIZES = (1000, 2000, 4000, 8000, 16_000)
"""Labels of a slice, on average: what a fit remembers of more."""
MOST_GROWTH = 1.1
"""Time may grow as this power of the slices."""
MOST_MEMORY = 8.0
"""GiB that the largest fit may take."""
COLUMNS = (
    "slices", "s", "processor s", "s ~ slices^", "gradients a draw", "attempts", "verdict", "least ESS", "ESS/s",
    "peak GiB", "load",
)  # fmt: skip


def growth(slices: Sequence[int], seconds: Sequence[float]) -> list[float]:
    """Powers of the slices by which time grew from each size to the next.

    >>> growth([10, 100, 1000], [1.0, 10.0, 1000.0])
    [1.0, 2.0]
    """
    return [float(x) for x in np.diff(np.log(seconds)) / np.diff(np.log(slices))]


def overall_growth(slices: Sequence[int], seconds: Sequence[float]) -> float:
    """Power of the slices by which time grew from the fewest to the most.

    >>> round(overall_growth([10, 100, 1000], [1.0, 10.0, 1000.0]), 6)
    1.5
    """
    return growth([slices[0], slices[-1]], [seconds[0], seconds[-1]])[0]


def run(slices: Sequence[int], draws: int | None, *, once: bool = False) -> list[dict]:
    """Fit runs of each number of slices."""
    measure = speed.run_once if once else speed.measure
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for count in slices:
            runs = Path(folder) / f"{count}.csv"
            speed.write_runs(count, runs, SIZES)
            found.append({"slices": count, **measure("labelvalue", runs, draws)})
            print(f"{count} slices: {found[-1]['seconds']:.0f} s", file=sys.stderr, flush=True)
    return found


def table(found: Sequence[dict]) -> str:
    """One row a number of slices."""
    powers = [""] + [f"{p:.2f}" for p in growth([r["slices"] for r in found], [r["seconds"] for r in found])]
    lines = ["| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]
    for r, power in zip(found, powers, strict=True):
        cells = (
            f"{r['slices']:,}",
            f"{r['seconds']:.1f}",
            f"{r['processor_s']:.1f}",
            power,
            f"{r['steps']:.0f}",
            f"{r['attempts']}",
            r["verdict"],
            f"{r['ess_bulk']:.0f}",
            f"{r['ess_per_second']:.2f}",
            f"{r['peak_gib']:.2f}",
            f"{r['load']:.1f}",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def verdict(found: Sequence[dict]) -> str:
    """The targets beside what was found."""
    said = [f"largest fit {found[-1]['peak_gib']:.2f} GiB (target below {MOST_MEMORY:.0f} at {FULL[-1]:,} slices)"]
    if len(found) > 1:
        power = overall_growth([r["slices"] for r in found], [r["seconds"] for r in found])
        said.insert(0, f"time grows as slices^{power:.2f} (target {MOST_GROWTH} at most)")
    return "; ".join(said)


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=int, nargs="+", default=list(SLICES), help="numbers of slices, rising")
    parser.add_argument("--full", action="store_true", help=f"up to {FULL[-1]:,} slices")
    parser.add_argument("--quick", action="store_true", help="few draws: what a gradient costs, without a verdict")
    parser.add_argument("--once", action="store_true", help="a run each, compiling and all")
    parser.add_argument("--out", type=Path, default=Path("out/scale.json"), help="JSON to write (default: %(default)s)")
    options = parser.parse_args(arguments)
    options.slices = list(FULL) if options.full else options.slices
    if sorted(set(options.slices)) != options.slices or options.slices[0] < 1:
        parser.error(f"--slices must rise and be positive, got {options.slices}")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark."""
    options = parse_arguments(arguments)
    found = run(options.slices, speed.QUICK_DRAWS if options.quick else None, once=options.once)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    layout = {
        "sizes": SIZES,
        "replicates": speed.REPLICATES,
        "cores": os.cpu_count(),
        "quick": options.quick,
        "once": options.once,
    }
    options.out.write_text(json.dumps({**layout, "fits": found}, indent=1) + "\n")
    print(f"{len(SIZES)} sizes, {speed.REPLICATES} replicates; {os.cpu_count()} cores\n\n{table(found)}\n")
    print(f"{verdict(found)}\n\nwritten: {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
