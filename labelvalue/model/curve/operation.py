"""The log-likelihood of each curve as one operation of PyTensor, with its derivatives, from the terms of one cell.

A definition is plain arithmetic. Here it is run on PyTensor scalars, cut in two and differentiated: what depends on the
curve alone is computed once a curve (the *head*), the rest for every cell; derivatives, summed over cells, go back
through the head once a curve (the *tail*). As PyTensor's own operations it would be hundreds to compile.
"""

import dataclasses
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytensor
import pytensor.tensor as pt
from numba.extending import register_jitable
from pytensor.gradient import DisconnectedType, grad_not_implemented
from pytensor.graph.basic import Apply, Constant
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.op import Op
from pytensor.graph.replace import clone_replace
from pytensor.graph.rewriting.basic import MergeOptimizer
from pytensor.graph.traversal import ancestors, toposort
from pytensor.link.numba.cache import compile_numba_function_src
from pytensor.link.numba.dispatch.basic import numba_funcify_ensure_cache, numba_njit, register_funcify_and_cache_key
from pytensor.scalar.basic import Composite, Expm1, Log1p, ScalarConstant, float64, get_scalar_type
from pytensor.tensor.elemwise import Elemwise

from labelvalue.model.curve.observations import FIRST_CELL


class Terms(NamedTuple):
    """What a cell adds to the log-likelihood of its curve."""

    residual: Any  # observed minus expected log error
    variance: Any  # variance of its noise
    beside: Any  # what the cell adds beside the density of its residual
    scatter: Any  # what it adds for the scatter between its runs; asked for only where there is any
    slope_sd: Any
    """Standard deviation that the slope of the curve's discrepancy gains over one doubling; of the curve alone."""


Definition = Callable[[Mapping[str, Any], Mapping[str, Any]], Terms]
"""From parameters and data by name to terms: plain arithmetic, as families are."""


@dataclasses.dataclass(frozen=True)
class Differentiated:
    """A definition with its derivatives, as operations on numbers, and the names of what they take and give.

    Names are ``parameter_0``, ``of_curve_0`` and ``of_cell_0``, then ``head_0``, ``cell_0``, ``between_0`` and
    ``tail_0``; or numbers.
    """

    head: Composite | None
    """Of each curve, before its cells: from ``parameters`` and ``of_curve``; none where there is nothing to do."""
    cell: Composite | None  # of each cell: from ``into_cell`` and ``of_cell``
    between: Composite | None  # of each cell whose runs scatter, from the same
    tail: Composite | None
    """Of each curve, after its cells: from ``parameters``, ``of_curve``, the derivatives of its log-likelihood by
    ``into_cell`` and that by the slope's standard deviation."""
    parameters: tuple[str, ...]
    of_curve: tuple[str, ...]
    of_cell: tuple[str, ...]
    into_cell: tuple[str, ...]  # names of what cells take of their curve
    terms: Terms  # their names
    slopes: tuple[Terms, ...]
    """Names of the derivatives of the terms by each of ``into_cell``; empty where there is none."""
    to_parameters: tuple[str, ...]  # names of the derivatives of a curve's log-likelihood by each of ``parameters``


def differentiate(
    definition: Definition, parameters: Collection[str], of_curve: Collection[str], of_cell: Collection[str]
) -> Differentiated:
    """Turn a definition into operations on numbers, with its derivatives."""
    given = {name: pt.dscalar(name) for name in (*parameters, *of_curve, *of_cell)}
    told = definition({p: given[p] for p in parameters}, {d: given[d] for d in (*of_curve, *of_cell)})
    terms = Terms(*_merged([pt.as_tensor(term) for term in told]))
    used = {*ancestors(terms)}
    kept = [[name for name in data if given[name] in used] for data in (of_curve, of_cell)]
    curve = _named("parameter", [given[name] for name in parameters]) | _named("of_curve", [given[n] for n in kept[0]])
    cells = _named("of_cell", [given[name] for name in kept[1]])

    crossing = _crossing(terms[:-1], cells)
    local = [x.type() for x in crossing]
    here = _quick(clone_replace(terms[:-1], dict(zip(crossing, local, strict=True))))
    head, (*into_cell, slope_sd) = _operation("head", curve, [*crossing, terms.slope_sd])
    taken = dict(zip(local, into_cell, strict=True)) | cells
    cell, (spoken, slopes) = _with_slopes("cell", taken, here[:-1], local)
    between, (scatter, more) = _with_slopes("between", taken, here[-1:], local)
    spoken, slopes = [*spoken, *scatter], [[*row, *one] for row, one in zip(slopes, more, strict=True)]

    to_local, to_slope_sd = [x.type() for x in crossing], pt.dscalar()
    cost = sum((a * b for a, b in zip(to_local, crossing, strict=True)), to_slope_sd * terms.slope_sd)
    back = pt.grad(cost, [given[name] for name in parameters], disconnected_inputs="ignore")
    taken = curve | _named("to_local", to_local) | {to_slope_sd: "to_slope_sd"}
    tail, to_parameters = _operation("tail", taken, _merged(back))
    return Differentiated(
        head=head,
        cell=cell,
        between=between,
        tail=tail,
        parameters=tuple(parameters),
        of_curve=tuple(kept[0]),
        of_cell=tuple(kept[1]),
        into_cell=tuple(into_cell),
        terms=Terms._make([*spoken, slope_sd]),
        slopes=tuple(Terms._make([*row, ""]) for row in slopes),
        to_parameters=tuple(to_parameters),
    )


