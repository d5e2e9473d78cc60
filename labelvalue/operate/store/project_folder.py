"""A project folder as it is read: its ledger, its settings, its runs and its published fit."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from labelvalue.operate.store.configuration import Configuration, read_configuration
from labelvalue.operate.store.folders import FITS, LEDGER, RUNS, published
from labelvalue.operate.store.ledger import Ledger

if TYPE_CHECKING:
    import xarray as xr

    from labelvalue.model.fitting.result import Fit


@dataclasses.dataclass(frozen=True)
class ProjectFolder:
    """A project folder that is only read.

    Parameters
    ----------
    folder : pathlib.Path
        Project folder.
    """

    folder: Path

    @property
    def ledger(self) -> Ledger:
        """The ledger."""
        return Ledger(self.folder / LEDGER)

    @property
    def configuration(self) -> Configuration:
        """What ``labelvalue.toml`` says."""
        return read_configuration(self.folder)

    @property
    def runs(self) -> xr.Dataset:
        """All batches that stand, in one runs table."""
        from labelvalue.operate.store.batches import joint_runs
        from labelvalue.operate.store.current_batches import current_batches

        return joint_runs(self.folder / RUNS, current_batches(self.ledger.records("batch")))

    @property
    def published(self) -> Fit | None:
        """The published fit: the last that passed the gate; ``None`` before the first."""
        from labelvalue.operate.refit.refit import load

        record = published(self.ledger.records("fit"))
        return None if record is None else load(self.folder / FITS, record)
