"""Least-squares power laws, ``floor + scale * labels**-elasticity``, fitted to many data vectors at once.

For a given elasticity the other two parameters are a non-negative linear regression, solved in closed form,
so that the search is over one bounded number: a grid that cannot miss the global minimum's neighbourhood,
then five zooms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ELASTICITIES = np.concatenate([[0.0], np.geomspace(0.01, 4.0, 100)])
"""Search grid; 0 makes the curve a constant."""
ZOOMS, ZOOM_POINTS = 5, 9


@dataclass(frozen=True, eq=False)
class PowerLaws:
    """Fitted curves, one per data vector; all arrays have shape (fit,).

    Parameters
    ----------
    reference : float
        Labels at which the curve's error is ``floor + scale``.
    floor, scale, elasticity : numpy.ndarray
        Parameters, all non-negative.
    squares : numpy.ndarray
        Weighted residual sum of squares.
    """

    reference: float
    floor: np.ndarray
    scale: np.ndarray
    elasticity: np.ndarray
    squares: np.ndarray

    def error(self, labels: np.ndarray) -> np.ndarray:
        """Compute the error at some sizes.

        Parameters
        ----------
        labels : array, shape (size,)
            Labels.

        Returns
        -------
        array, shape (fit, size)
            Errors on the curves.
        """
        ratio = np.asarray(labels, float) / self.reference
        return self.floor[:, None] + self.scale[:, None] * ratio ** -self.elasticity[:, None]


def fit_power_laws(
    labels: np.ndarray, errors: np.ndarray, weights: np.ndarray | None = None, *, floor: bool = True
) -> PowerLaws:
    """Fit a power law to each row of ``errors`` by weighted least squares.

    Parameters
    ----------
    labels : array, shape (size,)
        Training-set sizes.
    errors : array, shape (fit, size)
        Mean errors; NaN entries are ignored.
    weights : array, broadcastable to ``errors``, optional
        Weights of the squares; equal by default.
    floor : bool
        Whether the curve may level off above zero.

    Returns
    -------
    PowerLaws
        One curve per row.

    Examples
    --------
    >>> sizes = np.array([100.0, 200.0, 400.0, 800.0])
    >>> curve = fit_power_laws(sizes, 0.1 + 0.2 * (sizes / 800) ** -0.5)
    >>> np.round(curve.error(np.array([3200.0])), 3).tolist()
    [[0.2]]
    """
    labels = np.asarray(labels, float)
    errors = np.atleast_2d(errors)
    weights = np.broadcast_to(1.0 if weights is None else weights, errors.shape) * np.isfinite(errors)
    errors = np.nan_to_num(errors)
    reference = labels.max()
    log_ratio = np.log(labels / reference)
    grid = np.broadcast_to(ELASTICITIES, (len(errors), len(ELASTICITIES)))
    for zoom in range(ZOOMS + 1):
        scale, level, squares = _profile(log_ratio, errors, weights, grid, floor)
        best = squares.argmin(axis=1)[:, None]
        if zoom == ZOOMS:
            break
        last = grid.shape[1] - 1
        low = np.take_along_axis(grid, np.maximum(best - 1, 0), 1)
        high = np.take_along_axis(grid, np.minimum(best + 1, last), 1)
        grid = low + (high - low) * np.linspace(0, 1, ZOOM_POINTS)
    pick = [np.take_along_axis(array, best, 1)[:, 0] for array in (level, scale, grid, squares)]
    return PowerLaws(reference, *pick)


def _profile(
    log_ratio: np.ndarray, errors: np.ndarray, weights: np.ndarray, elasticity: np.ndarray, floor: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Best scale, floor and sum of squares for each elasticity; shape (fit, elasticity)."""
    if elasticity.strides[0] == 0:  # the same grid for all fits: a matrix product does it
        basis = np.exp(-elasticity[0][:, None] * log_ratio)
        total = lambda power, data: data @ (basis**power).T  # noqa: E731
    else:
        basis = np.exp(-elasticity[:, :, None] * log_ratio)
        total = lambda power, data: np.einsum("fgs,fs->fg", basis**power, data)  # noqa: E731
    sum_x, sum_xx, sum_xy = total(1, weights), total(2, weights), total(1, weights * errors)
    sum_w, sum_y, sum_yy = ((weights * errors**p).sum(axis=1, keepdims=True) for p in range(3))

    through_origin = sum_xy / sum_xx
    if floor:
        determinant = sum_w * sum_xx - sum_x**2
        flat = determinant <= 1e-9 * sum_w * sum_xx
        slope = (sum_w * sum_xy - sum_x * sum_y) / np.where(flat, 1.0, determinant)
        slope = np.where(flat, 0.0, np.maximum(slope, 0.0))
        level = (sum_y - slope * sum_x) / sum_w
        scale = np.where(level < 0, through_origin, slope)
        level = np.maximum(level, 0.0)
    else:
        scale, level = through_origin, np.zeros_like(through_origin)
    squares = sum_yy - 2 * (scale * sum_xy + level * sum_y) + scale**2 * sum_xx
    squares += 2 * scale * level * sum_x + level**2 * sum_w
    return scale, level, np.maximum(squares, 0.0)
