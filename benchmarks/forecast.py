"""Forecast skill on real learning curves, against named peers.

Run from the repository's root:

    python -m benchmarks.forecast --half development --quick
    python -m benchmarks.forecast --half test --methods peers,labelvalue
    python -m benchmarks.forecast --half test --problems slices --sparse --methods labelvalue,labelvalue:unpooled
    python -m benchmarks.forecast --first-day --problems slices --methods peers,labelvalue

Every forecast is kept in the cache folder as it is made, so that an interrupted run goes on where it stopped.
"""

import argparse
import json
import sys
import time
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from benchmarks import lcdb_data, scores, slice_data, tables
from benchmarks.downloads import cache_folder
from benchmarks.methods import PEERS, UNPOOLED, Method, find_method
from benchmarks.problems import DOUBLINGS, Problem, make_sparse

QUICK_PROBLEMS = 10  # problems of a quick run: the first of the half in hash order
SEED = 20261123
LEAST_SQUARES = "floor_residual_2"  # in every run: the rule on two doublings that all methods are measured against
SATURATED = 0.05  # a curve is saturated where eight times the labels remove less than this share of the error now
ALONE = f"labelvalue:{UNPOOLED}"
"""Where this method is run, the others are measured against it: what sharing between curves is worth."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """One method on one problem: samples of shape (curve, distance, sample), or why there are none."""

    method: str
    problem: str
    samples: np.ndarray | None
    seconds: float
    failure: str = ""
    verdicts: tuple[str, ...] = ()  # of each fit behind the samples, where the method judges its fits


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
            kept = tuple(map(str, stored["verdicts"])) if "verdicts" in stored else ()
            return Outcome(method.name, problem.name, stored["samples"], float(stored["seconds"]), verdicts=kept)
    started = time.perf_counter()
    try:
        samples, verdicts = method.forecast(problem, problem_seed(problem))
    except Exception as error:  # a failing method must not end a run of hours; it is reported
        failure = f"{type(error).__name__}: {error}"
        return Outcome(method.name, problem.name, None, time.perf_counter() - started, failure)
    seconds = time.perf_counter() - started
    samples = np.asarray(samples, dtype=np.float32)
    if samples.shape[:-1] != problem.truth.shape or not np.isfinite(samples[problem.judged]).all():
        failure = f"forecast of shape {samples.shape} for {problem.truth.shape}, or not finite"
        return Outcome(method.name, problem.name, None, seconds, failure)
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(".tmp")
    with scratch.open("wb") as stream:
        np.savez_compressed(stream, samples=samples, seconds=seconds, verdicts=np.array(verdicts, dtype=str))
    scratch.replace(path)
    return Outcome(method.name, problem.name, samples, seconds, verdicts=verdicts)


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
    """One row per method, problem, judged curve and distance, on the problems on which no method failed."""
    failed = {outcome.problem for outcome in outcomes if outcome.samples is None}
    by_name = {problem.name: problem for problem in problems}
    parts = []
    for outcome in outcomes:
        if outcome.problem in failed or outcome.samples is None:
            continue
        problem = by_name[outcome.problem]
        samples = scores.add_truth_noise(outcome.samples, problem.truth_se, problem_seed(problem))
        at = problem.judged
        rows = scores.score_rows(samples[at], problem.truth[at], problem.error_now[at])
        rows["p_gain_1_percent"] = (outcome.samples[at] < 0.99 * problem.error_now[at, None, None]).mean(axis=-1)
        rows["truth_se"] = problem.truth_se[at]
        rows["error_now"] = np.repeat(problem.error_now[at, None], len(DOUBLINGS), axis=1)
        part = pd.DataFrame({name: values.ravel() for name, values in rows.items()})
        distance, curve = np.tile([2**d for d in DOUBLINGS], at.size), np.repeat(at, len(DOUBLINGS))
        parts.append(part.assign(method=outcome.method, problem=outcome.problem, curve=curve, distance=distance))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def of_the_mean(problems: Sequence[Problem], outcomes: Sequence[Outcome]) -> dict[str, dict]:
    """How each method forecasts the mean error over the curves of a problem, which is what a budget buys.

    The noise of the truth is taken to be common to all curves, as trainings are: intervals are widest so.

    Returns: by method: ``crps`` and ``covers_90``, each a list by distance; means over problems.
    """
    by_name, found = {problem.name: problem for problem in problems}, {}
    for outcome in (o for o in outcomes if o.samples is not None):
        problem = by_name[outcome.problem]
        at, rng = problem.judged, np.random.default_rng(problem_seed(problem))
        common = problem.truth_se[at, :, None] * rng.standard_normal((1, *outcome.samples.shape[1:]))
        mean, truth = (outcome.samples[at] + common).mean(axis=0), problem.truth[at].mean(axis=0)
        low, high = np.quantile(mean, [0.05, 0.95], axis=-1)
        errors = scores.crps(mean[None], truth[None])[0]
        found.setdefault(outcome.method, []).append((errors, (low <= truth) & (truth <= high)))
    return {
        method: dict(
            zip(
                ("crps", "covers_90"), (np.mean(part, axis=0).tolist() for part in zip(*told, strict=True)), strict=True
            )
        )
        for method, told in found.items()
    }


def summarise(rows: pd.DataFrame, methods: Sequence[Method], outcomes: Sequence[Outcome]) -> dict[str, dict]:
    """Scores of each method: means over problems, by distance; ratios to the best peer and to each curve alone."""
    overall = scores.mean_over_problems(rows, ["method"])
    by_distance = scores.mean_over_problems(rows, ["method", "distance"])
    peers = [method.name for method in methods if method.peer]
    summary = {}
    for method in methods:
        row = overall.loc[method.name]
        entry = {name: float(value) for name, value in row.drop(["distance", "curve"]).items()}
        entry["gain_bias"] = entry["forecast_gain"] / entry["gain"] - 1
        entry["gain_ratio"] = _gain_ratio(rows[rows["method"] == method.name])
        entry["saturated"] = saturated(rows[rows["method"] == method.name])
        entry["by_distance"] = {
            f"{distance}x": {name: float(value) for name, value in values.drop("curve").items()}
            for distance, values in by_distance.loc[method.name].iterrows()
        }
        calibration = scores.gain_calibration(rows[rows["method"] == method.name])
        entry["gain_calibration"] = calibration.to_dict("records")
        if not method.peer:
            others = [other.name for other in methods if other.name != method.name]
            entry["better_than"] = {other: scores.share_better(rows, method.name, other) for other in others}
        judged = [(o.problem, v) for o in outcomes if o.method == method.name for v in o.verdicts]
        entry["verdicts"] = dict(Counter(v.partition(":")[0] for _, v in judged))
        entry["not_ok"] = [f"{problem}: {v}" for problem, v in judged if v != "ok"]
        entry["seconds"] = sum(outcome.seconds for outcome in outcomes if outcome.method == method.name)
        for score in ("crps", "interval_score") if peers else ():
            best = overall.loc[peers, score].idxmin()
            entry[f"{score}_ratio"] = {"best_peer": best, **_ratio(rows, score, method.name, best)}
        if LEAST_SQUARES in overall.index:
            entry["ratio_to_ls2"] = {
                score: _ratio(rows, score, method.name, LEAST_SQUARES) for score in ("crps", "interval_score")
            }
        if ALONE in overall.index:
            entry["against_alone"] = {
                score: _ratio(rows, score, method.name, ALONE) for score in ("crps", "absolute_error")
            }
        summary[method.name] = entry
    return summary


def saturated(rows: pd.DataFrame) -> dict:
    """What one method forecasts where hardly anything is left to gain.

    Returns: number of ``curves``, and ``by_distance`` their means: forecast and realised gain, standard error of the
    truth, and P(gain > 1 % of the error now) before that noise is added.
    """
    far = rows[rows["distance"] == 2 ** DOUBLINGS[-1]]
    flat = far.loc[far["gain"] < SATURATED * far["error_now"], ["problem", "curve"]]
    columns = ["forecast_gain", "gain", "truth_se", "p_gain_1_percent"]
    means = rows.merge(flat).groupby("distance")[columns].mean()
    by_distance = {f"{distance}x": values.to_dict() for distance, values in means.iterrows()}
    return {"curves": len(flat), "by_distance": by_distance}


def _ratio(rows: pd.DataFrame, score: str, method: str, other: str) -> dict[str, float]:
    """Ratio of two methods' means over problems, with its 90 % interval."""
    per_problem = rows.groupby(["method", "problem"])[score].mean()
    ratio, low, high = scores.ratio_interval(*(per_problem.loc[name].to_numpy() for name in (method, other)))
    return {"ratio": ratio, "low": low, "high": high}


