"""``labelvalue.toml``: how a project is fitted, judged and reported, with every fault named at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from labelvalue import names
from labelvalue.checks import is_number
from labelvalue.problems import InputError, Problem, did_you_mean
from labelvalue.reading import WHOLE_LIMIT, parse_toml, read_text

FILE = "labelvalue.toml"

TEMPLATE = """\
# A labelvalue project. Every line may be left out; what stands here is the default unless it is commented out.
# protocol = "protocol.toml"      # runs of another protocol are then refused
# case = "case.toml"              # costs, value and risk, kept beside this file

[runs]
# metric = "accuracy"             # of column 'value'; tables of counts need none

[plan]
# max_labels = 10000              # most labels that a decision may buy; as many as there are today by default
lot = 1                           # labels are bought in multiples of it

[fit]
model = "power_law"
random_seed = 0
draws = 1000
tune = 300
chains = 4
classes = 2
backtest = true                   # forecasts from part of the runs are checked where runs or model are new

[fit.discount]
# "2024 pilot" = 0.5              # share of its likelihood that an old batch counts for; 1 where nothing is said

[labels_now]
# "nurses" = 1200                 # where it is not the largest number observed

# [priors.churn]
# distribution = "logitnormal"
# center = 0.0
# spread = 1.0
# source = "my team"

[guardrails]
probability = 0.9                 # from which a rule holds; below 1 minus it, it is broken
batch_labels = 1000               # size of the next batch, in labels of one slice
# minimum_gain_per_1000 = 0.002   # drop in error that 1,000 more labels must bring in some slice
# maximum_labels = 100000         # labels of all slices together, after which no more are bought
# maximum_spend = 25000           # money spent on batches, after which no more are bought

[guardrails.error_limits]
# "nurses" = 0.10                 # highest error allowed

[triggers]
new_labels = 0                    # that batches must bring before they are fitted, unless another trigger fires
surprise = 0.01                   # p-value of a batch's results under their forecast
retraining = 0.9                  # P(training on the new labels is worth more than it costs); needs a case

[limits]
# memory_gb = 8                   # address space of the process that fits
# minutes = 600                   # that a fit may take; finished draws are kept for the next one

[report]
page = true
# budgets = [500, 2000]

# [[assumptions]]
# id = "same-task"
# text = "Next year's data come from the same sources."
# source = "head of data, 2026"
# if_wrong = "Curves would have to be measured anew."
# key = "costs.price_per_label"   # of the case, with the value it may have instead: the advice is made with both
# alternative = 0.16
"""


@dataclasses.dataclass(frozen=True)
class FitSettings:
    """What a fit is asked for, beside its data and priors."""

    model: str = "power_law"
    random_seed: int = 0
    draws: int = 1000
    tune: int = 300
    chains: int = 4
    classes: int = 2
    discount: Mapping[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Guardrails:
    """Rules that buying labels must keep; ``None`` and an empty mapping are no rule."""

    probability: float = 0.9
    batch_labels: int = 1000
    minimum_gain_per_1000: float | None = None
    maximum_labels: int | None = None
    maximum_spend: float | None = None
    error_limits: Mapping[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Triggers:
    """What calls for a re-fit: enough new labels, a batch that its forecast did not expect, a training that pays."""

    new_labels: int = 0
    surprise: float = 0.01
    retraining: float = 0.9


@dataclasses.dataclass(frozen=True)
class PlanSettings:
    """How much a decision may buy, beside what the case allows; as many labels as there are where none are named."""

    max_labels: int | None = None
    lot: int = 1


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a fit may take of the machine."""

    memory_gb: float | None = None
    minutes: float | None = None


@dataclasses.dataclass(frozen=True)
class Report:
    """Whether a page is written for each published fit, and the budgets it shows."""

    page: bool = True
    budgets: tuple[int, ...] | None = None


