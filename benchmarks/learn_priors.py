"""Learn the prior bank from the development half of LCDB; print it as TOML.

The bank is the distribution of the product's own group-level parameters over data sets: each development data set
is one hierarchical model of its learners' curves, and all are fitted together, with what each curve did at 2, 4 and
8 times its largest observed size seen as well. Inference is mean-field variational: a bank needs medians and rough
spreads, not tails. Where the bank's spreads would fit learners but hardly slices of one learner, `WIDEN` says so.

``python -m benchmarks.learn_priors > models/priors/power_law.toml`` takes some minutes.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import xarray as xr

import labelvalue as lv
from benchmarks.lcdb_data import load_problems
from benchmarks.problems import DOUBLINGS, Problem
from labelvalue.model import curves
from labelvalue.model.likelihood import scatter_loglikelihood, walk_loglikelihood
from labelvalue.model.noise import run_variance
from labelvalue.model.observations import CURVE, TYPICAL_ELASTICITY, observe

POOLED = ("error", "elasticity", "floor", "training", "discrepancy")
ITERATIONS = 20_000
SEED = 20_261_123

AT_LEAST = {"floor_mean": 1.0, "discrepancy_mean": 0.5, "elasticity_mean": 1.0, "training_mean": 0.8}
"""Spreads of group means are not taken below these: mean-field inference understates them, and three doublings ahead
say little of floors."""

WIDEN = {
    "churn": (-1.5, 2.0),
    "error_spread": (-0.7, 0.6),
    "elasticity_spread": (-0.3, 0.5),
    "training_spread": (-0.3, 0.5),
    "discrepancy_spread": (-0.4, 0.3),
    "floor_spread": (-1.0, 0.3),
}
"""Spreads between the curves of one data set. LCDB's curves are 20 kinds of learner, some of which hardly learn; slices
under one learner differ less (log elasticity by 0.35 to 0.5), so these priors cover both. LCDB's churn is nearly none
or nearly all, by data set, which no single normal describes."""


def gather(problems: list[Problem]) -> tuple[xr.Dataset, np.ndarray, dict[str, np.ndarray]]:
    """Lay out the curves of all problems, what came later included.

    Parameters
    ----------
    problems : list of Problem
        Development problems.

    Returns
    -------
    observations : xarray.Dataset
        Dims curve, knot, slot, padded to common lengths.
    data_set : array of int, shape (curve,)
        Problem of each curve.
    later : dict of str to array, shape (curve, distance, 1)
        ``log_error``, ``variance`` and ``log_ratio`` at the targets.
    """
    seen, numbers, later = [], [], []
    for number, problem in enumerate(problems):
        table = observe(lv.read_runs(problem.runs))
        names = list(zip(table["slice"].values, table["learner"].values, strict=True))
        order = [names.index(curve) for curve in problem.curves]
        seen.append(table.isel(curve=order).drop_vars(["slice", "learner"]))
        numbers += [number] * len(order)
        level = np.maximum(problem.truth, 1e-4)
        relative = np.nan_to_num(problem.truth_se, nan=0.02) / level
        ratio = np.log(problem.targets / problem.now[:, None])
        later.append(np.stack([np.log(level), relative**2 + 1e-5, ratio]))
    knots, slots = (max(s.sizes[d] for s in seen) for d in ("knot", "slot"))
    padded = [_pad(s, knots, slots) for s in seen]
    stacked = np.concatenate(later, axis=1)[..., None]
    named = dict(zip(("log_error", "variance", "log_ratio"), stacked, strict=True))
    return xr.concat(padded, dim=CURVE), np.array(numbers), named


def _pad(table: xr.Dataset, knots: int, slots: int) -> xr.Dataset:
    more = {"knot": (0, knots - table.sizes["knot"]), "slot": (0, slots - table.sizes["slot"])}
    fill = {"labels": 1.0, "runs": 1.0, "sampling_variance": 1.0}
    grids = {n: v.pad(more, constant_values=fill.get(str(n), 0.0)) for n, v in table.items() if "slot" in v.dims}
    distance = table["distance"].pad({"knot": more["knot"]}, mode="edge")
    return table.drop_dims(["knot", "slot"]).assign(grids).assign(distance=distance)


def population(observations: xr.Dataset, data_set: np.ndarray, later: dict[str, np.ndarray]) -> pm.Model:
    """Build the joint model of all data sets, whose top level is the bank.

    Parameters
    ----------
    observations, data_set, later
        From `gather`.

    Returns
    -------
    pymc.Model
        Scalars ``{name}_center``, ``{name}_between``, ``{name}_spread_center``, ``{name}_spread_between`` and the like.
    """
    sets, count = int(data_set.max()) + 1, len(data_set)
    start = observations["log_error"].values[:, 0].max(axis=-1)
    start = start - np.log(-np.expm1(np.minimum(start, -1e-3)))
    centers = {"error": -1.5, "elasticity": -2.5, "floor": -2.0, "training": -2.7, "discrepancy": -3.2}
    with pm.Model() as model:

        def varying(name: str, center: float, width: float) -> Any:
            """A quantity with one value a data set."""
            middle = pm.Normal(f"{name}_center", center, width)
            between = pm.LogNormal(f"{name}_between", -0.7, 0.5)
            return (middle + between * pm.Normal(f"{name}_of_set", 0, 1, shape=sets))[data_set]

        def curve_level(name: str) -> Any:
            mean, log_spread = varying(name, centers[name], 1.0), varying(f"{name}_spread", -0.5, 0.5)
            if name == "error":
                return pm.Normal(name, mean, pt.exp(log_spread), shape=count, initval=start)
            return mean + pt.exp(log_spread) * pm.Normal(name, 0, 1, shape=count)

        level = curve_level("error")
        log_elasticity = curve_level("elasticity")
        bending = pt.softplus(curve_level("floor"))
        floor_share = (bending / (1.0 + bending))[:, None, None]
        elasticity = pt.exp(log_elasticity)[:, None, None]
        training_sd = pt.exp(curve_level("training"))[:, None, None]
        power = pm.Normal("discrepancy_power_center", 0.5, 0.3)
        steeper = log_elasticity - np.log(TYPICAL_ELASTICITY)
        slope_sd = np.log(2.0) * pt.exp(curve_level("discrepancy") + power * steeper)
        decay = pt.exp(varying("training_decay", -0.7, 0.5))[:, None, None]
        churn = pt.sigmoid(varying("churn", -1.0, 1.0))[:, None, None]
        log_error = -pt.softplus(-level)[:, None, None]

        o = {str(n): v.values for n, v in observations.items()}
        ratio = np.log(o["labels"] / o["reference_labels"][:, None, None]) * o["used"]
        variance = run_variance(o, churn, training_sd, decay)
        residual = o["log_error"] - log_error - curves.power_law(ratio, elasticity, floor_share)
        knots = observations.sizes["knot"]
        past = walk_loglikelihood(residual, variance, o["used"], o["distance"], slope_sd, knots)
        ahead = later["log_error"] - log_error - curves.power_law(later["log_ratio"], elasticity, floor_share)
        distance = np.broadcast_to(np.array(DOUBLINGS, float), (count, len(DOUBLINGS))).copy()
        ones = np.ones_like(later["variance"])
        future = walk_loglikelihood(ahead, later["variance"], ones, distance, slope_sd, len(DOUBLINGS))
        pm.Potential("curves", pt.sum(past + future) + scatter_loglikelihood(o, variance))
    return model


MEANING = {
    "error_mean": "typical error of a slice at its reference size, as logit(error) for bounded errors",
    "error_spread": "how much slices and learners differ in error",
    "elasticity_mean": "log of the typical elasticity at the reference size",
    "elasticity_spread": "how much curves differ in log elasticity",
    "elasticity_between": "how much whole slices, and whole learners, differ in log elasticity",
    "floor_mean": "typical bending towards the floor: softplus of it is floor share over its complement",
    "floor_spread": "how much curves differ in that bending",
    "transfer_mean": "typical worth of another slice's label, in labels of the slice itself",
    "transfer_spread": "how much slices differ in that worth",
    "training_mean": "log of the standard deviation of log error between training runs at the reference size",
    "training_spread": "how much curves differ in that standard deviation (on its log)",
    "training_decay": "power of training-set size by which that variance shrinks",
    "churn": "share of evaluation sampling noise that differs between runs on one evaluation set",
    "discrepancy_mean": "log of the typical departure of a curve's elasticity from its family's over one doubling, "
    "at an elasticity of 0.05",
    "discrepancy_spread": "how much curves differ in that departure (on its log)",
    "discrepancy_power": "power of elasticity with which that departure grows",
}
ASSUMED = {
    "elasticity_between": ("lognormal", -1.0, 0.5, "assumed: LCDB has one slice a data set"),
    "transfer_mean": ("student", 0.05, 0.15, "assumed: little transfer unless the runs show it"),
    "transfer_spread": ("lognormal", -2.0, 0.7, "assumed: LCDB has one slice a data set"),
}


def bank(found: dict[str, float]) -> dict[str, tuple[str, float, float, str]]:
    """Turn the top level's medians into priors: distribution, center, spread and source (empty: the file's)."""
    learned = "set to cover slices as well as learners; learned for learners: center {:.2f}, spread {:.2f}"

    def widened(name: str, distribution: str) -> tuple[str, float, float, str]:
        return (distribution, *WIDEN[name], learned.format(found[f"{name}_center"], found[f"{name}_between"]))

    priors: dict[str, tuple[str, float, float, str]] = {}
    for name in POOLED:
        between = max(found[f"{name}_between"], AT_LEAST.get(f"{name}_mean", 0.0))
        priors[f"{name}_mean"] = ("normal", found[f"{name}_center"], between, "")
        priors[f"{name}_spread"] = widened(f"{name}_spread", "lognormal")
    priors["training_decay"] = ("lognormal", found["training_decay_center"], found["training_decay_between"], "")
    priors["churn"] = widened("churn", "logitnormal")
    priors["discrepancy_power"] = ("normal", found["discrepancy_power_center"], 0.15, "")
    return priors | ASSUMED


def as_toml(priors: dict[str, tuple[str, float, float, str]], *, curves: int, data_sets: int) -> str:
    """Write a bank as the TOML that the models read."""
    lines = [
        f'provenance = "median of {ITERATIONS} steps of mean-field variational inference on {curves} curves of '
        f"{data_sets} data sets, the development half of LCDB 1.0 (Mohr, Viering, Loog and van Rijn 2022): "
        'python -m benchmarks.learn_priors"'
    ]
    for name, meaning in MEANING.items():
        distribution, center, spread, source = priors[name]
        lines += [
            "",
            f"[{name}]",
            f'distribution = "{distribution}"',
            f"center = {center:.2f}",
            f"spread = {spread:.2f}",
        ]
        lines += [f'meaning = "{meaning}"', *([f'source = "{source}"'] if source else [])]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Learn, and print TOML on stdout."""
    problems = load_problems("development")
    observations, data_set, later = gather(problems)
    print(f"{len(problems)} data sets, {len(data_set)} curves", file=sys.stderr)
    with population(observations, data_set, later) as model:
        point = model.initial_point()
        approximation = pm.fit(
            ITERATIONS,
            method="advi",
            random_seed=SEED,
            start_sigma={variable.name: np.full_like(point[variable.name], 0.05) for variable in model.value_vars},
            obj_optimizer=pm.adam(learning_rate=0.01),
            total_grad_norm_constraint=1e4,
        )
        draws = approximation.sample(500, random_seed=SEED).posterior
    found = {str(n): float(v.median()) for n, v in draws.items() if v.ndim == 2}
    print(found, file=sys.stderr)
    print(as_toml(bank(found), curves=len(data_set), data_sets=len(problems)), end="")


if __name__ == "__main__":
    main()
