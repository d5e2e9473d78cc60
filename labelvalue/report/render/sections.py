"""Sections of the page that are there where they have something to show; in this order, before that on risk.

Every function here is one. Its name is that of its template, and there of what it returns; the first line of its
docstring is the title. It is given the page's numbers, and returns ``None`` where there is nothing to show.
"""

from collections.abc import Mapping
from typing import Any

from labelvalue import names
from labelvalue.report.numbers.plan import panel


def what_if(numbers: Mapping[str, Any]) -> Any:
    """What if?"""  # noqa: D400
    return None if numbers[names.PLAN] is None else panel(numbers[names.PLAN])


def quality(numbers: Mapping[str, Any]) -> Any:
    """Label quality."""
    return None if numbers[names.PLAN] is None else numbers[names.PLAN]["label_quality"]


def over_time(numbers: Mapping[str, Any]) -> Any:
    """Batch by batch: promised, delivered, spent."""
    told = [numbers[key] for key in ("scorecard", "widths", "carried")]
    return any(told) or bool(numbers["remarks"][names.BATCH])
