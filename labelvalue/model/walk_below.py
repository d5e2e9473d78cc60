"""The shape discrepancy at and below the reference size, drawn given the runs: what is fitted is what is drawn.

The fit integrates the walk out of a curve's cells (:mod:`labelvalue.model.walk_filter`), so that the posterior holds
none. Given the parameters of a draw, walk and cells are jointly Gaussian, and the walk is drawn from what the cells
leave of it; beyond the farthest cell it goes on at random. Nothing of it is stored: a curve's walks are drawn when a
size below its reference is first asked for.
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.model.cells import CURVE_KEYS
from labelvalue.model.curves import HALF_LABEL
from labelvalue.model.observations import CURVE, KNOT, SLOT, observe
from labelvalue.model.residuals import by_curve, residuals
from labelvalue.model.specification import Model
from labelvalue.model.walk import (
    HORIZON,
    KNOTS_PER_DOUBLING,
    NEAR,
    entropy_of,
    level_covariance,
    standard_walks,
    walk_at,
)

REMEMBERED = 16
"""Curves whose walks are kept, a few megabytes each: a plot asks for so many at a time, and more than once."""
SIDE = "below the reference"
"""Keeps these random numbers apart from those of the walks beyond."""


@dataclasses.dataclass(frozen=True, eq=False)
class Below:
    """Walks of the curves of a fit below their reference sizes, given its runs.

    Parameters
    ----------
    model : Model
        Gives the curve.
    posterior : xarray.Dataset
        The fit's draws.
    runs : xarray.Dataset
        Its runs.
    classes : int
        Number of classes.
    random_seed : int
        Its seed.
    stretch : float
        How much farther than fitted the draws of the parameters were spread about their medians
        (:func:`labelvalue.forecast.recalibration.recalibrated`); the sum of curve and walk then spreads as much.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> fake_fit(seed=1).below.stretch
    1.0
    """

    model: Model
    posterior: xr.Dataset
    runs: xr.Dataset
    classes: int
    random_seed: int
    stretch: float = 1.0
    _drawn: dict[tuple[str, ...], tuple[np.ndarray, np.ndarray]] = dataclasses.field(default_factory=dict, repr=False)

    @functools.cached_property
    def observations(self) -> xr.Dataset:
        """The runs as the fit saw them."""
        return observe(self.runs, self.classes)

    def strays(self, distance: xr.DataArray) -> xr.DataArray:
        """Read each curve's standard walk below its reference size.

        Parameters
        ----------
        distance : xarray.DataArray
            Doublings of the slice's own labels below the reference size; dims of curves with coordinates, others such
            as sizes, and chain and draw where it differs by draw.

        Returns
        -------
        xarray.DataArray
            Same dims, and chain and draw; 0 at and beyond the reference size. In units of the slope's standard
            deviation over one doubling.

        Examples
        --------
        >>> from labelvalue.testing import fake_fit
        >>> below = fake_fit(seed=1).below
        >>> at = xr.DataArray([[0.0, 2.0]], dims=("slice", "size"), coords={"slice": ["west"]})
        >>> (abs(below.strays(at)).max(("chain", "draw", "slice")) > 0).values.tolist()
        [False, True]
        """
        sample = names.SAMPLE
        owners = [d for d in CURVE_KEYS if d in distance.dims]
        alone = {d: str(distance[d].item()) for d in CURVE_KEYS if d in distance.coords and d not in owners}
        rest = [d for d in distance.dims if d not in (*sample, *owners)]
        coords = {d: self.posterior[d] for d in sample if d in self.posterior.coords}
        if sample[0] not in distance.dims:
            distance = distance.expand_dims(dict.fromkeys(sample, 1))
        distance = distance.transpose(*sample, *owners, *rest)
        out = np.zeros((*(self.posterior.sizes[d] for d in sample), *distance.shape[2:]))
        for index in np.ndindex(*(distance.sizes[d] for d in owners)):
            place = (slice(None), slice(None), *index)
            at = distance.values[place]
            if (at > NEAR).any():
                whose = alone | {d: str(distance[d].values[i]) for d, i in zip(owners, index, strict=True)}
                out[place] = walk_at(*self.paths(**whose), at.reshape(at.shape[0] * at.shape[1], -1)).reshape(
                    out[place].shape
                )
        kept = {name: c for name, c in distance.coords.items() if not set(c.dims) & set(sample)}
        return xr.DataArray(out, dims=distance.dims, coords=kept | coords)

    def paths(self, **whose: str) -> tuple[np.ndarray, np.ndarray]:
        """Draw a curve's standard walks, one a posterior draw.

        They depend on the draws and runs of the fit, on its seed and on the curve's names alone.

        Parameters
        ----------
        **whose : str
            ``slice``, and ``learner`` and ``suite`` where the fit has several. A curve that the runs do not tell of,
            such as that of a new slice, walks at random throughout.

        Returns
        -------
        level, slope : array, shape (samples, knots)
            At each half doubling, as far as half a label.

        Examples
        --------
        >>> from labelvalue.testing import fake_fit
        >>> level, slope = fake_fit(seed=1).below.paths(slice="west")
        >>> level.shape == slope.shape, level.shape[0]
        (True, 1000)
        """
        key = tuple(whose.get(part, "") for part in CURVE_KEYS)
        found = self._drawn.pop(key, None) or self._draw(whose)
        while len(self._drawn) >= REMEMBERED:
            self._drawn.pop(next(iter(self._drawn)))
        self._drawn[key] = found
        return found

    def _draw(self, whose: dict[str, str]) -> tuple[np.ndarray, np.ndarray]:
        samples = int(np.prod([self.posterior.sizes[d] for d in names.SAMPLE]))
        seen = self.observations
        same = [seen[part].values.astype(str) == name for part, name in whose.items()]
        curves = np.flatnonzero(np.logical_and.reduce(same))
        called = {part: str(seen[part].values[curves[0]]) for part in CURVE_KEYS} if curves.size == 1 else whose
        rng = np.random.default_rng(entropy_of(self.random_seed, SIDE, *called.values()))
        if curves.size != 1:
            return standard_walks(rng, samples)
        own = seen.isel({CURVE: curves})
        to_half_a_label = np.log2(own[names.REFERENCE_LABELS].item() / HALF_LABEL)
        level, slope = standard_walks(rng, samples, min(max(to_half_a_label, 1.0), HORIZON))
        cells = self._cells(own)
        return walks_given(level, slope, *cells, rng.standard_normal(cells[0].shape))

    def _cells(self, observations: xr.Dataset) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Residuals, variances, standard deviation of the slope, and distances of one curve; cells at a knot as one."""
        draws = by_curve(self.posterior, observations)
        found = residuals(self.model, draws, observations)
        variance = found.variance * self.stretch**2
        if names.WEIGHT in observations:
            variance = variance / observations[names.WEIGHT]
        precision = observations["used"] / variance
        sums = precision.sum(SLOT), (precision * found.residual).sum(SLOT)
        distance = observations["distance"].transpose(CURVE, KNOT).values[0]
        some = (observations["used"] > 0).any(SLOT).transpose(CURVE, KNOT).values[0] & (distance > 0.0)
        like, order = draws[names.DISCREPANCY], (*names.SAMPLE, CURVE, KNOT)
        total, weighted = (
            part.broadcast_like(like).transpose(*order).values[:, :, 0][..., some].reshape(like.size, -1)
            for part in sums
        )
        slope_sd = np.log(2.0) * like.transpose(*order[:3]).values.ravel()
        return weighted / total, 1.0 / total, slope_sd, np.minimum(distance[some], HORIZON)


