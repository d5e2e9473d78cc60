"""The arithmetic of one cell with all of its derivatives, found once from its plain definition.

A definition is plain arithmetic, such as :func:`labelvalue.model.hierarchy.building.terms_of_cell` makes of family,
effective labels and noise. Here it is run on PyTensor scalars, cut in two and differentiated: what depends on the curve
alone is computed once a curve (the *head*), the rest for every cell; and derivatives, summed over cells, go back
through the head once a curve (the *tail*).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import pytensor.tensor as pt
from pytensor.graph.basic import Constant
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.replace import clone_replace
from pytensor.graph.rewriting.basic import MergeOptimizer
from pytensor.graph.traversal import ancestors, toposort
from pytensor.scalar.basic import Composite, Expm1, Log1p, ScalarConstant, float64, get_scalar_type
from pytensor.tensor.elemwise import Elemwise


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
    """A definition with its derivatives, as operations on numbers and the names of what they take and give.

    Names: ``parameter_0`` is the first of ``parameters``, ``of_curve_0`` and ``of_cell_0`` the first of these data,
    ``head_0``, ``cell_0``, ``between_0`` and ``tail_0`` the first output of these operations; or a name is a number.
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
    """The same with exponentials and logarithms that take a third of the time of those that are exact about 1.

    What is lost is a rounding of the log error, 2e-16, where cells differ by no less than 1e-4.
    """
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
    return operation, [repr(float(x.data)) if isinstance(x, Constant) else names[x] for x in outputs]