def _with_slopes(
    kind: str, given: Mapping[Any, str], terms: Sequence[Any], local: Sequence[Any]
) -> tuple[Composite | None, tuple[list[str], list[list[str]]]]:
    """An operation that gives terms and their derivatives; their names, those of derivatives by what is local."""
    rows = [pt.grad(x, local, disconnected_inputs="ignore", return_disconnected="none") for x in terms]
    flat = [*terms, *(x for row in rows for x in row if x is not None)]
    operation, spoken = _operation(kind, given, _merged(flat))
    told = iter(spoken[len(terms) :])
    by_term = [["" if x is None else next(told) for x in row] for row in rows]
    return operation, (spoken[: len(terms)], [list(by) for by in zip(*by_term, strict=True)])


def _named(kind: str, variables: Sequence[Any]) -> dict[Any, str]:
    return {x: f"{kind}_{place}" for place, x in enumerate(variables)}


def _merged(outputs: Any) -> Any:
    """The same with everything computed once."""
    graph = FunctionGraph(outputs=list(outputs), clone=False)
    MergeOptimizer().rewrite(graph)
    return graph.outputs


def _quick(outputs: Sequence[Any]) -> Any:
    """The same with exponentials and logarithms that take a third of the time and lose a rounding of 2e-16."""
    graph = FunctionGraph(outputs=list(outputs), clone=False)
    for node in graph.toposort():
        match node.op.scalar_op if isinstance(node.op, Elemwise) else None:
            case Expm1():
                graph.replace(node.outputs[0], pt.exp(node.inputs[0]) - 1.0)
            case Log1p():
                graph.replace(node.outputs[0], pt.log(1.0 + node.inputs[0]))
    return graph.outputs


def _crossing(terms: Sequence[Any], cells: Mapping[Any, str]) -> list[Any]:
    """What cells take of their curve: values that do not depend on a cell, where they meet one that does."""
    cellwise, crossing = set(cells), dict.fromkeys(x for x in terms if not isinstance(x, Constant))
    for node in toposort(terms):
        if any(x in cellwise for x in node.inputs):
            cellwise.update(node.outputs)
            crossing |= dict.fromkeys(x for x in node.inputs if not isinstance(x, Constant))
    return [x for x in crossing if x not in cellwise]


def _operation(kind: str, given: Mapping[Any, str], outputs: Sequence[Any]) -> tuple[Composite | None, list[str]]:
    """An operation on numbers that gives what is neither given nor a constant, and names of all outputs."""
    number = {x: float64.make_variable() for x in given}

    def as_number(x: Any) -> Any:
        return ScalarConstant(get_scalar_type(x.type.dtype), x.data) if isinstance(x, Constant) else number[x]

    for node in toposort(outputs, blockers=list(given)):
        if not isinstance(node.op, Elemwise):
            raise TypeError(f"a cell's terms must be arithmetic on numbers, and {node.op} is not")
        made = node.op.scalar_op.make_node(*map(as_number, node.inputs))
        number.update(zip(node.outputs, made.outputs, strict=True))
    names = dict(given)
    done = [x for x in dict.fromkeys(outputs) if x not in names and not isinstance(x, Constant)]
    names |= _named(kind, done)
    operation = Composite([number[x] for x in given], [number[x] for x in done]) if done else None
    for variable in operation.fgraph.variables if operation else ():
        variable.auto_name = ""  # a count of all variables of this process, which a fingerprint would take for a part
    return operation, [repr(float(x.data)) if isinstance(x, Constant) else names[x] for x in outputs]


LOG_2_PI = 1.8378770664093453

LEAST, MOST = 1e-150, 1e150  # within these, variances are multiplied, and one logarithm is taken of them all

ROOM = 5  # rows of ``states``: what the backward loop needs of each cell from the forward one


def forward(residual: Any, variance: Any, distance: Any, rate: float, states: Any) -> float:
    """Run the Kalman filter over cells from the nearest to the farthest; ``states`` (5, cells)."""
    level = slope = level_var = shared_var = slope_var = before = misfit = logs = 0.0
    product = 1.0
    for cell in range(residual.shape[0]):
        step = distance[cell] - before
        before = distance[cell]
        level += step * slope
        level_var += step * (2.0 * shared_var + step * (slope_var + rate * step / 3.0))
        shared_var += step * (slope_var + rate * step / 2.0)
        slope_var += rate * step
        total = level_var + variance[cell]
        precision = 1.0 / total
        miss = residual[cell] - level
        surprise = miss * precision
        misfit += miss * surprise
        product *= total
        if not LEAST < product < MOST:
            logs += np.log(product)
            product = 1.0
        states[0, cell], states[1, cell] = surprise, precision
        states[2, cell], states[3, cell], states[4, cell] = level_var, shared_var, step
        level += level_var * surprise
        slope += shared_var * surprise
        slope_var -= shared_var * shared_var * precision
        kept = variance[cell] * precision
        level_var, shared_var = level_var * kept, shared_var * kept
    return -0.5 * (misfit + logs + np.log(product) + residual.shape[0] * LOG_2_PI)


