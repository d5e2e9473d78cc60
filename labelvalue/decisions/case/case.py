"""A case, as an object and as a file of TOML: what labels cost, what a lower error is worth, and what must hold."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from labelvalue import names
from labelvalue.decisions.case.costs import Costs, Learner, learner_names, learner_or_portfolio
from labelvalue.decisions.case.guardrails import Approval, Guardrails, Scenario, SliceClass, SliceLimit
from labelvalue.decisions.case.risk import APPETITES, Appetite, Mean, appetite
from labelvalue.decisions.case.value import Value
from labelvalue.forecast.interventions.alternatives import (
    ActiveLearning,
    EvaluationLabels,
    NewLearner,
    Pretraining,
    SyntheticData,
)
from labelvalue.forecast.interventions.intervention import KINDS, Intervention
from labelvalue.forecast.interventions.label_quality import Consensus, Guideline, Relabel
from labelvalue.model.fitting.result import Fit
from labelvalue.observe.simulate.protocol import as_toml
from labelvalue.observe.simulate.suites import HOLDOUT
from labelvalue.problems import InputError, Problem, did_you_mean
from labelvalue.quantities import Quantity, by_slice, of_slice
from labelvalue.reading import parse_toml, read_text
from labelvalue.settings import Amount, Checks, Settings, Share, Text, Told, named, put, read_table, table, tables, word


def as_text(case: Any) -> str:
    """Return a case as TOML: a line for each setting that differs from its default."""
    given = _plain(case)
    lines = [f"{key} = {_inline(value)}" for key, value in given.items() if not _is_table(value)]
    for key, value in given.items():
        if _is_table(value):
            lines += ["", f"[{key}]", *(f"{as_key(k)} = {_inline(v)}" for k, v in value.items())]
    return "\n".join(lines) + "\n"


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{as_key(k)} = {_inline(v)}" for k, v in value.items()) + " }"
    return f"[{', '.join(map(_inline, value))}]" if isinstance(value, list) else as_toml(value)


def as_key(key: str) -> str:
    """Return a key as TOML: bare where it may be, else in quotes."""
    bare = key.isascii() and key.replace("_", "").replace("-", "").isalnum()
    return key if bare else as_toml(key)


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) and not {"low", "high"} & set(value)


def _plain(part: Any) -> Any:
    """A part of the case as mappings, lists, numbers and texts; what is as by default is left out."""
    if isinstance(part, Mapping):
        return {str(k): _plain(v) for k, v in part.items()}
    if isinstance(part, (list, tuple)):
        return [_plain(v) for v in part]
    if not dataclasses.is_dataclass(part):
        return part.item() if isinstance(part, np.generic) else part
    kind = {"appetite": getattr(part, "name")} if isinstance(part, tuple(APPETITES.values())) else {}  # noqa: B009
    if isinstance(part, Intervention):
        kind = {"kind": part.kind}
    fields = [f for f in dataclasses.fields(part) if f.init and not _as_default(f, getattr(part, f.name))]
    return kind | {f.name: _plain(getattr(part, f.name)) for f in fields}


def _as_default(field: dataclasses.Field[Any], value: Any) -> bool:
    if field.default_factory is not dataclasses.MISSING:
        return value == field.default_factory()
    return type(value) is type(field.default) and value == field.default


CLASSES: dict[str, type[Any]] = {
    KINDS[each.__name__]: each
    for each in (
        Guideline, Relabel, Consensus, ActiveLearning, SyntheticData, Pretraining, NewLearner, EvaluationLabels,
    )
}  # fmt: skip
"""Classes of interventions by their kinds."""


def interventions_of(checks: Checks, key: str, given: Any) -> tuple[Intervention, ...]:
    """Make interventions from what a case says."""

    def one(checks: Checks, at: str, given: Any) -> Any:
        return given if isinstance(given, Intervention) else checks.one_of(at, CLASSES, given, by="kind")

    made = [part for part in checks.several(key, given, one, f"tables [[{key}]]") if part is not None]
    called = [part.name for part in made]
    for name in sorted({name for name in called if called.count(name) > 1}):
        checks.wrong(key, f"two are called {name!r}", "give one of them another name")
    return tuple(made)


shares_by_slice = partial(by_slice, share=True)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Score(Settings):
    """How the three pillars are made one number: expected net benefit − weight × CVaR of the loss.

    Parameters
    ----------
    weight : float
        Weight λ of the risk, ≥ 0.
    level : float
        Level α of the CVaR, 0 < α < 1.

    Raises
    ------
    InputError
        For everything that is wrong, with its key.

    Examples
    --------
    >>> Score(weight=0.5).level
    0.9
    """

    weight: Amount = 1.0
    level: Share = 0.9


OVERRUN = 0.1  # how probably a plan may cost more than its expected cost and its reserve, where the case is silent


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case(Told):
    """Everything a decision needs beside a fit; parts may be given as objects or as mappings.

    Parameters
    ----------
    costs : Costs
        What labels cost.
    value : Value
        What a lower error is worth.
    guardrails : Guardrails
        Rules that a plan must keep.
    approvals : tuple of Approval
        Who must agree before a plan above a sum is carried out; commands on it end with exit code 3 until then.
    slices : mapping of str to SliceLimit
        Limits on the labels bought for single slices.
    classes : mapping of str to SliceClass
        Slices of like stakes by the name of their class, each slice in one at most.
    scenarios : tuple of Scenario
        Plans of one's own that every decision is held against, and takes where one is worth more.
    risk : Mean, Quantile, CVaR, ExponentialUtility or Aspiration
        Risk appetite.
    score : Score
        How gain, cost and risk are made one number.
    label_errors : quantity, or mapping of str to quantity
        Share of wrong labels to be expected among new labels, beyond those of the labels at hand, 0 ≤ share < 1; used
        by the stress test.
    label_noise : quantity, mapping of str to quantity, optional
        Share of wrong labels among plain ones, now; needed by interventions that change it.
    label_noise_origin : {"elicited", "from annotations"}
        Where that share comes from: somebody states it, or judgements of annotators tell it
        (``LabelNoise.quantities()``).
    interventions : tuple of Intervention
        What may be done instead of buying labels, or beside it.
    currency : str
        Currency of all money; empty for utility.
    learner : str, list of str, or mapping of learner to float
        The learner that decides, where a fit has several; or a portfolio of them, all trained again: the best of a list
        in each slice and draw, or each for its share of the items, > 0.
    suite : str
        The suite that decides, where a fit has several; by default the holdout.
    name : str
        What the case is called.

    Attributes
    ----------
    source : str
        File that it was read from; empty where it was given in Python. Two cases that differ in it alone are equal.

    Raises
    ------
    InputError
        For everything that is wrong, with the place of its key.

    Examples
    --------
    >>> case = Case(costs={"price_per_label": 0.08}, value={"per_error_point": 400}, currency="USD")
    >>> case.limits("west")
    (0, inf)
    """

    costs: Annotated[Costs, table(Costs)]
    value: Annotated[Value, table(Value)]
    guardrails: Annotated[Guardrails, table(Guardrails)] = dataclasses.field(default_factory=Guardrails)
    approvals: Annotated[tuple[Approval, ...], tables(Approval)] = ()
    slices: Annotated[Mapping[str, SliceLimit], named(table(SliceLimit))] = dataclasses.field(default_factory=dict)
    classes: Annotated[Mapping[str, SliceClass], named(table(SliceClass))] = dataclasses.field(default_factory=dict)
    scenarios: Annotated[tuple[Scenario, ...], tables(Scenario)] = ()
    risk: Annotated[Appetite, appetite] = dataclasses.field(default_factory=Mean)
    score: Annotated[Score, table(Score)] = dataclasses.field(default_factory=Score)
    label_errors: Annotated[Quantity | Mapping[str, Quantity], shares_by_slice] = 0.0
    label_noise: Annotated[Quantity | Mapping[str, Quantity] | None, shares_by_slice] = None
    label_noise_origin: Annotated[str, word((names.ELICITED, names.FROM_ANNOTATIONS))] = names.ELICITED
    interventions: Annotated[tuple[Intervention, ...], interventions_of] = ()
    currency: Text = ""
    learner: Annotated[Learner, learner_or_portfolio] = ""
    suite: Text = ""
    name: Text = ""
    source: str = dataclasses.field(default="", init=False, compare=False, repr=False)

    def _together(self, checks: Checks) -> None:
        if self.label_noise is None and self.label_noise_origin != names.ELICITED:
            checks.wrong(
                names.LABEL_NOISE_ORIGIN, "the case states no label_noise", "state it, or leave its origin out"
            )
        self._settle_classes(checks)
        self._check_scenarios(checks)
        self._check_currency(checks)

    def _check_scenarios(self, checks: Checks) -> None:
        if checks.problems:
            return
        known, seen = [one.name for one in self.interventions], [one.name for one in self.scenarios]
        for place, one in enumerate(self.scenarios):
            if seen.count(one.name) > 1:
                checks.wrong(f"scenarios[{place}].name", f"{one.name!r} is given twice", "give each a name of its own")
            for name in one.interventions:
                checks.known(f"scenarios[{place}].interventions", "intervention", name, known)

    def _settle_classes(self, checks: Checks) -> None:
        """Give the stakes of classes to slices that have none of their own."""
        if checks.problems:
            return
        named = [name for one in self.classes.values() for name in one.slices]
        for name in sorted({name for name in named if named.count(name) > 1}):
            checks.wrong("classes", f"slice {name!r} is in two of them", "leave it in one")
        stakes = {name: one.stakes for one in self.classes.values() for name in one.slices if one.stakes != 1}
        if stakes:
            put(self, value=dataclasses.replace(self.value, stakes={**stakes, **self.value.stakes}))

    def _check_currency(self, checks: Checks) -> None:
        given = {
            "currency": self.currency,
            "costs.currency": self.costs.currency if self.costs else "",
            "value.currency": self.value.currency if self.value else "",
        }
        stated = {key: currency for key, currency in given.items() if currency}
        if len(set(stated.values())) > 1:
            said = " and ".join(f"{value!r} ({key})" for key, value in stated.items())
            checks.wrong("currency", f"two currencies, {said}", "give all money in one; there is no conversion")
        elif stated:
            put(self, currency=next(iter(stated.values())))

    @property
    def overrun(self) -> float:
        """Probability with which a plan may cost more than is set aside: as stated, as the budget leaves it, or 0.1."""
        budget, stated = self.guardrails.maximum_budget, self.guardrails.overrun
        return stated if stated is not None else round(1.0 - budget.probability, 9) if budget else OVERRUN

    def limits(self, slice: str) -> tuple[int, float]:
        """Return how many labels must and may be bought for a slice.

        Parameters
        ----------
        slice : str
            Name of the slice.

        Returns
        -------
        minimum : int
            Labels that must be bought.
        maximum : float
            Labels that may be bought, whole or infinite.

        Examples
        --------
        >>> case = Case(costs={"price_per_label": 1}, value={"per_error_point": 1}, slices={"fr": {"maximum": 500}})
        >>> case.limits("fr")
        (0, 500)
        """
        limit = self.slices.get(slice, SliceLimit())
        return limit.minimum, limit.most

    def check(self, fit: Fit) -> None:
        """Refuse a case that does not belong to a fit.

        Parameters
        ----------
        fit : Fit
            Fit.

        Raises
        ------
        InputError
            If the case speaks of a slice, learner or suite that the fit lacks, or leaves out a price.

        Examples
        --------
        >>> from labelvalue.testing import fake_fit
        >>> Case(costs={"price_per_label": 1}, value={"per_error_point": 1}).check(fake_fit(seed=1))
        """
        slices = [str(name) for name in fit.slices]
        problems = misfits(self, slices, fit.settings["learners"], fit.settings["suites"])
        if problems:
            raise InputError(dataclasses.replace(problem, file=self.source) for problem in problems)

    def to_toml(self) -> str:
        """Return the case as TOML that ``read_case`` reads.

        Returns
        -------
        str
            One line a setting that differs from its default.

        Examples
        --------
        >>> case = Case(costs={"price_per_label": 0.08}, value={"per_error_point": 400}, currency="USD")
        >>> print(case.to_toml())
        currency = "USD"
        <BLANKLINE>
        [costs]
        price_per_label = 0.08
        <BLANKLINE>
        [value]
        per_error_point = 400
        <BLANKLINE>
        """
        return as_text(self)


def misfits(case: Case, slices: Sequence[str], learners: Sequence[str], suites: Sequence[str]) -> list[Problem]:
    """Say what keeps a case from belonging to a fit of these slices, learners and suites."""
    checks = Checks()
    for key, name in _slices_named(case):
        checks.known(key, "slice", name, slices)
    for key, given in _by_slice(case).items():
        for name in slices:
            if of_slice(given, name)[1] is None:
                checks.wrong(key, f"no number for slice {name!r}", "give it one, or a default")
    for dim, there in ((names.LEARNER, learners), (names.SUITE, suites)):
        for stated in learner_names(case.learner) if dim == names.LEARNER else [case.suite]:
            chosen = stated or (HOLDOUT if dim == names.SUITE else "")
            if (stated or len(there) > 1) and chosen not in there:
                unknown = f"unknown {dim} {chosen!r}{did_you_mean(chosen, there)}"
                why = unknown if chosen else f"the fit has several {dim}s"
                checks.wrong(dim, why, f"name one of {', '.join(there)}")
    for name in case.value.elapsed:
        checks.known(f"value.elapsed.{name}", "suite", name, suites)
    return checks.problems


def chosen_of(case: Case, fit: Fit) -> dict[str, list[str]]:
    """Return the learners and the suite that decide, by the dims for them that the fit has."""
    chosen = {names.LEARNER: learner_names(case.learner), names.SUITE: [case.suite or HOLDOUT]}
    return {dim: found for dim, found in chosen.items() if dim in fit.position.dims}


def _by_slice(case: Case) -> dict[str, Any]:
    return {
        "costs.price_per_label": case.costs.price_per_label,
        "costs.hours_per_label": case.costs.hours_per_label,
        "value.per_error_point": 0.0 if case.value.per_error_point is None else case.value.per_error_point,
        "value.drift": 0.0 if case.value.drift is None else case.value.drift,
        "label_errors": case.label_errors,
        names.LABEL_NOISE: 0.0 if case.label_noise is None else case.label_noise,
    }


def _slices_named(case: Case) -> list[tuple[str, str]]:
    """Every slice that the case speaks of, with the place of its key."""
    maps: dict[str, Any] = {k: v for k, v in _by_slice(case).items() if isinstance(v, Mapping)}
    named = [(f"{k}.{name}", name) for k, v in maps.items() for name in v if of_slice(v, name)[0] != "default"]
    maps = {"value.volume": case.value.volume, "value.stakes": case.value.stakes, "slices": case.slices}
    for place, change in enumerate(case.value.mix_changes):
        maps[f"value.mix_changes[{place}].factors"] = change.factors
    named += [(f"{k}.{name}", name) for k, v in maps.items() for name in v]
    named += [(f"classes.{key}.slices", name) for key, one in case.classes.items() for name in one.slices]
    for place, stated in enumerate(case.scenarios):
        named += [(f"scenarios[{place}].labels.{name}", name) for name in stated.labels]
    for place, one in enumerate(case.interventions):
        named += [(f"interventions[{place}].slices", name) for name in one.slices]
    floors = case.guardrails.floors
    return named + [(f"guardrails.floors[{i}].{names.SLICE}", floor.slice) for i, floor in enumerate(floors)]


EXAMPLE = "adult_case.toml"  # the documented example that ships with the data


def example_case() -> str:
    """Return the documented example of a case file, for the shipped runs.

    Returns
    -------
    str
        TOML with comments.

    Examples
    --------
    >>> parse_case(example_case()).currency
    'USD'
    """
    return (files("labelvalue_data") / EXAMPLE).read_text(encoding="utf-8")


def read_case(path: str | os.PathLike[str]) -> Case:
    r"""Read a case from a TOML file.

    Parameters
    ----------
    path : path
        File with the fields of :class:`Case` as tables: ``[costs]``, ``[value]``, ``[guardrails]``, ``[slices]``,
        ``[risk]``, ``[score]``. A quantity is a number, an interval ``{ low = 1, high = 3, probability = 0.9 }``, or
        branches ``[{ value = 1, probability = 0.8 }, { value = 3, probability = 0.2 }]``.

    Returns
    -------
    Case

    Raises
    ------
    InputError
        If the file is missing, no TOML, or says anything that is unknown or illegal; all of it at once.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "case.toml"
    >>> _ = path.write_text('[costs]\nprice_per_label = 0.08\n[value]\nper_error_point = 400\n')
    >>> read_case(path).costs.price_per_label, read_case(path).source
    (0.08, 'case.toml')
    """
    path = Path(path)
    return parse_case(read_text(path), file=path.name)


def parse_case(text: str, *, file: str = "") -> Case:
    r"""Return the case that TOML text describes."""
    given = parse_toml(text, file=file)
    case = read_table(Case, {"value": {}} | given, file)
    put(case, source=file)
    return case
