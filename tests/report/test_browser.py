"""The page as a person sees it: in a browser, on paper, by keyboard, without scripts, with many and with odd slices.

That of the shipped runs is looked at in ``tests/test_readme.py``, where they are fitted.
"""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

import labelvalue as lv
from labelvalue import cli, testing, write_report
from labelvalue.diagnostics import attach_backtest
from labelvalue.report.numbers.plan import panel
from labelvalue.report.plots import style
from labelvalue.report.plots.first_page import TEXT
from labelvalue.report.render.html import on_page as shown
from labelvalue.report.render.images import BROWSERS
from labelvalue.report.words.project import Context
from tests import browsing
from tests.browsing import SHOTS, move, overflow, passes_axe, shot, unfold

SHIPPED = (
    "Adm-clerical", "Craft-repair", "Exec-managerial", "Machine-op-inspct", "Other-service", "Prof-specialty", "Sales",
    "Transport-moving",
)  # fmt: skip
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(("needed", "outcome"), [("", pytest.skip.Exception), ("1", pytest.fail.Exception)])
def test_a_missing_browser_is_skipped_but_where_one_is_needed(monkeypatch, needed, outcome):
    monkeypatch.setenv(browsing.NEEDED, needed)
    monkeypatch.setattr(browsing, "FOUND", None)
    with pytest.raises(outcome, match="no browser"), browsing.started():
        pass
    gate = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert f"export {browsing.NEEDED}=1" in gate
    assert gate.index(browsing.NEEDED) < gate.index("make test")
    assert str(SHOTS.relative_to(ROOT)) in gate, "it says where the pictures are"


def test_sliders_show_the_numbers_of_the_json(decided_file, visit):
    plan = json.loads(decided_file.with_suffix(".json").read_text("utf-8"))["plan"]
    grid = plan["what_if"]
    page = visit(decided_file)
    unfold(page)
    sizes = [len(grid[axis]) for axis in ("budget", "price", "value")]
    seen = set()
    for at in [(b, p, v) for b in range(sizes[0]) for p in (0, 2, 4) for v in (0, 2, 4)]:
        for axis, step in zip(("budget", "price", "value"), at, strict=True):
            move(page, axis, step)
        row = grid["rows"][(at[0] * sizes[1] + at[1]) * sizes[2] + at[2]]
        assert [row[axis] for axis in ("budget", "price", "value")] == [
            grid[axis][step] for axis, step in zip(("budget", "price", "value"), at, strict=True)
        ]
        labels = grid["plans"][row["plan"]]
        assert page.locator("#what-if-verdict").text_content() == row["verdict"]
        assert page.locator("#what-if-labels").text_content() == f"{sum(labels):,}"
        for place, figure in (("cost", row["cost"]), ("net", row["net_benefit"]["mean"])):
            text = page.locator(f"#what-if-{place}").text_content()
            shown = float(text.split()[0].replace(",", "").replace("\N{MINUS SIGN}", "-"))
            assert shown == pytest.approx(figure, rel=5e-3, abs=5e-3)
        shown = {
            row.locator("th").text_content(): row.locator("td").first.text_content()
            for row in page.locator("#what-if-plan tr").all()
        }
        for name, n in zip(grid["slices"], labels, strict=True):
            assert shown.get(name, "0") == f"{n:,}"
        seen.add((row["verdict"], row["plan"]))
    assert {verdict for verdict, _ in seen} >= {"buy", "wait"}
    assert len(seen) > 4
    page.locator("#what-if-reset").click()
    assert page.locator("#what-if-change").text_content() == "This is the decision of this page."
    assert page.locator("#what-if-verdict").text_content() == plan["verdict"]
    assert page.locator("#what-if-labels").text_content() == f"{plan['plan']['total']:,}"
    page.locator("#what-if").scroll_into_view_if_needed()
    shot(page, "what-if")
    shot(page, "decided", full_page=True)


