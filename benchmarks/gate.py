"""How often the gate's rule for R-hat holds back chains that have converged, and how often a fixed 1.01 would.

Run from the repository's root:

    python -m benchmarks.gate
    python -m benchmarks.gate --slices 12 --blocks 5 --seeds 1

Long chains are made of simulated runs, which pass the gate as a whole, and cut into blocks of a thousand draws a chain:
each is a fit that is known to be right. A block counts as an alarm where the worst of its scalars is above what is
allowed.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import xarray as xr
from scipy import stats

from benchmarks import speed
from labelvalue import get_model, names, testing
from labelvalue.model.curve.observations import observe
from labelvalue.model.sampling.convergence import convergence
from labelvalue.model.sampling.diagnostics import OK, figures_of, judge
from labelvalue.model.sampling.sampling import compile_model, sample_once
from labelvalue.model.sampling.settings import SamplerSettings

RESULTS = Path(__file__).parent / "results" / "gate.json"
BLOCK = 1000


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


def main() -> int:
    """Make, cut, count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, nargs="+", default=[12, 50])
    parser.add_argument("--blocks", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
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
    given.out.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