def _gain_ratio(rows: pd.DataFrame) -> dict[str, float]:
    """Mean forecast gain over mean realised gain, with its 90 % interval."""
    per_problem = rows.groupby("problem")[["forecast_gain", "gain"]].mean()
    ratio, low, high = scores.ratio_interval(per_problem["forecast_gain"].to_numpy(), per_problem["gain"].to_numpy())
    return {"ratio": ratio, "low": low, "high": high}


def parse_methods(text: str) -> list[Method]:
    """Methods of a comma-separated list, where ``peers`` stands for all peers; least squares is always one."""
    names = [n for name in text.split(",") for n in ([p.name for p in PEERS] if name == "peers" else [name])]
    names.append(LEAST_SQUARES)
    return [find_method(name) for name in dict.fromkeys(names)]


def parse_arguments(arguments: Sequence[str] | None) -> tuple[argparse.Namespace, list[Method]]:
    """The command line; ends the program where it makes no sense."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.forecast", description=__doc__.splitlines()[0])
    parser.add_argument("--problems", choices=["curves", "slices"], default="curves", help="LCDB, or slices of data")
    parser.add_argument("--half", choices=["development", "test", "both"], default="development", help="by the rule")
    parser.add_argument("--quick", action="store_true", help=f"the first {QUICK_PROBLEMS} problems only")
    parser.add_argument("--first-day", action="store_true", help="observed up to 300 labels only (LCDB: 128)")
    parser.add_argument("--sparse", action="store_true", help="leave a third of the curves two sizes; score these")
    parser.add_argument("--methods", default="peers", help="comma-separated; 'peers' stands for all peers")
    parser.add_argument("--replicates", type=int, help="observed runs per size at most (default: all)")
    parser.add_argument("--jobs", type=int, default=1, help="forecasts made at the same time")
    parser.add_argument("--out", type=Path, help="JSON to write (default: in the cache folder)")
    options = parser.parse_args(arguments)
    try:
        return options, parse_methods(options.methods)
    except ValueError as error:
        parser.error(str(error))


def load_problems(options: argparse.Namespace) -> dict[str, list[Problem]]:
    """The problems that the command line asks for, by half."""
    source = lcdb_data if options.problems == "curves" else slice_data
    by_half = {}
    for half in ("development", "test") if options.half == "both" else (options.half,):
        problems = source.load_problems(half, replicates=options.replicates, first_day=options.first_day)
        problems = problems[:QUICK_PROBLEMS] if options.quick else problems
        by_half[half] = [make_sparse(problem) for problem in problems] if options.sparse else problems
    return by_half


def forecast_folder(options: argparse.Namespace, half: str) -> Path:
    """Where forecasts of one setting are kept: what is not the same problem must not share a folder."""
    version = lcdb_data.VERSION if options.problems == "curves" else slice_data.VERSION
    family = "forecasts" if options.problems == "curves" else "forecasts-slices"
    family += "-first-day" if options.first_day else ""
    setting = f"{half}-{options.replicates or 'all'}-replicates{'-sparse' if options.sparse else ''}"
    return cache_folder() / f"{family}-v{version}" / setting


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns 1 when a method failed on a problem."""
    options, methods = parse_arguments(arguments)
    by_half = load_problems(options)
    outcomes = []
    for half, problems in by_half.items():
        outcomes += run_all(methods, problems, forecast_folder(options, half), options.jobs)
    problems = [problem for problems in by_half.values() for problem in problems]
    rows = score_table(problems, outcomes)
    failures = [o for o in outcomes if o.failure]
    if rows.empty:
        print("no problem on which every method succeeded", file=sys.stderr)
        return 1

    summary = summarise(rows, methods, outcomes)
    for name, told in of_the_mean(problems, outcomes).items():
        summary[name]["mean_over_curves"] = told
    scored = rows["problem"].nunique()
    result = {
        "problem_set": options.problems,
        "half": options.half,
        "first_day": options.first_day,
        "quick": options.quick,
        "sparse": options.sparse,
        "replicates": options.replicates,
        "problems": scored,
        "curves": sum(p.judged.size for p in problems if p.name in set(rows["problem"])),
        "versions": {method.name: method.version for method in methods},
        "failures": [{"method": o.method, "problem": o.problem, "failure": o.failure} for o in failures],
        "methods": summary,
    }
    folder = forecast_folder(options, options.half)
    out = options.out or folder.with_name(f"{folder.name}{'-quick' if options.quick else ''}.json")
    out.write_text(json.dumps(result, indent=1) + "\n")
    print_result(result, {method.name: method.title for method in methods})
    if failures:
        print(f"\n{len(failures)} forecasts failed; their problems are left out for every method (see {out})")
    print(f"\nwritten: {out}")
    return 1 if failures else 0


def print_result(result: dict, titles: dict[str, str]) -> None:
    """The tables of one run."""
    halves = "both halves" if result["half"] == "both" else f"{result['half']} half"
    curves = f"{result['curves']} curves{' that were left two sizes' if result['sparse'] else ''}"
    problem_set = f"{result['problem_set']}{', first day' if result['first_day'] else ''}"
    print(f"{problem_set}, {halves}: {result['problems']} problems, {curves}; means over problems\n")
    print(tables.score_table(result["methods"], titles))
    print(f"\n{tables.calibration_lines(result['methods'], titles)}")
    print(f"\n{tables.ratio_lines(result['methods'], titles, 'ratio_to_ls2', 'floor + residual, last 2 doublings')}")
    print(f"\n{tables.saturated_lines(result['methods'], titles)}")
    print(f"\n{tables.mean_lines(result['methods'], titles)}")
    if any("better_than" in entry for entry in result["methods"].values()):
        print(f"\n{tables.better_lines(result['methods'], titles)}")
    if ALONE in result["methods"]:
        print(f"\n{tables.ratio_lines(result['methods'], titles, 'against_alone', 'each curve alone')}")


if __name__ == "__main__":
    sys.exit(main())
