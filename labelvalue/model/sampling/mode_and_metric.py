"""Coordinates in which a hierarchy over curves mixes: whitened within each curve, and between curves and the group.

Curves are independent given the group, so the Hessian of the log density is an arrow: one small block a curve, and the
group's rows and columns. However many curves there are, two gradients for each of a curve's few variables give all
blocks at once. What is sampled are coordinates u of the group and e of each curve, with

    group = straight⁻¹(base + spread · u),    curve = centre + lean · u + own · turn(ways · u) · e,

where ``straight`` takes the skewness out of each of the group's coordinates, and ``turn`` is triangular, its diagonal
an exponential. It is made at the mode first, and then of draws: how the means of curves move with the group, how wide
curves are about them, and how that changes with the group. The map is fixed and smooth, and its derivative known, so
that the posterior stays what it is for any model.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from scipy import special

from labelvalue.model.sampling import hmc

CURVE = "curve"
MOST_IN_GROUP = 250  # variables of the group up to which its dense block is worth its price
STEP, WIDE_STEP = 1e-4, 1e-2
"""Steps of first and second differences of gradients, in coordinates of the model and in standard deviations."""
LEAST_CURVATURE = 0.03
"""Least eigenvalue of a curve's scaled Hessian; what is flat, or bends the wrong way, is held to bend so much."""
SETTLED, NEAR = 1e-2, 0.5
"""Newton decrements, in standard deviations, at which curves given the group, and the group, count as at their mode."""
FIRST_NEWTON, MOST_NEWTON, MOST_LOOKS = 100, 30, 40
"""Newton's steps of curves until they have settled somewhere, and beside such a place; places of the group that are
looked at."""
FIRST_RADIUS, LEAST_RADIUS, TRUSTED, DOUBTED, SHORTER = 2.0, 1e-3, 0.75, 0.1, 0.3
"""Longest step of the group, in standard deviations: at first, and at last; it grows where the density rises as the
curvature says, to a share of at least so much, and is cut where it rises by less than such a share."""
SHRINK = 0.4
LEAST_PLACES, ROUNDS, FOUND = 32, 6, 0.05
"""Draws of the group, but one for each of its coordinates, at which curves are approximated; most rounds of each, and
how far the last goes on average, in standard deviations and in logarithms of variances."""
DAMPED, MOST_CHANGE, WIDEST = 0.7, 2.0, 1.5
"""Share of a step that a round goes; by which factor it may change a curve's standard deviations; and how many of those
of its draws, which are few and of many places of the group, these may be."""
RIDGE = 0.3  # draws that stand against a curve's leaning with a coordinate of the group
LEAST_BENT, MOST_BENT = 1.0, 1.0
"""Of all curves together, the squared change of shape with a direction of the group below which it is taken to have
none (curves then say less of the group than it is known to one standard deviation); and the most of any one of them."""
TAIL = 0.05  # share of draws beyond each of the quantiles by which a coordinate is straightened
LEAST_LOPSIDED, MOST_LOPSIDED = 0.2, 0.95
"""Skewness, as a hyperbolic tangent, below which draws do not tell it from none, and to which it is held."""
TAILS, LIKELIER = (1.0, 1.5, 2.0), 0.05
"""Weights of tails, of which 1 is a normal's; and by how much another must raise the mean log likelihood of a draw."""


@dataclasses.dataclass(frozen=True)
class Layout:
    """Unconstrained coordinates of the group's variables (group), and of each curve's (curve, variable)."""

    group: np.ndarray
    curve: np.ndarray


def find_layout(
    names: Sequence[str], places: Sequence[tuple[int, int]], shapes: Sequence[tuple], dims: Mapping
) -> Layout | None:
    """Find curves by their dim; ``None`` where there are none, or a group too large for a dense block."""
    group, curve = [], []
    for name, place, shape in zip(names, places, shapes, strict=True):
        at = np.arange(*place)
        if dims.get(name, ())[:1] == (CURVE,) and len(shape) == len(dims[name]):
            curve.append(at.reshape(shape[0], -1))
        else:
            group.append(at)
    if not curve or len({len(at) for at in curve}) > 1:
        return None
    where = np.concatenate(group) if group else np.empty(0, dtype=np.int64)
    return Layout(where, np.concatenate(curve, axis=1)) if where.size <= MOST_IN_GROUP else None