def test_the_keyboard_opens_everything_and_shows_where_it_is(decided_file, visit):
    page = visit(decided_file)
    assert not page.locator("#what-if-reset").is_visible()
    reached = []
    while "what-if-reset" not in reached and len(reached) < 60:
        page.keyboard.press("Tab")
        found = page.evaluate(
            """() => { const e = document.activeElement; const s = getComputedStyle(e);
                 return [e.id || e.textContent.trim(), e.tagName, s.outlineStyle, parseFloat(s.outlineWidth)]; }"""
        )
        reached.append(found[0])
        assert found[2] != "none", found
        assert found[3] >= 2, found
        if found[1] == "SUMMARY":
            page.keyboard.press("Enter")
        if found[0] == "what-if-price":
            before = page.locator("#what-if-price-step").text_content()
            page.keyboard.press("ArrowRight")
            assert page.locator("#what-if-price-step").text_content() != before
            assert page.locator("#what-if-price").get_attribute("aria-valuetext") == "× 1.4"
    assert {"what-if-budget", "what-if-price", "what-if-value", "what-if-reset"} <= set(reached)
    assert page.locator("details[open]").count() == len([one for one in reached if one[:1].isdigit()]) > 4


def test_a_link_into_a_closed_section_opens_it(decided_file, visit):
    """By the browser itself, scripts or none."""
    page = visit(decided_file, scripts=False)
    assert not page.locator("#limits").is_visible()
    page.goto(f"{decided_file.resolve().as_uri()}#limits")
    page.locator("#limits").wait_for(state="visible", timeout=5000)


def test_without_scripts_the_page_says_the_same(decided_file, visit):
    page = visit(decided_file, scripts=False)
    plan = json.loads(decided_file.with_suffix(".json").read_text("utf-8"))["plan"]
    page.locator("summary", has_text="What if?").click()
    assert not page.locator("#what-if-panel").is_visible()
    table = page.locator("#what-if table").nth(1)
    assert table.is_visible()
    lines = panel(plan)["ladder"]
    ends = [[int(end) for end in title.replace(",", "").split(" to ")] for title, _ in lines]
    for budget in plan["what_if"]["budget"]:  # those in a row that say the same stand in one line
        assert sum(own[0] <= budget <= own[-1] for own in ends) == 1
    for row, (title, line) in zip(table.locator("tbody tr").all(), lines, strict=True):
        assert all(text in row.text_content() for text in (title, line["net"], line["verdict"]))
    shot(page, "without-scripts")


@pytest.mark.parametrize("width", [1400, 1100, 390])
def test_nothing_is_cut_or_tiny_at_any_width(decided_file, visit, width):
    page = visit(decided_file, width=width)
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        shot(page, f"first-{width}-{scheme}")
    assert overflow(page) == [0, []]
    for table in page.locator("#decision .scroll").all():
        assert table.evaluate("(e) => e.scrollWidth - e.clientWidth") <= 0, "whole even on a phone"
    pictures = page.locator(".pictures img")
    assert pictures.count() == 2
    assert pictures.nth(0).bounding_box()["y"] < 300, "a picture first"
    for one in pictures.all():
        scale = one.evaluate("(e) => e.clientWidth / Number(e.getAttribute('width'))")
        assert 96 / 72 * TEXT * scale >= 11, "pixels of the smallest letters"
    smallest = """() => Math.min(...[...document.querySelectorAll("body *")].filter((e) => e.offsetParent &&
        [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())).map((e) =>
        parseFloat(getComputedStyle(e).fontSize)))"""
    assert page.evaluate(smallest) >= 11
    unfold(page)
    shot(page, f"width-{width}", full_page=True)
    for one in page.locator("img").all()[2:]:
        assert 96 / 72 * style.TEXT * one.evaluate("(e) => e.clientWidth / Number(e.getAttribute('width'))") >= 11
    assert overflow(page) == [0, []]
    assert page.evaluate(smallest) >= 11


