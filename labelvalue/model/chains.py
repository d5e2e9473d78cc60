"""Finished chains, kept in a folder: sampling that is stopped, by whatever, goes on from them.

A chain is one netCDF file with its SHA-256 beside it, written whole or not at all. Its name says what it is a chain of,
so that draws of anything else are never taken for it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import warnings
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.problems import StorageError
from labelvalue.storage import read_sealed, write_sealed

LIBRARIES = ("nutpie", "pymc", "pytensor", "numba", "numpy")
"""Packages another version of which may give other draws where the first few are the same."""
KEY, NO_TEXT = "chain_key", ""


@dataclasses.dataclass(frozen=True)
class KeptChains:
    """The chains of one attempt at sampling, as far as they are finished.

    Parameters
    ----------
    folder : pathlib.Path
        Where they are kept, beside those of other attempts and fits.
    key : str
        What they are chains of.
    say : callable
        As for :class:`ChainFolder`.

    Examples
    --------
    >>> import tempfile
    >>> from labelvalue.testing import fake_fit
    >>> kept = KeptChains(Path(tempfile.mkdtemp()), "0f")
    >>> kept.keep(2, fake_fit(seed=1).tree)
    >>> kept.find(1) is None, kept.find(2)["posterior"].sizes["chain"]
    (True, 1)
    """

    folder: Path
    key: str
    say: Callable[[str], object] = lambda text: None

    def keep(self, chain: int, tree: xr.DataTree) -> None:
        """Write one chain down; where there is no room, sampling goes on and warns.

        Parameters
        ----------
        chain : int
            Which.
        tree : xarray.DataTree
            Draws of all chains, with groups ``posterior`` and ``sample_stats``.
        """
        one = xr.DataTree.from_dict({group: _written(part, chain) for group, part in _groups(tree).items()})
        one.attrs = {KEY: self.key}
        try:
            write_sealed(self._path(chain), bytes(one.to_netcdf(None, engine="netcdf4")))
        except StorageError as error:
            warnings.warn(f"a finished chain is not kept: {error}", RuntimeWarning, stacklevel=2)

    def find(self, chain: int) -> xr.DataTree | None:
        """Return a chain; ``None`` where it is not there, was altered, or is of something else.

        Parameters
        ----------
        chain : int
            Which.

        Returns
        -------
        xarray.DataTree or None
            Groups ``posterior`` and ``sample_stats``, of this chain alone.
        """
        try:
            content = read_sealed(self._path(chain), "")
            with xr.open_datatree(content, engine="netcdf4") as opened:
                tree = opened.load()
        except (StorageError, OSError, ValueError):
            return None
        if tree.attrs.get(KEY) != self.key:
            return None
        return xr.DataTree.from_dict({group: _read(part) for group, part in _groups(tree).items()})

    def _path(self, chain: int) -> Path:
        return self.folder / f"{self.key[:32]}-{chain}.nc"


@dataclasses.dataclass(frozen=True)
class ChainFolder:
    """A folder in which finished chains of any number of fits are kept.

    Parameters
    ----------
    folder : pathlib.Path
        Where; made, for its owner alone, where it is not there.
    say : callable
        Told in a sentence what is taken from it.

    Raises
    ------
    StorageError
        If it cannot be made.
    """

    folder: Path
    say: Callable[[str], object] = lambda text: None

    def __post_init__(self) -> None:
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"{self.folder}: {error.strerror}. Fix: give another folder.") from error

    def chains(self, first: xr.DataTree, asked: Mapping[str, Any]) -> KeptChains:
        """Find out what sampling would give chains of.

        Parameters
        ----------
        first : xarray.DataTree
            The first few draws of what is to be sampled.
        asked : mapping
            What the sampler is asked for, as :func:`nutpie.sample` takes it.

        Returns
        -------
        KeptChains
            Those of this density with these settings, this seed and these versions.
        """
        total = hashlib.sha256()
        total.update(json.dumps({name: version(name) for name in LIBRARIES}, sort_keys=True).encode())
        total.update(json.dumps({**asked, "progress_bar": False}, sort_keys=True).encode())
        for group, part in _groups(first).items():
            for name in sorted(map(str, part.data_vars)):
                values = part[name].values
                if values.dtype.kind != "O":
                    total.update(f"{group} {name} {part[name].dims} {values.shape}".encode() + values.tobytes())
        return KeptChains(self.folder, total.hexdigest(), self.say)


def put_together(chains: Mapping[int, xr.DataTree]) -> xr.DataTree:
    """Put single chains together, in their order.

    Parameters
    ----------
    chains : mapping of int to xarray.DataTree
        Each with its chain alone.

    Returns
    -------
    xarray.DataTree
        As the sampler gives them all; what it notes beside the draws is that of the last made.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> tree = fake_fit(seed=1).tree
    >>> put_together({1: tree.isel(chain=[1]), 0: tree.isel(chain=[0])})["posterior"].sizes["chain"]
    2
    """
    ordered = [_groups(chains[chain]) for chain in sorted(chains)]
    last = max(ordered, key=lambda groups: str(groups["sample_stats"].attrs.get("created_at", "")))
    return xr.DataTree.from_dict(
        {
            group: xr.concat([groups[group] for groups in ordered], names.CHAIN, combine_attrs="drop")
            .assign_coords({names.CHAIN: sorted(chains)})
            .assign_attrs(part.attrs)
            for group, part in last.items()
        }
    )


def _groups(tree: xr.DataTree) -> dict[str, xr.Dataset]:
    return {group: tree[group].to_dataset() for group in ("posterior", "sample_stats")}


def _written(part: xr.Dataset, chain: int) -> xr.Dataset:
    """One chain as netCDF holds it: a message that is none is an empty text."""
    one = part.isel({names.CHAIN: [chain]})
    texts = {name: one[name].where(one[name].notnull(), NO_TEXT).astype(str) for name in one if one[name].dtype == "O"}
    return one.assign(texts)


def _read(part: xr.Dataset) -> xr.Dataset:
    """And as the sampler gives it."""
    texts = {
        name: part[name].astype(object).where(part[name] != NO_TEXT, np.nan)
        for name in part
        if part[name].dtype.kind in "OUT"
    }
    return part.assign(texts).drop_encoding()
