"""Chains sampled, those that were finished before not again, each with the draws that it has in any case.

nutpie gives chain k of a seed a stream of random numbers of its own, so that its draws hang on no other chain. It
offers no way to ask for some chains alone, but it asks for the start of each: a finished chain is not given one, and
waits until the others are done. Which chain asks is told by the number that it asks with, found out before by letting
all ask in turn.
"""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import xarray as xr

from labelvalue import names
from labelvalue.model.chains import ChainFolder, KeptChains, put_together

FIRST = {"draws": 1, "tune": 5, "chains": 1, "maxdepth": 3, "progress_bar": False}
"""How few draws tell one density, its starts and its sampler from another."""
LOOK_S = 0.25
"""Seconds between two looks at how far the chains are."""
ASKING_S = 30.0
"""Seconds that all chains are given to ask for their starts, which takes a few milliseconds."""


class _WrongChainError(RuntimeError):
    """A finished chain is sampled: this nutpie tells chains apart in another way."""


class _KeptError(RuntimeError):
    """What a finished chain gets instead of a start; nobody sees it."""


def run_chains(compiled: Any, asked: Mapping[str, Any]) -> xr.DataTree:
    """Sample all chains; whatever interrupts that, Ctrl-C too, ends the sampler and goes on to the caller.

    Parameters
    ----------
    compiled : nutpie.CompiledModel
        Density and starts.
    asked : mapping
        Arguments of :func:`nutpie.sample`.

    Returns
    -------
    xarray.DataTree
        Groups ``posterior`` and ``sample_stats``.

    Raises
    ------
    RuntimeError
        If no start has a finite density, or a chain dies.
    """
    import nutpie

    sampler = nutpie.sample(compiled, **asked, blocking=False)
    try:
        return sampler.wait()
    except BaseException:  # nutpie itself takes Ctrl-C for a wish to have the draws so far
        sampler.cancel()
        raise


def continue_chains(compiled: Any, asked: Mapping[str, Any], folder: ChainFolder) -> xr.DataTree:
    """Sample the chains that are not kept, and keep each as soon as it is finished.

    Parameters
    ----------
    compiled : nutpie.CompiledModel
        Density and starts.
    asked : mapping
        Arguments of :func:`nutpie.sample`.
    folder : ChainFolder
        Where chains are kept.

    Returns
    -------
    xarray.DataTree
        The same draws as from :func:`run_chains`.

    Raises
    ------
    RuntimeError
        If no start has a finite density, or a chain dies.
    """
    kept = folder.chains(run_chains(compiled, {**asked, **FIRST}), asked)
    every = range(asked["chains"])
    done = {chain: tree for chain in every if (tree := kept.find(chain)) is not None}
    if done:
        kept.say(f"{len(done)} of {len(every)} chains were finished before")
    if len(done) == len(every):
        return put_together(done)
    if done:
        numbers = _numbers(compiled, asked)
        try:
            if numbers:
                return _run(compiled, asked, kept, done, numbers)
        except _WrongChainError:
            pass
    return _run(compiled, asked, kept, {}, ())


class _Progress:
    """How far the chains are, as the sampler tells from a thread of its own."""

    def __init__(self, waiting: frozenset[int]) -> None:
        self.waiting = waiting
        self.finished: frozenset[int] = frozenset()
        self.wrong = False

    def __call__(self, chains: Sequence[Any]) -> None:
        self.finished = frozenset(k for k, chain in enumerate(chains) if chain.finished_draws >= chain.total_draws)
        self.wrong = self.wrong or any(chains[k].finished_draws > 0 for k in self.waiting)


def _run(
    compiled: Any, asked: Mapping[str, Any], kept: KeptChains, done: Mapping[int, xr.DataTree], numbers: Sequence[int]
) -> xr.DataTree:
    """Sample the chains that are not done, while threads of those that are wait."""
    import nutpie

    released = threading.Event()
    given: dict[str, Any] = {}
    if done:
        compiled = _with_starts(compiled, _starts(compiled, {numbers[chain] for chain in done}, released))
        given["cores"] = min(asked["chains"] - len(done), os.cpu_count() or 1) + len(done)
    progress = _Progress(frozenset(done))
    given |= {"progress_callback": progress, "progress_rate": int(1000 * LOOK_S)}
    sampler = nutpie.sample(compiled, **asked, **given, blocking=False)
    made: set[int] = set()
    try:
        while True:
            try:
                tree = sampler.wait(timeout=LOOK_S)
            except TimeoutError:
                if progress.wrong:
                    raise _WrongChainError from None
                missing = {*range(asked["chains"])} - {*done, *made}
                if done and missing <= progress.finished:
                    released.set()
                    tree = sampler.abort()
                    break
                if fresh := missing & progress.finished:
                    so_far = sampler.inspect()
                    for chain in fresh:
                        kept.keep(chain, so_far)
                    made |= fresh
                    del so_far
            else:
                break
    finally:
        released.set()
        sampler.cancel()
    new = {*range(asked["chains"])} - {*done}
    for chain in new - made:
        kept.keep(chain, tree)
    return tree if not done else put_together({**done, **{chain: tree.isel({names.CHAIN: [chain]}) for chain in new}})


def _starts(compiled: Any, finished: set[int], released: threading.Event) -> Callable[[Any], Any]:
    first = compiled.initial_point_func

    def start(number: Any) -> Any:
        if number in finished:
            released.wait()
            raise _KeptError
        return first(number)

    return start


def _numbers(compiled: Any, asked: Mapping[str, Any]) -> tuple[int, ...]:
    """The numbers with which the chains ask for their starts, in their order; none where that is not plain."""
    import nutpie

    found: list[int] = []
    whole = threading.Event()

    def ask(number: int) -> Any:
        found.append(number)
        if len(found) == asked["chains"]:
            whole.set()
        raise _KeptError

    sampler = nutpie.sample(
        _with_starts(compiled, ask), **{**asked, "progress_bar": False}, cores=1, blocking=False
    )  # one core: one after the other
    try:
        whole.wait(ASKING_S)
    finally:
        sampler.cancel()
    return tuple(found) if len({*found}) == len(found) == asked["chains"] else ()


def _with_starts(compiled: Any, starts: Callable[[Any], Any]) -> Any:
    return dataclasses.replace(compiled, initial_point_func=starts)
