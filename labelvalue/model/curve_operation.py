"""The log-likelihood of each curve as one operation of PyTensor, with its derivatives.

As PyTensor's own operations, law, noise and filter with their gradients would be hundreds that every fit has to
rewrite and compile, and each would write and read all cells.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType, grad_not_implemented
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.cache import compile_numba_function_src

from labelvalue.model.cell_terms import Definition, Differentiated, differentiate
from labelvalue.model.ragged import FIRST_CELL
from labelvalue.model.walk_filter import ROOM, walk

DISTANCE = "distance"
SCATTER = ("scatter", "scatter_df")
"""Data of a cell whose runs scatter, one of which is above 0."""
MISMATCH = (
    "parameters and data by curve must be one shorter than first_cell, data by cell as long as its last says, "
    "and it must begin with 0 and never fall"
)

SOURCE = """
def loglikelihoods(first_cell, distance, {arguments}):
    curves = first_cell.size - 1
    if {mismatched}:
        raise ValueError(MISMATCH)
    longest = 0
    for curve in range(curves):
        if first_cell[curve + 1] < first_cell[curve]:
            raise ValueError(MISMATCH)
        longest = max(longest, first_cell[curve + 1] - first_cell[curve])
    loglikelihood, slopes = np.zeros(curves), np.zeros(({parameters}, curves))
    residuals, variances, states = np.empty(longest), np.empty(longest), np.empty(({room}, longest))
    kept = np.empty(({kept}, longest))
    for curve in range(curves):
        start, cells = first_cell[curve], first_cell[curve + 1] - first_cell[curve]
        {of_curve}
        {head}
        {zeros}
        beside = 0.0
        for place in range(cells):
            {of_cell}
            {cell}
            residuals[place], variances[place] = {terms.residual}, {terms.variance}
            beside += {terms.beside}
            {keep}
            {beside}
            if {scatters}:
                {between}
                beside += {terms.scatter}
                {scatter}
        residual, variance = residuals[:cells], variances[:cells]
        walked, to_slope_sd = walk(residual, variance, distance[start : start + cells], {terms.slope_sd}, states)
        loglikelihood[curve] = walked + beside
        for place in range(cells):
            {recall}
            to_residual, to_variance = residual[place], variance[place]
            {through}
        {tail}
        {write}
    return {results}
