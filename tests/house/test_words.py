"""One word for one thing: the list of words is that of the code, of tables, of the page and of what people read."""

import json
import re
from pathlib import Path

import pytest

import labelvalue as lv
from labelvalue import names
from labelvalue.observe.table.schema import COLUMNS
from labelvalue.report.words import wording

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "words.md"
ROW = re.compile(r"^\| ([^|]+) \| ([^|]+) \| `([^`]+)` \|([^|]*)\|$", re.MULTILINE)
WORDS = {word.strip(): (code, [s.strip() for s in bad.split(",") if s.strip()]) for word, _, code, bad in
         ROW.findall(PAGE.read_text("utf-8"))}  # fmt: skip
BANNED = sorted({synonym for _, bad in WORDS.values() for synonym in bad})
IN_CODE = {v for k, v in vars(names).items() if k.isupper() and isinstance(v, str)}
WITHOUT_A_NAME = {"p_positive"}  # columns of tables that no room takes from another, and so are not in ``names.py``
OTHERWISE = {
    "P(gain > 0)", "P(best), tie", "doubling, validated distance", "Monte Carlo error", "credible interval",
    "CRPS, interval score", "VaR", "CVaR",
}  # fmt: skip
"""Words that the code writes out, or shortens."""


def texts() -> dict[str, str]:
    """Everything that people read: documents, notebooks' prose, templates, and the code with its docstrings."""
    kinds = {"docs": ("md",), "labelvalue": ("py", "j2", "pyi"), "models": ("py",), "data": ("md", "toml")}
    paths = [p for folder, ends in kinds.items() for end in ends for p in (ROOT / folder).rglob(f"*.{end}")]
    paths += [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CHANGELOG.md")]
    found = {str(p.relative_to(ROOT)): p.read_text("utf-8") for p in paths if p != PAGE}
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        cells = json.loads(path.read_text("utf-8"))["cells"]
        found[path.name] = "\n".join("".join(cell["source"]) for cell in cells)
    return found


TEXTS = texts()


def test_x9_the_list_of_words_is_whole():
    rows = re.findall(r"^\| \w", PAGE.read_text("utf-8"), re.MULTILINE)
    assert len(WORDS) == len(rows) - 1, "a row that is not read"
    needed = "run, slice, labels, learner, strategy, suite, error, learning curve, elasticity, impact, floor, "
    needed += "gain, observed gain, total gain, budget, plan, intervention, equivalent labels, batch, ledger, scorecard"
    assert {*needed.split(", ")} <= {*WORDS}


@pytest.mark.parametrize("word", WORDS)
def test_x9_a_word_is_what_the_code_calls_it(word):
    code = WORDS[word][0]
    if code in IN_CODE | WITHOUT_A_NAME:
        spelt = word.partition(",")[0].lower().replace(" ", "_")
        assert word in OTHERWISE or code in (spelt, f"{spelt}s"), code
        return
    thing = lv
    for part in code.split("."):
        thing = getattr(thing, part)


@pytest.mark.parametrize("synonym", BANNED)
def test_x9_nothing_has_a_second_word(synonym):
    pattern = re.compile(rf"\b{re.escape(synonym)}s?\b".replace(r"\ ", r"[\s_-]+"), re.IGNORECASE)
    assert [name for name, text in TEXTS.items() if pattern.search(text)] == []


def test_x9_words_of_the_page_and_columns_of_tables_are_in_the_list(fake_fit):
    explained = [word for words, _ in wording.ALWAYS + wording.DECIDED + wording.CHECKED for word in words.split(", ")]
    listed = {part for word in WORDS for part in word.split(", ")}
    assert {word.removeprefix("{ci} ") for word in explained} <= listed
    columns = {"slice", "labels", "other_labels", "learner", "strategy", "suite", "batch"}
    assert columns <= {*COLUMNS} & {code for code, _ in WORDS.values()}
    case = lv.Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400})
    gain = lv.summarise(lv.predict_gain(fake_fit, [500]))
    outcomes = lv.plans.plan_outcomes(fake_fit, case, {"west": {"west": 500}})
    shown = {*gain.columns, *map(str, outcomes), *map(str, outcomes.dims), *lv.plans.compare_plans(outcomes).columns}
    codes = {code for code, _ in WORDS.values()}
    assert {"slice", "budget", "p_positive", "doublings", "plan", "gain", "error", "cost", "net_benefit", "labels",
            "p_best", "mcse"} <= shown & codes  # fmt: skip
