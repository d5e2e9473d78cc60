"""The log-likelihood of curves for numba, compiled once and kept in PyTensor's cache on disk.

A module of its own because numba takes a second to import, which only a fit needs.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from numba.extending import register_jitable
from pytensor.link.numba.dispatch.basic import (
    numba_funcify_ensure_cache,
    numba_njit,
    register_funcify_and_cache_key,
)

from labelvalue.model import walk_filter
from labelvalue.model.curve_operation import CurveLoglikelihood

AS_NUMPY = {"error_model": "numpy"}
"""A division by 0 is no error but infinite, and costs no question."""

for helper in (walk_filter.forward, walk_filter.backward, walk_filter.walk):
    register_jitable(**AS_NUMPY)(helper)

VERSION = zlib.crc32(b"".join(Path(file).read_bytes() for file in (walk_filter.__file__, __file__)))
"""Stands in the key of the cache: another filter must not find what was compiled of this one."""


@register_funcify_and_cache_key(CurveLoglikelihood)
def compile_curves(op: CurveLoglikelihood, **kwargs: Any) -> tuple[Callable[..., Any], str | None]:
    """Make the loops over curves; PyTensor calls it when it compiles a graph for numba.

    Parameters
    ----------
    op : CurveLoglikelihood
        Knows its terms.
    **kwargs : object
        What PyTensor says of the graph; not needed.

    Returns
    -------
    tuple of (function, str)
        To be compiled, and the key of what it computes.

    Examples
    --------
    >>> from labelvalue.model.cell_terms import Terms, differentiate
    >>> def line(parameters, data):
    ...     return Terms(data["y"] - parameters["level"], 1.0, 0.0, 0.0, 0.0)
    >>> key, again = (compile_curves(CurveLoglikelihood(differentiate(line, ["level"], [], ["y"])))[1] for _ in "ab")
    >>> key == again
    True
    """
    parts, keys = [], []
    for part in op.parts:
        numbers = None if part is None else part.make_node(*part.inputs)
        made, key = (None, "") if part is None else numba_funcify_ensure_cache(part, node=numbers)
        parts.append(made)
        keys.append(key)
    known = None if None in keys else sha256(f"{VERSION} {keys} {op.source}".encode()).hexdigest()
    return numba_njit(op.loops(parts, walk_filter.walk), **AS_NUMPY), known
