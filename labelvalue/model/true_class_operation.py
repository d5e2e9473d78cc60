"""The sum over true classes as one operation of PyTensor, compiled by numba and kept in PyTensor's cache on disk.

As tensors, patterns by classes by votes, every gradient would write and read them several times over.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytensor.tensor as pt
from numba.extending import register_jitable
from pytensor.gradient import DisconnectedType, grad_not_implemented
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_default_op_cache_key

from labelvalue.model import true_class
from labelvalue.model.true_class import MISMATCH, mismatched, sum_over_truth

TABLES = 4
"""Inputs that are tables; the others are data."""

for helper in (mismatched, true_class.weigh, true_class.spread_over, true_class.known, sum_over_truth):
    register_jitable(helper)

VERSION = zlib.crc32(b"".join(Path(file).read_bytes() for file in (true_class.__file__, __file__)))
"""Stands in the key of the cache: other arithmetic must not find what was compiled of this."""


class SumOverTruth(Op):
    """Log likelihood of all patterns, with its derivatives by the four tables as further outputs.

    Inputs as in :func:`labelvalue.model.true_class.sum_over_truth`, one after another: four tables, slice, known
    class, groups, labels, counts.

    Examples
    --------
    >>> one = np.log([[0.5, 0.5]]), np.log([[0.9, 0.9]]), np.log([[0.1, 0.1]]), np.zeros((2, 2))
    >>> float(np.exp(SumOverTruth()(*one, [0], [-1], [[0, 0]], [[1, 1]], [1.0]).eval()).round(3))
    0.41
    """

    __props__ = ()
    default_output = 0

    def make_node(self, *inputs: Any) -> Apply:
        """Take tables and counts as float64, the rest as int64."""
        kinds = ("float64",) * TABLES + ("int64",) * 4 + ("float64",)
        made = [pt.cast(pt.as_tensor(x), kind) for x, kind in zip(inputs, kinds, strict=True)]
        for variable, ndim in zip(made, (2, 2, 2, 2, 1, 1, 2, 2, 1), strict=True):
            if variable.type.ndim != ndim:
                raise ValueError(f"the sum over true classes needs {ndim} dims here: {variable}")
        return Apply(self, made, [pt.dscalar(), *(table.type() for table in made[:TABLES])])

    def infer_shape(self, node: Apply, shapes: Sequence[Any]) -> list[Any]:
        """Shapes of the outputs from those of the inputs."""
        return [(), *shapes[:TABLES]]

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: Sequence[list[Any]]) -> None:
        """Compute with Python's loops, which only tests wait for."""
        given = tuple(inputs[:TABLES]), tuple(inputs[TABLES:-1]), inputs[-1]
        if mismatched(*given):
            raise ValueError(MISMATCH)
        gradients = tuple(np.zeros(table.shape) for table in inputs[:TABLES])
        total = sum_over_truth(*given, gradients)
        for storage, value in zip(output_storage, (np.asarray(total), *gradients), strict=True):
            storage[0] = value

    def pullback(self, inputs: Sequence[Any], outputs: Sequence[Any], cotangents: Sequence[Any]) -> list[Any]:
        """Gradient by the tables, once; the rest is data."""
        if not all(isinstance(c.type, DisconnectedType) for c in cotangents[1:]):
            return [grad_not_implemented(self, i, x, "no second derivatives") for i, x in enumerate(inputs)]
        data = [grad_not_implemented(self, i, inputs[i], "this is data") for i in range(TABLES, len(inputs))]
        return [*(cotangents[0] * by_table for by_table in outputs[1:]), *data]


@register_funcify_default_op_cache_key(SumOverTruth)
def compile_sum_over_truth(op: SumOverTruth, **kwargs: Any) -> tuple[Callable[..., Any], int]:
    """Make the sum; PyTensor calls it when it compiles a graph for numba.

    Parameters
    ----------
    op : SumOverTruth
        The operation; it has no settings.
    **kwargs : object
        What PyTensor says of the graph; not needed.

    Returns
    -------
    tuple of (function, int)
        To be compiled, and the version of what it computes.

    Examples
    --------
    >>> compile_sum_over_truth(SumOverTruth())[1] == VERSION
    True
    """

    @numba_njit
    def sum_of_patterns(prevalence, right, wrong, share, of_slice, truth, group, label, count):  # type: ignore[no-untyped-def]
        tables, judgements = (prevalence, right, wrong, share), (of_slice, truth, group, label)
        if mismatched(tables, judgements, count):
            raise ValueError(MISMATCH)
        gradients = np.zeros(prevalence.shape), np.zeros(right.shape), np.zeros(wrong.shape), np.zeros(share.shape)
        total = sum_over_truth(tables, judgements, count, gradients)
        return np.asarray(total), gradients[0], gradients[1], gradients[2], gradients[3]

    return sum_of_patterns, VERSION
