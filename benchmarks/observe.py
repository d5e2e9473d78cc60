"""What labels did on the shipped data: strategies, transfer, wrong labels, suites, diversity, as posteriors.

Run ``python -m benchmarks.observe`` (some ten minutes on two cores; ``adult``, ``mnist`` or ``flights`` for one of
them). Fits the runs that ``data/make_comparisons.py`` computed, two learners, two strategies, clean and noisy labels
and all suites at once, prints tables in Markdown and keeps the numbers in ``benchmarks/results/observe_NAME.json``.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import labelvalue as lv
from labelvalue import names
from labelvalue.model.label_noise import information_left

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
DATA = {"adult": 2, "mnist": 10, "flights": 2}
"""Data sets and their numbers of classes."""
NOISE = 0.1
SAMPLE = (names.CHAIN, names.DRAW)
SEED = 20261124


def interval(draws: xr.DataArray) -> list[float]:
    """Median and 90 % equal-tailed interval."""
    return [float(q) for q in np.quantile(draws.values, [0.5, 0.05, 0.95])]


def as_text(numbers: list[float], digits: int = 2) -> str:
    middle, low, high = (f"{x:.{digits}f}" for x in numbers)
    return f"{middle} ({low} to {high})"


def over_slices(values: xr.DataArray) -> xr.DataArray:
    """Mean over slices on the log scale, draw by draw."""
    return np.exp(np.log(values).mean(names.SLICE))


def measure(name: str, draws: int) -> dict[str, Any]:
    """Fit one data set and say what its runs tell."""
    runs = lv.read_runs(ROOT / "data" / f"{name}_comparisons.parquet")
    start = time.perf_counter()
    fit = lv.fit(runs, classes=DATA[name], random_seed=SEED, draws=draws, tune=1000)
    seconds = time.perf_counter() - start
    learners = [str(x) for x in fit.posterior[names.LEARNER].values]
    suites = [str(x) for x in fit.posterior[names.SUITE].values if str(x) != "holdout"]
    worth = lv.strategy_efficiency(fit).sel(suite="holdout", strategy="uncertainty")
    transfer = fit.posterior[names.TRANSFER].sel(suite="holdout")
    left = 1000 * information_left(NOISE, DATA[name]) ** fit.posterior[names.NOISE_COST]
    gain = lv.predict_gain(fit, [int(fit.position[names.LABELS_NOW].median())]).isel(budget=0)
    persistence = lv.gain_over_suites(gain.mean(names.SLICE).expand_dims(slice=["all"]))["persistence"].sel(slice="all")
    diversity = lv.diversity_efficiency(fit)
    return {
        "runs": int(runs.sizes[names.RUN]),
        "verdict": fit.diagnostics.verdict,
        "reasons": list(fit.diagnostics.reasons),
        "seconds": seconds,
        "strategy": {
            learner: [*interval(mean), float((mean > 1).mean())]
            for learner in learners
            for mean in [over_slices(worth.sel(learner=learner))]
        },
        "transfer": {
            learner: {str(s): interval(transfer.sel(learner=learner, slice=s)) for s in fit.slices}
            for learner in learners
        },
        "noise": interval(left),
        "persistence": {
            suite: {learner: interval(persistence.sel(suite=suite, learner=learner)) for learner in learners}
            for suite in suites
        },
        "diversity": {"p_matters": diversity.attrs["p_matters"], "range": diversity[names.DIVERSITY].values.tolist()},
    }


def tables(results: dict[str, dict[str, Any]]) -> str:
    """Return all of it in Markdown."""
    lines = [
        "| data | learner | one label chosen by uncertainty, in random ones | P(> 1) | of 1,000 labels with 10 % wrong "
        "remain | diversity matters |",
        "|---|---|---|---|---|---|",
    ]
    for name, found in results.items():
        for number, (learner, (*numbers, better)) in enumerate(found["strategy"].items()):
            noise = as_text(found["noise"], 0) if not number else ""
            matters = f"{found['diversity']['p_matters']:.2f}" if not number else ""
            lines.append(f"| {name} | {learner} | {as_text(numbers)} | {better:.2f} | {noise} | {matters} |")
    lines += ["", "| data | suite | learner | gain on the suite over that on the holdout |", "|---|---|---|---|"]
    for name, found in results.items():
        for suite, by_learner in found["persistence"].items():
            lines += [
                f"| {name} | {suite} | {learner} | {as_text(numbers)} |" for learner, numbers in by_learner.items()
            ]
    for name, found in results.items():
        learners = list(found["transfer"])
        lines += [
            "",
            f"| {name}: worth of another slice's label | {' | '.join(learners)} |",
            "|---" * (1 + len(learners)) + "|",
        ]
        for slice_ in found["transfer"][learners[0]]:
            cells = " | ".join(as_text(found["transfer"][learner][slice_], 3) for learner in learners)
            lines.append(f"| {slice_} | {cells} |")
    return "\n".join(lines)


def main() -> None:
    """Fit, keep, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", nargs="*", default=list(DATA), choices=[*DATA, []])
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--kept", action="store_true", help="only print what was measured before")
    arguments = parser.parse_args()
    results = {}
    for name in arguments.name:
        path = RESULTS / f"observe_{name}.json"
        if not arguments.kept:
            path.write_text(json.dumps(measure(name, arguments.draws), indent=1) + "\n")
        results[name] = json.loads(path.read_text())
    print(tables(results))
    for name, found in results.items():
        print(f"\n{name}: {found['runs']} runs, fitted in {found['seconds']:.0f} s; verdict {found['verdict']}", end="")
        print("".join(f"; {reason}" for reason in found["reasons"]))


if __name__ == "__main__":
    main()
