"""Allocations by linear and mixed-integer programming, where greedy is not exact.

Net benefit is linear between the sizes of the grid, so a purchase is a set of filled segments. The objective is
concave in the net benefits of the draws, so it is built up by cuts: solve, take the tangent at the purchase found, add
it, until the solver's bound is met. That a slice's
segments must be filled in order is only demanded where the solver would not, with binary variables.
"""

from __future__ import annotations

import dataclasses
import time

import numpy as np
import scipy

from labelvalue.decisions.search.greedy import fills, slopes
from labelvalue.decisions.search.menu import Aim, Menu

TOLERANCE = 1e-6  # distance from the bound, relative to the scale of the objective, at which the search ends
ROUNDS = 400
MOST_ORDERED = 6_000
"""Segments up to which their order is demanded where the solver would not keep it; of more, a purchase is what the
segments of a slice hold together, valued as it is, and the bound that of segments in any order."""
STALLED = 5  # rounds without progress after which a search without order ends
WHOLE_VARIABLES = 400
"""Segments up to which whole labels are found by branching; beyond it, by rounding with the distance reported."""


@dataclasses.dataclass(frozen=True)
class Solution:
    """A purchase and how far it can be from the best.

    Parameters
    ----------
    bought : array of float, shape (slice,)
        Labels of each slice.
    objective : float
        What it reaches.
    bound : float
        What no purchase exceeds.
    status : str
        The solver's own words, with the number of cuts.
    """

    bought: np.ndarray
    objective: float
    bound: float
    status: str


class SolverError(RuntimeError):
    """The solver ended without a solution; there is no plan.

    Parameters
    ----------
    message : str
        What it said.
    """


def programme(menu: Menu, aim: Aim, *, whole: bool, seconds: float = 120.0) -> Solution:
    """Maximise the objective over purchases that keep every limit and are not empty.

    References
    ----------
    Rockafellar and Uryasev (2000), "Optimization of conditional value-at-risk", Journal of Risk 2(3); Künzi-Bay and
    Mayer (2006), "Computational aspects of minimizing conditional value-at-risk", Computational Management Science 3,
    for the cuts; Ben-Ameur and Neto (2007), "Acceleration of cutting-plane and column generation algorithms",
    Networks 49(1), for where the next cut is taken.
    """
    started = time.monotonic()
    master = _Master(menu, aim, whole)
    best, reached, bound, message, idle = None, -np.inf, np.inf, "", 0
    for _ in range(ROUNDS):
        left = seconds - (time.monotonic() - started)
        if left <= 0 and best is not None:
            break
        fill, at_most, message = master.solve(max(left, 1.0))
        if master.segments <= MOST_ORDERED and master.demand_order(fill):
            continue
        found = fill.sum(axis=1)
        closer = at_most < bound - TOLERANCE * master.scale
        bound = min(bound, at_most)
        value = aim.value(menu.total(menu.net, found) - menu.fixed) - menu.worst_weight * float(
            menu.errors(found).max()
        )
        idle = 0 if closer or value > reached else idle + 1
        if value > reached:
            best, reached = found, value
        if bound - reached <= TOLERANCE * master.scale or (master.segments > MOST_ORDERED and idle >= STALLED):
            break
        master.cut(found)
        if not whole and found is not best:
            master.cut(0.5 * (found + best))
    if best is None:
        raise SolverError(f"no purchase found: {message}")
    return Solution(best, reached, bound, f"{message.rstrip('.')}; {len(master.cuts)} cuts")


