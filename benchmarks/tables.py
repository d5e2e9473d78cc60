"""Summaries of the forecast benchmark as people read them."""

from collections.abc import Mapping

COLUMNS = (
    "method", "CRPS", "ratio to best peer (90 %)", "interval score", "ratio", "90 % covers (2x, 4x, 8x)", "50 % covers",
    "width", "MAE", "gain forecast / realised", "ratio (90 %)", "fits ok", "s",
)  # fmt: skip


def fits_ok(verdicts: Mapping[str, int]) -> str:
    """How many of the fits behind a forecast passed the gate.

    Returns: ``ok of all``, or nothing.
    """
    return f"{verdicts.get('ok', 0)} of {sum(verdicts.values())}" if verdicts else ""


def _ratio(entry: Mapping[str, float] | None) -> str:
    return f"{entry['ratio']:.2f} ({entry['low']:.2f}-{entry['high']:.2f})" if entry else ""


def score_table(summary: Mapping[str, dict], titles: Mapping[str, str]) -> str:
    """Scores of every method, a row each."""
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
                _ratio(entry["gain_ratio"]),
                fits_ok(entry["verdicts"]),
                f"{entry['seconds']:.0f}",
            ]
        )
    lines = ["| " + " | ".join(cells) + " |" for cells in (COLUMNS, *rows)]
    return "\n".join([lines[0], "|---" * len(COLUMNS) + "|", *lines[1:]])


def calibration_lines(summary: Mapping[str, dict], titles: Mapping[str, str]) -> str:
    """One line a method: mean forecast P(gain > 0) in each bin, how often the gain came, the bin's share."""
    lines = []
    for name, entry in summary.items():
        bins = [
            f"{100 * part['forecast']:.0f} → {100 * part['realised']:.0f} ({100 * part['share']:.0f})"
            for part in entry["gain_calibration"]
        ]
        lines.append(f"- {titles[name]}: {', '.join(bins)}")
    return "\n".join(["P(gain > 0) in %, forecast → came (share of forecasts):", "", *lines])


CALLED = {"crps": "CRPS", "absolute_error": "MAE", "interval_score": "interval score"}  # scores as they are printed


def ratio_lines(summary: Mapping[str, dict], titles: Mapping[str, str], entry: str, to: str) -> str:
    """One line a method: its scores over those of another method, with their intervals."""

    def line(name: str) -> str:
        said = (f"{CALLED[score]} {_ratio(ratio)}" for score, ratio in summary[name][entry].items())
        return f"- {titles[name]}: {', '.join(said)}"

    return "\n".join([f"Ratio to {to} (90 %):", "", *map(line, summary)])


def better_lines(summary: Mapping[str, dict], titles: Mapping[str, str]) -> str:
    """One line a method of ours: on what share of the curves its CRPS is lower than each other method's."""
    lines = [
        f"- {titles[name]}: "
        + ", ".join(f"{100 * share:.0f} % {titles[o]}" for o, share in entry["better_than"].items())
        for name, entry in summary.items()
        if "better_than" in entry
    ]
    return "\n".join(["Lower CRPS than, on this share of the curves:", "", *lines])


def saturated_lines(summary: Mapping[str, dict], titles: Mapping[str, str]) -> str:
    """One line a method: what it forecasts where eight times the labels bring less than a twentieth."""
    found = next(iter(summary.values()))["saturated"]
    if not found["curves"]:
        return "Saturated curves: none"
    noise = ", ".join(f"{part['truth_se']:.4f}" for part in found["by_distance"].values())
    lines = [
        f"- {titles[name]}: "
        + ", ".join(f"{part['forecast_gain']:.4f} / {part['gain']:.4f}" for part in parts)
        + "; P(gain > 1 %) "
        + ", ".join(f"{100 * part['p_gain_1_percent']:.0f}" for part in parts)
        + " %"
        for name, entry in summary.items()
        for parts in [list(entry["saturated"]["by_distance"].values())]
    ]
    head = f"{found['curves']} saturated curves, gain forecast / realised at 2x, 4x, 8x (noise of the truth {noise}):"
    return "\n".join([head, "", *lines])


def mean_lines(summary: Mapping[str, dict], titles: Mapping[str, str]) -> str:
    """One line a method: how it forecasts the mean error over the curves of a problem."""
    lines = [
        f"- {titles[name]}: CRPS "
        + ", ".join(f"{error:.4f}" for error in told["crps"])
        + "; 90 % intervals hold "
        + ", ".join(f"{100 * share:.0f}" for share in told["covers_90"])
        + " %"
        for name, entry in summary.items()
        for told in [entry["mean_over_curves"]]
    ]
    return "\n".join(["Mean error over the curves of a problem, at 2x, 4x, 8x:", "", *lines])
