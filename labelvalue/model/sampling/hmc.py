"""Hamiltonian Monte Carlo in whitened coordinates, compiled; a chain is a state that goes on from where it stands.

What is particular to a model stands in the map from whitened coordinates to its variables
(:mod:`labelvalue.model.sampling.mode_and_metric`), in which the posterior is near a standard normal.

References
----------
Neal (2011), "MCMC using Hamiltonian dynamics", Handbook of Markov Chain Monte Carlo, for paths of random length;
Shahbaba, Lan, Johnson and Neal (2014), "Split Hamiltonian Monte Carlo", Statistics and Computing 24, for the step;
Hoffman and Gelman (2014), "The no-U-turn sampler", JMLR 15, for the adaptation of the step; Modi, Barnett and Carpenter
(2024), "Delayed rejection Hamiltonian Monte Carlo for sampling multiscale distributions", Bayesian Analysis 19, for a
second path in finer steps.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numba import types

DENSITY = types.int64(types.uint64, *(types.CPointer(types.double),) * 3, types.voidptr)
VARIABLES = types.int64(types.uint64, types.uint64, *(types.CPointer(types.double),) * 2, types.voidptr)
"""A compiled log density: how many coordinates, where, gradient and value to be written, data; it returns 0 if all is
well. Compiled variables of a draw: how many coordinates and numbers, where, what is to be written, data."""
STATISTICS = {
    "energy": float, "logp": float, "acceptance_rate": float, "step_size": float, "n_steps": int, "diverging": bool,
}  # fmt: skip
"""What is noted of each draw."""
QUARTER = math.pi / 2.0
"""Mean time of a path: a quarter of a turn of a standard normal, after which nothing is left of the start. Times
vary by half about it, so that no coordinate comes round to where it was."""
MOST_STEPS = 300.0
CAUTION = 0.2  # how slowly a step adapts; in whitened coordinates it is known to about a factor of two from the start
WORST_ENERGY_ERROR = 1000.0  # energy error from which on a path counts as divergent
HOPELESS, FINER = 0.1, 6
"""Probability of acceptance below which a path that was rejected is gone again, and how many times finer its steps are
then, unless these were too many."""

compiled = numba.njit(cache=True, nogil=True, error_model="numpy")


@compiled
def unwhiten(place, at, x):  # type: ignore[no-untyped-def]
    """Where whitened coordinates lie in the model's own; log determinant of the map's derivative, but a constant."""
    base, spread, skew, centre, lean, own, ways, bend, group, curve, _, _, rates, bent, turned, along, _ = place
    log_det = 0.0
    for j in range(group.size):
        straight = base[j] + np.dot(spread[j], at[: group.size])
        middle, scale, by, tail = skew[j]
        moved, root = tail * (math.asinh(straight) + by), math.sqrt(1.0 + straight * straight)
        x[group[j]] = middle + scale * math.sinh(moved)
        rate = tail * math.cosh(moved) / root
        rates[j, 0], rates[j, 1] = scale * rate, (tail * math.tanh(moved) - straight / root) / root
        log_det += math.log(rate)
    for way in range(along.size):
        along[way] = np.dot(ways[way], at[: group.size])
    here = group.size
    for i in range(curve.shape[0]):
        for k in range(curve.shape[1]):
            turned[k] = 0.0
            for m in range(k + 1):
                by = 0.0
                for way in range(along.size):
                    by += bend[i, k, m, way] * along[way]
                if m == k:
                    log_det += by
                    by = math.exp(by)
                bent[i, k, m] = by
                turned[k] += by * at[here + m]
        for k in range(curve.shape[1]):
            total = centre[i, k]
            for j in range(group.size):
                total += lean[i, k, j] * at[j]
            for m in range(k + 1):
                total += own[i, k, m] * turned[m]
            x[curve[i, k]] = total
        here += curve.shape[1]
    return log_det


@compiled
def by_curves(place, at, slopes):  # type: ignore[no-untyped-def]
    """Slopes of the log density, and of the map's determinant, by what moves curves, after :func:`unwhiten`."""
    _, _, _, _, lean, own, ways, bend, group, curve, _, gradient, _, bent, _, _, pull = place
    here, pull[:] = group.size, 0.0
    for i in range(curve.shape[0]):
        for k in range(curve.shape[1]):
            for j in range(group.size):
                slopes[j] += lean[i, k, j] * gradient[curve[i, k]]
            slopes[here + k], total = 0.0, 0.0
            for row in range(k, curve.shape[1]):
                total += own[i, row, k] * gradient[curve[i, row]]
            for m in range(k + 1):
                slopes[here + m] += bent[i, k, m] * total
                by = total * at[here + m] if m < k else total * at[here + m] * bent[i, k, m] + 1.0
                for way in range(pull.size):
                    pull[way] += bend[i, k, m, way] * by
        here += curve.shape[1]
    for way in range(pull.size):
        slopes[: group.size] += pull[way] * ways[way]


@compiled
def evaluate(density, data, place, at, slopes):  # type: ignore[no-untyped-def]
    """Log density where whitened coordinates say, with its gradient by them; -inf where there is none."""
    _, spread, _, _, _, _, _, _, group, _, x, gradient, rates, _, _, _, _ = place
    log_det = unwhiten(place, at, x)
    value = np.empty(1)
    if density(np.uint64(x.size), x.ctypes, gradient.ctypes, value.ctypes, data.ctypes) != 0:
        return -np.inf
    for j in range(group.size):
        rates[j, 1] += rates[j, 0] * gradient[group[j]]
    for j in range(group.size):
        total = 0.0
        for k in range(group.size):
            total += spread[k, j] * rates[k, 1]
        slopes[j] = total
    by_curves(place, at, slopes)
    return value[0] + log_det


