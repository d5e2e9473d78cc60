"""A project: a folder with a ledger, in which batches arrive, fits are made again, and nothing is forgotten."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelvalue.operate.history.descriptions import ToldProject
from labelvalue.operate.store.folders import LEDGER, alone, check_links, found, wrong

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.figure import Figure

    from labelvalue.observe.simulate.execution import Execution
    from labelvalue.observe.simulate.protocol import Protocol
    from labelvalue.operate.refit.outcome import Refit


@dataclasses.dataclass(frozen=True)
class Project(ToldProject):
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
    ['project', 'settings', 'batch', 'check']
    """

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
        StorageError
            If a part of it is a link.
        """
        path = Path(folder)
        check_links(path)
        if not (path / LEDGER).is_file():
            raise wrong(path, "not a labelvalue project", "make one with 'labelvalue init DIR'")
        return cls(path)

    def add(
        self,
        runs: str | os.PathLike[str] | pd.DataFrame | xr.Dataset,
        *,
        batch: str | None = None,
        supersede: bool = False,
        cost: float | None = None,
    ) -> Project:
        """Add a batch of runs; score what the published fit forecasts for it.

        Adding the same content again changes nothing.

        Parameters
        ----------
        runs : path, DataFrame or Dataset
            Runs table; or one of annotations, which tells the case price, labels a day and wrong labels.
        batch : str, optional
            Its id; the name of the file without its suffix by default.
        supersede : bool
            Whether it may take the place of a batch of the same id and other content, which stays in the ledger.
        cost : float, optional
            Money that the batch cost; where nobody says it, the prices of the case count.

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
        with alone(self.folder, "add"):
            from labelvalue.operate.refit.arrival import add_batch

            add_batch(self, runs, batch, supersede, cost)
        return self

    def refit(self, *, again: bool = False, progress: bool = True, backtest: bool = True) -> Refit:
        """Fit all batches that stand, unless that very fit is there already, and publish it if it passes the gate.

        Parameters
        ----------
        again : bool
            Whether to fit even so, and say whether the draws are the same.
        progress : bool
            Whether to say on stderr what is being done.
        backtest : bool
            Whether to check forecasts from part of the runs, where ``labelvalue.toml`` does not say ``backtest =
            false``: two quick fits more, made where runs, model or code are new and kept where they are not.

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
        with alone(self.folder, "refit"):
            from labelvalue.operate.refit.refitting import refit

            return refit(self, again=again, progress=progress, backtest=backtest)

    def next_round(
        self,
        estimator: Any,
        X: Any,
        y: Any,
        slices: Any,
        *,
        protocol: Protocol | None = None,
        execution: Execution | None = None,
        random_state: int | None = None,
        batch: str | None = None,
        cost: float | None = None,
        progress: bool = True,
    ) -> Refit:
        """Train on parts of the labels so far, add the runs as a batch, fit again and decide.

        Parameters
        ----------
        estimator : scikit-learn estimator, function, or mapping of str to either
            As in ``simulate_runs``.
        X, y, slices : table, array, array or name of a column
            As in ``simulate_runs``; items whose ``y`` is missing have no label yet and are left out, so that the same
            three serve :func:`labelvalue.queue`.
        protocol : Protocol, optional
            That of the project by default, where ``labelvalue.toml`` names one; else what suits the data.
        execution : Execution, optional
            How it is trained.
        random_state : int, optional
            Seed of the trainings, in place of the protocol's.
        batch : str, optional
            Its id; ``round 1`` and so on by default.
        cost : float, optional
            Money that the labels since the last batch cost. It is never guessed from what was trained on: where nobody
            says it, the prices of the case count.
        progress : bool
            Whether to say on stderr what is being done.

        Returns
        -------
        Refit
            What was fitted, published and decided, as from :meth:`refit`.

        Raises
        ------
        InputError
            If no item is labelled, or earlier batches are of another protocol or, by that name, another learner.
        BusyError
            If another process is writing.
        StorageError
            If something cannot be written.
        """
        from labelvalue.observe.simulate.execution import Execution
        from labelvalue.operate.items.choosing import name_of_round, runs_of_round

        how = Execution(progress=progress) if execution is None else execution
        runs = runs_of_round(self, estimator, (X, y, slices), protocol, how, random_state)
        self.add(runs, batch=name_of_round(self) if batch is None else batch, cost=cost)
        return self.refit(progress=progress)

    def realised(
        self,
        estimator: Any,
        X: Any,
        y: Any,
        slices: Any,
        *,
        test: tuple[Any, Any, Any],
        learner: str = "default",
        random_state: int = 0,
    ) -> pd.DataFrame:
        """Compare what the new labels brought on a test set with what was promised; nothing is recorded.

        Parameters
        ----------
        estimator : scikit-learn estimator or function
            Trained once, on all labels there are.
        X, y, slices : table, array, array or name of a column
            As in :meth:`next_round`, the new labels included.
        test : tuple
            ``X, y, slices`` of a test set that nobody trained on.
        learner : str
            Its name in the project's runs.
        random_state : int
            Seed of the training.

        Returns
        -------
        pandas.DataFrame
            One row a slice that has more labels than the fit saw: ``labels`` now, the error ``before`` that the fit
            expected, the gain ``promised`` (mean, ``lower``, ``upper`` of 90 %, with the luck of one training and of
            this test set), the gain that ``came``, and whether it lies ``inside``. Attribute ``fit`` names the fit:
            the last published one that had seen fewer labels.

        Raises
        ------
        InputError
            If no published fit saw fewer labels, or the project's runs are no counts of errors.
        """
        from labelvalue.operate.items.choosing import realised

        return realised(self, estimator, (X, y, slices), test, learner, random_state)

    def note(self, text: str, *, slice: str | None = None, batch: str | None = None, author: str = "") -> Project:
        """Put down what someone who knows the domain says of a slice or a batch; ledger and page show it.

        Parameters
        ----------
        text : str
            What is to be known, 1 to 2,000 characters.
        slice, batch : str, optional
            What it is about: one of the two.
        author : str
            Who says it; who runs this, where it is empty.

        Returns
        -------
        Project
            The project.

        Raises
        ------
        InputError
            If the text is empty or too long, neither or both are given, or there is no such slice or batch.
        BusyError
            If another process is writing.
        """
        with alone(self.folder, "note"):
            from labelvalue.operate.history.descriptions import record_note

            record_note(self, text, slice, batch, author)
        return self

    def decide(self, verdict: str, *, approver: str, comment: str = "") -> Project:
        """Record a decision on the published fit, and on the advice that was given on it.

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
        with alone(self.folder, "decide"):
            from labelvalue.operate.history.trail import record_decision

            record_decision(self.ledger, verdict, approver, comment)
        return self

    def history(self) -> pd.DataFrame:
        """Lay out the ledger.

        Returns
        -------
        pandas.DataFrame
            One row a record: ``number``, ``time``, ``kind``, ``by``, ``what``.
        """
        from labelvalue.operate.history.trail import history

        return history(self.ledger.records())

    def notes(self) -> pd.DataFrame:
        """Lay out what people noted on slices and batches.

        Returns
        -------
        pandas.DataFrame
            One row a note: what it is about, its text, its author and when.
        """
        from labelvalue.operate.history.descriptions import notes

        return notes(self.ledger.records("note"))

    def scorecard(self) -> pd.DataFrame:
        """Lay out past forecasts against what their batch delivered.

        Returns
        -------
        pandas.DataFrame
            One row a curve and batch, of the batches that stand.
        """
        from labelvalue.operate.history.scorecard import scorecard

        return scorecard(self.ledger.records("batch", "score"))

    def plot(self) -> Figure:
        """Plot the project batch by batch: gains promised and delivered, forecasts, labels, money, verdicts.

        Returns
        -------
        matplotlib.figure.Figure
            Not known to pyplot; what is drawn stands in the attribute ``over_time`` of :meth:`assets`.

        Raises
        ------
        InputError
            If there is no batch.
        """
        from labelvalue.report.plots.first_page import draw_over_time

        return draw_over_time(self.assets().attrs["over_time"])

    def verify(self, *, head: str | None = None, reproduce: bool = False) -> str:
        """Recompute every digest: the chain of records, the files of all batches, the folders of all fits, the pages.

        Without a key the chain shows what was changed by somebody who did not recompute the digests after it; whoever
        may write the folder can. A digest kept elsewhere (``head``) tells, and so does a key: the variable
        ``LABELVALUE_LEDGER_KEY``, set since the project was made.

        Parameters
        ----------
        head : str, optional
            Digest with which the ledger ended when somebody kept it.
        reproduce : bool
            Whether to make the last advice again and compare.

        Returns
        -------
        str
            Digest with which the ledger ends.
        """
        from labelvalue.operate.history.trail import verify

        return verify(self, head, reproduce)

    def explain(self, *, budget: int | None = None, at: int | None = None, progress: bool = True) -> pd.DataFrame:
        """Say why the forecast changed between the last two published fits, by fitting the steps between them.

        Parameters
        ----------
        budget : int, optional
            Extra labels of a slice whose gain is compared.
        at : int, optional
            Number of the record of an earlier advice, or of a fit; the last one by default.
        progress : bool
            Whether to say on stderr what is being done.

        Returns
        -------
        pandas.DataFrame
            One row a step, changes of which add up; ``attrs`` hold what they lead from and to.
        """
        from labelvalue.operate.history.changes import explain

        return explain(self, budget=budget, at=at, progress=progress)

    def export(self) -> dict[str, Any]:
        """Return the whole trail as plain values: records, configuration, scorecard, head.

        Returns
        -------
        dict
            For JSON.
        """
        from labelvalue.operate.history.trail import export

        return export(self)

    def assets(self) -> pd.DataFrame:
        """Lay out what was paid for labels, what was promised, and what came of it.

        Returns
        -------
        pandas.DataFrame
            One row a batch and slice; ``attrs`` hold totals and warnings.
        """
        from labelvalue.operate.history.assets import assets_of

        return assets_of(self)

    def assumptions(self) -> pd.DataFrame:
        """Lay out what the advice takes for granted.

        Returns
        -------
        pandas.DataFrame
            One row an assumption: text, source, value, and what changes if it is wrong.
        """
        from labelvalue.operate.history.trail import tested_register

        return tested_register(self)

    def preview(
        self, runs: str | os.PathLike[str] | pd.DataFrame | xr.Dataset, *, progress: bool = True
    ) -> pd.DataFrame:
        """Fit all batches with one more, and say what it would change; nothing is recorded.

        Parameters
        ----------
        runs : path, DataFrame or xarray.Dataset
            The batch: a runs table.
        progress : bool
            Whether to say on stderr what is being done.

        Returns
        -------
        pandas.DataFrame
            One row a slice, before and after.
        """
        from labelvalue.operate.refit.arrival import preview

        return preview(self, runs, progress=progress)

    def page(self, path: str | os.PathLike[str]) -> Path:
        """Write the whole trail, verified, as one HTML page that needs no network and no script.

        Parameters
        ----------
        path : path
            File to write.

        Returns
        -------
        pathlib.Path
            The path.
        """
        from labelvalue.operate.history.pages import write_trail

        return write_trail(self, Path(path))
