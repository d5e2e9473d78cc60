"""``labelvalue.toml``: how a project is fitted, judged and reported, with every fault named at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import field
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from labelvalue.reading import WHOLE_LIMIT, parse_toml, read_text
from labelvalue.settings import (
    Check,
    Checks,
    Count,
    Settings,
    Share,
    Switch,
    is_number,
    listed,
    named,
    put,
    read_table,
    table,
)

FILE = "labelvalue.toml"
CASE_FILE = "case.toml"  # where the template places a case; it counts once a line names it

TEMPLATE = """\
# A labelvalue project. Every line may be left out; what stands here is the default unless it is commented out.
# protocol = "protocol.toml"      # runs of another protocol are then refused
# case = "case.toml"              # costs, value, rules and approvals, kept beside this file

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

[annotations]
# pay_per_hour = 18               # of annotators: the price of a label, where the case states none, follows from it

[triggers]
new_labels = 0                    # that batches must bring before they are fitted, unless another trigger fires
surprise = 0.01                   # p-value of a batch's results under their forecast
retraining = 0.9                  # P(training on the new labels is worth more than it costs); needs a case

[limits]
# memory_gb = 8                   # address space of the process that fits
# minutes = 600                   # that a fit may take; finished draws are kept for the next one

[report]
page = true
# refits = true                   # fit again where draws cannot say whether other data change the advice; by default
                                  # with a dozen slices or fewer, where it takes a minute
# budgets = [500, 2000]

# [[assumptions]]
# id = "same-task"
# text = "Next year's data come from the same sources."
# source = "head of data, 2026"
# if_wrong = "Curves would have to be measured anew."
# key = "costs.price_per_label"   # of the case, with the value it may have instead: the advice is made with both
# alternative = 0.16
"""


Said = Annotated[str, partial(Checks.text, said=True)]
SaidOrNone = Annotated[str | None, partial(Checks.text, said=True)]
PositiveOrNone = Annotated[float | None, partial(Checks.number, above=True)]


@dataclasses.dataclass(frozen=True)
class Runs(Settings):
    """What tables of runs are about."""

    metric: SaidOrNone = None


@dataclasses.dataclass(frozen=True)
class FitSettings(Settings):
    """What a fit is asked for, beside its data and priors."""

    model: Said = "power_law"
    random_seed: Annotated[int, partial(Checks.whole, most=WHOLE_LIMIT - 1)] = 0
    draws: Annotated[int, partial(Checks.whole, least=100)] = 1000
    tune: Annotated[int, partial(Checks.whole, least=100)] = 300
    chains: Annotated[int, partial(Checks.whole, least=2)] = 4
    classes: Annotated[int, partial(Checks.whole, least=2)] = 2
    discount: Annotated[Mapping[str, float], named(partial(Checks.share, one=True))] = field(default_factory=dict)
    backtest: Switch = True


@dataclasses.dataclass(frozen=True)
class Annotations(Settings):
    """What must be known beside batches of annotations for them to tell the price of a label."""

    pay_per_hour: PositiveOrNone = None


@dataclasses.dataclass(frozen=True)
class Triggers(Settings):
    """What calls for a re-fit: enough new labels, a batch that its forecast did not expect, a training that pays."""

    new_labels: Count = 0
    surprise: Share = 0.01
    retraining: Share = 0.9


@dataclasses.dataclass(frozen=True)
class PlanSettings(Settings):
    """How much a decision may buy, beside what the case allows; as many labels as there are where none are named."""

    max_labels: Annotated[int | None, Checks.whole] = None
    lot: Annotated[int, partial(Checks.whole, least=1)] = 1


@dataclasses.dataclass(frozen=True)
class Limits(Settings):
    """What a fit may take of the machine."""

    memory_gb: PositiveOrNone = None
    minutes: PositiveOrNone = None


@dataclasses.dataclass(frozen=True)
class Report(Settings):
    """Whether a page is written for each published fit, with new fits where its draws do not do, and its budgets.

    Where nothing is said of new fits they are made for fits of few slices, in a minute or so.
    """

    page: Switch = True
    refits: Annotated[bool | None, Checks.switch] = None
    budgets: Annotated[tuple[int, ...] | None, listed(Checks.whole, some=True)] = None


@dataclasses.dataclass(frozen=True)
class GivenPrior(Settings):
    """What a project says of a prior; what it leaves open stays as the model has it."""

    distribution: SaidOrNone = None
    center: Annotated[float | None, Checks.real] = None
    spread: PositiveOrNone = None
    meaning: SaidOrNone = None
    source: SaidOrNone = None


def _text_or_number(checks: Checks, key: str, value: Any) -> Any:
    if not isinstance(value, str) and not is_number(value):
        checks.wrong(key, "expected text or a number", "give text in quotes, or a number", value)
    return value


@dataclasses.dataclass(frozen=True)
class Assumption(Settings):
    """What the project takes for granted; a register without a text, source or consequence cannot be checked."""

    id: Said
    text: Said
    source: Said
    if_wrong: Said
    value: Annotated[str | float | None, _text_or_number] = None
    key: SaidOrNone = None
    alternative: Annotated[str | float | None, _text_or_number] = None

    def _together(self, checks: Checks) -> None:
        for name, other in (("key", self.alternative), ("alternative", self.key)):
            if getattr(self, name) is None and other is not None:
                checks.wrong(name, "is missing", "give key and alternative, or neither")


def _stated(kind: type[Any]) -> Check:
    """Expect a table of this kind, kept as what is stated in it."""

    def checked(checks: Checks, key: str, given: Any) -> dict[str, Any]:
        return dict(given) if checks.section(key, kind, given) is not None else {}

    return checked


def _assumptions(checks: Checks, key: str, given: Any) -> tuple[Mapping[str, Any], ...]:
    made = checks.several(key, given, _stated(Assumption), f"tables [[{key}]]")
    ids = [one.get("id") for one in made if one]
    for name in {one for one in ids if ids.count(one) > 1}:
        checks.wrong(f"{key}.id", "given twice", "give each assumption an id of its own", name)
    return made


@dataclasses.dataclass(frozen=True)
class Configuration(Settings):
    """The whole of ``labelvalue.toml``, checked."""

    protocol: SaidOrNone = None
    case: SaidOrNone = None
    runs: Annotated[Runs, table(Runs)] = Runs()
    fit: Annotated[FitSettings, table(FitSettings)] = field(default_factory=FitSettings)
    labels_now: Annotated[Mapping[str, int], named(Checks.whole)] = field(default_factory=dict)
    priors: Annotated[Mapping[str, Mapping[str, Any]], named(_stated(GivenPrior))] = field(default_factory=dict)
    annotations: Annotated[Annotations, table(Annotations)] = Annotations()
    triggers: Annotated[Triggers, table(Triggers)] = Triggers()
    plan: Annotated[PlanSettings, table(PlanSettings)] = PlanSettings()
    limits: Annotated[Limits, table(Limits)] = Limits()
    report: Annotated[Report, table(Report)] = Report()
    assumptions: Annotated[tuple[Mapping[str, Any], ...], _assumptions] = ()
    text: str = field(default="", init=False, repr=False, compare=False)


def read_configuration(folder: Path) -> Configuration:
    """Read the ``labelvalue.toml`` of a project folder; raises one :class:`InputError` with all its faults."""
    path = folder / FILE
    text = read_text(path)
    made = read_table(Configuration, parse_toml(text, file=str(path)), str(path))
    put(made, text=text)
    return made
