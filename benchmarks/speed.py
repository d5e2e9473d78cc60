"""How long a re-fit takes in a fresh process, beside the same model and the textbook's in plain PyMC and in NumPyro.

Run from the repository's root:

    python -m benchmarks.speed
    python -m benchmarks.speed --methods labelvalue --slices 10
    python -m benchmarks.speed --methods labelvalue,same --seeds 10

Each method runs in processes of its own, from a runs file to saved draws that have been judged: once to fill the caches
of compiled code, then again for the figures. Seconds are of the wall, from the start of the process to its end, on
whatever the machine was doing meanwhile; seconds of the processor and the machine's load stand beside them. A run that
has not ended at `--limit` is stopped, and its row says "more than". With `--seeds` every method samples with so many
seeds, in turns, and the ratio has a 90 % interval.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    import xarray as xr

SEED = 20261123
SIZES = (125, 250, 500, 1000, 2000, 4000, 8000, 16_000)  # labels of a slice, on average
REPLICATES = 5
QUICK_DRAWS = 100  # draws, and draws of adaptation, where only the cost of a gradient is asked for
TITLES = {
    "labelvalue": "labelvalue",
    "same": "the same model, pm.sample with nutpie",
    "pymc": "textbook model, PyMC and nutpie",
    "numpyro": "textbook model, NumPyro NUTS",
}
COLUMNS = (
    "method", "s", "ratio", "processor s", "first run s", "verdict", "R-hat", "least ESS", "ESS/s", "peak GiB", "load",
)  # fmt: skip
ROOT = Path(__file__).resolve().parents[1]


def write_runs(slices: int, path: Path, sizes: Sequence[int] = SIZES) -> None:
    """Write simulated runs: every slice at each size, five times."""
    import labelvalue as lv

    names, together = tuple(f"slice {i:04d}" for i in range(slices)), tuple(slices * size for size in sizes)
    runs = lv.testing.fake_runs(SEED, slices=names, sizes=together, replicates=REPLICATES)
    lv.write_runs(runs, path)


def fit_once(method: str, runs: Path, out: Path, draws: int | None, seed: int = SEED) -> dict:
    """Fit in this process and save; the figures of the draws. With `draws`, labelvalue draws only so many, once."""
    from labelvalue.model.sampling import sampling
    from labelvalue.model.sampling.diagnostics import figures_of, judge

    if method == "labelvalue":
        import labelvalue as lv

        few = {} if draws is None else {"draws": draws, "tune": draws}
        if few:
            sampling.LONGER = ((np.inf, 1),)  # few draws never pass; more tell nothing new
            sampling.FEW_COORDINATES = 0
        fit = lv.fit(lv.read_runs(runs), random_seed=seed, progress=False, **few)
        fit.save(out)
        figures, verdict = fit.diagnostics.figures, fit.diagnostics.verdict
        steps = fit.tree["sample_stats"]["n_steps"]
        return {"verdict": verdict, "steps": float(steps.mean()), "attempts": len(fit.diagnostics.attempts), **figures}
    from benchmarks.textbook import fit_numpyro, fit_pymc

    tree = {"same": fit_same, "pymc": fit_pymc, "numpyro": fit_numpyro}[method](str(runs), seed)
    figures = figures_of(tree)
    tree["posterior"].to_dataset().to_netcdf(out)
    steps = tree["sample_stats"].get("n_steps", tree["sample_stats"].get("num_steps"))
    return {"verdict": judge(figures)[0], "steps": float(steps.mean()), **figures}


def fit_same(path: str, seed: int) -> xr.DataTree:
    """Sample labelvalue's own PyMC model as its author would without labelvalue: defaults of PyMC, nutpie's sampler."""
    import pymc as pm

    import labelvalue as lv
    from labelvalue import get_model
    from labelvalue.model.curve.observations import observe

    model = get_model("power_law")
    with model.build(observe(lv.read_runs(path)), model.priors):
        return pm.sample(chains=4, nuts_sampler="nutpie", random_seed=seed, progressbar=False)


def work(method: str, runs: Path, draws: int | None, seed: int) -> int:
    """What the fresh process does; prints one line of JSON."""
    with tempfile.TemporaryDirectory() as folder:
        found = fit_once(method, runs, Path(folder) / "fit.nc", draws, seed)
    used = resource.getrusage(resource.RUSAGE_SELF)
    unit = 1 if sys.platform == "darwin" else 1024
    found |= {"processor_s": used.ru_utime + used.ru_stime, "peak_gib": used.ru_maxrss * unit / 2**30}
    print(json.dumps(found))
    return 0


def in_a_fresh_process(
    method: str, runs: Path, draws: int | None, limit: float | None = None, seed: int = SEED
) -> dict:
    """Figures of one run, and its seconds; of one that was stopped at the limit, seconds alone."""
    command = [sys.executable, "-m", "benchmarks.speed", "--work", method, "--runs", str(runs), "--seed", str(seed)]
    command += [] if draws is None else ["--draws", str(draws)]
    started, used = time.perf_counter(), _children()
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=limit)
    except subprocess.TimeoutExpired:
        return {"ended": False, "seconds": limit, "processor_s": _children() - used, "load": os.getloadavg()[0]}
    seconds = time.perf_counter() - started
    if done.returncode != 0:
        raise RuntimeError(f"{method} failed:\n{done.stderr[-2000:]}")
    load = os.getloadavg()[0]
    return {**json.loads(done.stdout.splitlines()[-1]), "ended": True, "seconds": seconds, "load": load}


def _children() -> float:
    """Processor seconds of processes that were started here and ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(method: str, runs: Path, draws: int | None = None, limit: float | None = None) -> dict:
    """Figures of a run whose compiled code was kept by a run before it; of a first that was stopped, seconds alone."""
    first = in_a_fresh_process(method, runs, draws, limit)
    if not first["ended"]:
        return first
    again = in_a_fresh_process(method, runs, draws, limit)
    if not again["ended"]:
        return again
    return {**again, "first_seconds": first["seconds"], "ess_per_second": again["ess_bulk"] / again["seconds"]}


