"""The evaluation protocol: what a simulation does, frozen, and hashed."""

import dataclasses
import functools
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

from labelvalue.observe.simulate.suites import NOISE_KINDS, SUITES, ClassMix, Suite
from labelvalue.observe.table.schema import CATALOGUE
from labelvalue.problems import InputError
from labelvalue.reading import WHOLE_LIMIT, parse_toml, read_text
from labelvalue.settings import Check, Checks, Settings, is_number, listed, read_table, word


def as_toml(value: object) -> str:
    """Return a number, truth value, text, sequence or mapping as TOML; text as JSON, whose escapes TOML shares."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{as_toml(str(k))} = {as_toml(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(as_toml, value)) + "]"
    return repr(float(value)) if isinstance(value, float) else str(value)


RESAMPLING = ("subsets", "folds", "bootstrap")

_ID = re.compile(r"(?P<measured>[a-z_0-9]+(\(.*\))?)-[0-9a-f]{12}", re.DOTALL)


TextOrNone = Annotated[str | None, Checks.text]


def _ascending(checks: Checks, key: str, given: Any) -> tuple[int, ...]:
    sizes = listed(Checks.whole, some=True)(checks, key, given)
    return sizes if checks.problems else tuple(sorted({*sizes}))


def _float(check: Check) -> Check:
    """A number that is kept as one with decimals, so that 1 and 1.0 are one protocol."""

    def checked(checks: Checks, key: str, given: Any) -> Any:
        kept = check(checks, key, given)
        return float(kept) if is_number(kept) else kept

    return checked


def _strategy(checks: Checks, key: str, given: Any) -> Any:
    if isinstance(given, Mapping | ClassMix):
        return checks.section(key, ClassMix, given)
    return checks.text(key, given)


def _generator(checks: Checks, key: str, given: Any) -> Any:
    if not callable(given) and not isinstance(given, str):
        fix = "give 'smote', 'bootstrap', or a function (X, y, n, seed)"
        checks.wrong(key, "neither a name nor a function", fix, given)
    return given


def _suite(checks: Checks, key: str, given: Any) -> Any:
    return checks.one_of(key, SUITES, given, by="kind")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Protocol(Settings):
    """What a simulation does: everything that decides what its runs mean, and nothing else.

    Parameters
    ----------
    metric : str, optional
        A metric of the catalogue; by default wrong answers are counted, or ``mae`` for regressors.
    positive : str, optional
        Class that ``precision``, ``recall`` and ``f1`` of two classes are about, as text; by default the last in order.
    slices : str, optional
        Column that holds the slices.
    sizes : tuple of int, optional
        Training-set sizes, all slices together, ≥ 2; by default six to ten, half a doubling apart or more. The smallest
        holds about 5 labels of every class and 10 of every slice that is not rare, but at most an eighth of the
        largest, which is all that folds leave to train on, or 85 % of what one split leaves.
    replicates : int, optional
        Re-draws of the training set, ≥ 1; folds where ``resampling`` is ``folds``, ≥ 2; by default 5, or as many folds
        as leave four fifths of the rows to train on.
    resampling : {"subsets", "folds", "bootstrap"}, optional
        Where replicates come from: subsets drawn without replacement; cross-validation folds, each with an
        evaluation set of its own; or bootstrap draws, with replacement. By default folds where one split would leave
        few rows of a slice to evaluate on, else subsets.
    test_size : float, optional
        Share of each slice that is evaluated on, 0 < share < 1, by default 0.25; folds need none.
    jitter : float
        Standard deviation of the log of the slices' sampling weights, ≥ 0.
    strategies : tuple of str or ClassMix
        How labels are chosen: ``random``, ``stratified`` (slices at their shares), ``balanced`` (classes at equal
        shares), ``uncertainty``, ``margin``, ``entropy``, ``committee``, ``diversity``, a mix of classes, or the name
        of a strategy of the user's own.
    batch_size : int, optional
        Labels that a strategy chooses at a time, ≥ 1; by default all that lead to the next size.
    label_noise : tuple of float
        Shares of wrong training labels, 0 ≤ share < 1; empty leaves labels as they are.
    noise_kind : {"uniform", "class_conditional", "annotators"}
        Who errs.
    synthetic : tuple of float
        Synthetic examples per label, ≥ 0; empty adds none.
    generator : str or function
        ``smote``, ``bootstrap``, or a function ``(X, y, n, seed)`` that gets the labelled rows of a slice and returns
        ``n`` new ones; in TOML stands its name.
    suites : tuple
        What is evaluated on beside the holdout: ``TimeSplit``, ``DomainSplit``, ``FeatureNoise``, ``MissingValues``,
        ``WrongEvaluation``, ``ClassMix``.
    diversity : bool, optional
        Whether to score how diverse the labels of each slice are (column ``diversity``): effective clusters of features
        that they cover, over those of as many drawn at random. By default where there are several strategies.
    random_state : int, optional
        Seed ≥ 0 of everything.

    Examples
    --------
    >>> Protocol(sizes=(100, 200), replicates=3).jitter
    0.7
    """

    metric: Annotated[str | None, word(CATALOGUE)] = None
    positive: TextOrNone = None
    slices: TextOrNone = None
    sizes: Annotated[tuple[int, ...] | None, _ascending] = None
    replicates: Annotated[int | None, partial(Checks.whole, least=1)] = None
    resampling: Annotated[str | None, word(RESAMPLING)] = None
    test_size: Annotated[float | None, _float(Checks.share)] = None
    jitter: Annotated[float, _float(Checks.number)] = 0.7
    strategies: Annotated[tuple[str | ClassMix, ...], listed(_strategy, some=True)] = ("random",)
    batch_size: Annotated[int | None, partial(Checks.whole, least=1)] = None
    label_noise: Annotated[tuple[float, ...], listed(_float(partial(Checks.share, none=True)))] = ()
    noise_kind: Annotated[str, word(NOISE_KINDS)] = "uniform"
    synthetic: Annotated[tuple[float, ...], listed(_float(Checks.number))] = ()
    generator: Annotated[str | Callable[..., Any], _generator] = "smote"
    suites: Annotated[tuple[Suite, ...], listed(_suite)] = ()
    diversity: Annotated[bool | None, Checks.switch] = None
    random_state: Annotated[int | None, partial(Checks.whole, most=WHOLE_LIMIT - 1)] = None

    def _together(self, checks: Checks) -> None:
        if checks.problems:
            return
        if self.resampling == "folds" and self.replicates == 1:
            checks.wrong("replicates", "must be ≥ 2, the number of folds", "give another replicates", 1)
        if len({suite.name for suite in self.suites}) < len(self.suites):
            checks.wrong("suites", "a suite is given twice", "name each once")

    @functools.cached_property
    def id(self) -> str:
        """What is measured, and a digest of the protocol: ``error_rate-0f3a…``."""
        measured = self.metric or "none"
        if self.positive is not None:
            measured += f"({self.positive})"
        return f"{measured}-{hashlib.sha256(self.to_toml().encode()).hexdigest()[:12]}"

    def to_toml(self) -> str:
        """Return the protocol as TOML that ``read_protocol`` reads.

        Returns
        -------
        str
            One line per setting that is given, a table per suite and mix.

        Examples
        --------
        >>> print(Protocol(replicates=3, suites=(SUITES["noise"](0.5),)).to_toml().splitlines()[0])
        replicates = 3
        """
        lines = []
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name == "strategies":
                value = [{"shares": s.shares} if isinstance(s, ClassMix) else s for s in value]
            if field.name == "generator" and callable(value):
                value = getattr(value, "__name__", type(value).__name__)
            if value is not None and field.name != "suites":
                lines.append(f"{field.name} = {as_toml(value)}")
        kinds = {kind: name for name, kind in SUITES.items()}
        for suite in self.suites:
            lines += ["", "[[suites]]", f"kind = {as_toml(kinds[type(suite)])}"]
            lines += [f"{f.name} = {as_toml(getattr(suite, f.name))}" for f in dataclasses.fields(suite)]
        return "\n".join(lines) + "\n"


def measured_by(identity: str) -> str | None:
    """Return metric and positive class of a protocol's id, ``None`` where the id is none of ours."""
    match = _ID.fullmatch(identity)
    return match["measured"] if match else None


