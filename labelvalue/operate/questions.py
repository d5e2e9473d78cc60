"""What a project can be asked: its runs, its published fit, and everything that its ledger tells."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelvalue.operate.configuration import Configuration, read_configuration
from labelvalue.operate.ledger import Ledger
from labelvalue.operate.places import FITS, LEDGER, RUNS, published

if TYPE_CHECKING:
    import os

    import pandas as pd
    import xarray as xr

    from labelvalue.model import Fit


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
        from labelvalue.operate.batches import joint_runs
        from labelvalue.operate.standing import standing

        return joint_runs(self.folder / RUNS, standing(self.ledger.records("batch")))

    @property
    def published(self) -> Fit | None:
        """The published fit: the last that passed the gate; ``None`` before the first."""
        from labelvalue.operate.refit import load

        record = published(self.ledger.records("fit"))
        return None if record is None else load(self.folder / FITS, record)

    def history(self) -> pd.DataFrame:
        """Lay out the ledger.

        Returns
        -------
        pandas.DataFrame
            One row a record: ``number``, ``time``, ``kind``, ``by`` and ``what`` in a few words.
        """
        from labelvalue.operate.trail import history

        return history(self.ledger.records())

    def notes(self) -> pd.DataFrame:
        """Lay out what people noted on slices and batches.

        Returns
        -------
        pandas.DataFrame
            One row a note, oldest first: ``number`` of its record, ``time``, ``author``, ``of`` (``slice`` or
            ``batch``), ``name`` and ``text``.
        """
        from labelvalue.operate.notes import notes

        return notes(self.ledger.records("note"))

    def scorecard(self) -> pd.DataFrame:
        """Lay out past forecasts against what their batch delivered.

        Returns
        -------
        pandas.DataFrame
            One row a curve and batch; empty before the first.
        """
        from labelvalue.operate.scorecard import scorecard
        from labelvalue.operate.standing import standing

        records = self.ledger.records("batch", "score")
        return scorecard(records, [batch.content for batch in standing(records)])

    def verify(self, *, head: str | None = None, reproduce: bool = False) -> str:
        """Recompute every digest: the chain of records, the files of all batches, the folders of all fits, the pages.

        Without a key the chain shows what was changed by somebody who did not recompute the digests after it; whoever
        may write the folder can. A digest kept elsewhere (``head``) tells, and so does a key: the variable
        ``LABELVALUE_LEDGER_KEY``, set since the project was made.

        Parameters
        ----------
        head : str, optional
            Digest that an earlier ``verify`` returned, or a command printed; it must still be in the chain. Only this
            notices that the last records were cut off.
        reproduce : bool
            Whether to make the last advice again from the fit and the case that it names, and compare; without advice,
            the last gain forecast.

        Returns
        -------
        str
            Digest of the last record, to be kept elsewhere.

        Raises
        ------
        StorageError
            If something was altered, or is missing; names the first.
        InputError
            If ``head`` is no digest.
        """
        from labelvalue.operate.trail import verify

        return verify(self, head, reproduce)

    def explain(self, *, budget: int | None = None, at: int | None = None, progress: bool = True) -> pd.DataFrame:
        """Say why the forecast changed between the last two published fits, by fitting the steps between them.

        Parameters
        ----------
        budget : int, optional
            Extra labels a slice whose gain is compared; the largest of the report by default.
        at : int, optional
            Number of an advice, or of a fit's record: what had changed then, rather than what changed last.
        progress : bool
            Whether to say on stderr what is being done.

        Returns
        -------
        pandas.DataFrame
            One row a step (``code``, ``data``, ``drift``, ``learner``, ``model``, ``priors``, ``settings``, ``width``,
            ``price``, ``case``; those without a change are left out), ``quantity`` (``gain``; with a case ``labels``
            of the plan and its ``net_benefit``) and slice: ``before``, ``after``, ``change`` and its Monte Carlo error
            ``mcse``. Drift is what a batch that came as a surprise did beyond coming as forecast; width, the
            scorecard's. Changes add up to the whole. Attribute ``budget``.

        Raises
        ------
        InputError
            If fewer than two fits were published.
        """
        from labelvalue.operate.changes import explain

        return explain(self, budget=budget, at=at, progress=progress)

    def export(self) -> dict[str, Any]:
        """Return the whole trail as plain values: records, configuration, scorecard, head.

        Returns
        -------
        dict
            Ready for JSON.
        """
        from labelvalue.operate.trail import export

        return export(self)

    def assets(self) -> pd.DataFrame:
        """Lay out what was paid for labels, what was promised, and what came of it.

        Returns
        -------
        pandas.DataFrame
            One row a batch and slice: ``labels`` added, ``cost``, gain ``promised`` and ``delivered``; sums in its
            attributes ``total`` and ``total_by_slice``, and so far in ``over_time``, a row a batch; in ``advice`` the
            expected net benefit of each advice, and per unit of its money; sentences on stagnation and goal drift in
            ``warnings``.
        """
        from labelvalue.operate.assets import assets, warnings
        from labelvalue.operate.worth import case_of

        fit, configuration = self.published, self.configuration
        records = self.ledger.records("batch", "score", "advice")
        case = None if fit is None else case_of(self.folder, configuration, fit)
        table = assets(self.folder / RUNS, records, fit, case)
        table.attrs["warnings"] = warnings(table, records, configuration.guardrails)
        return table

    def assumptions(self) -> pd.DataFrame:
        """Lay out what the advice takes for granted.

        Returns
        -------
        pandas.DataFrame
            One row an assumption: ``id``, ``text``, ``source`` (empty where nobody gave one), ``value``, and
            ``if_wrong``, what then changes in the decision.
        """
        from labelvalue.operate.assumptions import register

        return register(self)

    def preview(
        self, runs: str | os.PathLike[str] | pd.DataFrame | xr.Dataset, *, progress: bool = True
    ) -> pd.DataFrame:
        """Fit all batches with one more, and say what it would change; nothing is recorded.

        Parameters
        ----------
        runs : path, DataFrame or Dataset
            Runs table.
        progress : bool
            Whether to say on stderr what is being done.

        Returns
        -------
        pandas.DataFrame
            One row a quantity and curve: expected gain of the next ``batch_labels`` labels, and elasticity, by the
            published fit (``before``) and by the one with the batch (``after``); their standard deviations
            ``sd_before`` and ``sd_after``. NaN where a curve is in one of them alone. Attributes ``budget``, and
            ``verdict`` and ``reasons`` of the fit with the batch.

        Raises
        ------
        InputError
            If nothing is published, or the batch is in already or does not go with the others.
        """
        from labelvalue.operate.preview import preview

        return preview(self, runs, progress=progress)

    def page(self, path: str | os.PathLike[str]) -> Path:
        """Write the whole trail, verified, as one HTML page that needs no network and no script.

        Parameters
        ----------
        path : path
            Where to.

        Returns
        -------
        pathlib.Path
            The path.

        Raises
        ------
        StorageError
            If the trail is broken, or the page cannot be written.
        """
        from labelvalue.operate.trail_page import write_trail

        return write_trail(self, Path(path))
