"""The very items to label next, and a round on one's own model: train, decide, compare with what was promised."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.decisions.advice.decision import Decision
from labelvalue.decisions.case.case import Case
from labelvalue.decisions.outcomes.errors import of_leader
from labelvalue.forecast.backtesting.holdout import CURVE, Origin
from labelvalue.forecast.backtesting.scores import add_truth_noise
from labelvalue.forecast.interventions.alternatives import strategy_efficiency
from labelvalue.model.fitting.result import Fit
from labelvalue.numerals import TAILS
from labelvalue.observe.simulate.execution import Execution, tell_learners
from labelvalue.observe.simulate.learners import (
    check_learners,
    comparable,
    find_regressors,
    fit_learner,
    lacking_probabilities,
    take,
)
from labelvalue.observe.simulate.protocol import Protocol, read_protocol
from labelvalue.observe.simulate.simulate_runs import simulate_runs
from labelvalue.observe.simulate.simulation import check_data, told_apart_by_blanks, without_label
from labelvalue.observe.simulate.strategies import (
    ASK_CLASSES,
    ASK_PROBABILITIES,
    QUERIES,
    Query,
    Strategy,
    choose_checked,
    seed_of,
    spread_out,
)
from labelvalue.observe.simulate.training import RANDOM, evaluation_id
from labelvalue.observe.table.runs import read_runs
from labelvalue.operate.history import scorecard
from labelvalue.operate.items.tasks import ITEM, RANK
from labelvalue.operate.refit.advice import CASE_TEXT, PLAN, asked_of, case_text, order_items
from labelvalue.operate.store.folders import (
    FITS,
    ProjectFolder,
    check_trained,
    current_batches,
    inside,
    load,
    published,
)
from labelvalue.operate.store.records import Record
from labelvalue.problems import InputError, input_error
from labelvalue.settings import Checks

PAYS = 0.5
"""Probability that a strategy beats random labels from which it is followed: a random label costs as much. At 0.9
hardly any slice of a small project was decided, and the queue was as random labels (benchmarks.queue_loop)."""
BEST, MOST_COMPARED = 10, 20_000  # times the items wanted, and at most, that are looked through for near-duplicates
ENTROPY = 19


def queue(
    decision: Decision | ProjectFolder,
    estimator: Any,
    X: Any,
    y: Any,
    slices: Any,
    *,
    items: Any = None,
    allowed: Any = None,
    strategies: Mapping[str, Strategy] | None = None,
    wanted: Mapping[str, int] | None = None,
    random_state: int | None = None,
) -> pd.DataFrame:
    """Choose the items to label next, slice by slice, as the decision says how many and the posterior says how.

    In a slice where a strategy that the runs tried is more likely than not worth more than random labels, at the labels
    that the decision ends with, the strategy of highest expected efficiency chooses, from a model trained on all labels
    so far; elsewhere items are drawn at random. Where that goes by scores (``uncertainty``, ``margin``, ``entropy``,
    ``committee``), an item that nearly repeats one queued before, by its features or words, stands behind all that do
    not. Items are ranked, so that a queue may be cut short.

    Parameters
    ----------
    decision : Decision or Project
        Its plan, or, where it says to measure first with a pilot batch, that batch; of a project, the advice that is
        recorded on its published fit.
    estimator : scikit-learn estimator or function
        What is trained on the labels so far, as in ``simulate_runs``.
    X : DataFrame, Series of texts, array or sparse matrix
        Features of all items, labelled or not, (rows, features).
    y : Series or array
        Labels, (rows,); missing (``None``, NaN or a blank text) where an item has none: those are what can be queued.
    slices : str, Series or array
        Slice of each row, or the name of a column of ``X``.
    items : Series or array, optional
        Names of the rows, all different; the index of a DataFrame or Series, or positions, by default.
    allowed : Series or array of bool, optional
        Which items may be labelled (consent, quality, cost); all by default.
    strategies : mapping of str to function, optional
        Strategies of your own that the runs name, each from a ``Query`` to the rows to label.
    wanted : mapping of str to int, optional
        Items of each slice, in place of the decision's.
    random_state : int, optional
        Seed ≥ 0 of what is drawn; that of the fit by default.

    Returns
    -------
    pandas.DataFrame
        One row an item, the first to label first in its slice: ``item``, ``slice``, ``rank`` (from 1, within the
        slice), ``strategy``; then the columns of ``X`` where it has some. Attribute ``notes``: slices with fewer items
        than wanted, and why a strategy chose or did not.

    Raises
    ------
    InputError
        If nothing is to be labelled by the decision, a slice or strategy is unknown, no item is labelled, or names of
        items are missing or not different; if a project has no advice by its case and settings of today.

    References
    ----------
    Settles (2009), "Active learning literature survey"; Zhdanov (2019), "Diverse mini-batch active learning", for items
    that repeat one another; Mittal, Tatarchenko, Çiçek and Brox (2019), "Parting with illusions about deep active
    learning", for how often random labels are as good.

    Examples
    --------
    >>> import numpy as np
    >>> import labelvalue as lv
    >>> from sklearn.linear_model import LogisticRegression
    >>> case = lv.Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400})
    >>> decision = lv.decide(lv.testing.fake_fit(seed=1), case, max_labels=200, measure=False)
    >>> rng = np.random.default_rng(1)
    >>> y = np.where(np.arange(2000) < 100, rng.choice(["no", "yes"], 2000), None)
    >>> X, slices = rng.normal(size=(2000, 3)), rng.choice(decision.fit.slices, 2000)
    >>> found = queue(decision, LogisticRegression(), X, y, slices)
    >>> found["slice"].value_counts().to_dict() == {name: n for name, n in decision.labels.items() if n}
    True
    """
    missing = without_label(y)
    X, _, texts = check_data(X, np.zeros(missing.size), slices)
    called = _names_of(X, items, missing.size)
    free = missing if allowed is None else missing & np.asarray(allowed, dtype=bool)
    of = order_of(decision)
    counts = _wanted(of, wanted)
    labelled = labelled_rows(y)
    ways, notes = _ways(of, counts, strategies or {}, estimator)
    seed = of.fit.settings["random_seed"] if random_state is None else random_state
    asked = _Asked(estimator, X, np.asarray(y, dtype=object)[labelled], labelled, seed)
    parts = []
    for place, (name, count) in enumerate(counts.items()):
        candidates = np.flatnonzero(free & (texts == name))
        if candidates.size < count:
            notes.append(f"{name}: {candidates.size:,} items can be labelled, {count:,} are wanted")
        rows = asked.choose(ways.get(name), candidates, min(count, candidates.size), seed_of(seed, ENTROPY, place))
        way = ways[name][0] if name in ways else RANDOM
        row = {names.SLICE: name, RANK: np.arange(1, rows.size + 1), names.STRATEGY: way}
        parts.append(pd.DataFrame({ITEM: called[rows], **row, "row": rows}))
    found = pd.concat(parts, ignore_index=True)
    rows = found.pop("row").to_numpy()
    if isinstance(X, pd.DataFrame | pd.Series):
        shown = (X.to_frame(X.name or "text") if isinstance(X, pd.Series) else X).iloc[rows].reset_index(drop=True)
        found = found.join(shown[[c for c in shown.columns if c not in found.columns]])
    found.attrs = {names.NOTES: notes}
    return found


def labelled_rows(y: Any) -> np.ndarray:
    """Rows whose label is there; at least one.

    Shapes: gives (labelled,).
    """
    rows = np.flatnonzero(~without_label(y))
    if not rows.size:
        why, fix = "no item is labelled", "give the labels so far in y, with gaps where there are none"
        raise input_error(why, fix, column="y")
    if problems := told_apart_by_blanks(y):
        raise InputError(problems)
    return rows


class _Asked:
    """What strategies ask: a model of all labels so far and features as numbers, made when first asked for."""

    def __init__(self, estimator: Any, X: Any, y: np.ndarray, labelled: np.ndarray, seed: int):
        self.estimator, self.X, self.y, self.labelled, self.seed = estimator, X, y, labelled, seed
        kinds = find_regressors({"": estimator})
        self.classes = np.zeros(0) if kinds else np.unique(y.astype(type(y[0])))

    @functools.cached_property
    def features(self) -> Any:
        return comparable(self.X)

    @property
    def measurable(self) -> bool:
        """Whether items have distances: rows of a table or of numbers, or texts."""
        return isinstance(self.X, pd.DataFrame | pd.Series) or hasattr(self.X, "tocsr") or self.X.dtype.kind in "biuf"

    @functools.cached_property
    def trained(self) -> Any:
        return self.train(self.labelled, self.y, self.seed) if self.classes.size != 1 else None

    def train(self, rows: np.ndarray, labels: np.ndarray, seed: int) -> Any:
        return fit_learner(self.estimator, take(self.X, rows), np.asarray(labels.tolist()), seed)

    def choose(self, way: tuple[str, Strategy] | None, candidates: np.ndarray, count: int, seed: int) -> np.ndarray:
        """Rows of the candidates, the first to label first."""
        if way is None or count == 0:
            return np.random.default_rng(seed).choice(candidates, count, replace=False)
        scores = way[0] in ASK_CLASSES and way[1] is QUERIES[way[0]]
        query = Query(
            trained=self.trained,
            train=self.train,
            x=self.X,
            features=None if way[0] in ASK_CLASSES else self.features,
            labelled=self.labelled,
            candidates=candidates,
            labels=np.asarray(self.y.tolist()),
            classes=self.classes,
            count=min(candidates.size, max(count, min(BEST * count, MOST_COMPARED))) if scores else count,
            seed=seed,
        )
        found = choose_checked(way[1], query, way[0])
        return spread_out(found, self.features, count) if scores and self.measurable else found[:count]


def _names_of(X: Any, items: Any, count: int) -> np.ndarray:
    """Names of the rows, checked."""
    own = X.index if isinstance(X, pd.DataFrame | pd.Series) else np.arange(count)
    called = np.asarray(own if items is None else items, dtype=object)
    if called.size != count:
        raise input_error(f"{called.size:,} names for {count:,} rows", "give one name per row", column="items")
    twice = pd.Series(called).duplicated(keep=False) | pd.isna(pd.Series(called))
    if twice.any():
        row = int(np.flatnonzero(twice)[0])
        why, fix = "a name that is missing or stands twice", "give every row a name of its own"
        raise input_error(why, fix, line=row, column="items", value=called[row])
    return called


@dataclasses.dataclass(frozen=True)
class Order:
    """What a queue needs of a decision, one that was just made or the one that a project has recorded.

    ``items`` are those of each slice: the pilot's, or the plan's; none where it waits.
    """

    fit: Fit
    case: Case
    advice: str
    items: Mapping[str, int]


def current(project: ProjectFolder) -> Record:
    """Return the advice on the published fit by the case and the settings as they stand."""
    configuration, records = project.configuration, project.ledger.records("fit", "advice")
    last, text = published(records), case_text(project)
    asked = (None if last is None else last.content["fit"], text, dataclasses.asdict(configuration.plan))
    told = [record for record in records if record.kind == "advice"]
    if told and asked == (told[-1].content["fit"], told[-1].content[CASE_TEXT], told[-1].content["settings"][PLAN]):
        return told[-1]
    why = "names no case" if text is None else "has no advice on its published fit by its case and settings of today"
    fix = "name a case in labelvalue.toml" if text is None else f"run 'labelvalue refit {project.folder}'"
    raise input_error(f"the project {why}", fix, file=str(project.folder))


def order_of(decision: Decision | ProjectFolder) -> Order:
    """Take from a decision, or from the advice of a project, what is to be labelled."""
    if isinstance(decision, Decision):
        verdict = decision.verdict
        return Order(
            decision.fit, decision.case, verdict.advice, order_items(verdict.advice, verdict.pilot, decision.labels)
        )
    told = current(decision).content
    made = decision.published
    if made is None:  # the advice is on it
        raise input_error("no fit is published", f"run 'labelvalue refit {decision.folder}'")
    return Order(*asked_of(made, told), told["advice"], order_items(told["advice"], told["pilot"], told["plan"]))


def _wanted(of: Order, wanted: Mapping[str, int] | None) -> dict[str, int]:
    """Items of each slice: those asked for, or the decision's."""
    checks = Checks()
    for name in wanted or {}:
        checks.known("wanted", "slice", name, map(str, of.fit.slices))
    checks.finish()
    counts = dict(of.items) if wanted is None else {name: n for name, n in wanted.items() if n}
    if not counts:
        why = f"the decision is to {of.advice}: no training labels are bought"
        raise input_error(why, "say wanted={slice: items} to queue some all the same", column="decision")
    return counts


