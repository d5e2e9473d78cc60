"""What a project can be asked: its runs, its published fit, and everything that its ledger tells."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelvalue.operate.store.configuration import Configuration, read_configuration
from labelvalue.operate.store.folders import FITS, LEDGER, RUNS, published
from labelvalue.operate.store.ledger import Ledger

if TYPE_CHECKING:
    import os

    import pandas as pd
    import xarray as xr

    from labelvalue.model.fitting.result import Fit


@dataclasses.dataclass(frozen=True)
class Questions:
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
        from labelvalue.operate.store.standing import standing

        return joint_runs(self.folder / RUNS, standing(self.ledger.records("batch")))

    @property
    def published(self) -> Fit | None:
        """The published fit: the last that passed the gate; ``None`` before the first."""
        from labelvalue.operate.refit.refit import load

        record = published(self.ledger.records("fit"))
        return None if record is None else load(self.folder / FITS, record)

    def history(self) -> pd.DataFrame:
        """Lay out the ledger."""
        from labelvalue.operate.history.trail import history

        return history(self.ledger.records())

    def notes(self) -> pd.DataFrame:
        """Lay out what people noted on slices and batches."""
        from labelvalue.operate.history.notes import notes

        return notes(self.ledger.records("note"))

    def scorecard(self) -> pd.DataFrame:
        """Lay out past forecasts against what their batch delivered."""
        from labelvalue.operate.history.scorecard import scorecard
        from labelvalue.operate.store.standing import standing

        records = self.ledger.records("batch", "score")
        return scorecard(records, [batch.content for batch in standing(records)])

    def verify(self, *, head: str | None = None, reproduce: bool = False) -> str:
        """Recompute every digest: the chain of records, the files of all batches, the folders of all fits, the pages.

        Without a key the chain shows what was changed by somebody who did not recompute the digests after it; whoever
        may write the folder can. A digest kept elsewhere (``head``) tells, and so does a key: the variable
        ``LABELVALUE_LEDGER_KEY``, set since the project was made.
        """
        from labelvalue.operate.history.trail import verify

        return verify(self, head, reproduce)

    def explain(self, *, budget: int | None = None, at: int | None = None, progress: bool = True) -> pd.DataFrame:
        """Say why the forecast changed between the last two published fits, by fitting the steps between them."""
        from labelvalue.operate.history.changes import explain

        return explain(self, budget=budget, at=at, progress=progress)

    def export(self) -> dict[str, Any]:
        """Return the whole trail as plain values: records, configuration, scorecard, head."""
        from labelvalue.operate.history.trail import export

        return export(self)

    def assets(self) -> pd.DataFrame:
        """Lay out what was paid for labels, what was promised, and what came of it."""
        from labelvalue.operate.history.worth import case_of
        from labelvalue.operate.store.assets import assets, warnings

        fit, configuration = self.published, self.configuration
        records = self.ledger.records("batch", "score", "advice")
        case = None if fit is None else case_of(self.folder, configuration, fit)
        table = assets(self.folder / RUNS, records, fit, case)
        table.attrs["warnings"] = warnings(table, records, configuration.guardrails)
        return table

    def assumptions(self) -> pd.DataFrame:
        """Lay out what the advice takes for granted."""
        from labelvalue.operate.history.assumptions import register

        return register(self)

    def preview(
        self, runs: str | os.PathLike[str] | pd.DataFrame | xr.Dataset, *, progress: bool = True
    ) -> pd.DataFrame:
        """Fit all batches with one more, and say what it would change; nothing is recorded."""
        from labelvalue.operate.refit.preview import preview

        return preview(self, runs, progress=progress)

    def page(self, path: str | os.PathLike[str]) -> Path:
        """Write the whole trail, verified, as one HTML page that needs no network and no script."""
        from labelvalue.operate.history.trail_page import write_trail

        return write_trail(self, Path(path))
