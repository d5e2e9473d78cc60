"""Learn the prior bank of a model from development problems; print it as TOML.

A bank is the distribution of the product's own group-level parameters over data sets, on two levels: of slices under
one learner, from the sliced problems (on the first day too), and of learners on one data set, from LCDB. Every problem
is fitted by the product's model and sampler, with what each curve did at 2, 4 and 8 times its largest observed size
seen as well; the bank is then moved to the mean and spread of what the problems say, and they are fitted again
(expectation maximisation).

    python -m benchmarks.learn_priors power_law > models/priors/power_law.toml

takes half an hour a model on one core.
"""

import dataclasses
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import arviz as az
import numpy as np
import pymc as pm
import pytensor.tensor as pt
import xarray as xr

import labelvalue as lv
from benchmarks import lcdb_data, slice_data
from benchmarks.problems import DOUBLINGS, Problem
from labelvalue import Model, get_model, names
from labelvalue.model.curve.observations import CURVE, FIRST_CELL, observe
from labelvalue.model.curve.operation import Terms, curve_loglikelihood
from labelvalue.model.prior.priors import BETWEEN_LEARNERS, Prior, Priors, on_unbounded
from labelvalue.model.sampling import sampling
from labelvalue.model.sampling.diagnostics import SamplerSettings

ROUNDS = 1  # times that all problems are fitted, from the bank that ships
SETTINGS = SamplerSettings(draws=300, tune=200, chains=4, random_seed=20_261_128)
MIXED = 1.3  # R-hat of the group's parameters above which a problem is left out of a round
LEAST_ERROR = 1e-4
UNKNOWN_SE = 0.02  # relative standard error of a truth from one run
ROOM = 0.8
"""Spread of the priors of spreads, on their log, from which learning starts: what is narrow cannot widen quickly."""
DISTANCE = "distance"
SHAPES = (names.HEADROOM, names.BREAK_DISTANCE, names.EARLY_SHARE)
"""Parameters that some families have beside elasticity and floor."""


def with_later(model: Model, problem: Problem, priors: Priors) -> pm.Model:
    """Build the product's model of a problem, with what came later seen as well.

    Returns: with a second term by curve: its walk beyond the reference size, seen at the targets.
    """
    table = observe(lv.read_runs(problem.runs))
    place = {curve: at for at, curve in enumerate(problem.curves)}
    order = [place[curve] for curve in zip(table["slice"].values, table["learner"].values, strict=True)]
    level = np.maximum(problem.truth[order], LEAST_ERROR)
    relative = np.nan_to_num(problem.truth_se[order] / level, nan=UNKNOWN_SE)
    ratio = np.log(problem.targets[order] / problem.now[order][:, None])
    cells = {"log_error": np.log(level), "variance": relative**2 + 1e-5, "log_ratio": ratio}
    curves = {FIRST_CELL: np.arange(len(order) + 1) * len(DOUBLINGS), DISTANCE: ratio.ravel() / np.log(2.0)}

    def future(given: Mapping[str, Any], cell: Mapping[str, Any]) -> Terms:
        expected = given["log_reference"] + model.curve(cell["log_ratio"], given)
        slope_sd = np.log(2.0) * given[names.DISCREPANCY]
        return Terms(cell["log_error"] - expected, cell["variance"], 0.0, 0.0, slope_sd)

    built = model.build(table, priors)
    with built:
        shape = (names.CURVE_ELASTICITY, names.FLOOR_SHARE, names.DISCREPANCY, *SHAPES)
        given = {name: built[name] for name in shape if name in built.named_vars}
        given |= {"log_reference": pt.log(built[names.ERROR_REFERENCE])}
        data = {name: pm.Data(f"later_{name}", values.ravel()) for name, values in (cells | curves).items()}
        pm.Potential("later", curve_loglikelihood(future, given, data, list(cells)), dims=CURVE)
    return built


