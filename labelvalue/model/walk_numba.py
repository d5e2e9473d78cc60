"""The walk's filter for numba, compiled once and kept in PyTensor's cache on disk.

A module of its own because numba takes a second to import, which only a fit needs.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numba.extending import register_jitable
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_default_op_cache_key

from labelvalue.model import walk_filter
from labelvalue.model.walk_filter import MISMATCH, mismatched, walk
from labelvalue.model.walk_operation import WalkFilter

for helper in (walk_filter.gather, walk_filter.forward, walk_filter.backward, walk_filter.distribute, walk, mismatched):
    register_jitable(helper)

VERSION = zlib.crc32(b"".join(Path(file).read_bytes() for file in (walk_filter.__file__, __file__)))
"""Stands in the key of the cache: other arithmetic must not find what was compiled of this."""


@register_funcify_default_op_cache_key(WalkFilter)
def compile_walk_filter(op: WalkFilter, **kwargs: Any) -> tuple[Callable[..., Any], int]:
    """Make the filter of all curves; PyTensor calls it when it compiles a graph for numba.

    Parameters
    ----------
    op : WalkFilter
        The operation; it has no settings.
    **kwargs : object
        What PyTensor says of the graph; not needed.

    Returns
    -------
    tuple of (function, int)
        To be compiled, and the version of what it computes.

    Examples
    --------
    >>> compile_walk_filter(WalkFilter())[1] == VERSION
    True
    """

    @numba_njit
    def walk_of_each_curve(residual, variance, used, distance, slope_sd):  # type: ignore[no-untyped-def]
        if mismatched(residual, variance, used, distance, slope_sd):
            raise ValueError(MISMATCH)
        loglikelihood, to_slope_sd = np.empty(slope_sd.shape), np.empty(slope_sd.shape)
        to_residual, to_variance = np.empty(residual.shape), np.empty(residual.shape)
        sums, states = np.empty((3, residual.shape[1])), np.empty((4, residual.shape[1]))
        for c in range(residual.shape[0]):
            here = residual[c], variance[c], used[c], distance[c], slope_sd[c], to_residual[c], to_variance[c]
            loglikelihood[c], to_slope_sd[c] = walk(*here, sums, states)
        return loglikelihood, to_residual, to_variance, to_slope_sd

    return walk_of_each_curve, VERSION
