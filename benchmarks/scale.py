"""How time and memory of a fit grow with the number of slices.

Run from the repository's root:

    python -m benchmarks.scale
    python -m benchmarks.scale --full
    python -m benchmarks.scale --once --methods labelvalue,same
    python -m benchmarks.scale --quick
    python -m benchmarks.scale --plot benchmarks/results/scale.json

Each fit runs in a fresh process, twice as in `benchmarks.speed`, and its second run counts; with `--once` its only run
does, compiling and all. `--quick` draws little, in one attempt,
and shows what a gradient costs and how many a draw takes, which is where the time goes; its verdicts mean nothing.
Other methods are those of `benchmarks.speed`; one that is stopped at `--limit` is not asked for more slices. The
picture lies beside the JSON; `--plot` draws it anew.
"""

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
SIZES = (1000, 2000, 4000, 8000, 16_000)  # labels of a slice, on average: what a fit remembers of more
MOST_GROWTH = 1.1  # time may grow as this power of the slices
MOST_MEMORY = 8.0  # GiB that the largest fit may take
COLUMNS = (
    "method", "slices", "s", "processor s", "s ~ slices^", "gradients a draw", "attempts", "verdict", "least ESS",
    "ESS/s", "peak GiB", "load",
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


def run(
    slices: Sequence[int],
    draws: int | None,
    *,
    once: bool = False,
    methods: Sequence[str] = ("labelvalue",),
    limit: float,
) -> list[dict]:
    """Fit runs of each number of slices by each method, as long as it ends in time."""
    measure = speed.run_once if once else speed.measure
    found: list[dict] = []
    with tempfile.TemporaryDirectory() as folder:
        for count in slices:
            runs = Path(folder) / f"{count}.csv"
            speed.write_runs(count, runs, SIZES)
            for method in methods:
                if any(r["method"] == method and not r["ended"] for r in found):
                    continue
                found.append({"method": method, "slices": count, **measure(method, runs, draws, limit)})
                print(f"{method}, {count} slices: {found[-1]['seconds']:.0f} s", file=sys.stderr, flush=True)
    return found


def of_method(found: Sequence[dict], method: str) -> list[dict]:
    """Its fits that ended."""
    return [r for r in found if r["method"] == method and r["ended"]]


def methods_of(found: Sequence[dict]) -> list[str]:
    """Methods, in the order in which they were asked."""
    return list(dict.fromkeys(r["method"] for r in found))


def table(found: Sequence[dict]) -> str:
    """One row a method and number of slices."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]
    for method in methods_of(found):
        ended = of_method(found, method)
        powers = ["", *(f"{p:.2f}" for p in growth([r["slices"] for r in ended], [r["seconds"] for r in ended]))]
        for r, power in zip(ended, powers, strict=False):
            cells = (
                speed.TITLES[method], f"{r['slices']:,}", f"{r['seconds']:.1f}", f"{r['processor_s']:.1f}", power,
                f"{r['steps']:.0f}", f"{r.get('attempts', 1)}", r["verdict"], f"{r['ess_bulk']:.0f}",
                f"{r['ess_per_second']:.2f}", f"{r['peak_gib']:.2f}", f"{r['load']:.1f}",
            )  # fmt: skip
            lines.append("| " + " | ".join(cells) + " |")
        for r in (r for r in found if r["method"] == method and not r["ended"]):
            cells = speed.TITLES[method], f"{r['slices']:,}", f"> {r['seconds']:.0f}", f"> {r['processor_s']:.0f}"
            lines.append("| " + " | ".join((*cells, *[""] * 7, f"{r['load']:.1f}")) + " |")
    return "\n".join(lines)


def verdict(found: Sequence[dict]) -> str:
    """The targets beside what was found."""
    ours = of_method(found, "labelvalue")
    said = [f"largest fit {ours[-1]['peak_gib']:.2f} GiB (target below {MOST_MEMORY:.0f} at {FULL[-1]:,} slices)"]
    if len(ours) > 1:
        power = overall_growth([r["slices"] for r in ours], [r["seconds"] for r in ours])
        said.insert(0, f"time grows as slices^{power:.2f} (target {MOST_GROWTH} at most)")
    return "; ".join(said)


def plot(found: Sequence[dict], path: Path) -> None:
    """Draw seconds against slices, of the wall and of the processor; an arrow where a fit was stopped."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), sharey=True, layout="constrained")
    for axis, what, title in zip(axes, ("seconds", "processor_s"), ("of the wall", "of the processor"), strict=True):
        for colour, method in enumerate(methods_of(found)):
            rows, ended = [r for r in found if r["method"] == method], of_method(found, method)
            slices, seconds = ([r[key] for r in ended] for key in ("slices", what))
            power = f": slices^{overall_growth(slices, seconds):.2f}" if len(ended) > 1 else ""
            axis.plot(slices, seconds, "-", color=f"C{colour}", label=speed.TITLES[method] + power)
            for r in rows:
                good = {"marker": "o", "mfc": f"C{colour}" if r.get("verdict") == "ok" else "white"}
                axis.plot(r["slices"], r[what], color=f"C{colour}", **(good if r["ended"] else {"marker": "^"}))
        axis.set(xscale="log", yscale="log", xlabel="slices", title=f"seconds {title}")
        ticks = sorted({r["slices"] for r in found})
        axis.set_xticks(ticks, [f"{n:,}" for n in ticks])
        axis.minorticks_off()
        axis.grid(color="0.9")
        axis.legend(fontsize=8, loc="upper left")
    figure.text(0.01, 0.005, "open: not ok; triangle: stopped", fontsize=7)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=int, nargs="+", default=list(SLICES), help="numbers of slices, rising")
    parser.add_argument("--full", action="store_true", help=f"up to {FULL[-1]:,} slices")
    parser.add_argument("--quick", action="store_true", help="few draws: what a gradient costs, without a verdict")
    parser.add_argument("--once", action="store_true", help="a run each, compiling and all")
    parser.add_argument("--methods", default="labelvalue", help="comma-separated (default: %(default)s)")
    parser.add_argument("--limit", type=float, default=900.0, help="seconds a run may take (default: %(default)s)")
    parser.add_argument("--plot", type=Path, help="JSON of an earlier run, to draw its picture anew")
    parser.add_argument("--out", type=Path, default=Path("out/scale.json"), help="JSON to write (default: %(default)s)")
    options = parser.parse_args(arguments)
    options.slices = list(FULL) if options.full else options.slices
    if sorted(set(options.slices)) != options.slices or options.slices[0] < 1:
        parser.error(f"--slices must rise and be positive, got {options.slices}")
    options.methods = options.methods.split(",")
    if unknown := sorted(set(options.methods) - set(speed.TITLES)):
        parser.error(f"unknown methods: {', '.join(unknown)}; known are {', '.join(speed.TITLES)}")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark."""
    options = parse_arguments(arguments)
    if options.plot:
        plot(json.loads(options.plot.read_text())["fits"], options.plot.with_suffix(".png"))
        return 0
    draws = speed.QUICK_DRAWS if options.quick else None
    found = run(options.slices, draws, once=options.once, methods=options.methods, limit=options.limit)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    layout = {
        "sizes": SIZES,
        "replicates": speed.REPLICATES,
        "cores": os.cpu_count(),
        "quick": options.quick,
        "once": options.once,
    }
    options.out.write_text(json.dumps({**layout, "fits": found}, indent=1) + "\n")
    plot(found, options.out.with_suffix(".png"))
    print(f"{len(SIZES)} sizes, {speed.REPLICATES} replicates; {os.cpu_count()} cores\n\n{table(found)}\n")
    print(f"{verdict(found)}\n\nwritten: {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
