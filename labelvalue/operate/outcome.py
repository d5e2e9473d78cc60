"""What a re-fit came to, for people, for schedulers, and as one line of JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from labelvalue.exits import NOT_PUBLISHED, STATES, STOPPED
from labelvalue.operate import guardrails, refit as fits
from labelvalue.operate.approvals import GIVEN
from labelvalue.operate.wording import approval_line, case_rule_line, rule_line


@dataclasses.dataclass(frozen=True)
class Refit:
    """What a re-fit came to.

    Parameters
    ----------
    fit : str
        Id of the fit of all batches that stand.
    new : bool
        Whether it was made now; ``False`` where nothing had changed.
    verdict : {"ok", "flagged", "refused"}
        Of the gate: convergence, fit of the model, and the backtest.
    reasons : tuple of str
        Why, unless the verdict is ``ok``.
    published : str or None
        Id of the fit that is published now: this one, or where it did not pass, the one before.
    state : {"PASS", "STOP", "INCONCLUSIVE"} or None
        Of all guardrails together, those of the case included; ``None`` where this fit is not published.
    guardrails : tuple of mapping
        Each rule with its state, and the labels that would decide it.
    triggers : tuple of mapping
        What called for the fit.
    calibration : mapping
        How past forecasts did, and the factor on the width of intervals.
    reproduced : bool or None
        Whether a fit made again has the same draws; ``None`` where none was.
    page : str or None
        The report.
    notes : tuple of str
        What else to know.
    advice : mapping or None
        Plan, worth and state by the project's case; ``None`` without a case, and where this fit is not published.
    approvals : tuple of mapping
        Approvals that the case asks for before the advice is carried out, each with the decision by which it was
        ``given``, ``None`` while it is missing.
    backtest : str
        What the backtest of the fit came to, or why there is none; empty where none was asked for.
    head : str
        Digest of the last record of the ledger, to be kept elsewhere.

    Examples
    --------
    >>> Refit("A", True, "flagged", ("divergences",), None, None, (), (), {}, None, None, ()).exit_code
    2
    """

    fit: str
    new: bool
    verdict: str
    reasons: tuple[str, ...]
    published: str | None
    state: str | None
    guardrails: tuple[Mapping[str, Any], ...]
    triggers: tuple[Mapping[str, Any], ...]
    calibration: Mapping[str, Any]
    reproduced: bool | None
    page: str | None
    notes: tuple[str, ...]
    advice: Mapping[str, Any] | None = None
    approvals: tuple[Mapping[str, Any], ...] = ()
    backtest: str = ""
    head: str = ""

    @property
    def exit_code(self) -> int:
        """0 done or nothing new; 2 not published; 3 a rule says stop or an approval is missing; 6 undecided."""
        if self.verdict != fits.OK or self.state is None:
            return NOT_PUBLISHED
        return STOPPED if self.stops else STATES[self.state]

    @property
    def stops(self) -> tuple[str, ...]:
        """Why to stop, in words: guardrails that say so, of the project or of its case, and approvals missing."""
        of_case = () if self.advice is None else self.advice["guardrails"]
        rules = (*map(rule_line, self._stopping(self.guardrails)), *map(case_rule_line, self._stopping(of_case)))
        return (*rules, *(approval_line(one) for one in self.approvals if one[GIVEN] is None))

    @staticmethod
    def _stopping(rules: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        return (rule for rule in rules if rule[guardrails.STATE] == guardrails.STOP)

    def as_dict(self) -> dict[str, Any]:
        """Return the result as plain values, for one line of JSON.

        Returns
        -------
        dict
            One key a field, ``stops`` and ``exit_code``.
        """
        return {**dataclasses.asdict(self), "stops": list(self.stops), "exit_code": self.exit_code}
