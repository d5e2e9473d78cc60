"""A PyMC model compiled: its density with the gradient, and the variables of a draw, as functions that numba calls.

PyTensor keeps machine code, but rewrites the graph in every process anew, for seconds. Here the graph as it is written
has a fingerprint, by which a process finds the machine code and rewrites nothing.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import threading
import zlib
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pandas as pd
import pytensor
import xarray as xr
from pymc.initial_point import make_initial_point_fn
from pytensor.compile.builders import SymbolicOp
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Constant
from pytensor.graph.traversal import toposort
from pytensor.link.numba.cache import CACHED_SRC_FUNCTIONS, compile_numba_function_src, hash_from_pickle_dump

from labelvalue import names
from labelvalue.model.sampling.hmc import DENSITY as DENSITY_TYPE, VARIABLES as VARIABLES_TYPE
from labelvalue.storage import write_whole

VERSION = zlib.crc32(Path(__file__).read_bytes())
"""Stands in the keys of the cache: other wrappers must not find what was compiled of these."""
LIBRARIES = ("numba", "numpy", "pymc", "pytensor")

DENSITY = """
def density(dim, x, gradient, value, data):
    if dim != {inputs}:
        return -1
    try:
        {arrays}
        found, slopes = inner(carray(x, ({inputs},)){names})
        carray(value, ())[()] = found
        carray(gradient, ({inputs},))[...] = slopes
        if not np.all(np.isfinite(slopes)):
            return 3
        if not np.isfinite(found):
            return 4
    except Exception:
        return 1
    return 0
"""
VARIABLES = """
def variables(dim, expanded, x, out, data):
    if dim != {inputs} or expanded != {outputs}:
        return -1
    try:
        {arrays}
        (found,) = inner(carray(x, ({inputs},)){names})
        carray(out, ({outputs},))[...] = found
    except Exception:
        return -2
    return 0
"""


@dataclasses.dataclass(frozen=True)
class Layout:
    """How a draw's variables lie in one row, unconstrained first; ``places`` are where each begins, and the end."""

    names: tuple[str, ...]
    places: tuple[tuple[int, int], ...]
    shapes: tuple[tuple[int, ...], ...]
    inputs: int
    outputs: int


@dataclasses.dataclass(frozen=True)
class CompiledModel:
    """A compiled PyMC model: its functions, what makes a start of a seed, and its data in the functions' order."""

    layout: Layout
    dims: Mapping[str, tuple[str, ...]]
    coords: Mapping[str, pd.Index]
    density: Any
    variables: Any
    start: Callable[[int], np.ndarray]
    data: Mapping[str, np.ndarray]

    def with_data(self, **data: np.ndarray) -> CompiledModel:
        """Return the same model of other data of the same shapes."""
        unknown = [name for name in data if name not in self.data]
        if unknown:
            raise KeyError(f"the model has no data {', '.join(unknown)}")
        return dataclasses.replace(self, data=_held({**self.data, **data}, self.data))

    def tree(self, variables: Mapping[str, np.ndarray], stats: Mapping[str, np.ndarray]) -> xr.DataTree:
        """Groups ``posterior`` and ``sample_stats`` of draws, (chain, draw, ...) each."""
        sample, shape = names.SAMPLE, next(iter(stats.values())).shape
        coords: dict[str, Any] = {dim: np.arange(size) for dim, size in zip(sample, shape, strict=True)}
        posterior, used = {}, set()
        for name, size in zip(self.layout.names, self.layout.shapes, strict=True):
            if name in variables:
                dims = self.dims.get(name) or tuple(f"{name}_dim_{place}" for place in range(len(size)))
                posterior[name] = ((*sample, *dims), variables[name].reshape(*shape, *size))
                used |= {*dims}
        of_dims = {dim: self.coords[dim].to_numpy() for dim in used if dim in self.coords}
        told = xr.Dataset({name: (sample, values) for name, values in stats.items()}, coords)
        return xr.DataTree.from_dict({"posterior": xr.Dataset(posterior, coords | of_dims), "sample_stats": told})

    def pointers(self) -> np.ndarray:
        """What the functions are handed: all addresses of data, then all sizes, then all shapes."""
        arrays = self.data.values()
        numbers = [*(a.ctypes.data for a in arrays), *(a.size for a in arrays), *(n for a in arrays for n in a.shape)]
        return np.array(numbers or [0], dtype=np.uint64)

    def for_nutpie(self) -> Any:
        """Return the same as nutpie takes it."""
        from nutpie import compile_pymc

        shared = {pytensor.shared(array, name=name): name for name, array in self.data.items()}
        places = [slice(*place) for place in self.layout.places]
        return compile_pymc.CompiledPyMCModel(
            _n_dim=self.layout.inputs,
            dims=dict(self.dims),
            _coords={**self.coords, "unconstrained_parameter": pd.RangeIndex(self.layout.inputs)},
            _shapes=dict(zip(self.layout.names, self.layout.shapes, strict=True)),
            compiled_logp_func=self.density,
            compiled_expand_func=self.variables,
            initial_point_func=self.start,
            shared_data=dict(self.data),
            shared_var_keys=shared,
            user_data=compile_pymc.make_user_data(shared, dict(self.data)),
            n_expanded=self.layout.outputs,
            shape_info=(list(self.layout.names), places, list(self.layout.shapes)),
            logp_func=None,
            expand_func=None,
        )