@compiled
def advance(density, data, place, step, at, momentum, slopes):  # type: ignore[no-untyped-def]
    """Move along the path by one step, in place, a standard normal's part exactly; the log density there."""
    cos, sin = math.cos(step), math.sin(step)
    for k in range(at.size):
        pushed = momentum[k] + 0.5 * step * (slopes[k] + at[k])
        at[k], momentum[k] = cos * at[k] + sin * pushed, cos * pushed - sin * at[k]
    value = evaluate(density, data, place, at, slopes)
    for k in range(at.size):
        momentum[k] += 0.5 * step * (slopes[k] + at[k])
    return value


@compiled
def follow(density, data, place, step, steps, at, momentum, slopes, energy):  # type: ignore[no-untyped-def]
    """Move along the path by so many steps, in place; log density, energy above the start's, and steps taken."""
    error, new, taken = 0.0, -np.inf, 0
    for _ in range(steps):
        new = advance(density, data, place, step, at, momentum, slopes)
        error, taken = 0.5 * np.dot(momentum, momentum) - new - energy, taken + 1
        if not error < WORST_ENERGY_ERROR:
            break
    return new, error, taken


@compiled
def chance(error):  # type: ignore[no-untyped-def]
    """Probability with which a path is accepted whose energy has risen by so much."""
    return min(1.0, math.exp(-error)) if error < WORST_ENERGY_ERROR else 0.0


@compiled
def transition(density, data, place, rng, step, at, slopes, value, start, momentum):  # type: ignore[no-untyped-def]
    """Make one draw in place of ``at`` and ``slopes``; its log density, start energy, acceptance, steps, divergence.

    A path that is all but sure to be rejected is gone again in finer steps, if the way back would fail as well.
    """
    momentum[:] = rng.standard_normal(at.size)
    start[0], start[1], start[2] = at, slopes, momentum
    energy = 0.5 * np.dot(momentum, momentum) - value
    steps = max(1, round(min((0.5 + rng.random()) * QUARTER / step, MOST_STEPS)))
    new, error, taken = follow(density, data, place, step, steps, at, momentum, slopes, energy)
    at_first = chance(error)
    if rng.random() < at_first:
        return new, energy, at_first, taken, False
    diverged = not error < WORST_ENERGY_ERROR
    if at_first < HOPELESS and steps * FINER <= MOST_STEPS:
        at[:], slopes[:], momentum[:] = start[0], start[1], start[2]
        new, error, more = follow(density, data, place, step / FINER, steps * FINER, at, momentum, slopes, energy)
        taken, diverged = taken + more, not error < WORST_ENERGY_ERROR
        if not diverged:
            start[3], start[4] = at, slopes
            momentum *= -1.0
            _, back, more = follow(density, data, place, step, steps, at, momentum, slopes, energy + error)
            taken, as_well = taken + more, chance(back)
            if as_well < HOPELESS and rng.random() < chance(error) * (1.0 - as_well) / (1.0 - at_first):
                at[:], slopes[:] = start[3], start[4]
                return new, energy, at_first, taken, False
    at[:], slopes[:] = start[0], start[1]
    return value, energy, at_first, taken, diverged


@compiled
def run(density, data, place, rng, at, draws, stats, step, target, done):  # type: ignore[no-untyped-def]
    """Go on with a chain from the first row of ``at``, one row after the other; adapt the step where a target is given.

    Shapes: ``at`` (coordinate), ``draws`` (draw, coordinate), ``stats`` (draw, statistic), ``done`` (1).
    """
    slopes = np.empty(at.size)
    value = evaluate(density, data, place, at, slopes)
    start, momentum = np.empty((5, at.size)), np.empty(at.size)
    centre, log_step, mean_log_step, average = math.log(2.0 * step), math.log(step), 0.0, 0.0
    for draw in range(draws.shape[0]):
        if done[0] < 0:
            break
        value, energy, acceptance, steps, diverged = transition(
            density, data, place, rng, math.exp(log_step), at, slopes, value, start, momentum
        )
        log_det = unwhiten(place, at, draws[draw])
        stats[draw, 0], stats[draw, 1] = energy, value - log_det
        stats[draw, 2], stats[draw, 3] = acceptance, math.exp(log_step)
        stats[draw, 4], stats[draw, 5] = steps, diverged
        done[0] += 1
        if target > 0.0:  # dual averaging as in Hoffman and Gelman
            count = draw + 1.0
            average += (target - acceptance - average) / (count + 10.0)
            log_step = centre - math.sqrt(count) / CAUTION * average
            mean_log_step += count**-0.75 * (log_step - mean_log_step)
    return math.exp(mean_log_step) if target > 0.0 else step


@compiled
def expand(variables, data, at, out):  # type: ignore[no-untyped-def]
    """Compute all variables of a model, shape (draw, number), at places in its own coordinates; 0 if all is well."""
    for row in range(at.shape[0]):
        size = np.uint64(at.shape[1]), np.uint64(out.shape[1])
        failed = variables(size[0], size[1], at[row].ctypes, out[row].ctypes, data.ctypes)
        if failed != 0:
            return failed
    return 0


@compiled
def gradients(density, data, at, slopes):  # type: ignore[no-untyped-def]
    """Gradients at several places of a model's own coordinates, one a row; the log densities."""
    values, value = np.empty(at.shape[0]), np.empty(1)
    for row in range(at.shape[0]):
        failed = density(np.uint64(at.shape[1]), at[row].ctypes, slopes[row].ctypes, value.ctypes, data.ctypes)
        values[row] = -np.inf if failed else value[0]
    return values