def test_paper_holds_the_first_page_and_what_is_open(decided_file, visit):
    page = visit(decided_file)
    page.emulate_media(media="print")
    for section in ("decision", "money", "risk", "limits"):
        assert page.locator(f"#{section}").is_visible() == (section == "decision")
    assert not page.locator("h2", has_text="For the analyst").is_visible()
    assert not page.locator(".screen").is_visible()
    unfold(page)
    assert page.locator("h2", has_text="For the analyst").is_visible()
    assert not page.locator("#what-if-panel").is_visible()
    content = page.pdf(path=str(SHOTS / "decided.pdf"), format="A4")
    assert 5 <= content.count(b"/Type /Page\n") <= 25


LONG = tuple(f"a rather long name of a region, number {i}, of a country far away" for i in range(6))
KINDS = {
    "refused": {"verdict": "refused"},
    "flagged": {"verdict": "flagged"},
    "learners": {"learners": ("forest", "logistic", "boosting")},
    "names": {"slices": LONG},
}


@pytest.mark.parametrize("kind", KINDS)
def test_r16_two_pages_do_for_every_kind_of_fit(kind, visit, tmp_path):
    of = testing.fake_fit(seed=1, draws=50, **KINDS[kind])
    if kind == "names":
        case = lv.Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400})
        of = lv.decide(of, case, max_labels=4000, measure=False)
    page = visit(write_report(of, path=tmp_path / "report.html", budgets=[500, 2000]))
    page.emulate_media(media="print")
    assert page.locator("#diagnostics").is_visible() == (kind == "refused"), "what failed is said there alone"
    content = page.pdf(path=str(SHOTS / f"paper-{kind}.pdf"), format="A4")
    assert 1 <= content.count(b"/Type /Page\n") <= 2


@pytest.mark.skipif(not any(map(shutil.which, BROWSERS)), reason="no browser on PATH")
def test_the_command_prints_two_pages(tmp_path, capsys):
    """For the case that ships, as the demo decides it."""
    case, fit, page, paper = (tmp_path / name for name in ("case.toml", "fit.nc", "report.html", "report.pdf"))
    case.write_text(lv.example_case(), encoding="utf-8")
    testing.fake_fit(seed=1, slices=SHIPPED, draws=50).save(fit)
    asked = ["report", str(fit), "--case", str(case), "--max-labels", "10000", "--out", str(page), "--pdf", str(paper)]
    asked += ["--no-refits"]
    assert cli.main(asked) == 0, capsys.readouterr().err
    content = paper.read_bytes()
    assert content.startswith(b"%PDF")
    assert 1 <= content.count(b"/Type /Page\n") <= 2


