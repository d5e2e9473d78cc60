"""Suites: what else a trained model is evaluated on, beside the holdout.

A *split* suite keeps rows from training: those of the latest time, or of some domains. A *copy* suite changes a copy of
the holdout (:mod:`labelvalue.observe.simulate.perturbations`). The name of a suite says all of its settings, so that
suites of one name mean the same.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
import pandas as pd

from labelvalue.observe.simulate.perturbations import (
    ClassMix,
    FeatureNoise,
    MissingValues,
    WrongEvaluation,
)
from labelvalue.problems import did_you_mean, input_error, quote
from labelvalue.settings import Checks, Settings, Share, Text, listed

HOLDOUT = "holdout"


def _domain(checks: Checks, key: str, given: Any) -> str:
    return str(given)


@dataclasses.dataclass(frozen=True)
class TimeSplit(Settings):
    """The latest rows, kept from training, to see whether the model holds tomorrow.

    Parameters
    ----------
    column : str
        Column of ``metadata`` or ``X`` that sorts by time: times, numbers or ISO 8601 text.
    share : float
        Share of all rows that is latest, 0 < share < 1; rows of equal time stay together.

    Examples
    --------
    >>> TimeSplit("day", 0.2).name
    'time day 0.2'
    """

    column: Text
    share: Share = 0.2

    @property
    def name(self) -> str:
        """Name in column ``suite``."""
        return f"time {self.column} {self.share:g}"

    def held(self, column: Callable[[str], np.ndarray]) -> np.ndarray:
        """Return which rows are kept from training.

        Parameters
        ----------
        column : callable
            From a column's name to its values.

        Returns
        -------
        numpy.ndarray
            One truth value per row.
        """
        times = pd.Series(column(self.column)).rank(method="min").to_numpy()
        latest = max(1, round(self.share * times.size))
        return times >= np.sort(times)[-latest]


@dataclasses.dataclass(frozen=True)
class DomainSplit(Settings):
    """All rows of some domains, kept from training, to see whether the model holds elsewhere.

    Parameters
    ----------
    column : str
        Column of ``metadata`` or ``X`` that names the domain: site, customer, language.
    domains : tuple of str
        Domains to leave out.

    Examples
    --------
    >>> DomainSplit("site", ("Lyon",)).name
    'domain site=Lyon'
    """

    column: Text
    domains: Annotated[tuple[str, ...], listed(_domain)]

    @property
    def name(self) -> str:
        """Name in column ``suite``."""
        return f"domain {self.column}={', '.join(self.domains)}"

    def held(self, column: Callable[[str], np.ndarray]) -> np.ndarray:
        """Return which rows are kept from training.

        Parameters
        ----------
        column : callable
            From a column's name to its values.

        Returns
        -------
        numpy.ndarray
            One truth value per row.

        Raises
        ------
        InputError
            If a domain has no rows.
        """
        domains = column(self.column).astype(str)
        known = set(domains.tolist())
        unknown = sorted(set(self.domains) - known)
        if unknown or not self.domains:
            why = f"no rows of {', '.join(map(quote, unknown)) or 'any domain'}"
            hint = did_you_mean(unknown[0], known) if unknown else ""
            raise input_error(why + hint, "name domains that are there", column=self.column)
        return np.isin(domains, self.domains)


SplitSuite = TimeSplit | DomainSplit
CopySuite = FeatureNoise | MissingValues | WrongEvaluation | ClassMix
Suite = SplitSuite | CopySuite

SUITES: dict[str, type] = {
    "time": TimeSplit,
    "domain": DomainSplit,
    "noise": FeatureNoise,
    "missing": MissingValues,
    "wrong_labels": WrongEvaluation,
    "mix": ClassMix,
}
"""Suites by the ``kind`` that a protocol file gives."""