def _held(data: Mapping[str, Any], like: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Copies that nobody changes."""
    held = {name: np.array(data[name], dtype=np.asarray(like[name]).dtype, order="C", copy=True) for name in like}
    for array in held.values():
        array.flags.writeable = False
    return held


def compile_pymc_model(model: Any) -> CompiledModel:
    """Compile a model, or find it compiled; chains start where it says, and jittered where it says nothing."""
    starts = model.rvs_to_initial_values
    jittered = {rv for rv in model.free_RVs if starts[rv] is None}
    first = make_initial_point_fn(model=model, jitter_rvs=jittered, return_transformed=True)
    shared = _shared_of(model)
    key = fingerprint(model, shared)
    recipe = _known(key)
    if recipe is None:
        recipe, inner = _compile(model, shared)
        made = [_callback(recipe, kind, inner[kind], shared) for kind in (0, 1)]
        if key is not None and all(recipe.inner):
            write_whole(_recipe_file(key), json.dumps(dataclasses.asdict(recipe)).encode())
    else:
        try:
            made = [_callback(recipe, kind, None, shared) for kind in (0, 1)]
        except numba.core.errors.NumbaError:  # the machine code is gone, the recipe is not
            _recipe_file(key or "").unlink(missing_ok=True)
            return compile_pymc_model(model)
    data = {name: shared[name].get_value(borrow=True) for name in recipe.data}
    coords = {
        name: pd.RangeIndex(int(model.dim_lengths[name].eval())) if values is None else pd.Index(values)
        for name, values in model.coords.items()
    }
    return CompiledModel(
        recipe.layout,
        _dims(model, recipe.layout),
        coords,
        made[0],
        made[1],
        _start(first, model, recipe.layout),
        _held(data, data),
    )


@dataclasses.dataclass(frozen=True)
class _Recipe:
    """What a process must know of compiled functions to load them: of density and variables, in this order."""

    layout: Layout
    data: tuple[str, ...]
    wanted: tuple[tuple[str, ...], ...]
    inner: tuple[str | None, ...]


def _shared_of(model: Any) -> dict[str, SharedVariable]:
    """The model's data by name, and lengths of its dims that may change."""
    lengths = {f"length of {name}": v for name, v in model.dim_lengths.items() if isinstance(v, SharedVariable)}
    return {str(v.name): v for v in model.data_vars} | lengths


def fingerprint(model: Any, shared: Mapping[str, SharedVariable]) -> str | None:
    """Digest of a model's graph as it is written, without the values of its data; ``None`` where it has none."""
    outputs = [model.logp(), *model.unobserved_value_vars]
    known: dict[Any, str] = {v: f"input {k} {v.name} {v.type}" for k, v in enumerate(model.value_vars)}
    fixed = all(None not in v.type.shape for v in (*model.value_vars, *outputs))
    known |= {
        v: f"data {name} {v.type} {'' if fixed else v.get_value(borrow=True).shape}" for name, v in shared.items()
    }  # where data have no fixed length, and nothing that is drawn has its length from them, any length will do
    settings = {name: version(name) for name in LIBRARIES}, VERSION, model.check_bounds, [v.name for v in outputs]
    try:
        return _written(outputs, known, settings)
    except Exception:  # an operation that cannot be pickled, a random generator: compiled in each process
        return None


def _written(outputs: Sequence[Any], known: dict[Any, str], settings: object) -> str:
    """Digest of a graph from named inputs to its outputs."""
    total = hashlib.sha256(repr((settings, *known.values())).encode())
    for number, node in enumerate(toposort(outputs)):
        inputs = [
            f"{x.type} {hash_from_pickle_dump(x.data)}" if isinstance(x, Constant) else known[x] for x in node.inputs
        ]
        total.update(f"{_operation(node.op)} {inputs}".encode())
        known |= {x: f"{number}.{place} {x.type}" for place, x in enumerate(node.outputs)}
    total.update(repr([known[x] for x in outputs]).encode())
    return total.hexdigest()


def _operation(op: Any) -> str:
    """Digest of an operation; of one that is made of others, pickled with names that change, by its inner graph."""
    if not isinstance(op, SymbolicOp):
        return str(hash_from_pickle_dump(op))
    known = {x: f"input {k} {x.type}" for k, x in enumerate(op.fgraph.inputs)}
    return _written(op.fgraph.outputs, known, (type(op).__qualname__, op.is_inline, op.destroy_map))


def _recipe_file(key: str) -> Path:
    folder = Path(str(pytensor.config.base_compiledir)) / "labelvalue"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder / f"{key}.json"


def _known(key: str | None) -> _Recipe | None:
    """What was compiled of a graph with this fingerprint."""
    if key is None:
        return None
    try:
        found = json.loads(_recipe_file(key).read_text(encoding="utf-8"))
        lists = {name: tuple(map(tuple, found["layout"][name])) for name in ("places", "shapes")}
        layout = Layout(**{**found["layout"], "names": tuple(found["layout"]["names"]), **lists})
        return _Recipe(layout, tuple(found["data"]), tuple(map(tuple, found["wanted"])), tuple(found["inner"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _compile(model: Any, shared: dict[str, SharedVariable]) -> tuple[_Recipe, tuple[Any, Any]]:
    """Rewrite the graph and compile it; what other shared variables there are is added to the data, and not kept."""
    from nutpie import compile_pymc

    no_start = compile_pymc._wrap_with_lock(make_initial_point_fn(model=model, return_transformed=True))
    inputs, outputs, density, variables, _, (names, places, shapes), _ = compile_pymc._make_functions(
        model, mode="NUMBA", compute_grad=True, join_expanded=True, pymc_initial_point_fn=no_start
    )
    both = density, variables
    others = [v for function in both for v in function.get_shared() if v not in set(shared.values())]
    shared.update({f"other {place}": v for place, v in enumerate(dict.fromkeys(others))})
    names_of = {v: name for name, v in shared.items()}
    wanted = tuple(tuple(names_of[v] for v in function.get_shared()) for function in both)
    layout = Layout(
        tuple(map(str, names)),
        tuple((int(p.start), int(p.stop)) for p in places),
        tuple(tuple(map(int, s)) for s in shapes),
        int(inputs),
        int(outputs),
    )
    inner = tuple(function.vm.jit_fn for function in both)
    keys = tuple(None if others else CACHED_SRC_FUNCTIONS.get(one.py_func) for one in inner)
    return _Recipe(layout, tuple(dict.fromkeys([*wanted[0], *wanted[1]])), wanted, keys), inner


def _callback(recipe: _Recipe, kind: int, inner: Any, shared: Mapping[str, SharedVariable]) -> Any:
    """Compile one wrapper, or find it compiled."""
    source, signature = ((DENSITY, DENSITY_TYPE), (VARIABLES, VARIABLES_TYPE))[kind]
    wanted = recipe.wanted[kind]
    arrays = "\n        ".join(_arrays({name: shared[name].get_value(borrow=True) for name in recipe.data}, wanted))
    names = "".join(f", data_{recipe.data.index(name)}" for name in wanted)
    text = source.format(arrays=arrays, names=names, inputs=recipe.layout.inputs, outputs=recipe.layout.outputs)
    known = recipe.inner[kind]
    key = None if known is None else hashlib.sha256(f"{VERSION} {known} {text}".encode()).hexdigest()
    world = {"__name__": __name__, "inner": inner, "np": np, "carray": numba.carray, "at": None}
    if inner is not None:
        from nutpie.compile_pymc import address_as_void_pointer

        world["at"] = address_as_void_pointer
    name = source.partition("(")[0].removeprefix("\ndef ")
    written = compile_numba_function_src(text, name, world, cache_key=key)
    return numba.cfunc(signature, cache=key is not None)(written)


def _arrays(data: Mapping[str, np.ndarray], wanted: Sequence[str]) -> list[str]:
    """Statements that make arrays of what is handed over: all addresses, then all sizes, then all shapes."""
    first = 2 * len(data) + np.cumsum([0, *(array.ndim for array in data.values())])
    lines = [f"numbers = carray(data, ({first[-1]},), np.uint64)"] if wanted else []
    for place, (name, array) in enumerate(data.items()):
        if name in wanted:
            shape = "".join(f"np.intp(numbers[{first[place] + dim}]), " for dim in range(array.ndim))
            lines.append(f"data_{place} = carray(at(numbers[{place}]), ({shape}), np.{array.dtype.name})")
    return lines or ["pass"]


def _dims(model: Any, layout: Layout) -> dict[str, tuple[str, ...]]:
    """Dims by variable; those of what it is transformed to for an unconstrained one of the same shape."""
    dims = {name: tuple(map(str, found)) for name, found in model.named_vars_to_dims.items()}
    shapes = dict(zip(layout.names, layout.shapes, strict=True))
    for value, rv in model.values_to_rvs.items():
        if value.name not in dims and rv.name in dims and shapes.get(value.name) == shapes.get(rv.name):
            dims[value.name] = dims[rv.name]
    return dims


def _start(first: Callable[[int], dict[str, np.ndarray]], model: Any, layout: Layout) -> Callable[[int], np.ndarray]:
    """From a seed to one row of numbers; one chain asks at a time."""
    order = [model.rvs_to_values[rv].name for rv in model.free_RVs]
    lock = threading.Lock()

    def start(seed: int) -> np.ndarray:
        with lock:
            found = first(seed)
        return np.concatenate([np.ravel(found[name]) for name in order]).astype(np.float64)

    return start