TEMPLATE = "protocol.toml"  # the template that ships with the data
BESIDE = ".protocol.toml"  # what the name of a runs table's protocol adds to the table's own


def template() -> str:
    """Return the template of a protocol file, every setting with its meaning."""
    return (files("labelvalue_data") / TEMPLATE).read_text(encoding="utf-8")


def read_protocol(path: str | os.PathLike[str]) -> Protocol:
    r"""Read a protocol from a TOML file.

    Parameters
    ----------
    path : path
        File with the fields of :class:`Protocol` as keys; a table ``[[suites]]`` per suite, with ``kind`` ``time``,
        ``domain``, ``noise``, ``missing``, ``wrong_labels`` or ``mix`` and the settings of that suite.

    Returns
    -------
    Protocol

    Raises
    ------
    InputError
        If the file is missing, no TOML, or holds an unknown key or an illegal value.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "protocol.toml"
    >>> _ = path.write_text('replicates = 3\n[[suites]]\nkind = "noise"\nscale = 0.5\n')
    >>> read_protocol(path).suites
    (FeatureNoise(scale=0.5),)
    """
    path = Path(path)
    return parse_protocol(read_text(path), file=path.name)


def beside(runs: Path) -> Path:
    """Return where the protocol of a runs table stands."""
    return runs.with_name(runs.name + BESIDE)


def is_of(text: str, ids: Iterable[str]) -> bool:
    """Tell whether TOML text is the protocol of all runs that bear these ids."""
    try:
        return {parse_protocol(text).id} == set(ids)
    except InputError:
        return False


def parse_protocol(text: str, *, file: str = "") -> Protocol:
    """Return the protocol that TOML text describes; ``file`` names its place in errors."""
    return read_table(Protocol, parse_toml(text, file=file), file)