def _ways(
    of: Order, counts: Mapping[str, int], own: Mapping[str, Strategy], estimator: Any
) -> tuple[dict[str, tuple[str, Strategy]], list[str]]:
    """The strategy of each slice where one pays, and what is to be said of it."""
    fit, case = of.fit, of.case
    if names.EFFICIENCY not in fit.posterior:
        return {}, ["items are drawn at random: the runs tried no other strategy"]
    now = of_leader(fit, case, fit.position[names.LABELS_NOW])
    known = QUERIES | dict(own)
    mute = ASK_PROBABILITIES if lacking_probabilities({"": estimator}) else ()  # what cannot be asked
    ways, notes = {}, []
    for name, count in counts.items():
        at = {names.SLICE: name}
        worth = of_leader(fit, case, strategy_efficiency(fit, [int(now.sel(at)) + count]).squeeze(names.LABELS))
        worth = worth.sel({d: v for d, v in at.items() if d in worth.dims})
        mean, pays = worth.mean(names.SAMPLE), (worth > 1).mean(names.SAMPLE)
        tried = [s for s in worth[names.STRATEGY].values.astype(str) if s in known and (s in own or s not in mute)]
        best = max(tried, key=lambda s: float(mean.sel({names.STRATEGY: s})), default=None)
        if best is None:
            notes.append(f"{name}: at random, since no strategy of the runs can choose from a pool")
            continue
        chance = float(pays.sel({names.STRATEGY: best}))
        told = f"a label of {best} is worth {float(mean.sel({names.STRATEGY: best})):.2f} random ones"
        notes.append(
            f"{name}: {best if chance >= PAYS else 'at random'}; {told}, more than 1 with probability {chance:.2f}"
        )
        if chance >= PAYS:
            ways[name] = (best, known[best])
    return ways, notes


