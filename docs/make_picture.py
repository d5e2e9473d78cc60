"""The picture in README.md: ``labelvalue demo --out out`` and then ``python docs/make_picture.py out/report.json``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from labelvalue.report.plots import style
from labelvalue.report.plots.plan import draw_money


def main(numbers: Path) -> Path:
    """Draw net benefit against labels and gain against money from the numbers of a page.

    Returns: the picture, beside this file.
    """
    figure = draw_money(json.loads(numbers.read_text(encoding="utf-8"))["plan"])
    out = Path(__file__).with_name("picture.svg")
    with style.look():
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return out


if __name__ == "__main__":
    print(main(Path(sys.argv[1])))