"""
"""Compiled by numba, and run as it is where there is no compiler."""


def source_of(terms: Differentiated) -> str:
    """Write the loops over curves and cells for some terms.

    Parameters
    ----------
    terms : Differentiated
        Terms and derivatives.

    Returns
    -------
    str
        A function ``loglikelihoods`` that calls ``head``, ``cell``, ``between``, ``walk`` and ``tail``.

    Examples
    --------
    >>> from labelvalue.model.cell_terms import Terms, differentiate
    >>> def line(parameters, data):
    ...     return Terms(data["y"] - parameters["slope"] * data["x"], 1.0, 0.0, 0.0, 0.0)
    >>> "cell_0, cell_1 = cell(" in source_of(differentiate(line, ["slope"], [], ["x", "y"]))
    True
    """
    by_curve = [*_numbered("parameter", terms.parameters), *_numbered("of_curve", terms.of_curve)]
    by_cell, sums = list(_numbered("of_cell", terms.of_cell)), list(_numbered("to_local", terms.into_cell))
    kept = sorted({x for by in terms.slopes for x in by[:2] if x.startswith(("cell", "of_cell"))})

    def sums_of(**factors: str) -> list[str]:
        parts = [
            [f"{factor}{by}" for term, factor in factors.items() if (by := getattr(slope, term))]
            for slope in terms.slopes
        ]
        return [f"{name} += {' + '.join(part)}" for name, part in zip(sums, parts, strict=True) if part]

    lines = {
        "of_curve": [f"{name} = {name}s[curve]" for name in by_curve],
        "head": _call("head", terms.head, by_curve),
        "zeros": [f"{name} = 0.0" for name in sums],
        "of_cell": [f"{name} = {name}s[start + place]" for name in by_cell],
        "cell": _call("cell", terms.cell, [*terms.into_cell, *by_cell]),
        "keep": [f"kept[{place}, place] = {name}" for place, name in enumerate(kept)],
        "beside": sums_of(beside=""),
        "between": _call("between", terms.between, [*terms.into_cell, *by_cell]),
        "scatter": sums_of(scatter=""),
        "recall": [f"{name} = kept[{place}, place]" for place, name in enumerate(kept)],
        "through": sums_of(residual="to_residual * ", variance="to_variance * "),
        "tail": _call("tail", terms.tail, [*by_curve, *sums, "to_slope_sd"]),
        "write": [f"slopes[{place}, curve] = {name}" for place, name in enumerate(terms.to_parameters)],
    }
    mismatched = ["first_cell[0] != 0", *(f"{name}s.size != curves" for name in by_curve)]
    mismatched += [f"{name}s.size != first_cell[curves]" for name in by_cell] + ["distance.size != first_cell[curves]"]
    return SOURCE.format(
        arguments=", ".join(f"{name}s" for name in (*by_curve, *by_cell)),
        mismatched=" or ".join(mismatched),
        scatters=" or ".join(f"{at} > 0.0" for at, name in zip(by_cell, terms.of_cell, strict=True) if name in SCATTER)
        or "False",
        parameters=len(terms.parameters),
        room=ROOM,
        kept=len(kept),
        terms=terms.terms,
        results=", ".join(["loglikelihood", *(f"slopes[{place}]" for place in range(len(terms.parameters)))]),
        **{name: _indented(name, some) for name, some in lines.items()},
    )


def _numbered(kind: str, some: Sequence[str]) -> Iterator[str]:
    return (f"{kind}_{place}" for place in range(len(some)))


def _call(name: str, operation: Any, arguments: Sequence[str]) -> list[str]:
    if operation is None:
        return []
    return [f"{', '.join(f'{name}_{place}' for place in range(operation.nout))} = {name}({', '.join(arguments)})"]


def _indented(name: str, lines: Sequence[str]) -> str:
    (at,) = (line for line in SOURCE.splitlines() if line.strip() == f"{{{name}}}")
    space = at[: len(at) - len(at.lstrip())]
    return f"\n{space}".join(line for line in lines if line) or "pass"


class CurveLoglikelihood(Op):
    """Log-likelihood of each curve, with its derivatives by each parameter as further outputs.

    The derivatives cost little beside the log-likelihood and a sampler wants both, so there is one operation, and its
    gradient is a product. Inputs: ``first_cell``, ``distance``, then parameters and data as the terms name them.

    Parameters
    ----------
    terms : Differentiated
        What a cell adds.

    Examples
    --------
    >>> from labelvalue.model.cell_terms import Terms, differentiate
    >>> def line(parameters, data):
    ...     return Terms(data["y"] - parameters["level"], 1.0, 0.0, 0.0, 0.0)
    >>> op = CurveLoglikelihood(differentiate(line, ["level"], [], ["y"]))
    >>> op(np.array([0, 1]), np.zeros(1), np.zeros(1), np.zeros(1)).eval().round(4)
    array([-0.9189])
    """

    __props__ = ("terms",)
    default_output = 0

    def __init__(self, terms: Differentiated) -> None:
        self.terms = terms
        self._data = 2 + len(terms.parameters)

    def make_node(self, *inputs: Any) -> Apply:
        """Take the place of each curve's first cell as int64, everything else as float64."""
        from labelvalue.model import curve_numba  # noqa: F401  registers the compiled form, before anything is compiled

        made = [pt.cast(pt.as_tensor(x), "float64" if place else "int64") for place, x in enumerate(inputs)]
        for variable in made:
            if variable.type.ndim != 1:
                raise ValueError(f"curves need vectors, got {variable.type.ndim} dims: {variable}")
        outputs = [pt.TensorType("float64", made[2].type.shape)() for _ in range(1 + len(self.terms.parameters))]
        return Apply(self, made, outputs)

    def infer_shape(self, node: Apply, shapes: Sequence[Any]) -> list[Any]:
        """Every output has as many entries as there are curves."""
        return [shapes[2]] * len(node.outputs)

    @cached_property
    def source(self) -> str:
        """Text of the loops."""
        return source_of(self.terms)

    @property
    def parts(self) -> tuple[Any, ...]:
        """Operations on numbers that the loops call: head, cell, between and tail."""
        return self.terms.head, self.terms.cell, self.terms.between, self.terms.tail

    def loops(self, parts: Sequence[Any], walk: Any) -> Callable[..., Any]:
        """Make the loops that call these functions."""
        world = dict(zip(("head", "cell", "between", "tail"), parts, strict=True))
        world |= {"walk": walk, "np": np, "MISMATCH": MISMATCH}
        return compile_numba_function_src(self.source, "loglikelihoods", world)

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: Sequence[list[Any]]) -> None:
        """Compute with Python's loops, which only tests wait for."""
        parts = [part and part.impl for part in self.parts]
        for storage, value in zip(output_storage, self.loops(parts, walk)(*inputs), strict=True):
            storage[0] = value

    def pullback(self, inputs: Sequence[Any], outputs: Sequence[Any], cotangents: Sequence[Any]) -> list[Any]:
        """Gradient by the parameters, once; the rest is data."""
        if not all(isinstance(c.type, DisconnectedType) for c in cotangents[1:]):
            return [grad_not_implemented(self, i, x, "no second derivatives") for i, x in enumerate(inputs)]
        data = [grad_not_implemented(self, i, x, "this is data") for i, x in enumerate(inputs)]
        return [*data[:2], *(cotangents[0] * by for by in outputs[1:]), *data[self._data :]]


