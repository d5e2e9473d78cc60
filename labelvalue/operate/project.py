"""A project: a folder with a ledger, in which batches arrive, fits are made again, and nothing is forgotten."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelvalue.operate.configuration import Configuration, read_configuration
from labelvalue.operate.ledger import Ledger
from labelvalue.operate.places import FITS, LEDGER, RUNS, alone, found, published, wrong

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from labelvalue.model import Fit
    from labelvalue.operate.refitting import Refit


@dataclasses.dataclass(frozen=True)
class Project:
    """A project folder: add batches, fit again, and ask what happened.

    Everything is read from the folder when it is asked for; the object itself remembers nothing.

    Parameters
    ----------
    folder : pathlib.Path
        From :meth:`create` or :meth:`open`.

    Examples
    --------
    >>> import tempfile
    >>> from labelvalue.testing import fake_runs
    >>> project = Project.create(tempfile.mkdtemp()).add(fake_runs(seed=1), batch="first")
    >>> project.history()["kind"].tolist()
    ['project', 'batch', 'check']
    """

    folder: Path

    @classmethod
    def create(cls, folder: str | os.PathLike[str]) -> Project:
        """Make a project in an empty folder.

        Parameters
        ----------
        folder : path
            Made where it is missing. A ``labelvalue.toml`` that lies there is kept.

        Returns
        -------
        Project
            With an empty ledger.

        Raises
        ------
        InputError
            If the folder is not empty.
        StorageError
            If it cannot be written.
        """
        path = Path(folder)
        found(path)
        return cls(path)

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> Project:
        """Open a project.

        Parameters
        ----------
        folder : path
            One that :meth:`create` made.

        Returns
        -------
        Project
            The project.

        Raises
        ------
        InputError
            If the folder is no project.
        """
        path = Path(folder)
        if not (path / LEDGER).is_file():
            raise wrong(path, "not a labelvalue project", "make one with 'labelvalue init DIR'")
        return cls(path)

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
        from labelvalue.operate.batches import joint_runs, standing

        return joint_runs(self.folder / RUNS, standing(self.ledger.records()))

    @property
    def published(self) -> Fit | None:
        """The published fit: the last that passed the gate; ``None`` before the first."""
        from labelvalue.operate.refit import load

        record = published(self.ledger.records())
        return None if record is None else load(self.folder / FITS, record)

    def add(
        self,
        runs: str | os.PathLike[str] | pd.DataFrame | xr.Dataset,
        *,
        batch: str | None = None,
        supersede: bool = False,
    ) -> Project:
        """Add a batch of runs; score what the published fit forecasts for it.

        Adding the same content again changes nothing.

        Parameters
        ----------
        runs : path, DataFrame or Dataset
            Runs table.
        batch : str, optional
            Its id; the name of the file without its suffix by default.
        supersede : bool
            Whether it may take the place of a batch of the same id and other content, which stays in the ledger.

        Returns
        -------
        Project
            The project.

        Raises
        ------
        InputError
            If the runs are no runs table, do not go with the others, or the id is taken.
        BusyError
            If another process is writing.
        StorageError
            If something cannot be written; the batch is then not in.
        """
        from labelvalue.operate.arrival import add_batch

        with alone(self.folder, "add"):
            add_batch(self, runs, batch, supersede)
        return self

    def refit(self, *, again: bool = False, progress: bool = True) -> Refit:
        """Fit all batches that stand, unless that very fit is there already, and publish it if it passes the gate.

        Parameters
        ----------
        again : bool
            Whether to fit even so, and say whether the draws are the same.
        progress : bool
            Whether to say on stderr what is being done.

        Returns
        -------
        Refit
            What was fitted, published and decided; its ``exit_code`` is that of the command.

        Raises
        ------
        InputError
            If there is no batch, or the configuration is wrong.
        BusyError
            If another process is writing.
        StorageError
            If something cannot be written or must not be trusted; what was published stays so.
        """
        from labelvalue.operate.refitting import refit

        with alone(self.folder, "refit"):
            return refit(self, again=again, progress=progress)

    def history(self) -> pd.DataFrame:
        """Lay out the ledger.

        Returns
        -------
        pandas.DataFrame
            One row a record: ``number``, ``time``, ``kind``, ``by`` and ``what`` in a few words.
        """
        from labelvalue.operate.trail import history

        return history(self.ledger.records())

    def scorecard(self) -> pd.DataFrame:
        """Lay out past forecasts against what their batch delivered.

        Returns
        -------
        pandas.DataFrame
            One row a curve and batch; empty before the first.
        """
        from labelvalue.operate.batches import standing
        from labelvalue.operate.scorecard import scorecard

        records = self.ledger.records()
        return scorecard(records, [batch.content for batch in standing(records)])

    def verify(self, *, head: str | None = None) -> str:
        """Recompute every digest: the chain of records, the files of all batches, the folders of all fits.

        Parameters
        ----------
        head : str, optional
            Digest that an earlier ``verify`` returned; it must still be in the chain. Only this notices that the
            last records were cut off.

        Returns
        -------
        str
            Digest of the last record, to be kept elsewhere.

        Raises
        ------
        StorageError
            If something was altered, or is missing; names the first.
        """
        from labelvalue.operate.trail import verify

        return verify(self, head)

    def decide(self, verdict: str, *, approver: str, comment: str = "") -> Project:
        """Record a decision on the published fit.

        Parameters
        ----------
        verdict : str
            Such as ``buy``, ``wait`` or ``measure first``.
        approver : str
            Who answers for it.
        comment : str
            Why.

        Returns
        -------
        Project
            The project.

        Raises
        ------
        InputError
            If nothing is published, or verdict or approver is empty.
        """
        from labelvalue.operate.trail import record_decision

        with alone(self.folder, "decide"):
            record_decision(self.ledger, verdict, approver, comment)
        return self

    def explain(self, *, budget: int | None = None, progress: bool = True) -> pd.DataFrame:
        """Say why the forecast changed between the last two published fits, by fitting the steps between them.

        Parameters
        ----------
        budget : int, optional
            Extra labels a slice whose gain is compared; the largest of the report by default.
        progress : bool
            Whether to say on stderr what is being done.

        Returns
        -------
        pandas.DataFrame
            One row a step (``code``, ``data``, ``priors``, ``model``, ``settings``; those without a change are left
            out) and slice: ``before``, ``after`` and ``change`` of the expected gain, adding up to the whole.

        Raises
        ------
        InputError
            If fewer than two fits were published.
        """
        from labelvalue.operate.changes import explain

        return explain(self, budget=budget, progress=progress)

    def export(self) -> dict[str, Any]:
        """Return the whole trail as plain values: records, configuration, scorecard, head.

        Returns
        -------
        dict
            Ready for JSON.
        """
        from labelvalue.operate.trail import export

        return export(self)
