"""Observations as a built model holds them: the cells of all curves in a row, without the padding of the grid."""

from __future__ import annotations

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.model.observations import CURVE, KNOT, SLOT

FIRST_CELL = "first_cell"
"""Where each curve's cells begin, and after the last curve where they end."""


def in_a_row(observations: xr.Dataset) -> dict[str, np.ndarray]:
    """Lay the cells that are used in a row: by curve, within a curve from the reference down.

    Parameters
    ----------
    observations : xarray.Dataset
        From :func:`labelvalue.model.observations.observe`.

    Returns
    -------
    dict of str to array
        What ``observations`` holds by cell, and ``distance``, in a row; what it holds by curve as it is; and
        ``first_cell``, one longer than there are curves.

    Examples
    --------
    >>> from labelvalue.model.observations import observe
    >>> from labelvalue.testing import fake_runs
    >>> seen = observe(fake_runs(seed=1))
    >>> row = in_a_row(seen)
    >>> int(row["first_cell"][-1]) == row["log_error"].size == int(seen["used"].sum())
    True
    """
    used = observations["used"].transpose(CURVE, KNOT, SLOT)
    here, of_cell = used.values > 0, cell_names(observations)
    row = {str(name): values.values for name, values in observations.drop_vars([names.SIZES, "used"]).items()}
    for name in of_cell:
        row[name] = observations[name].broadcast_like(used).transpose(*used.dims).values[here]
    return row | {FIRST_CELL: np.concatenate([[0], np.cumsum(here.sum((1, 2)))])}


def cell_names(observations: xr.Dataset) -> list[str]:
    """Name what observations hold by cell.

    Parameters
    ----------
    observations : xarray.Dataset
        From :func:`labelvalue.model.observations.observe`.

    Returns
    -------
    list of str
        Names of its variables, without ``used``.

    Examples
    --------
    >>> from labelvalue.model.observations import observe
    >>> from labelvalue.testing import fake_runs
    >>> "log_error" in cell_names(observe(fake_runs(seed=1)))
    True
    """
    return [str(name) for name, values in observations.items() if KNOT in values.dims and name != "used"]
