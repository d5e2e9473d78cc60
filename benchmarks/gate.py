"""How often the gate's rule for R-hat holds back chains that have converged, and how often a fixed 1.01 would.

Run from the repository's root:

    python -m benchmarks.gate
    python -m benchmarks.gate --slices 12 --blocks 5 --seeds 1
    python -m benchmarks.gate --problems lcdb

Long chains are made of simulated runs, which pass the gate as a whole, and cut into blocks of a thousand draws a chain:
each is a fit that is known to be right. A block counts as an alarm where the worst of its scalars is above what is
allowed.

With `--problems` real problems of a half, those of LCDB or those with slices, are sampled as a fit is, and
counted: how many pass, how many at the first attempt, and in how many seconds of the processor.
"""

import argparse
import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import xarray as xr
from scipy import stats

import labelvalue as lv
from benchmarks import lcdb_data, slice_data, speed
from benchmarks.agreement import SEED
from labelvalue import get_model, names, testing
from labelvalue.model.curve.observations import observe
from labelvalue.model.sampling.diagnostics import OK, SamplerSettings, convergence, figures_of, judge
from labelvalue.model.sampling.sampling import compile_model, sample, sample_once

RESULTS = Path(__file__).parent / "results" / "gate.json"
BLOCK = 1000
PROBLEMS = {"lcdb": lcdb_data.load_problems, "slices": slice_data.load_problems}


def blocks_of(slices: int, seed: int, blocks: int) -> list[dict]:
    """The figures of each block of one long fit; none where the whole does not pass."""
    names_of = tuple(f"slice {k:03d}" for k in range(slices))
    runs = testing.fake_runs(seed=seed, slices=names_of, sizes=speed.SIZES, replicates=speed.REPLICATES)
    model, seen = get_model("power_law"), observe(runs)
    settings = SamplerSettings(draws=blocks * BLOCK, tune=600, target_accept=0.97, random_seed=seed)
    tree = sample_once(compile_model(model.build(seen, model.priors)), settings)
    whole, reasons = judge(figures_of(tree))
    if whole != "ok":
        print(f"{slices} slices, seed {seed}: left out, {'; '.join(reasons)}", file=sys.stderr, flush=True)
        return []
    spans = [slice(first, first + BLOCK) for first in range(0, blocks * BLOCK, BLOCK)]
    return [figures_of(tree.isel(draw=span)) | {"worst": worst_rhat(tree.isel(draw=span))} for span in spans]


def worst_rhat(tree: xr.DataTree) -> float:
    """The largest R-hat of all scalars, whatever is allowed."""
    each = [v.transpose(*names.SAMPLE, ...).values for v in tree["posterior"].data_vars.values()]
    found = convergence(np.concatenate([v.reshape(*v.shape[:2], -1) for v in each], axis=2))[0]
    return float(np.nanmax(found))


def share(alarms: np.ndarray) -> dict[str, float]:
    """Share of alarms with its 90 % interval (Clopper and Pearson 1934)."""
    found = stats.binomtest(int(alarms.sum()), alarms.size).proportion_ci(0.9)
    return {"share": float(alarms.mean()), "low": float(found.low), "high": float(found.high), "of": int(alarms.size)}


def verdicts_of(kind: str, half: str) -> dict:
    """Sample every problem of a half; what each came to, and the counts."""
    every = []
    for problem in PROBLEMS[kind](half):
        model, seen = get_model("power_law"), observe(lv.read_runs(problem.runs))
        compiled, start = compile_model(model.build(seen, model.priors)), time.process_time()
        diagnostics = sample(compiled, SamplerSettings(random_seed=SEED))[1]
        every.append({
            "problem": problem.name, "curves": seen.sizes["curve"], "verdict": diagnostics.verdict,
            "attempts": [(one["remedy"], one["made"], one["verdict"]) for one in diagnostics.attempts],
            "reasons": list(diagnostics.reasons), "processor s": round(time.process_time() - start, 1),
        })  # fmt: skip
        print(json.dumps(every[-1]), file=sys.stderr, flush=True)
    passed = np.array([one["verdict"] == "ok" for one in every])
    first = np.array([one["attempts"][0][2] == "ok" for one in every])
    took = [one["processor s"] for one in every]
    seconds = {"processor s": sum(took), "median": float(np.median(took))}
    return {"ok": share(passed), "ok at the first attempt": share(first), **seconds, "problems": every}


def main() -> int:
    """Make, cut, count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, nargs="+", default=[12, 50])
    parser.add_argument("--blocks", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--problems", choices=tuple(PROBLEMS))
    parser.add_argument("--half", choices=("development", "test"), default="development")
    parser.add_argument("--out", type=Path, help="default: results/gate.json, or results/gate_PROBLEMS.json")
    given = parser.parse_args()
    if given.problems:
        warnings.simplefilter("ignore")
        judged = verdicts_of(given.problems, given.half)
        out = given.out or RESULTS.with_stem(f"gate_{given.problems}")
        out.write_text(json.dumps(judged, indent=1) + "\n")
        print(json.dumps({key: value for key, value in judged.items() if key != "problems"}, indent=1))
        return 0
    found = {}
    for slices in given.slices:
        every = [one for seed in range(given.seeds) for one in blocks_of(slices, seed, given.blocks)]
        keys = ("rhat", "rhat_allowed", "worst", "ess_bulk")
        rhat, allowed, worst, ess = (np.array([one[key] for one in every]) for key in keys)
        found[f"{slices} slices"] = {
            "the rule": share(rhat > allowed), f"a fixed {OK.rhat}": share(worst > OK.rhat),
            "least ESS": [float(ess.min()), float(np.median(ess))],
        }  # fmt: skip
    print(json.dumps(found, indent=1))
    (given.out or RESULTS).write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