def test_without_a_browser_it_says_the_way_out_before_it_starts(fake_fit_file, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    page = tmp_path / "report.html"
    assert cli.main(["report", str(fake_fit_file), "--out", str(page), "--pdf", str(tmp_path / "report.pdf")]) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert all(name in said for name in BROWSERS)
    assert "open the page in any browser" in said
    assert not page.exists()


@pytest.fixture(scope="module")
def full_file(tmp_path_factory):
    """A page with more of what may stand beside a decision: a backtest, offers, votes against items."""
    fit = attach_backtest(testing.fake_fit(seed=1, draws=50), testing.fake_backtest(seed=1))
    offers = (lv.interventions.Consensus(3, slices=("west",)), lv.interventions.Pretraining(excess=0.999, cost=5))
    case = lv.Case(
        costs={"price_per_label": 0.1}, value={"per_error_point": 400}, label_noise={"default": 0.2}, currency="USD",
        interventions=offers,
    )  # fmt: skip
    path = tmp_path_factory.mktemp("full") / "report.html"
    return write_report(lv.decide(fit, case, max_labels=2000, measure=False), path=path, budgets=[500, 2000])


@pytest.mark.parametrize("width", [390, 1200])
def test_axe_finds_nothing(decided_file, full_file, visit, width):
    """Contrast, tables, landmarks, names, keyboard: WCAG A and AA as far as a machine can tell, and good practice."""
    passes_axe(visit(decided_file, width=width))
    page = visit(full_file, width=width)
    passes_axe(page)
    assert page.locator("[rowspan]").count() > 3, "backtest and votes are among what was looked at"


@pytest.mark.parametrize("verdict", ["flagged", "refused"])
def test_axe_finds_nothing_where_no_decision_is_published(visit, tmp_path, verdict):
    fit = testing.fake_fit(seed=1, draws=50, verdict=verdict)
    passes_axe(visit(write_report(fit, path=tmp_path / "report.html", budgets=[500])))


def test_what_axe_finds_is_named_with_the_way_to_mend_it(visit, tmp_path):
    bad = "<table><tr><th scope='row'></th><td style='color: #999'>pale</td></tr></table>"
    path = tmp_path / "bad.html"
    path.write_text(f"<!doctype html><html lang='en'><title>bad</title><main><h1>bad</h1>{bad}</main></html>", "utf-8")
    with pytest.raises(AssertionError) as told:
        passes_axe(visit(path))
    first, *found = str(told.value).splitlines()
    assert first == "axe-core finds 3 faults:"
    rules = ["dark, color-contrast", "light, color-contrast", "light, empty-table-header"]
    assert [one.partition(": ")[0] for one in found] == rules
    assert all("td, <td" in one and "Expected contrast ratio of 4.5:1" in one for one in found[:2])


def test_hostile_names_stay_text_in_a_decision(visit, tmp_path):
    """Hostile slices from the fit to the panel: plan, pictures, notes and all."""
    hostile = ("</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "$x$ _a&amp;", "'\"]]>--")
    fit = testing.fake_fit(seed=1, slices=hostile, draws=50)
    case = lv.Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400}, currency="<b>$</b>")
    plan = lv.decide(fit, case, max_labels=2000, measure=False)
    noted = {"number": 7, "time": "2026-11-24T09:05:00+00:00", "author": hostile[1], "of": "slice"}
    notes = pd.DataFrame([noted | {"name": hostile[0], "text": hostile[0]}])
    path = tmp_path / "hostile.html"
    write_report(plan, path=path, budgets=[500], context=Context(notes=notes))
    page = visit(path)
    unfold(page)
    shot(page, "hostile", full_page=True)
    assert set(page.locator("#slices tbody bdi").all_text_contents()) == {shown(name) for name in hostile}
    move(page, "budget", 6)
    bought = page.locator("#what-if-plan th").all_text_contents()
    assert set(bought) <= set(hostile)
    assert bought
    assert page.locator("dt#note-7 + dd").text_content().startswith(hostile[0])
    page.locator("#slices th a").click()
    assert page.url.endswith("#note-7")
    assert page.locator("script").count() == 2
    assert page.locator("img").count() == page.locator("img[src^='data:image/']").count() > 3
    assert page.locator("b, svg, iframe").count() == 0
    assert overflow(page)[0] <= 0


@pytest.mark.slow(reason="a picture for every slice, and a search over 200")
def test_many_slices(visit, tmp_path_factory):
    slices = tuple(f"region {i:03d}" for i in range(200))
    fit = testing.fake_fit(seed=2, slices=slices, draws=25)
    case = lv.Case(costs={"price_per_label": 0.1}, value={"per_error_point": 40}, currency="USD")
    plan = lv.decide(fit, case, max_labels=40_000, measure=False)
    path = write_report(plan, path=tmp_path_factory.mktemp("many") / "report.html", budgets=[500])
    assert path.stat().st_size < 3_000_000
    page = visit(path)
    unfold(page)
    assert page.locator("#slices tbody tr").count() == 200
    assert page.locator("#plan table").nth(1).locator("tbody tr").count() == 200
    move(page, "budget", 0)
    assert page.locator("#what-if-plan tr").count() == sum(n > 0 for n in plan.labels.values())
    assert overflow(page)[0] == 0
    page.locator("#what-if").scroll_into_view_if_needed()
    shot(page, "many")
