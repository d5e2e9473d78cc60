"""Learn the prior bank of a model from the development half of LCDB; print it as TOML.

A bank is the distribution of the product's own group-level parameters over data sets: each development data set
is one hierarchical model of its learners' curves, and all are fitted together, with what each curve did at 2, 4 and
8 times its largest observed size seen as well. Inference is mean-field variational: a bank needs medians and rough
spreads, not tails. Where the bank's spreads would fit learners but hardly slices of one learner, `WIDEN` says so.

``python -m benchmarks.learn_priors power_law > models/priors/power_law.toml`` takes some minutes a model.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import xarray as xr

import labelvalue as lv
from benchmarks.lcdb_data import load_problems
from benchmarks.problems import DOUBLINGS, Problem
from labelvalue import names
from labelvalue.model import Model, get_model
from labelvalue.model.cell_terms import Terms
from labelvalue.model.curve_operation import curve_loglikelihood
from labelvalue.model.curves import signed_log
from labelvalue.model.likelihood import scatter_loglikelihood
from labelvalue.model.noise import run_variance
from labelvalue.model.observations import CURVE, observe
from labelvalue.model.ragged import FIRST_CELL, cell_names, in_a_row
from labelvalue.model.steepness import RISING_SPREAD

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
        found = list(zip(table["slice"].values, table["learner"].values, strict=True))
        order = [found.index(curve) for curve in problem.curves]
        seen.append(table.isel(curve=order).drop_vars(["slice", "learner", "suite"]))
        numbers += [number] * len(order)
        level = np.maximum(problem.truth, 1e-4)
        relative = np.nan_to_num(problem.truth_se, nan=0.02) / level
        ratio = np.log(problem.targets / problem.now[:, None])
        later.append(np.stack([np.log(level), relative**2 + 1e-5, ratio]))
    knots, slots = (max(s.sizes[d] for s in seen) for d in ("knot", "slot"))
    padded = [_pad(s, knots, slots) for s in seen]
    stacked = np.concatenate(later, axis=1)[..., None]
    named = dict(zip(("log_error", "variance", "log_ratio"), stacked, strict=True))
    return xr.concat(padded, dim=CURVE, combine_attrs="override"), np.array(numbers), named


def _pad(table: xr.Dataset, knots: int, slots: int) -> xr.Dataset:
    more = {"knot": (0, knots - table.sizes["knot"]), "slot": (0, slots - table.sizes["slot"])}
    fill = {"labels": 1.0, "runs": 1.0, "sampling_variance": 1.0}
    grids = {n: v.pad(more, constant_values=fill.get(str(n), 0.0)) for n, v in table.items() if "slot" in v.dims}
    distance = table["distance"].pad({"knot": more["knot"]}, mode="edge")
    return table.drop_dims(["knot", "slot"]).assign(grids).assign(distance=distance)


def population(
    model: Model,
    observations: xr.Dataset,
    data_set: np.ndarray,
    later: dict[str, np.ndarray],
    *,
    families: np.ndarray | None = None,
    on_error: Sequence[str] = (),
) -> pm.Model:
    """Build the joint model of all data sets, whose top level is the bank.

    Parameters
    ----------
    model : Model
        Gives curve and parameters.
    observations, data_set, later
        From `gather`.
    families : array of int, shape (curve,), optional
        Family of each curve's learner: families then differ in every quantity. The bank has none.
    on_error : sequence of str
        Quantities that depend on how far a curve's error is from its data set's, in spreads. In the bank none does.

    Returns
    -------
    pymc.Model
        Scalars ``{name}_center``, ``{name}_between``, ``{name}_spread_center``, ``{name}_spread_between`` and the like.
    """
    sets, count = int(data_set.max()) + 1, len(data_set)
    start = observations["log_error"].values[:, 0].max(axis=-1)
    start = start - np.log(-np.expm1(np.minimum(start, -1e-3)))
    with pm.Model() as joint:

        def varying(name: str, center: float, width: float) -> Any:
            """A quantity with one value a data set."""
            middle = pm.Normal(f"{name}_center", center, width)
            between = pm.LogNormal(f"{name}_between", -0.7, 0.5)
            return (middle + between * pm.Normal(f"{name}_of_set", 0, 1, shape=sets))[data_set]

        errors: dict[str, Any] = {}

        def curve_level(name: str) -> Any:
            mean, log_spread = varying(name, START.get(name, 0.0), 1.0), varying(f"{name}_spread", -0.5, 0.5)
            if families is not None:
                apart = pm.LogNormal(f"{name}_families", -1.5, 0.7)
                mean = mean + (apart * pm.Normal(f"{name}_of_family", 0, 1, shape=int(families.max()) + 1))[families]
            if name == "error":
                errors["level"] = pm.Normal(name, mean, pt.exp(log_spread), shape=count, initval=start)
                errors["apart"] = (errors["level"] - mean) / pt.exp(log_spread)
                return errors["level"]
            if name in on_error:
                mean = mean + pm.Normal(f"{name}_on_error", 0, 0.5) * errors["apart"]
            level = mean + pt.exp(log_spread) * pm.Normal(name, 0, 1, shape=count)
            if name == names.ELASTICITY:  # curves that rise are not of the group
                own = signed_log(pm.Normal("rising", 0, RISING_SPREAD, shape=count))
                level = pt.where(observations[names.PLAIN_ELASTICITY].values < 0, own, level)
            return level

        power = pm.Normal("discrepancy_power_center", 0.5, 0.3)
        given = {"log_error": -pt.softplus(-curve_level("error"))}
        given |= model.parameters({stem: curve_level(stem) for stem in model.stems}, power)
        given |= {"decay": pt.exp(varying("training_decay", -0.7, 0.5))}
        given |= {"churn": pt.sigmoid(varying("churn", -1.0, 1.0))}

        def past(given: Mapping[str, Any], cell: Mapping[str, Any]) -> Terms:
            noise = given["churn"], given[names.TRAINING_SD], given["decay"]
            between = run_variance({**cell, "set_weight": cell["apart"]}, *noise)
            ratio = cell["log_own"] - pt.log(cell[names.REFERENCE_LABELS])
            residual = cell["log_error"] - given["log_error"] - model.curve(ratio, given)
            slope_sd = np.log(2.0) * given[names.DISCREPANCY]
            return Terms(residual, run_variance(cell, *noise), 0.0, scatter_loglikelihood(cell, between), slope_sd)

        def future(given: Mapping[str, Any], cell: Mapping[str, Any]) -> Terms:
            residual = cell["log_error"] - given["log_error"] - model.curve(cell["log_ratio"], given)
            return Terms(residual, cell["variance"], 0.0, 0.0, np.log(2.0) * given[names.DISCREPANCY])

        targets = {name: values.ravel() for name, values in later.items()}
        targets[FIRST_CELL] = np.arange(count + 1) * len(DOUBLINGS)
        targets["distance"] = np.tile(np.array(DOUBLINGS, float), count)
        seen = curve_loglikelihood(past, given, in_a_row(observations), cell_names(observations))
        came = curve_loglikelihood(future, given, targets, list(later))
        pm.Potential("curves", seen + came)
    return joint


START = {"error": -1.5, "elasticity": -2.5, "floor": -2.0, "training": -2.7, "discrepancy": -3.2}
"""Centres of the weak priors of group means, where they are not 0."""

MEANING = {
    "error_mean": "typical error of a slice at its reference size, as logit(error) for bounded errors",
    "error_spread": "how much slices and learners differ in error",
    "elasticity_mean": "log of the typical elasticity at the reference size",
    "elasticity_spread": "how much curves differ in log elasticity",
    "elasticity_between": "how much whole slices, and whole learners, differ in log elasticity",
    "floor_mean": "typical bending towards the floor: softplus of it is floor share over its complement",
    "floor_spread": "how much curves differ in that bending",
    "headroom_mean": "log of how far a typical curve's plateau lies above the error at its reference size",
    "headroom_spread": "how much curves differ in that log",
    "break_mean": "typical distance of a curve's break below its reference size: softplus of it, in doublings",
    "break_spread": "how much curves differ in that distance (before the softplus)",
    "early_mean": "log of the typical elasticity before the break over that after it",
    "early_spread": "how much curves differ in that log",
    "transfer_mean": "typical worth of another slice's label, in labels of the slice itself",
    "transfer_spread": "how much slices differ in that worth",
    "efficiency_mean": "log of the typical worth of a label that a strategy chose, in labels chosen at random",
    "efficiency_spread": "how much curves differ in that log worth",
    "efficiency_trend": "power of labels by which that worth changes away from the reference size",
    "noise_cost": "power of the information left in noisy labels by which effective labels shrink",
    "diversity_power": "power of diversity by which effective labels grow",
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
    "efficiency_mean": ("normal", 0.0, 0.35, "assumed: a strategy may help or hurt by a third"),
    "efficiency_spread": ("lognormal", -1.6, 0.5, "assumed: LCDB has no strategies"),
    "efficiency_trend": ("normal", 0.0, 0.1, "assumed: no change unless the runs show it"),
    "noise_cost": ("lognormal", 0.69, 0.3, "2 in theory (Natarajan et al. 2013); how far learners differ is assumed"),
    "diversity_power": ("student", 0.0, 0.5, "assumed: none, or a little either way"),
}


def bank(model: Model, found: dict[str, float]) -> dict[str, tuple[str, float, float, str]]:
    """Turn the top level's medians into priors: distribution, center, spread and source (empty: the file's)."""
    learned = "set to cover slices as well as learners; learned for learners: center {:.2f}, spread {:.2f}"

    def spread_of(name: str, distribution: str) -> tuple[str, float, float, str]:
        center, between = found[f"{name}_center"], found[f"{name}_between"]
        if name not in WIDEN:
            return (distribution, center, max(between, 0.3), "")
        return (distribution, *WIDEN[name], learned.format(center, between))

    priors: dict[str, tuple[str, float, float, str]] = {}
    for name in ("error", *model.stems):
        between = max(found[f"{name}_between"], AT_LEAST.get(f"{name}_mean", 0.0))
        priors[f"{name}_mean"] = ("normal", found[f"{name}_center"], between, "")
        priors[f"{name}_spread"] = spread_of(f"{name}_spread", "lognormal")
    priors["training_decay"] = ("lognormal", found["training_decay_center"], found["training_decay_between"], "")
    priors["churn"] = spread_of("churn", "logitnormal")
    priors["discrepancy_power"] = ("normal", found["discrepancy_power_center"], 0.15, "")
    return priors | ASSUMED


def as_toml(model: Model, priors: dict[str, tuple[str, float, float, str]], *, curves: int, data_sets: int) -> str:
    """Write a bank as the TOML that the models read."""
    lines = [
        f'provenance = "median of {ITERATIONS} steps of mean-field variational inference on {curves} curves of '
        f"{data_sets} data sets, the development half of LCDB 1.0 (Mohr, Viering, Loog and van Rijn 2022): "
        f'python -m benchmarks.learn_priors {model.name}"'
    ]
    for name, meaning in MEANING.items():
        if name not in priors:
            continue
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


def approximate(joint: pm.Model) -> Any:
    """Approximate the posterior of a joint model by independent normals; ``hist`` is minus the evidence bound."""
    with joint:
        point = joint.initial_point()
        return pm.fit(
            ITERATIONS,
            method="advi",
            random_seed=SEED,
            start_sigma={variable.name: np.full_like(point[variable.name], 0.05) for variable in joint.value_vars},
            obj_optimizer=pm.adam(learning_rate=0.01),
            total_grad_norm_constraint=1e4,
            progressbar=sys.stderr.isatty(),
        )


def main() -> None:
    """Learn, and print TOML on stdout."""
    model = get_model(sys.argv[1] if len(sys.argv) > 1 else "power_law")
    problems = load_problems("development")
    observations, data_set, later = gather(problems)
    print(f"{len(problems)} data sets, {len(data_set)} curves", file=sys.stderr)
    approximation = approximate(population(model, observations, data_set, later))
    draws = approximation.sample(500, random_seed=SEED).posterior
    found = {str(n): float(v.median()) for n, v in draws.items() if v.ndim == 2}
    bound = -float(np.mean(approximation.hist[-2000:]))
    print(f"evidence bound {bound:,.0f} (mean of the last 2,000 steps); {found}", file=sys.stderr)
    print(as_toml(model, bank(model, found), curves=len(data_set), data_sets=len(problems)), end="")


if __name__ == "__main__":
    main()
