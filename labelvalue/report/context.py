"""What a project knows beside a fit and a plan, for its page."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pandas as pd

from labelvalue import names
from labelvalue.report.wording import percent, significant

if TYPE_CHECKING:
    import xarray as xr


@dataclasses.dataclass(frozen=True, kw_only=True)
class Context:
    """What a page says of the past and of what is taken for granted.

    Parameters
    ----------
    scorecard : pandas.DataFrame
        Past forecasts against what their batches then delivered, one row a curve and batch: ``batch``, ``covers_50``,
        ``covers_90``, ``crps``, ``bias``; empty where there are none.
    assumptions : pandas.DataFrame
        ``id``, ``text``, ``value``, ``source``, ``if_wrong``; the page adds those of the case that are not among
        them, and what follows where they say ``not tested`` and it was computed.
    changes : tuple of str
        What differs from the decision before.
    notes : pandas.DataFrame
        What people noted on slices and batches: ``number``, ``time``, ``author``, ``of`` (``slice`` or ``batch``),
        ``name``, ``text``.
    explained : pandas.DataFrame, optional
        Why it differs, from :meth:`labelvalue.Project.explain`.
    persistence : xarray.Dataset, optional
        From :func:`labelvalue.forecast_persistence`: whether gains forecast on one suite came on the others.

    Examples
    --------
    >>> Context(changes=("price from 0.08 to 0.1",)).scorecard.empty
    True
    """

    scorecard: pd.DataFrame = dataclasses.field(default_factory=pd.DataFrame)
    assumptions: pd.DataFrame = dataclasses.field(default_factory=pd.DataFrame)
    changes: tuple[str, ...] = ()
    notes: pd.DataFrame = dataclasses.field(default_factory=pd.DataFrame)
    explained: pd.DataFrame | None = None
    persistence: xr.Dataset | None = None


def anchor(number: int) -> str:
    """Name the place of a note on a page.

    Parameters
    ----------
    number : int
        Of its record; 0 for none.

    Returns
    -------
    str
        What stands in the page's source; empty for none.

    Examples
    --------
    >>> anchor(17), anchor(0)
    ('id="note-17"', '')
    """
    return f'id="note-{number}"' if number else ""


def note_numbers(notes: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """Sort notes by what they are about.

    Parameters
    ----------
    notes : pandas.DataFrame
        As of :class:`Context`.

    Returns
    -------
    dict
        ``slice`` and ``batch``: rows of notes, oldest first.

    Examples
    --------
    >>> note_numbers(pd.DataFrame())
    {'slice': [], 'batch': []}
    """
    rows = [{str(key): value for key, value in row.items()} for row in notes.to_dict("records")]
    return {of: [row for row in rows if row["of"] == of] for of in (names.SLICE, names.BATCH)}


def scorecard_numbers(card: pd.DataFrame) -> dict[str, Any] | None:
    """Sum a scorecard up: a sentence, and a row a batch.

    Parameters
    ----------
    card : pandas.DataFrame
        As of :class:`Context`.

    Returns
    -------
    dict or None
        ``sentence`` and ``batches``; ``None`` where nothing was scored.

    Examples
    --------
    >>> card = pd.DataFrame({"batch": ["b1"], "covers_50": [0.0], "covers_90": [1.0], "crps": [0.01], "bias": [0.002]})
    >>> scorecard_numbers(card)["sentence"]
    'Of 1 forecasts, 90 % intervals held 100 % and 50 % intervals 0 %; mean bias 0.00200 (forecast minus measured).'
    """
    if card.empty:
        return None
    columns = [names.COVERS_50, names.COVERS_90, names.CRPS, names.BIAS]
    batches = card.groupby(names.BATCH, sort=False)[columns].mean().assign(forecasts=card.groupby(names.BATCH).size())
    means = card[columns].mean()
    return {
        "sentence": (
            f"Of {len(card):,} forecasts, 90 % intervals held {percent(means[names.COVERS_90])} and 50 % intervals "
            f"{percent(means[names.COVERS_50])}; mean bias {significant(means[names.BIAS])} (forecast minus measured)."
        ),
        "batches": batches.reset_index().to_dict("records"),
    }
