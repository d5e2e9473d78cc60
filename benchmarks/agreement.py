"""Whether the engine's posterior is the one that long NUTS finds: real problems of the development halves.

Run from the repository's root:

    python -m benchmarks.agreement
    python -m benchmarks.agreement --problems 2 --times 2

Every problem is fitted by the engine, and by nutpie in the model's own coordinates with ten times the draws. Of each
scalar that a fit reports (of the group and of every curve) the means are compared in posterior standard deviations, the
standard deviations as a ratio, and the quantiles of gains at twice the labels in Monte Carlo standard errors of both.
"""

import argparse
import dataclasses
import json
import os
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

import arviz_stats as azs
import numpy as np
import xarray as xr

import labelvalue as lv
from benchmarks import lcdb_data, slice_data
from benchmarks.problems import Problem
from labelvalue import get_model, names
from labelvalue.model.curve.observations import observe
from labelvalue.model.sampling.diagnostics import SamplerSettings, figures_of, judge
from labelvalue.model.sampling.sampling import Compiled, compile_model, sample, sample_once

RESULTS = Path(__file__).parent / "results" / "agreement.json"
SEED = 18
MEAN, SD = 0.1, 0.05
"""How far means may be apart, in standard deviations, and by what share standard deviations may differ."""
NUTS = SamplerSettings(draws=1000, tune=1000, target_accept=0.98, random_seed=SEED)
QUANTILES = (0.05, 0.5, 0.95)


def problems(count: int) -> list[Problem]:
    """Half of them of LCDB, half with slices."""
    lcdb = lcdb_data.load_problems("development")[: (count + 1) // 2]
    return [*lcdb, *slice_data.load_problems("development")[: count - len(lcdb)]]


def scalars(tree: xr.DataTree) -> dict[str, np.ndarray]:
    """Draws of each scalar, shape (chain, draw), but for those that stand there in another form too."""
    posterior = tree["posterior"].to_dataset()
    found = {}
    for name, values in posterior.data_vars.items():
        if str(name).endswith(names.INNER):
            continue
        flat = values.transpose(*names.SAMPLE, ...).values.reshape(*values.shape[:2], -1)
        found |= {f"{name}[{k}]": flat[:, :, k] for k in range(flat.shape[2]) if np.ptp(flat[:, :, k]) > 0}
    return found


def apart(ours: np.ndarray, theirs: np.ndarray) -> dict[str, float]:
    """How far two samples of one scalar are apart, and how far their Monte Carlo errors let them be."""
    sd = theirs.std()
    noise = np.hypot(*(draws.std() / np.sqrt(float(azs.ess(draws, method="mean"))) for draws in (ours, theirs))) / sd
    quantiles = [
        float((np.quantile(ours, q) - np.quantile(theirs, q)) / np.hypot(*(_mcse(d, q) for d in (ours, theirs))))
        for q in QUANTILES
    ]
    return {
        "mean": float(abs(ours.mean() - theirs.mean()) / sd),
        "noise": float(noise),
        "sd": float(ours.std() / sd - 1.0),
        "quantile": float(np.abs(quantiles).max()),
    }


def _mcse(draws: np.ndarray, at: float) -> float:
    return float(azs.mcse(draws, method="quantile", prob=at))


def compare(problem: Problem, times: int) -> dict:
    """Fit a problem both ways; what is farthest apart."""
    runs = lv.read_runs(problem.runs)
    model, observations = get_model("power_law"), observe(runs)
    compiled = compile_model(model.build(observations, model.priors))
    settings = SamplerSettings(random_seed=SEED)
    start = time.process_time()
    tree, diagnostics = sample(compiled, settings)
    seconds = time.process_time() - start
    plain = Compiled(compiled.model, "asked for by the benchmark")
    start = time.process_time()
    long = sample_once(plain, dataclasses.replace(NUTS, draws=times * NUTS.draws))
    nuts_seconds = time.process_time() - start
    ours, theirs = scalars(tree), scalars(long)
    each = {name: apart(ours[name], theirs[name]) for name in theirs}
    return {
        "problem": problem.name,
        "curves": observations.sizes["curve"],
        "scalars": len(each),
        "verdict": diagnostics.verdict,
        "attempts": [(a["remedy"], a["made"], a["verdict"]) for a in diagnostics.attempts],
        "nuts": judge(figures_of(long))[0],
        "mean": max(e["mean"] for e in each.values()),
        "mean_beyond_noise": sum(e["mean"] > max(MEAN, 3.0 * e["noise"]) for e in each.values()),
        "sd": max(abs(e["sd"]) for e in each.values()),
        "sd_median": float(np.median([abs(e["sd"]) for e in each.values()])),
        "quantile": float(np.quantile([e["quantile"] for e in each.values()], 0.99)),
        "quantile_beyond_3": float(np.mean([e["quantile"] > 3.0 for e in each.values()])),
        "worst": max(each, key=lambda name: each[name]["mean"]),
        "seconds": seconds,
        "nuts_seconds": nuts_seconds,
    }


def table(found: Sequence[dict]) -> str:
    """One row a problem."""
    head = ("problem", "curves", "verdict", "draws", "NUTS", "means", "sds", "quantiles > 3 se", "s", "NUTS s")
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for one in found:
        cells = (
            one["problem"], str(one["curves"]), one["verdict"], "+".join(str(a[1]) for a in one["attempts"]),
            one["nuts"], f"{one['mean']:.3f}", f"{one['sd']:.3f}", f"{one['quantile_beyond_3']:.1%}",
            f"{one['seconds']:.1f}", f"{one['nuts_seconds']:.1f}",
        )  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, print, write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=20)
    parser.add_argument("--times", type=int, default=10, help="draws of long NUTS, in thousands a chain")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    found = []
    for problem in problems(options.problems):
        found.append(compare(problem, options.times))
        print(json.dumps(found[-1]), file=sys.stderr, flush=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps({"cores": os.cpu_count(), "times": options.times, "problems": found}, indent=1))
    print(table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
