"""Summaries of the forecast benchmark as people read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

COLUMNS = (
    "method",
    "CRPS",
    "ratio to best peer (90 %)",
    "interval score",
    "ratio",
    "90 % covers (2x, 4x, 8x)",
    "50 % covers",
    "width",
    "MAE",
    "gain forecast / realised",
    "s",
)
SPARSE_COLUMNS = ("method", "CRPS", "against each curve alone (90 %)", "MAE", "against", "90 % covers")


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def _ratio(entry: Mapping[str, float] | None) -> str:
    return f"{entry['ratio']:.2f} ({entry['low']:.2f}-{entry['high']:.2f})" if entry else ""


def score_table(summary: Mapping[str, dict], titles: Mapping[str, str]) -> str:
    """Scores of every method, a row each.

    Parameters
    ----------
    summary : mapping of str to dict
        From `benchmarks.forecast.summarise`.
    titles : mapping of str to str
        How the methods are printed.

    Returns
    -------
    str
        A Markdown table.
    """
    rows = []
    for name, entry in summary.items():
        near_to_far = ", ".join(f"{100 * part['covers_90']:.0f}" for part in entry["by_distance"].values())
        interval = entry.get("interval_score_ratio")
        rows.append(
            [
                titles[name],
                f"{entry['crps']:.4f}",
                _ratio(entry.get("crps_ratio")),
                f"{entry['interval_score']:.3f}",
                f"{interval['ratio']:.2f}" if interval else "",
                f"{100 * entry['covers_90']:.0f} % ({near_to_far})",
                f"{100 * entry['covers_50']:.0f} %",
                f"{entry['width']:.3f}",
                f"{entry['absolute_error']:.4f}",
                f"{entry['forecast_gain']:.4f} / {entry['gain']:.4f}",
                f"{entry['seconds']:.0f}",
            ]
        )
    return _markdown(COLUMNS, rows)


def calibration_lines(summary: Mapping[str, dict], titles: Mapping[str, str]) -> str:
    """One line a method: mean forecast P(gain > 0) in each bin, how often the gain came, the bin's share.

    Parameters
    ----------
    summary : mapping of str to dict
        From `benchmarks.forecast.summarise`.
    titles : mapping of str to str
        How the methods are printed.

    Returns
    -------
    str
        A Markdown list.
    """
    lines = []
    for name, entry in summary.items():
        bins = [
            f"{100 * part['forecast']:.0f} → {100 * part['realised']:.0f} ({100 * part['share']:.0f})"
            for part in entry["gain_calibration"]
        ]
        lines.append(f"- {titles[name]}: {', '.join(bins)}")
    return "\n".join(["P(gain > 0) in %, forecast → came (share of forecasts):", "", *lines])


def sparse_table(summary: Mapping[str, dict], titles: Mapping[str, str]) -> str:
    """Scores on the curves that were left two sizes, a row a method.

    Parameters
    ----------
    summary : mapping of str to dict
        From `benchmarks.forecast.summarise`, of a run with ``--sparse``.
    titles : mapping of str to str
        How the methods are printed.

    Returns
    -------
    str
        A Markdown table.
    """
    rows = []
    for name, entry in summary.items():
        part = entry["sparse"]
        rows.append(
            [
                titles[name],
                f"{part['crps']:.4f}",
                _ratio(part.get("crps_ratio")),
                f"{part['absolute_error']:.4f}",
                _ratio(part.get("absolute_error_ratio")),
                f"{100 * part['covers_90']:.0f} %",
            ]
        )
    return _markdown(SPARSE_COLUMNS, rows)