BEFORE, GAIN, CAME, INSIDE = "before", "gain", "came", "inside"


def labelled(X: Any, y: Any, slices: Any) -> tuple[Any, np.ndarray, np.ndarray]:
    """Leave out the items that have no label yet, and slices that have none."""
    there = labelled_rows(y)
    X, _, texts = check_data(X, np.zeros(len(y)), slices)
    return take(X, there), np.asarray(np.asarray(y, dtype=object)[there].tolist()), texts[there]


def runs_of_round(
    project: ProjectFolder,
    estimator: Any,
    data: tuple[Any, Any, Any],
    protocol: Protocol | None,
    execution: Execution,
    random_state: int | None,
) -> xr.Dataset:
    """Train on parts of the labels so far, by the project's protocol where it has one and no other is given."""
    configured = project.configuration.protocol
    if protocol is None and configured is not None:
        protocol = read_protocol(inside(project.folder, configured))
    check_trained(project.ledger.records("batch"), tell_learners(check_learners(estimator)))
    return simulate_runs(estimator, *labelled(*data), protocol=protocol, execution=execution, random_state=random_state)


def name_of_round(project: ProjectFolder) -> str:
    """Name the round after the batches that stand."""
    batches = current_batches(project.ledger.records("batch"))
    taken, number = {batch.name for batch in batches}, len(batches) + 1
    while f"round {number}" in taken:
        number += 1
    return f"round {number}"


