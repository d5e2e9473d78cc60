"""Gains that a fit promised, with both of their intervals."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from labelvalue import names
from labelvalue.operate import scorecard
from labelvalue.operate.records import Record


def both_widths(records: Sequence[Record], name: str) -> pd.DataFrame:
    """Lay out the gains that a fit promised with both of their intervals: the model's, and as the record widens it.

    Parameters
    ----------
    records : sequence of Record
        The ledger's.
    name : str
        Id of the fit.

    Returns
    -------
    pandas.DataFrame
        One row a curve and budget, as of :class:`labelvalue.report.Context`; empty where the widths are the same.

    Examples
    --------
    >>> both_widths([], "none").empty
    True
    """
    made = [r.content for r in records if r.kind == "forecast" and r.content["of"] == names.GAIN]
    made = [content for content in made if content["fit"] == name and content[scorecard.FACTOR] != 1.0]
    if not made:
        return pd.DataFrame()
    low, high = (str(q) for q in (scorecard.QUANTILES[0], scorecard.QUANTILES[-1]))
    rows = []
    for cell in made[-1][scorecard.CELLS]:
        where = {key: cell[key] for key in (names.SLICE, names.LEARNER, names.SUITE, names.BUDGET) if key in cell}
        plain, wide = cell["quantiles"], cell["widened"]
        rows.append(where | {"low": plain[low], "high": plain[high], "wide_low": wide[low], "wide_high": wide[high]})
    table = pd.DataFrame(rows)
    table.attrs = {scorecard.FACTOR: made[-1][scorecard.FACTOR]}
    return table