def walks_given(
    level: np.ndarray,
    slope: np.ndarray,
    residual: np.ndarray,
    variance: np.ndarray,
    slope_sd: np.ndarray,
    distance: np.ndarray,
    noise: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Turn walks drawn without any runs into walks drawn given what was measured along them.

    A walk and measurements of it are drawn, and moved by what regression says of the difference to what was measured
    (Matheron's rule); the outcome has exactly the distribution of the walk given the measurements.

    Parameters
    ----------
    level, slope : array, shape (samples, knots)
        Standard walks, from :func:`labelvalue.model.walk.standard_walks`.
    residual, variance : array, shape (samples, cells)
        Observed log error minus that of the family's law, and the variance of its noise.
    slope_sd : array, shape (samples,)
        Standard deviation that the slope gains over one doubling.
    distance : array, shape (cells,)
        Doublings below the reference size, each at a knot.
    noise : array, shape (samples, cells)
        Standard normals.

    Returns
    -------
    level, slope : array, shape (samples, knots)
        Still in units of ``slope_sd``.

    References
    ----------
    Wilson, Borovitskiy, Terenin, Mostowsky and Deisenroth (2021), "Pathwise conditioning of Gaussian processes", JMLR
    22. Durbin and Koopman (2002), "A simple and efficient simulation smoother for state space time series analysis",
    Biometrika 89, for the same rule along a state.

    Examples
    --------
    >>> level, slope = np.zeros((2, 1, 4))
    >>> exact = np.array([[0.3]]), np.array([[1e-9]]), np.array([0.1]), np.array([1.0]), np.zeros((1, 1))
    >>> (0.1 * walks_given(level, slope, *exact)[0]).round(3).tolist()
    [[0.0, 0.094, 0.3, 0.525]]
    """
    knots = np.arange(level.shape[1]) / KNOTS_PER_DOUBLING
    to_level = level_covariance(knots, distance)
    near = np.minimum.outer(knots, distance)
    to_slope = near * (distance - 0.5 * near)
    at = np.round(distance * KNOTS_PER_DOUBLING).astype(int)
    sd = slope_sd[:, None]
    joint = (sd**2)[..., None] * to_level[at] + variance[..., None] * np.eye(distance.size)
    miss = residual - sd * level[:, at] - np.sqrt(variance) * noise
    moved = sd * np.linalg.solve(joint, miss[..., None])[..., 0]
    return level + moved @ to_level.T, slope + moved @ to_slope.T