@dataclasses.dataclass(frozen=True)
class Density:
    """A compiled log density with its gradient, at many places at once; its threads share the work."""

    function: Any
    data: np.ndarray
    threads: ThreadPoolExecutor

    def __call__(self, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Log densities and gradients at the rows of ``at``."""
        at, slopes = np.ascontiguousarray(at), np.empty(at.shape)
        parts = np.array_split(np.arange(len(at)), min(len(at), self.threads._max_workers))
        spans = [slice(part[0], part[-1] + 1) for part in parts]
        found = self.threads.map(lambda s: hmc.gradients(self.function, self.data, at[s], slopes[s]), spans)
        return np.concatenate(list(found)), slopes

    def differences(
        self, at: np.ndarray, along: Sequence[np.ndarray] | np.ndarray, step: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """First and second differences of the gradient along directions, shape (direction, coordinate) each."""
        moved = np.concatenate([at[None], *[[at + step * way, at - step * way] for way in along]])
        _, slopes = self(moved)
        ahead, behind = slopes[1::2], slopes[2::2]
        return (ahead - behind) / (2.0 * step), (ahead + behind - 2.0 * slopes[0]) / step**2


def coupled(density: Density, layout: Layout, at: np.ndarray) -> bool:
    """Whether two curves are coupled given the group: those with a bit set move, the others' gradient must not."""
    number = np.arange(len(layout.curve))
    _, still = density(at[None])
    for bit in range(int(len(number) - 1).bit_length()):
        for side in (0, 1):
            moved, stays = (number >> bit) % 2 == side, (number >> bit) % 2 != side
            there = at.copy()
            there[layout.curve[moved]] += 0.1
            _, slopes = density(there[None])
            first, second = still[0][layout.curve[stays]], slopes[0][layout.curve[stays]]
            if not np.allclose(first, second, rtol=1e-6, atol=1e-6 * max(1.0, float(np.abs(first).max(initial=0.0)))):
                return True
    return False


@dataclasses.dataclass(frozen=True)
class Place:
    """The map from whitened coordinates of the group, u, and of each curve, e.

    Shapes: ``base`` (group), ``spread`` (group, group), ``skew`` (group, 4), sinh-arcsinh; ``centre`` (curve,
    variable), ``lean`` (curve, variable, group), ``own`` (curve, variable, variable); ``ways`` (way, group) along which
    shapes change, ``bend`` (curve, variable, variable, way), its diagonal as logarithms.
    """

    base: np.ndarray
    spread: np.ndarray
    skew: np.ndarray
    centre: np.ndarray
    lean: np.ndarray
    own: np.ndarray
    ways: np.ndarray
    bend: np.ndarray

    def whitened(self, layout: Layout, at: np.ndarray) -> np.ndarray:
        """Whitened coordinates of a place in the model's own."""
        u = self._of_group(at[None, layout.group])
        means, factors = self._of_curves(u)
        e = np.linalg.solve(factors[0], (at[layout.curve] - means[0])[..., None])
        return np.concatenate([u[0], e.ravel()])

    def normal_given(self, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Means of curves given the group, shape (place, group), and factors of their covariances."""
        return self._of_curves(self._of_group(group))

    def _of_group(self, group: np.ndarray) -> np.ndarray:
        away = straightened(group, self.skew)[0] - self.base
        return np.linalg.solve(self.spread, away.T).T if away.size else away

    def _of_curves(self, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        turns = np.einsum("nkmw,sw->snkm", self.bend, u @ self.ways.T)
        diag = np.einsum("snkk->snk", turns)
        diag[...] = np.exp(diag)
        return self.centre + np.einsum("nkj,sj->snk", self.lean, u), self.own @ turns

    def room(self, layout: Layout) -> tuple[np.ndarray, ...]:
        """Return what :mod:`labelvalue.model.sampling.hmc` calls a place: the map, and room to work in."""
        size = layout.group.size + layout.curve.size
        arrays = (getattr(self, f.name) for f in dataclasses.fields(self))
        where = (layout.group.astype(np.int64), layout.curve.astype(np.int64))
        more = ((size,), (size,), (layout.group.size, 2), self.own.shape, self.own.shape[1:2])
        ways = (self.ways.shape[:1],) * 2
        return (*map(np.ascontiguousarray, (*arrays, *where)), *map(np.empty, (*more, *ways)))


def straightened(group: np.ndarray, skew: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Straighten coordinates of the group, shape (..., group); how fast they move with their straightened ones."""
    middle, scale, by, tail = skew.T
    moved = np.arcsinh((group - middle) / scale)
    straight = np.sinh(moved / tail - by)
    return straight, scale * tail * np.cosh(moved) / np.sqrt(1.0 + straight**2)


def skewness(draws: np.ndarray) -> np.ndarray:
    """Sinh-arcsinh distributions (group, 4) of draws (draw, group), by quantiles (Jones and Pewsey 2009)."""
    far = special.ndtri(1.0 - TAIL)
    low, middle, high = np.quantile(draws, [TAIL, 0.5, 1.0 - TAIL], axis=0)
    half = np.maximum(0.5 * (high - low), 1e-12)
    found, likely = np.empty((len(TAILS), draws.shape[1], 4)), np.empty((len(TAILS), draws.shape[1]))
    for k, tail in enumerate(TAILS):
        reach = tail * np.arcsinh(far)
        lopsided = (0.5 * (low + high) - middle) / half / np.tanh(0.5 * reach)
        turned = np.arctanh(np.clip(lopsided, -MOST_LOPSIDED, MOST_LOPSIDED) * (np.abs(lopsided) > LEAST_LOPSIDED))
        scale = half / np.sinh(reach) / np.cosh(turned)
        found[k] = np.stack([middle - scale * np.sinh(turned), scale, turned / tail, np.full_like(half, tail)], axis=1)
        straight, rate = straightened(draws, found[k])
        likely[k] = -np.log(straight.std(0)) - np.log(rate).mean(0) - LIKELIER * (k > 0)
    return found[likely.argmax(0), np.arange(draws.shape[1])]


def factor(bending: np.ndarray) -> tuple[np.ndarray, float]:
    """Factors F with F·Fᵀ the inverse of each matrix, made positive, and the log determinant of all; (curve, d, d)."""
    scale = np.sqrt(np.maximum(np.abs(np.einsum("nkk->nk", bending)), 1e-6))
    values, vectors = np.linalg.eigh(bending / scale[:, :, None] / scale[:, None, :])
    values = np.maximum(np.abs(values), LEAST_CURVATURE)
    found = vectors / np.sqrt(values)[:, None, :] / scale[:, :, None]
    return found, 2.0 * float(np.log(scale).sum()) + float(np.log(values).sum())


class Search:
    """The mode of the group's density, curves integrated out by Laplace's approximation (Tierney, Kadane 1986)."""

    def __init__(self, density: Density, layout: Layout, start: np.ndarray):
        self.density, self.layout = density, layout
        self.unit_curves = [np.bincount(w, minlength=start.size) * 1.0 for w in layout.curve.T]
        self.unit_group = np.zeros((layout.group.size, start.size))
        self.unit_group[np.arange(layout.group.size), layout.group] = 1.0
        self.start = start
        self.inverse: np.ndarray | None = None
        self.best: dict[str, Any] | None = None

    def at(self, group: np.ndarray, curves: np.ndarray) -> np.ndarray:
        """Coordinates of the model."""
        found = self.start.copy()
        found[self.layout.group], found[self.layout.curve] = group, curves
        return found

    def bending(self, at: np.ndarray) -> np.ndarray:
        """Minus the Hessian of each curve, shape (curve, variable, variable)."""
        first, _ = self.density.differences(at, self.unit_curves, STEP)
        found = -np.moveaxis(first[:, self.layout.curve], 0, -1)
        return 0.5 * (found + found.transpose(0, 2, 1))

    def crossing(self, at: np.ndarray) -> np.ndarray:
        """Derivative of the gradient by the group, shape (group, coordinate)."""
        return (
            self.density.differences(at, self.unit_group, STEP)[0] if len(self.unit_group) else np.empty((0, at.size))
        )

    def curves_given(self, group: np.ndarray, curves: np.ndarray) -> tuple[np.ndarray, float]:
        """Modes of the curves given the group, by Newton's method on all at once; how far from them it ended."""
        curves, before, fresh = curves.copy(), np.inf, False
        settled = self.best is not None and self.best["far"] <= SETTLED
        for _ in range(MOST_NEWTON if settled else FIRST_NEWTON):
            at = self.at(group, curves)
            own = self.inverse
            if own is None or not fresh:
                own, fresh = factor(self.bending(at))[0], True
                self.inverse = own
            slopes = self.density(at[None])[1][0][self.layout.curve]
            ahead = np.einsum("nkm,nk->nm", own, slopes)
            far = np.sqrt((ahead**2).sum(1))
            farthest = float(far.max())
            if not farthest > SETTLED:
                break
            fresh, before = farthest < SHRINK * before, farthest
            step = np.einsum("nkm,nm->nk", own, ahead) * (2.0 / np.maximum(far, 2.0))[:, None]
            for _ in range(5):  # until no curve has overshot
                there = self.density(self.at(group, curves + step)[None])[1][0][self.layout.curve]
                over = ~((there * step).sum(1) > -0.5 * (slopes * step).sum(1))
                if not over.any():
                    break
                step[over] *= SHRINK
            curves += step
        return curves, farthest

    def look(self, group: np.ndarray) -> float:
        """Log marginal density of the group at a place; where it is the highest so far, all about it becomes known."""
        near = self.best
        curves = (
            self.start[self.layout.curve] if near is None else near["curves"] + near["lean"] @ (group - near["group"])
        )
        try:
            curves, far = self.curves_given(group, curves)
            at = self.at(group, curves)
            own, log_det = factor(self.bending(at))
        except np.linalg.LinAlgError:
            far = np.inf
        if not far < (np.inf if near is None else 1.0):  # from the start, the way may be long
            self.inverse = None
            return -np.inf
        self.inverse = own
        values, slopes = self.density(at[None])
        value = float(values[0]) - 0.5 * log_det
        if near is None or value > near["value"]:
            here = {"value": value, "group": group, "curves": curves, "own": own, "far": far}
            self.best = here | self._about(at, own, slopes[0])
        return value

    def _about(self, at: np.ndarray, own: np.ndarray, slopes: np.ndarray) -> dict[str, np.ndarray]:
        """How curves lean with the group, its standard deviations, and Newton's step in these, at a mode of curves."""
        by_group = self.crossing(at)
        lean = np.einsum("nkm,nlm,pnl->nkp", own, own, by_group[:, self.layout.curve])
        # the log determinant's slope: third derivatives along each curve's own directions, of all curves at once
        ways = np.zeros((own.shape[2], at.size))
        ways[:, self.layout.curve] = np.moveaxis(own, 2, 0)
        total = slopes + 0.5 * self.density.differences(at, ways, WIDE_STEP)[1].sum(0)
        gradient = total[self.layout.group] + np.einsum("nkp,nk->p", lean, total[self.layout.curve])
        inner = by_group[:, self.layout.group]
        bending = -0.5 * (inner + inner.T) - np.einsum("nkp,qnk->pq", lean, by_group[:, self.layout.curve])
        eigenvalues, ways_out = np.linalg.eigh(bending)
        out = ways_out / np.sqrt(np.maximum(np.abs(eigenvalues), 1.0))
        return {"lean": lean, "out": out, "ahead": out.T @ gradient}

    def run(self) -> Place:
        """Climb from the start, by Newton's steps within a radius of trust; the map at the best place found."""
        self.look(self.start[self.layout.group])
        if self.best is None:
            raise RuntimeError("no start has a finite density")
        radius = FIRST_RADIUS
        for _ in range(MOST_LOOKS if self.layout.group.size else 0):
            best = self.best
            far = float(np.linalg.norm(best["ahead"]))
            if far < NEAR or radius < LEAST_RADIUS:
                break
            step = best["ahead"] * min(1.0, radius / far)
            value = self.look(best["group"] + best["out"] @ step)
            size = float(np.linalg.norm(step))
            came = (value - best["value"]) / float(step @ best["ahead"] - 0.5 * step @ step)
            radius = max(radius, 2.0 * size) if came > TRUSTED else radius if came > DOUBTED else SHORTER * size
        best = self.best
        straight = np.tile([0.0, 1.0, 0.0, 1.0], (best["group"].size, 1))
        own = np.linalg.cholesky(best["own"] @ best["own"].swapaxes(1, 2))
        ways, bend = np.empty((0, len(straight))), np.empty((*own.shape, 0))
        return Place(best["group"], best["out"], straight, best["curves"], best["lean"] @ best["out"], own, ways, bend)


def recentred(density: Density, layout: Layout, before: Place, draws: np.ndarray, rng: np.random.Generator) -> Place:
    """Make the map anew from draws (chain, draw, coordinate) that were made with the one before.

    Moments of the group, regressions of curves' conditional means on it, and of their factors where many change with
    it.
    """
    every = draws.reshape(-1, draws.shape[-1])
    count, size = len(every), layout.group.size
    skew = skewness(every[:, layout.group])
    straight, _ = straightened(every[:, layout.group], skew)
    base, spread = straight.mean(0), np.empty((0, 0))
    if size:
        scatter = np.atleast_2d(np.cov(straight.T))
        shrunk = (scatter * count + np.diag(np.diag(scatter)) * size) / (count + size)
        spread = np.linalg.cholesky(shrunk + 1e-12 * np.eye(size) * np.diag(shrunk).max())
    chosen = rng.permutation(count)[: LEAST_PLACES + size]
    apart = every[:, layout.curve] - every[:, layout.curve].mean(0)
    wide = np.linalg.cholesky(np.einsum("snk,snm->nkm", apart, apart) / count + 1e-12 * np.eye(layout.curve.shape[1]))
    first = before.normal_given(every[chosen][:, layout.group])
    means, factors = normal_given_group(density, layout, every[chosen], first, wide)
    u = np.linalg.solve(spread, (straight[chosen] - base).T).T if size else np.empty((len(chosen), 0))
    by = np.concatenate([np.ones((len(chosen), 1)), u], axis=1)
    penalty = RIDGE * np.diag(np.r_[0.0, np.ones(size)])
    fitted = np.linalg.solve(by.T @ by + penalty, by.T @ means.reshape(len(chosen), -1))
    left = means - (by @ fitted).reshape(means.shape)
    covariances = factors @ factors.swapaxes(-1, -2) + np.mean(left[..., :, None] * left[..., None, :], axis=0)
    own = np.linalg.cholesky(covariances.mean(0))
    inside = np.linalg.inv(own)
    turns = np.linalg.cholesky(inside @ covariances @ inside.swapaxes(-1, -2))
    diag = np.einsum("snkk->snk", turns)
    diag[...] = np.log(diag)
    bends = np.linalg.solve(by.T @ by + penalty, by.T @ turns.reshape(len(chosen), -1))[1:]
    ways_out, sizes, bends = np.linalg.svd(np.clip(bends, -MOST_BENT, MOST_BENT), full_matrices=False)
    kept = sizes**2 > LEAST_BENT
    ways, bend = ways_out.T[kept], np.moveaxis((sizes[:, None] * bends)[kept].reshape(-1, *own.shape), 0, -1)
    fitted = fitted.reshape(1 + size, *means.shape[1:])
    lean = np.moveaxis(fitted[1:], 0, -1)
    return Place(base, spread, skew, fitted[0], lean, own, ways, bend)


def normal_given_group(
    density: Density, layout: Layout, at: np.ndarray, first: tuple[np.ndarray, np.ndarray], wide: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The normal nearest in divergence to each curve given the group: means, and factors F of F·Fᵀ.

    Shapes: ``at`` (place, coordinate), means (place, curve, variable), factors (place, curve, variable, variable), as
    ``first``; ``wide`` (curve, variable, variable) limits the search (Opper and Archambeau 2009).
    """
    at, size = at.copy(), layout.curve.shape[1]
    at[:, layout.curve], axes = first[0], np.linalg.solve(wide, first[1])  # in units of wide
    for _ in range(ROUNDS):
        ways_out, sizes, rest = np.linalg.svd(axes)
        axes = ways_out * np.minimum(sizes, WIDEST)[..., None, :] @ rest
        own, ways = wide @ axes, np.zeros((size, *at.shape))
        ways[:, :, layout.curve] = np.moveaxis(own, 3, 0)
        moved = np.concatenate([at[None], at + ways, at - ways])
        slopes = density(moved.reshape(-1, at.shape[1]))[1].reshape(moved.shape)[:, :, layout.curve]
        slopes = np.where(np.isfinite(slopes), slopes, 0.0)[..., None, :] @ own  # (side, place, curve, 1, variable)
        middle, ahead, behind = slopes[0, :, :, 0], slopes[1 : 1 + size, :, :, 0], slopes[1 + size :, :, :, 0]
        bending = 0.5 * np.moveaxis(behind - ahead, 0, 2)
        values, vectors = np.linalg.eigh(0.5 * (bending + bending.swapaxes(2, 3)))
        values = np.clip(values, MOST_CHANGE**-4, MOST_CHANGE**4)
        slope = middle + 0.5 * (ahead + behind - 2.0 * middle).sum(0)
        step = (vectors / values[..., None, :]) @ (vectors.swapaxes(2, 3) @ slope[..., None])
        far = np.linalg.norm(step, axis=2, keepdims=True)
        at[:, layout.curve] += (own @ (step * DAMPED / np.maximum(far, 1.0)))[..., 0]
        axes = axes @ (vectors * values[..., None, :] ** -0.25)
        if max(far.mean(), np.abs(np.log(values)).mean()) < FOUND:
            break
    return at[:, layout.curve], wide @ axes