def run_once(method: str, runs: Path, draws: int | None = None, limit: float | None = None) -> dict:
    """Figures of one run, compiling and all; of one that was stopped, seconds alone."""
    only = in_a_fresh_process(method, runs, draws, limit)
    return only if not only["ended"] else {**only, "ess_per_second": only["ess_bulk"] / only["seconds"]}


def repeat(methods: Sequence[str], runs: Path, seeds: int, limit: float) -> dict[str, list[dict]]:
    """Figures of runs with other seeds, the methods in turns."""
    found: dict[str, list[dict]] = {method: [] for method in methods}
    for seed in range(1, seeds + 1):
        for method in methods:
            found[method].append(in_a_fresh_process(method, runs, None, limit, seed))
    return found


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float, float]:
    """Geometric mean of their seconds over ours, seed by seed, and the ends of its 90 % interval.

    >>> ratio([1.0, 2.0, 4.0], [4.0, 8.0, 16.0])
    (4.0, 4.0, 4.0)
    """
    logs = np.log(theirs) - np.log(ours)
    half = float(stats.t.ppf(0.95, len(logs) - 1)) * logs.std(ddof=1) / np.sqrt(len(logs))
    low, middle, high = np.exp([logs.mean() - half, logs.mean(), logs.mean() + half]).round(12).tolist()
    return middle, low, high


def seed_lines(found: dict[str, list[dict]]) -> list[str]:
    """What so many seeds say: verdicts, processor seconds, and their ratio."""
    lines = []
    for method, rows in found.items():
        used, wall = ([row[what] for row in rows] for what in ("processor_s", "seconds"))
        ok = f"ok with {sum(row.get('verdict') == 'ok' for row in rows)} of {len(rows)} seeds"
        lines.append(
            f"{TITLES[method]}: {ok}; {min(used):.1f} to {max(used):.1f} s of the processor, "
            f"{min(wall):.1f} to {max(wall):.1f} of the wall"
        )
        if method != "labelvalue" and "labelvalue" in found and len(rows) > 1:
            for what in ("processor_s", "seconds"):
                middle, low, high = ratio([r[what] for r in found["labelvalue"]], [r[what] for r in rows])
                what = what.replace("_s", " seconds")
                lines.append(f"  {middle:.2f} of labelvalue's {what} (90 %: {low:.2f} to {high:.2f})")
    return lines


def stopped_cells(method: str, r: dict, ours: float | None) -> tuple[str, ...]:
    """Cells of a method that was stopped at the limit."""
    ratio = f"> {r['seconds'] / ours:.1f}" if ours else ""
    return TITLES[method], f"> {r['seconds']:.0f}", ratio, f"> {r['processor_s']:.0f}", *[""] * 6, f"{r['load']:.1f}"


def table(results: dict[str, dict]) -> str:
    """One row a method; the ratio is its seconds over labelvalue's."""
    ours = results.get("labelvalue", {}).get("seconds")
    lines = ["| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]
    for method, r in results.items():
        if not r["ended"]:
            lines.append("| " + " | ".join(stopped_cells(method, r, ours)) + " |")
            continue
        cells = (
            TITLES[method],
            f"{r['seconds']:.1f}",
            f"{r['seconds'] / ours:.2f}" if ours else "",
            f"{r['processor_s']:.1f}",
            f"{r['first_seconds']:.1f}",
            r["verdict"],
            f"{r['rhat']:.3f}",
            f"{r['ess_bulk']:.0f}",
            f"{r['ess_per_second']:.1f}",
            f"{r['peak_gib']:.2f}",
            f"{r['load']:.1f}",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line; ends the program where it makes no sense."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=int, default=50, help="slices of the simulated runs (default: %(default)s)")
    parser.add_argument("--methods", default=",".join(TITLES), help="comma-separated (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("out/speed.json"), help="JSON to write (default: %(default)s)")
    parser.add_argument("--limit", type=float, default=900.0, help="seconds a run may take (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=0, help="other seeds to sample with (default: none)")
    parser.add_argument("--seed", type=int, default=SEED, help=argparse.SUPPRESS)
    parser.add_argument("--work", choices=list(TITLES), help=argparse.SUPPRESS)
    parser.add_argument("--runs", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--draws", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    options.methods = options.methods.split(",")
    if unknown := sorted(set(options.methods) - set(TITLES)):
        parser.error(f"unknown methods: {', '.join(unknown)}; known are {', '.join(TITLES)}")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark."""
    options = parse_arguments(arguments)
    if options.work:
        return work(options.work, options.runs, options.draws, options.seed)
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder) / "runs.csv"
        write_runs(options.slices, runs)
        for method in options.methods:
            if method == "numpyro" and importlib.util.find_spec("numpyro") is None:
                print("skipped: numpyro is not installed (pip install 'labelvalue[bench]')", file=sys.stderr)
                continue
            results[method] = measure(method, runs, limit=options.limit)
        others = repeat(list(results), runs, options.seeds, options.limit)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    layout = {"slices": options.slices, "sizes": SIZES, "replicates": REPLICATES, "cores": os.cpu_count()}
    options.out.write_text(json.dumps({**layout, "methods": results, "seeds": others}, indent=1) + "\n")
    print(f"{options.slices} slices, {len(SIZES)} sizes, {REPLICATES} replicates; {os.cpu_count()} cores\n")
    print("\n".join([table(results), "", *(seed_lines(others) if options.seeds else ())]))
    print(f"\nwritten: {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
