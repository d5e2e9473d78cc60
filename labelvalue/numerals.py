"""Numbers as people read them, wherever sentences and tables are made; never with a power of ten."""

import math

MINUS = "\N{MINUS SIGN}"
MISSING = "not available"
MAX_COUNT = 10**12  # largest count of labels or anything else
MOST = 10**15  # largest amount of money or anything else; sums and squares of a million such still are numbers
PER_LABELS = 1000  # labels for which a gain by label is told, so that it can be read
NOTHING = 1e-12  # below it a figure is what rounding left of 0


def tails(ci_prob: float) -> tuple[float, float]:
    """Return the shares below either end of an equal-tailed interval."""
    return 0.5 - ci_prob / 2, 0.5 + ci_prob / 2


TAILS = (0.05, 0.95)  # of the interval that is told where nobody asks for another


def number(value: float | None, digits: int) -> str:
    """Write a number with fixed decimals, thousands set off, and a true minus sign."""
    if value is None or not math.isfinite(value):
        return MISSING
    text = f"{value:,.{digits}f}"
    if text.startswith("-"):
        bare = text[1:]
        return bare if not bare.strip("0.,") else MINUS + bare
    return text


def significant(value: float | None, figures: int = 3) -> str:
    """Write a number with so many significant figures, without exponent."""
    if value is None or not math.isfinite(value):
        return MISSING
    if abs(value) < NOTHING:
        return "0"
    return number(value, _decimals(value, figures))


def signed(value: float, figures: int = 3) -> str:
    """Write a number with its sign and so many significant figures, without exponent."""
    return f"{'+' if value > NOTHING else ''}{significant(value, figures)}"


def endless(value: float | None) -> str:
    """Write a number with three significant figures, and one that no number is large enough for as ∞."""
    return "∞" if value is None else significant(value)


def estimated(value: float | None, error: float | None, shown: str | None = None) -> str:
    """Write a figure that draws estimate: below its Monte Carlo error it is 0, give or take that error."""
    if value is not None and error is not None and max(abs(value), NOTHING) < error < math.inf:
        return f"0 (± {readable(error, 2)})"
    return significant(value) if shown is None else shown


def readable(value: float, figures: int = 4) -> str:
    """Write a number as short as so many figures allow, thousands set off and never with a power of ten."""
    shown = f"{0.0 if abs(value) < NOTHING else value:,.{_decimals(value, figures)}f}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def counted(count: int, one: str, several: str = "") -> str:
    """Write a count of things, in the singular where there is one."""
    return f"{count:,} {one if count == 1 else several or f'{one}s'}"


def _decimals(value: float, figures: int) -> int:
    """Decimals that show so many figures; none where they all stand before the point, or there is nothing to show."""
    if abs(value) < NOTHING or not math.isfinite(value):
        return 0
    return min(max(figures - 1 - math.floor(math.log10(abs(value))), 0), 12)
