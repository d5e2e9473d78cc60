"""The walk's filter as one operation of PyTensor.

Unrolled over knots, filter and gradient would be thousands of small operations that every fit has to rewrite and
compile.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType, grad_not_implemented
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op

from labelvalue.model.walk_filter import MISMATCH, mismatched, walk


class WalkFilter(Op):
    """Log-likelihood of each curve, with its derivatives by residual, variance and slope_sd as further outputs.

    The derivatives cost little beside the log-likelihood and a sampler wants both, so there is one operation, and its
    gradient is a product.

    Examples
    --------
    >>> one = np.ones((1, 1, 1))
    >>> float(WalkFilter()(0 * one, one, one, 0 * one[0], one[0, 0]).eval()[0].round(4))
    -0.9189
    """

    __props__ = ()
    default_output = 0

    def make_node(self, *inputs: Any) -> Apply:
        """Take residual, variance, used, distance and slope_sd as PyTensor variables of type float64."""
        from labelvalue.model import walk_numba  # noqa: F401  registers the compiled form, before anything is compiled

        residual, variance, used, distance, slope_sd = (pt.cast(pt.as_tensor(x), "float64") for x in inputs)
        for variable, ndim in ((residual, 3), (variance, 3), (used, 3), (distance, 2), (slope_sd, 1)):
            if variable.type.ndim != ndim:
                raise ValueError(f"the walk's filter needs {ndim} dims here, got {variable.type.ndim}: {variable}")
        outputs = [slope_sd.type(), residual.type(), variance.type(), slope_sd.type()]
        return Apply(self, [residual, variance, used, distance, slope_sd], outputs)

    def infer_shape(self, node: Apply, shapes: Sequence[Any]) -> list[Any]:
        """Shapes of the outputs from those of the inputs."""
        residual, variance, _, _, slope_sd = shapes
        return [slope_sd, residual, variance, slope_sd]

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: Sequence[list[Any]]) -> None:
        """Compute with NumPy, on all curves at once."""
        if mismatched(*inputs):
            raise ValueError(MISMATCH)
        residual, variance, used, distance, slope_sd = (np.moveaxis(x, 0, -1) for x in inputs)
        to_residual, to_variance = np.empty(inputs[0].shape), np.empty(inputs[1].shape)
        sums, states = np.empty((3, *distance.shape)), np.empty((4, *distance.shape))
        to_cells = np.moveaxis(to_residual, 0, -1), np.moveaxis(to_variance, 0, -1)
        loglikelihood, to_slope_sd = walk(residual, variance, used, distance, slope_sd, *to_cells, sums, states)
        for storage, value in zip(output_storage, (loglikelihood, to_residual, to_variance, to_slope_sd), strict=True):
            storage[0] = value

    def pullback(self, inputs: Sequence[Any], outputs: Sequence[Any], cotangents: Sequence[Any]) -> list[Any]:
        """Gradient by residual, variance and slope_sd, once; the layout is data."""
        if not all(isinstance(c.type, DisconnectedType) for c in cotangents[1:]):
            return [grad_not_implemented(self, i, x, "no second derivatives") for i, x in enumerate(inputs)]
        by_curve = cotangents[0]
        by_cell = by_curve[:, None, None]
        _, to_residual, to_variance, to_slope_sd = outputs
        layout = [grad_not_implemented(self, i, inputs[i], "the layout is data") for i in (2, 3)]
        return [by_cell * to_residual, by_cell * to_variance, *layout, by_curve * to_slope_sd]