@dataclasses.dataclass(frozen=True)
class Configuration:
    """The whole of ``labelvalue.toml``, checked."""

    protocol: str | None = None
    case: str | None = None
    metric: str | None = None
    fit: FitSettings = FitSettings()
    backtest: bool = True
    labels_now: Mapping[str, int] = dataclasses.field(default_factory=dict)
    priors: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    guardrails: Guardrails = dataclasses.field(default_factory=Guardrails)
    triggers: Triggers = Triggers()
    plan: PlanSettings = PlanSettings()
    limits: Limits = Limits()
    report: Report = Report()
    assumptions: tuple[Mapping[str, Any], ...] = ()
    text: str = dataclasses.field(default="", repr=False, compare=False)


@dataclasses.dataclass(frozen=True)
class Key:
    """What a key may hold: a test, and the words for it."""

    legal: Callable[[Any], bool]
    words: str


def _whole(least: int) -> Key:
    def legal(value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and least <= value < WHOLE_LIMIT

    return Key(legal, f"a whole number ≥ {least}")


_TEXT = Key(lambda v: isinstance(v, str) and bool(v), "text")
_NUMBER = Key(is_number, "a finite number")
_POSITIVE = Key(lambda v: is_number(v) and v > 0, "a finite number > 0")
_PROBABILITY = Key(lambda v: is_number(v) and 0 < v < 1, "a number between 0 and 1")
_CERTAIN = Key(lambda v: is_number(v) and 0.5 < v < 1, "a number between 0.5 and 1")
_SHARE = Key(lambda v: is_number(v) and 0 < v <= 1, "a number above 0 and at most 1")
_SWITCH = Key(lambda v: isinstance(v, bool), "true or false")
_BUDGETS = Key(lambda v: isinstance(v, list) and bool(v) and all(map(_whole(0).legal, v)), "whole numbers ≥ 0")

_TOP = {"protocol": _TEXT, "case": _TEXT}
_TABLES: dict[str, dict[str, Key]] = {
    "runs": {"metric": _TEXT},
    "fit": {
        "model": _TEXT,
        "random_seed": _whole(0),
        "draws": _whole(100),
        "tune": _whole(100),
        "chains": _whole(2),
        "classes": _whole(2),
        "backtest": _SWITCH,
    },
    "guardrails": {
        "probability": _CERTAIN,
        "batch_labels": _whole(1),
        "minimum_gain_per_1000": _POSITIVE,
        "maximum_labels": _whole(0),
        "maximum_spend": _POSITIVE,
    },
    "triggers": {"new_labels": _whole(0), "surprise": _PROBABILITY, "retraining": _PROBABILITY},
    "plan": {"max_labels": _whole(0), "lot": _whole(1)},
    "limits": {"memory_gb": _POSITIVE, "minutes": _POSITIVE},
    "report": {"page": _SWITCH, "budgets": _BUDGETS},
}
_PRIOR = {"distribution": _TEXT, "center": _NUMBER, "spread": _POSITIVE, "meaning": _TEXT, "source": _TEXT}
_ASSUMPTION = {
    "id": _TEXT,
    "text": _TEXT,
    "source": _TEXT,
    "value": Key(lambda v: isinstance(v, str) or is_number(v), "text or a number"),
    "if_wrong": _TEXT,
    "key": _TEXT,
    "alternative": Key(lambda v: isinstance(v, str) or is_number(v), "text or a number"),
}


def read_configuration(folder: Path) -> Configuration:
    """Read the ``labelvalue.toml`` of a project folder; raises one :class:`InputError` with all its faults."""
    path = folder / FILE
    text = read_text(path)
    given = parse_toml(text, file=str(path))
    found = _Faults(str(path))
    made = _configuration(given, found)
    if found.problems:
        raise InputError(found.problems)
    return dataclasses.replace(made, text=text)


class _Faults:
    """Problems of one file, collected."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []

    def add(self, key: str, why: str, fix: str, value: object = None) -> None:
        self.problems.append(Problem(file=self.file, column=key, value=value, why=why, fix=fix))

    def keep(self, given: Mapping[str, Any], keys: Mapping[str, Key], where: str = "") -> dict[str, Any]:
        """Return what is legal of a table, and note the rest."""
        kept = {}
        for name, value in given.items():
            if name not in keys:
                self.add(where + name, f"unknown key{did_you_mean(name, keys)}", f"one of {', '.join(keys)}")
            elif not keys[name].legal(value):
                self.add(where + name, f"expected {keys[name].words}", f"give {keys[name].words}", value)
            else:
                kept[name] = value
        return kept

    def table(self, given: Mapping[str, Any], name: str) -> dict[str, Any]:
        """Return a table of the file; an empty one where it is none."""
        value = given.get(name, {})
        if isinstance(value, dict):
            return dict(value)
        self.add(name, "expected a table", f"write [{name}]", value)
        return {}

    def numbers(self, given: Mapping[str, Any], key: Key, where: str) -> dict[str, Any]:
        """Return a table from slices to numbers."""
        return self.keep(given, dict.fromkeys(given, key), f"{where}.")


def _configuration(given: Mapping[str, Any], found: _Faults) -> Configuration:
    nested = (*_TABLES, names.LABELS_NOW, "priors", "assumptions")
    top = found.keep({k: v for k, v in given.items() if k not in nested}, _TOP | dict.fromkeys(nested, _TEXT))
    guardrails = found.table(given, "guardrails")
    limits = found.table(guardrails, "error_limits")
    guardrails.pop("error_limits", None)
    fit = found.table(given, "fit")
    discount = found.table(fit, "discount")
    fit.pop("discount", None)
    own = {"guardrails": guardrails, "fit": fit}
    tables = {
        name: found.keep(own[name] if name in own else found.table(given, name), keys, f"{name}.")
        for name, keys in _TABLES.items()
    }
    limits = found.numbers(limits, _POSITIVE, "guardrails.error_limits")
    shares = found.numbers(discount, _SHARE, "fit.discount")
    priors = found.table(given, "priors")
    report = tables["report"]
    backtest = tables["fit"].pop("backtest", True)
    if "budgets" in report:
        report["budgets"] = tuple(report["budgets"])
    return Configuration(
        **top,
        metric=tables["runs"].get("metric"),
        fit=FitSettings(**tables["fit"], discount=shares),
        backtest=backtest,
        labels_now=found.numbers(found.table(given, names.LABELS_NOW), _whole(0), names.LABELS_NOW),
        priors={name: found.keep(found.table(priors, name), _PRIOR, f"priors.{name}.") for name in priors},
        guardrails=Guardrails(**tables["guardrails"], error_limits=limits),
        triggers=Triggers(**tables["triggers"]),
        plan=PlanSettings(**tables["plan"]),
        limits=Limits(**tables["limits"]),
        report=Report(**report),
        assumptions=_assumptions(given.get("assumptions", []), found),
    )


def _assumptions(given: object, found: _Faults) -> tuple[Mapping[str, Any], ...]:
    if not isinstance(given, list) or not all(isinstance(item, dict) for item in given):
        found.add("assumptions", "expected tables", "write [[assumptions]]")
        return ()
    made = [found.keep(item, _ASSUMPTION, "assumptions.") for item in given]
    for item in given:
        both = ("key", "alternative") if "key" in item or "alternative" in item else ()
        for name in ("id", "text", "source", "if_wrong", *both):
            if name not in item:
                found.add(f"assumptions.{name}", "missing", "say it; a register without it cannot be checked")
    ids = [item.get("id") for item in made]
    for name in {i for i in ids if i is not None and ids.count(i) > 1}:
        found.add("assumptions.id", "given twice", "give each assumption an id of its own", name)
    return tuple(made)