def realised(
    project: ProjectFolder,
    estimator: Any,
    data: tuple[Any, Any, Any],
    test: tuple[Any, Any, Any],
    learner: str,
    random_state: int,
) -> pd.DataFrame:
    """Compare the errors of a model trained on all labels so far with what the last fit made on fewer promised."""
    check_trained(project.ledger.records("batch"), tell_learners({learner: estimator}))
    x, y, slices = labelled(*data)
    test_x, test_y, test_slices = labelled(*test)
    wrong = fit_learner(estimator, x, y, random_state).predict(test_x) != test_y
    counts = pd.Series(slices).value_counts()
    rows = []
    for name in sorted(set(test_slices) & set(slices)):
        here = test_slices == name
        own = int(counts[name])
        row = {
            names.SLICE: name,
            names.LABELS: own,
            names.OTHER_LABELS: int(counts.sum()) - own,
            names.LEARNER: learner,
        }
        row |= {names.ERRORS: int(wrong[here].sum()), names.TRIALS: int(here.sum())}
        rows.append(row | {names.EVALUATION_SET: evaluation_id(np.flatnonzero(here), "realised")})
    measured = read_runs(pd.DataFrame(rows))
    for record in reversed([r for r in project.ledger.records("fit") if r.content["published"]]):
        fit = load(project.folder / FITS, record)
        if names.ERRORS not in fit.runs:
            why, fix = "the project's runs are no counts of errors", "add its runs by hand; the scorecard compares them"
            raise input_error(why, fix, column=names.ERRORS)
        origin = scorecard.origin_of(fit, measured)
        if not origin.future.empty:
            return _compared(origin, fit, record.content["fit"])
    why = "no published fit that saw fewer labels of any of these slices"
    raise input_error(why, "call it with the new labels, before the next round", column=names.LABELS)


def _compared(origin: Origin, fit: Fit, called: str) -> pd.DataFrame:
    cells, samples = scorecard.forecast_batch(fit, origin)
    samples = add_truth_noise(samples, cells[names.TRUTH_STDERR].to_numpy(), fit.settings["random_seed"])
    table = cells.reset_index()
    now = scorecard.expected_now(fit).reindex(pd.MultiIndex.from_frame(table[CURVE])).to_numpy()
    low, high = np.quantile(samples, TAILS, axis=1)
    truth = table[names.TRUTH].to_numpy()
    found = pd.DataFrame(
        {
            names.SLICE: table[names.SLICE],
            names.LABELS: table[names.LABELS].astype(int),
            BEFORE: now,
            "promised": now - samples.mean(axis=1),
            "lower": now - high,
            "upper": now - low,
            CAME: now - truth,
            INSIDE: (low <= truth) & (truth <= high),
        }
    )
    found.attrs = {"fit": called, names.CI_PROB: TAILS[1] - TAILS[0]}
    return found
