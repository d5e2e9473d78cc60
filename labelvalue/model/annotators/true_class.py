"""The true class summed over, and the gradient, for judgements among many classes.

For every pattern all classes are weighed, none left out. Written in tables of groups and of classes, a weight is a
product, so that a pattern costs a few passes over its classes, and no logarithm but one.
"""

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

MISMATCH = "slices, classes, groups or labels of judgements do not go with the tables"
RESCALED = 8  # votes after which weights are brought back to the order of 1: of hundreds, the product would be 0


def sum_over_truth(tables: Any, judgements: Any, count: Any, gradients: Any) -> float:
    """Return the log likelihood of patterns, and add up its derivatives by each entry of the tables, under numba."""
    of_slice, truth, group, label = judgements
    prevalence, right, wrong, share = np.exp(tables[0]), np.exp(tables[1]), np.exp(tables[2]), np.exp(tables[3])
    to_prevalence, to_right, to_wrong, to_share = gradients
    classes = prevalence.shape[1]
    weight = np.empty(classes)
    total = 0.0
    for p in range(count.size):
        if truth[p] >= 0:
            total += count[p] * known(tables, truth[p], group, label, p, count[p], gradients)
            continue
        place = of_slice[p]
        for k in range(classes):
            weight[k] = prevalence[place, k]
        scale = weigh(right, wrong, share, group, label, p, weight)
        whole = 0.0
        for k in range(classes):
            whole += weight[k]
        total += count[p] * (np.log(whole) + scale)
        items = count[p] / whole
        for k in range(classes):
            weight[k] *= items
            to_prevalence[place, k] += weight[k]
        spread_over(weight, group, label, p, to_right, to_wrong, to_share)
    return total


def weigh(right: Any, wrong: Any, share: Any, group: Any, label: Any, p: int, weight: Any) -> float:
    """Multiply ``weight`` (class) by the probabilities of votes (pattern, vote); the log of what was taken out."""
    scale = 0.0
    for v in range(group.shape[1]):
        who, said = group[p, v], label[p, v]
        if who < 0:
            continue
        agreed = weight[said] * right[who, said]
        for k in range(weight.size):
            weight[k] *= wrong[who, k] * share[said, k]
        weight[said] = agreed
        if v % RESCALED == RESCALED - 1:
            most = weight.max()
            scale += np.log(most)
            for k in range(weight.size):
                weight[k] /= most
    return scale


def spread_over(weight: Any, group: Any, label: Any, p: int, to_right: Any, to_wrong: Any, to_share: Any) -> None:
    """Add a pattern's items, spread over classes by ``weight`` (class), to the derivatives of what its votes touch."""
    for v in range(group.shape[1]):
        who, said = group[p, v], label[p, v]
        if who < 0:
            continue
        kept_wrong, kept_share = to_wrong[who, said], to_share[said, said]
        for k in range(weight.size):
            to_wrong[who, k] += weight[k]
            to_share[said, k] += weight[k]
        to_wrong[who, said], to_share[said, said] = kept_wrong, kept_share
        to_right[who, said] += weight[said]


def mismatched(tables: Any, judgements: Any, count: Any) -> bool:
    """Whether some code has no place in the tables, which loops would read, and write, beyond their ends."""
    of_slice, truth, group, label = judgements
    slices, classes = tables[0].shape
    if tables[1].shape != tables[2].shape or tables[1].shape[1] != classes or tables[3].shape != (classes, classes):
        return True
    patterns = count.shape[0]
    if of_slice.shape[0] != patterns or truth.shape[0] != patterns or group.shape[0] != patterns:
        return True
    if group.shape != label.shape:
        return True
    groups = tables[1].shape[0]
    for p in range(patterns):
        if of_slice[p] < 0 or of_slice[p] >= slices or truth[p] >= classes:
            return True
        for v in range(group.shape[1]):
            if group[p, v] >= groups or (group[p, v] >= 0 and (label[p, v] < 0 or label[p, v] >= classes)):
                return True
    return False


def known(tables: Any, truth: int, group: Any, label: Any, p: int, items: float, gradients: Any) -> float:
    """Return the log likelihood of the votes on an item whose class is known, and add to the derivatives."""
    total = 0.0
    for v in range(group.shape[1]):
        who, said = group[p, v], label[p, v]
        if who < 0:
            continue
        if said == truth:
            total += tables[1][who, truth]
            gradients[1][who, truth] += items
        else:
            total += tables[2][who, truth] + tables[3][said, truth]
            gradients[2][who, truth] += items
            gradients[3][said, truth] += items
    return total


TABLES = 4  # inputs that are tables; the others are data

for helper in (mismatched, weigh, spread_over, known, sum_over_truth):
    register_jitable(helper)

VERSION = zlib.crc32(Path(__file__).read_bytes())
"""Stands in the key of the cache: other arithmetic must not find what was compiled of this."""


class SumOverTruth(Op):
    """Log likelihood of all patterns, with its derivatives by the four tables; inputs as of :func:`sum_over_truth`."""

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
    """Make the sum; PyTensor calls it when it compiles a graph for numba."""

    @numba_njit
    def sum_of_patterns(prevalence, right, wrong, share, of_slice, truth, group, label, count):  # type: ignore[no-untyped-def]
        tables, judgements = (prevalence, right, wrong, share), (of_slice, truth, group, label)
        if mismatched(tables, judgements, count):
            raise ValueError(MISMATCH)
        gradients = np.zeros(prevalence.shape), np.zeros(right.shape), np.zeros(wrong.shape), np.zeros(share.shape)
        total = sum_over_truth(tables, judgements, count, gradients)
        return np.asarray(total), gradients[0], gradients[1], gradients[2], gradients[3]

    return sum_of_patterns, VERSION