def backward(states: Any, rate: float, to_residual: Any, to_variance: Any) -> float:
    """Run :func:`forward` in reverse, from derivatives of the log-likelihood (cells) to those of its inputs."""
    to_level = to_slope = to_level_var = to_shared_var = to_slope_var = to_rate = 0.0
    cells = to_residual.shape[0]
    for back in range(cells):
        cell = cells - 1 - back
        surprise, precision = states[0, cell], states[1, cell]
        level_var, shared_var, step = states[2, cell], states[3, cell], states[4, cell]
        gain, share = level_var * precision, shared_var * precision
        # Through what the cell taught: the states after it, and its misfit.
        to_surprise = to_level * level_var + to_slope * shared_var
        to_miss = to_surprise * precision - surprise
        to_total = (
            0.5 * (surprise * surprise - precision)
            - to_surprise * surprise * precision
            + gain * (to_level_var * gain + to_shared_var * share)
            + to_slope_var * share * share
        )
        to_residual[cell], to_variance[cell] = to_miss, to_total
        to_level_var = to_total + to_level * surprise + to_level_var * (1.0 - 2.0 * gain) - to_shared_var * share
        to_shared_var = to_slope * surprise + to_shared_var * (1.0 - gain) - 2.0 * to_slope_var * share
        to_level = to_level - to_miss
        # Through the step to the cell.
        to_rate += step * (to_slope_var + step * (to_shared_var / 2.0 + to_level_var * step / 3.0))
        to_slope += step * to_level
        to_slope_var += step * (to_shared_var + step * to_level_var)
        to_shared_var += 2.0 * step * to_level_var
    return to_rate


def walk(residual: Any, variance: Any, distance: Any, slope_sd: float, states: Any) -> tuple[float, float]:
    """Log-likelihood of a curve's cells around a slope that walks at random, and its derivatives."""
    rate = slope_sd * slope_sd
    loglikelihood = forward(residual, variance, distance, rate, states)
    return loglikelihood, 2.0 * slope_sd * backward(states, rate, residual, variance)


DISTANCE = "distance"
SCATTER = ("scatter", "scatter_df")  # data of a cell whose runs scatter, one of which is above 0
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
"""  # compiled by numba, and run as it is where there is no compiler


def source_of(terms: Differentiated) -> str:
    """Write the loops over curves and cells for some terms."""
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
    """Log-likelihood of each curve, with its derivatives by each parameter as further outputs: a sampler wants both."""

    __props__ = ("terms",)
    default_output = 0

    def __init__(self, terms: Differentiated) -> None:
        self.terms = terms
        self._data = 2 + len(terms.parameters)

    def make_node(self, *inputs: Any) -> Apply:
        """Take the place of each curve's first cell as int64, everything else as float64."""
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
    """Log-likelihood of each curve (curve), its walk integrated out by a Kalman filter (Durbin and Koopman 2012)."""
    of_curve = [name for name in data if name not in of_cell]
    with pytensor.config.change_flags(traceback__limit=0):  # else each script that asks would make another operation
        terms = differentiate(definition, tuple(parameters), of_curve, of_cell)
    first_cell = pt.as_tensor(data[FIRST_CELL])
    length = first_cell.type.shape[0]
    curves = first_cell.shape[0] - 1 if length is None else length - 1
    by_curve = map(pt.as_tensor, [*parameters.values(), *(data[name] for name in terms.of_curve)])
    vectors = [value if value.type.ndim else pt.alloc(value, curves) for value in by_curve]
    by_cell = [data[name] for name in terms.of_cell]
    return CurveLoglikelihood(terms)(first_cell, data[DISTANCE], *vectors, *by_cell)


AS_NUMPY = {"error_model": "numpy"}  # a division by 0 is no error but infinite, and costs no question

for helper in (forward, backward, walk):
    register_jitable(**AS_NUMPY)(helper)

VERSION = zlib.crc32(Path(__file__).read_bytes())
"""Stands in the key of the cache: another filter must not find what was compiled of this one."""


@register_funcify_and_cache_key(CurveLoglikelihood)
def compile_curves(op: CurveLoglikelihood, **kwargs: Any) -> tuple[Callable[..., Any], str | None]:
    """Make the loops over curves; PyTensor calls it when it compiles a graph for numba."""
    parts, keys = [], []
    for part in op.parts:
        numbers = None if part is None else part.make_node(*part.inputs)
        made, key = (None, "") if part is None else numba_funcify_ensure_cache(part, node=numbers)
        parts.append(made)
        keys.append(key)
    known = None if None in keys else sha256(f"{VERSION} {keys} {op.source}".encode()).hexdigest()
    return numba_njit(op.loops(parts, walk), **AS_NUMPY), known