class _Master:
    """The linear programme of the cuts so far.

    Columns: the fill of every segment; θ, the objective in units of ``scale``; the highest and lowest expected error;
    a binary for every ordered segment but a slice's first.
    """

    def __init__(self, menu: Menu, aim: Aim, whole: bool):
        self.menu, self.aim, self.whole = menu, aim, whole
        self.least, self.most = fills(menu)
        self.length = np.diff(menu.labels)
        self.segments = self.least.size
        # Fills are in labels where they must be whole, in parts of their segment elsewhere: the solver errs less.
        self.unit = np.ones_like(self.length) if whole else self.length
        even = np.full(menu.fixed.size, 1.0 / menu.fixed.size)
        self.scale = max(float(np.abs(menu.net @ even).max()), float(np.abs(menu.fixed).max()), 1e-12)
        self.ordered: set[int] = set()
        self.cuts: list[tuple[np.ndarray, float]] = []
        self.cut(menu.low)

    def cut(self, bought: np.ndarray) -> None:
        """Bound the objective by its tangent at a purchase."""
        net = self.menu.total(self.menu.net, bought) - self.menu.fixed
        weights = self.aim.weights(net)
        slope = (slopes(self.menu, weights) * self.unit).ravel() / self.scale
        start = self.aim.value(net) - weights @ (net + self.menu.fixed)
        self.cuts.append((slope, float(start) / self.scale))

    def demand_order(self, fill: np.ndarray) -> bool:
        """Order the segments of slices that were filled out of order; say whether there were any."""
        gap = self.most[:, :-1] - fill[:, :-1]
        # A segment that its limits end before its length is the slice's last: nothing follows it.
        broken = ((gap > 1e-6 * self.length[:-1]) & (fill[:, 1:] > 1e-6 * self.length[1:])).any(axis=1)
        new = set(np.flatnonzero(broken).tolist()) - self.ordered
        self.ordered |= new
        return bool(new)

    def solve(self, seconds: float) -> tuple[np.ndarray, float, str]:
        """Return the fill of every segment, the bound in money, and the solver's words."""
        from scipy.optimize import Bounds, LinearConstraint, milp

        rows, at_most = self._rows()
        binaries = len(self.ordered) * (self.length.size - 1)
        columns = self.segments + 3 + binaries
        matrix = scipy.sparse.csr_array(_padded(rows, columns))
        goal = np.zeros(columns)
        goal[self.segments] = -1.0
        goal[self.segments + 1] = self.menu.worst_weight / self.scale
        lower = np.concatenate([(self.least / self.unit).ravel(), [-np.inf, -np.inf, -np.inf], np.zeros(binaries)])
        upper = np.concatenate([(self.most / self.unit).ravel(), [np.inf, np.inf, np.inf], np.ones(binaries)])
        if not self._fair:
            lower[self.segments + 1 : self.segments + 3] = upper[self.segments + 1 : self.segments + 3] = 0.0
        integrality = np.concatenate([np.full(self.segments, int(self.whole)), [0, 0, 0], np.ones(binaries)])
        result = milp(
            goal,
            integrality=integrality,
            bounds=Bounds(lower, upper),
            constraints=LinearConstraint(matrix, -np.inf, at_most),
            options={"time_limit": seconds, "mip_rel_gap": 1e-9},
        )
        if result.x is None:
            raise SolverError(result.message)
        dual = result.mip_dual_bound if integrality.any() and result.mip_dual_bound is not None else result.fun
        fill = np.clip(result.x[: self.segments].reshape(self.least.shape) * self.unit, self.least, self.most)
        return (np.round(fill) if self.whole else fill), -float(dual) * self.scale, str(result.message)

    @property
    def _fair(self) -> bool:
        return self.menu.worst_weight > 0 or bool(np.isfinite(self.menu.max_gap))

    def _rows(self) -> tuple[list[np.ndarray | scipy.sparse.sparray], np.ndarray]:
        menu, none = self.menu, np.zeros(self.segments)
        rows: list[np.ndarray | scipy.sparse.sparray] = []
        limits: list[float] = []

        def add(fill: np.ndarray, extra: tuple[float, float, float], limit: float) -> None:
            rows.append(np.concatenate([fill, extra])[None])
            limits.append(limit)

        for slope, start in self.cuts:
            add(-slope, (1.0, 0.0, 0.0), start)
        most = max(float(menu.max_labels), 1.0)
        each = np.broadcast_to(self.unit, self.least.shape).ravel() / most
        add(each, (0.0, 0.0, 0.0), menu.max_labels / most)
        if np.isfinite(menu.max_spend):
            price = (np.diff(menu.spend, axis=1) / self.length * self.unit).ravel()
            unit = max(abs(menu.max_spend), 1e-12)
            add(price / unit, (0.0, 0.0, 0.0), (menu.max_spend - menu.fixed_spend) / unit)
        if self._fair and menu.error is not None:
            if np.isfinite(menu.max_gap):
                add(none, (0.0, 1.0, -1.0), menu.max_gap)
            slope = np.diff(menu.error, axis=1) / self.length * self.unit
            for place in range(len(menu.slices)):
                own = np.zeros_like(slope)
                own[place] = slope[place]
                add(own.ravel(), (0.0, -1.0, 0.0), -float(menu.error[place, 0]))
                add(-own.ravel(), (0.0, 0.0, 1.0), float(menu.error[place, 0]))
        if self.ordered:
            block, at_most = self._order()
            rows.append(block)
            limits.extend(at_most)
        return rows, np.array(limits)

    def _order(self) -> tuple[scipy.sparse.sparray, list[float]]:
        """Rows: a segment is filled only if its binary is 1, and that only if the segment before is full."""
        later = self.length.size - 1
        count = len(self.ordered) * later
        open_from = np.concatenate([s * (later + 1) + 1 + np.arange(later) for s in sorted(self.ordered)])
        binary = self.segments + 3 + np.arange(count)
        row = np.arange(count)
        most = (self.most / self.unit).ravel()[open_from]
        before = np.tile((self.length / self.unit)[:-1], len(self.ordered))
        value = np.concatenate([np.ones(count), -most, -np.ones(count), before]).astype(float)
        place = np.concatenate([open_from, binary, open_from - 1, binary])
        shape = (2 * count, self.segments + 3 + count)
        where = (np.concatenate([row, row, row + count, row + count]), place)
        return scipy.sparse.coo_array((value, where), shape=shape), [0.0] * (2 * count)


def _padded(rows: list[np.ndarray | scipy.sparse.sparray], columns: int) -> scipy.sparse.sparray:
    """Stack rows of different widths, zeros to the right."""
    wide = []
    for row in rows:
        block = scipy.sparse.csr_array(row)
        wide.append(scipy.sparse.csr_array((block.data, block.indices, block.indptr), shape=(block.shape[0], columns)))
    return scipy.sparse.vstack(wide, format="csr")