def curve_loglikelihood(
    definition: Definition, parameters: Mapping[str, Any], data: Mapping[str, Any], of_cell: Collection[str]
) -> Any:
    """Log-likelihood of each curve, its discrepancy integrated out.

    Parameters
    ----------
    definition : callable
        What a cell adds: from parameters and data, by name, to :class:`labelvalue.model.cell_terms.Terms`.
    parameters : mapping of str to tensor
        Scalars or one a curve.
    data : mapping of str to tensor
        As from :func:`labelvalue.model.ragged.in_a_row`.
    of_cell : collection of str
        Names of those data that have one number a cell; the others have one a curve, or one in all.

    Returns
    -------
    tensor, dim (curve)
        Log-likelihood of each curve.

    References
    ----------
    Wahba (1978), "Improper priors, spline smoothing and the problem of guarding against model errors in
    regression", JRSS B 40, for the integrated walk; Durbin and Koopman (2012), "Time Series Analysis by State Space
    Methods", for its filter.

    Examples
    --------
    >>> from labelvalue.model.cell_terms import Terms
    >>> def line(parameters, data):
    ...     return Terms(data["y"] - parameters["level"], 1.0, 0.0, 0.0, parameters["walk"])
    >>> data = {"first_cell": np.array([0, 1, 1]), "distance": np.zeros(1), "y": np.zeros(1)}
    >>> curve_loglikelihood(line, {"level": np.zeros(2), "walk": 0.1}, data, {"y"}).eval().round(4)
    array([-0.9189,  0.    ])
    """
    terms = differentiate(definition, tuple(parameters), [name for name in data if name not in of_cell], of_cell)
    first_cell = pt.as_tensor(data[FIRST_CELL])
    length = first_cell.type.shape[0]
    curves = first_cell.shape[0] - 1 if length is None else length - 1
    by_curve = map(pt.as_tensor, [*parameters.values(), *(data[name] for name in terms.of_curve)])
    vectors = [value if value.type.ndim else pt.alloc(value, curves) for value in by_curve]
    by_cell = [data[name] for name in terms.of_cell]
    return CurveLoglikelihood(terms)(first_cell, data[DISTANCE], *vectors, *by_cell)