def group_level(model: Model, problem: Problem, priors: Priors) -> dict[str, tuple[float, float]]:
    """Fit one problem.

    Returns: posterior mean and variance of each group-level parameter that the model samples, on the scale on which
    its prior is normal; empty where the chains have not mixed, or none found a start.
    """
    try:
        tree = sampling.sample_once(sampling.compile_model(with_later(model, problem, priors)), SETTINGS)
    except RuntimeError:
        return {}
    draws = tree["posterior"].to_dataset()
    sampled = {name: draws[name] for name in priors if name in draws and bool(draws[name].std() > 0)}
    if float(az.rhat(xr.Dataset(sampled)).to_array().max()) > MIXED:
        return {}
    moved = {n: on_unbounded(priors[n], x.values)[0] for n, x in sampled.items()}
    return {name: (float(values.mean()), float(values.var())) for name, values in moved.items()}


def learn(model: Model, problems: Sequence[Problem], fixed: Mapping[str, Prior]) -> Priors:
    """Learn the distribution of group-level parameters over problems."""
    wide = {n: dataclasses.replace(p, spread=ROOM) for n, p in model.priors.items() if n.endswith("_spread")}
    priors = model.priors.replace(wide | dict(fixed))
    for number in range(ROUNDS):
        started = time.perf_counter()
        found = [told for problem in problems if (told := group_level(model, problem, priors))]
        moved = {}
        for name in sorted({name for told in found for name in told} - set(fixed)):
            mean, variance = np.array([told[name] for told in found if name in told]).T
            spread = float(np.sqrt(np.mean(variance + (mean - mean.mean()) ** 2)))
            moved[name] = dataclasses.replace(priors[name], center=float(mean.mean()), spread=spread)
        priors = priors.replace(moved)
        said = ", ".join(f"{name} {prior.center:.2f} ± {prior.spread:.2f}" for name, prior in moved.items())
        took = f"{time.perf_counter() - started:.0f} s, {len(found)} of {len(problems)} problems"
        print(f"round {number + 1}: {took}: {said}", file=sys.stderr, flush=True)
    return priors


ASSUMED = (
    "elasticity_between", "efficiency_mean", "efficiency_spread", "efficiency_trend", "noise_cost", "diversity_power",
)  # fmt: skip
"""What no development problem says anything of: no problem crosses learners and slices, or has strategies."""
OF_SLICES = ("transfer_mean", "transfer_spread")  # what LCDB, which has one slice a data set, says nothing of


def as_toml(model: Model, slices: Priors, learners: Priors, provenance: str) -> str:
    """Write a bank as the TOML that the models read.

    Returns: a table for each prior, and in it another where learners have other numbers.
    """
    lines = [f'provenance = "{provenance}"']
    for name, shipped in model.priors.items():
        prior, wide = slices[name], learners[name]
        lines += ["", f"[{name}]", f'distribution = "{prior.distribution}"', *_numbers(prior)]
        lines.append(f'meaning = "{shipped.meaning}"')
        if name in ASSUMED:
            lines.append(f'source = "{shipped.source}"')
        elif _numbers(wide) != _numbers(prior) and name not in OF_SLICES:
            lines += ["", f"[{name}.{BETWEEN_LEARNERS}]", *_numbers(wide)]
    return "\n".join(lines) + "\n"


def _numbers(prior: Prior) -> list[str]:
    return [f"center = {round(prior.center, 2) + 0.0:.2f}", f"spread = {prior.spread:.2f}"]  # no minus before 0


def main() -> None:
    """Learn, and print TOML on stdout."""
    model = get_model(sys.argv[1] if len(sys.argv) > 1 else "power_law")
    assumed = {name: model.priors[name] for name in ASSUMED}
    sliced = [slice_data.load_problems("development", first_day=first) for first in (False, True)]
    by_kind = {"slices": [*sliced[0], *sliced[1]], "learners": lcdb_data.load_problems("development")}
    counted = {kind: f"{sum(len(p.curves) for p in some)} curves of {len(some)}" for kind, some in by_kind.items()}
    provenance = (
        f"mean and spread over development problems by expectation maximisation (rounds: {ROUNDS}): slices, "
        f"{counted['slices']} sliced problems; learners, {counted['learners']} data sets of LCDB 1.0 (Mohr, Viering, "
        f"Loog and van Rijn 2022): python -m benchmarks.learn_priors {model.name}"
    )
    slices, learners = (learn(model, problems, assumed) for problems in by_kind.values())
    print(as_toml(model, slices, learners, provenance), end="")


if __name__ == "__main__":
    main()
