"""Forecast skill on real learning curves, against named peers.

Run from the repository's root:

    python -m benchmarks.forecast --half development --quick
    python -m benchmarks.forecast --half test --methods peers,labelvalue

Every forecast is kept in the cache folder as it is made, so that an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from benchmarks import lcdb_data, scores
from benchmarks.methods import PEERS, Method, find_method
from benchmarks.problems import DOUBLINGS, Problem

QUICK_PROBLEMS = 10
"""Problems of a quick run: the first of the half in hash order."""
SEED = 20261123
COLUMNS = (
    "method",
    "CRPS",
    "ratio to best peer (90 %)",
    "interval score",
    "ratio",
    "90 % covers (2x, 4x, 8x)",
    "50 % covers",
    "width",
    "MAE",
    "gain forecast / realised",
    "s",
)


@dataclass(frozen=True, eq=False)
class Outcome:
    """One method on one problem: samples of shape (curve, distance, sample), or why there are none."""

    method: str
    problem: str
    samples: np.ndarray | None
    seconds: float
    failure: str = ""


def problem_seed(problem: Problem) -> int:
    """Seed of everything random about one problem, whatever the order in which problems are run."""
    return SEED + zlib.crc32(problem.name.encode()) % 1_000_000


def run_method(method: Method, problem: Problem, folder: Path) -> Outcome:
    """Forecast one problem, or read the forecast made earlier.

    A method that raises, or returns the wrong shape or numbers that are not finite, has failed on this
    problem; this is not cached.
    """
    path = folder / f"{method.name.replace(':', '-')}-{method.version}" / f"{problem.name}.npz"
    if path.exists():
        with np.load(path) as stored:
            return Outcome(method.name, problem.name, stored["samples"], float(stored["seconds"]))
    started = time.perf_counter()
    try:
        samples = method.forecast(problem, problem_seed(problem))
    except Exception as error:  # a failing method must not end a run of hours; it is reported
        failure = f"{type(error).__name__}: {error}"
        return Outcome(method.name, problem.name, None, time.perf_counter() - started, failure)
    seconds = time.perf_counter() - started
    samples = np.asarray(samples, dtype=np.float32)
    if samples.shape[:-1] != problem.truth.shape or not np.isfinite(samples).all():
        failure = f"forecast of shape {samples.shape} for {problem.truth.shape}, or not finite"
        return Outcome(method.name, problem.name, None, seconds, failure)
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(".tmp")
    with scratch.open("wb") as stream:
        np.savez_compressed(stream, samples=samples, seconds=seconds)
    scratch.replace(path)
    return Outcome(method.name, problem.name, samples, seconds)


def run_all(methods: Sequence[Method], problems: Sequence[Problem], folder: Path, jobs: int) -> list[Outcome]:
    """Every method on every problem, with a line of progress per forecast on standard error."""
    tasks = [(method, problem) for method in methods for problem in problems]
    results: Iterable[Outcome] = Parallel(n_jobs=jobs, return_as="generator")(
        delayed(run_method)(method, problem, folder) for method, problem in tasks
    )
    outcomes = []
    for done, outcome in enumerate(results, start=1):
        note = f"FAILED {outcome.failure}" if outcome.failure else f"{outcome.seconds:.1f} s"
        print(f"{done}/{len(tasks)} {outcome.method} {outcome.problem}: {note}", file=sys.stderr)
        outcomes.append(outcome)
    return outcomes


def score_table(problems: Sequence[Problem], outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """One row per method, problem, curve and distance, on the problems on which no method failed."""
    failed = {outcome.problem for outcome in outcomes if outcome.samples is None}
    by_name = {problem.name: problem for problem in problems}
    parts = []
    for outcome in outcomes:
        if outcome.problem in failed or outcome.samples is None:
            continue
        problem = by_name[outcome.problem]
        samples = scores.add_truth_noise(outcome.samples, problem.truth_se, problem_seed(problem))
        rows = scores.score_rows(samples, problem.truth, problem.error_now)
        part = pd.DataFrame({name: values.ravel() for name, values in rows.items()})
        distance = np.broadcast_to([2**d for d in DOUBLINGS], problem.truth.shape).ravel()
        parts.append(part.assign(method=outcome.method, problem=outcome.problem, distance=distance))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def summarise(rows: pd.DataFrame, methods: Sequence[Method], outcomes: Sequence[Outcome]) -> dict[str, dict]:
    """Scores of each method: means over problems, by distance, and as a ratio to the best peer of the run."""
    overall = scores.mean_over_problems(rows, ["method"])
    by_distance = scores.mean_over_problems(rows, ["method", "distance"])
    per_problem = rows.groupby(["method", "problem"])[["crps", "interval_score"]].mean()
    peers = [method.name for method in methods if method.peer]
    summary = {}
    for method in methods:
        row = overall.loc[method.name]
        entry = {name: float(value) for name, value in row.drop("distance").items()}
        entry["gain_bias"] = entry["forecast_gain"] / entry["gain"] - 1
        entry["by_distance"] = {
            f"{distance}x": {name: float(value) for name, value in values.items()}
            for distance, values in by_distance.loc[method.name].iterrows()
        }
        calibration = scores.gain_calibration(rows[rows["method"] == method.name])
        entry["gain_calibration"] = calibration.to_dict("records")
        entry["seconds"] = sum(outcome.seconds for outcome in outcomes if outcome.method == method.name)
        for score in ("crps", "interval_score") if peers else ():
            best = overall.loc[peers, score].idxmin()
            own, other = (per_problem.loc[name, score].to_numpy() for name in (method.name, best))
            ratio, low, high = scores.ratio_interval(own, other)
            entry[f"{score}_ratio"] = {"best_peer": best, "ratio": ratio, "low": low, "high": high}
        summary[method.name] = entry
    return summary


def format_table(summary: dict[str, dict], titles: dict[str, str]) -> str:
    """The summary as a Markdown table."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]
    for name, entry in summary.items():
        near_to_far = ", ".join(f"{100 * part['covers_90']:.0f}" for part in entry["by_distance"].values())
        crps, interval = entry.get("crps_ratio"), entry.get("interval_score_ratio")
        cells = [
            titles[name],
            f"{entry['crps']:.4f}",
            f"{crps['ratio']:.2f} ({crps['low']:.2f}-{crps['high']:.2f})" if crps else "",
            f"{entry['interval_score']:.3f}",
            f"{interval['ratio']:.2f}" if interval else "",
            f"{100 * entry['covers_90']:.0f} % ({near_to_far})",
            f"{100 * entry['covers_50']:.0f} %",
            f"{entry['width']:.3f}",
            f"{entry['absolute_error']:.4f}",
            f"{entry['forecast_gain']:.4f} / {entry['gain']:.4f}",
            f"{entry['seconds']:.0f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def parse_methods(text: str) -> list[Method]:
    """Methods of a comma-separated list, where ``peers`` stands for all peers."""
    names = [n for name in text.split(",") for n in ([p.name for p in PEERS] if name == "peers" else [name])]
    return [find_method(name) for name in dict.fromkeys(names)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns 1 when a method failed on a problem."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.forecast", description=__doc__.splitlines()[0])
    parser.add_argument("--half", choices=["development", "test"], default="development", help="by the split rule")
    parser.add_argument("--quick", action="store_true", help=f"the first {QUICK_PROBLEMS} problems only")
    parser.add_argument("--methods", default="peers", help="comma-separated; 'peers' stands for all peers")
    parser.add_argument("--replicates", type=int, help="observed runs per size at most (default: all, about 25)")
    parser.add_argument("--jobs", type=int, default=1, help="forecasts made at the same time")
    parser.add_argument("--out", type=Path, help="JSON to write (default: in the cache folder)")
    options = parser.parse_args(arguments)
    try:
        methods = parse_methods(options.methods)
    except ValueError as error:
        parser.error(str(error))

    problems = lcdb_data.load_problems(options.half, replicates=options.replicates)
    if options.quick:
        problems = problems[:QUICK_PROBLEMS]
    setting = f"{options.half}-{options.replicates or 'all'}-replicates"
    folder = lcdb_data.cache_folder() / f"forecasts-v{lcdb_data.VERSION}" / setting
    outcomes = run_all(methods, problems, folder, options.jobs)
    rows = score_table(problems, outcomes)
    failures = [o for o in outcomes if o.failure]
    if rows.empty:
        print("no problem on which every method succeeded", file=sys.stderr)
        return 1

    summary = summarise(rows, methods, outcomes)
    scored = rows["problem"].nunique()
    result = {
        "half": options.half,
        "quick": options.quick,
        "replicates": options.replicates,
        "problems": scored,
        "curves": sum(len(p.curves) for p in problems if p.name in set(rows["problem"])),
        "versions": {method.name: method.version for method in methods},
        "failures": [{"method": o.method, "problem": o.problem, "failure": o.failure} for o in failures],
        "methods": summary,
    }
    out = options.out or folder.parent / f"{setting}{'-quick' if options.quick else ''}.json"
    out.write_text(json.dumps(result, indent=1) + "\n")
    print(f"{options.half} half: {scored} problems, {result['curves']} curves; means over problems\n")
    print(format_table(summary, {method.name: method.title for method in methods}))
    if failures:
        print(f"\n{len(failures)} forecasts failed; their problems are left out for every method (see {out})")
    print(f"\nwritten: {out}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
