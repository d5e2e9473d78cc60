"""A PyMC model compiled for nutpie, with all of its machine code kept on disk.

PyTensor keeps what it compiles of a model's density and of the variables of a draw. nutpie wraps both in functions that
its sampler can call, and has these compiled in every process anew, together with everything that they call. Here the
same wrappers are written as source text, which PyTensor's cache on disk takes like its own.

A module of its own because nutpie and numba take seconds to import, which only a fit needs.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numba
import numpy as np
from nutpie import compile_pymc
from pymc.initial_point import make_initial_point_fn
from pytensor.link.numba.cache import CACHED_SRC_FUNCTIONS, compile_numba_function_src

VERSION = zlib.crc32(Path(__file__).read_bytes())
"""Stands in the key of the cache: other wrappers must not find what was compiled of these."""

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
"""What nutpie calls; it knows the numbers that are returned."""


def compile_callbacks(model: Any, jittered: set[Any]) -> compile_pymc.CompiledPyMCModel:
    """Compile a model's density with its gradient, and the variables of a draw.

    Parameters
    ----------
    model : pymc.Model
        Its data may be replaced later, by others of the same shapes.
    jittered : set of tensor
        Variables whose starts are jittered.

    Returns
    -------
    nutpie.CompiledModel
        As from ``nutpie.compile_pymc_model``.

    Examples
    --------
    >>> compile_callbacks(model, set())  # doctest: +SKIP
    """
    start = compile_pymc._wrap_with_lock(
        make_initial_point_fn(model=model, jitter_rvs=jittered, return_transformed=True)
    )
    inputs, outputs, density, variables, start, layout, renamed = compile_pymc._make_functions(
        model, mode="NUMBA", compute_grad=True, join_expanded=True, pymc_initial_point_fn=start
    )
    shared = dict.fromkeys([*density.get_shared(), *variables.get_shared()])
    keys = {variable: f"data_{place}" for place, variable in enumerate(shared)}
    data = {key: np.array(variable.get_value(), order="C", copy=True) for variable, key in keys.items()}
    for array in data.values():
        array.flags.writeable = False
    sizes = {"inputs": inputs, "outputs": outputs}
    numbers, count = numba.types.CPointer(numba.types.double), numba.types.uint64
    dims, coords = compile_pymc._prepare_dims_and_coords(model, layout, renamed)
    return compile_pymc.CompiledPyMCModel(
        _n_dim=inputs,
        dims=dims,
        _coords=coords,
        _shapes={name: tuple(shape) for name, _, shape in zip(*layout, strict=True)},
        compiled_logp_func=_callback(DENSITY, density, keys, data, sizes, (count, numbers, numbers, numbers)),
        compiled_expand_func=_callback(VARIABLES, variables, keys, data, sizes, (count, count, numbers, numbers)),
        initial_point_func=start,
        shared_data=data,
        shared_var_keys=keys,
        user_data=compile_pymc.make_user_data(keys, data),
        n_expanded=outputs,
        shape_info=layout,
        logp_func=density,
        expand_func=variables,
        reparameterized_names=renamed,
    )


def _callback(
    source: str,
    function: Any,
    keys: Mapping[Any, str],
    data: Mapping[str, np.ndarray],
    sizes: Mapping[str, int],
    arguments: Sequence[Any],
) -> Any:
    """Compile one wrapper, or find it compiled."""
    inner = function.vm.jit_fn
    wanted = [keys[variable] for variable in function.get_shared()]
    arrays = "\n        ".join(_arrays(data, wanted))
    text = source.format(arrays=arrays, names="".join(f", {key}" for key in wanted), **sizes)
    known = CACHED_SRC_FUNCTIONS.get(inner.py_func)  # none where PyTensor cannot tell, or keeps nothing
    key = None if known is None else hashlib.sha256(f"{VERSION} {known} {text}".encode()).hexdigest()
    world = {
        "__name__": __name__,
        "inner": inner,
        "np": np,
        "carray": numba.carray,
        "at": compile_pymc.address_as_void_pointer,
    }
    name = source.partition("(")[0].removeprefix("\ndef ")
    written = compile_numba_function_src(text, name, world, cache_key=key)
    return numba.cfunc(numba.types.int64(*arguments, numba.types.voidptr), cache=key is not None)(written)


def _arrays(data: Mapping[str, np.ndarray], wanted: Sequence[str]) -> list[str]:
    """Statements that make arrays of what nutpie hands over: all addresses, then all sizes, then all shapes."""
    first = 2 * len(data) + np.cumsum([0, *(array.ndim for array in data.values())])
    lines = [f"numbers = carray(data, ({first[-1]},), np.uint64)"] if wanted else []
    for place, (key, array) in enumerate(data.items()):
        if key in wanted:
            shape = "".join(f"np.intp(numbers[{first[place] + dim}]), " for dim in range(array.ndim))
            lines.append(f"{key} = carray(at(numbers[{place}]), ({shape}), np.{array.dtype.name})")
    return lines or ["pass"]
