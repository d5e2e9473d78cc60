"""The page: what it says, what it must never say, and that no text of a user can act in it."""

import base64
import dataclasses
import hashlib
import json
import os
import re

import numpy as np
import pandas as pd
import pytest

import labelvalue as lv
from labelvalue import names, testing, write_report
from labelvalue.cli import console
from labelvalue.model.curve.observations import used_runs
from labelvalue.model.fitting.result import draws_digest
from labelvalue.numerals import number, significant
from labelvalue.problems import StorageError
from labelvalue.report.numbers.numbers import report_numbers
from labelvalue.report.render import html
from labelvalue.report.render.html import collect, figures, render
from labelvalue.report.words.wording import decimals, percent
from tests.fits import altered, share_items

ELEMENTS = {
    "html", "head", "meta", "title", "style", "body", "header", "h1", "h2", "h3", "h4", "p", "a", "main",
    "details", "summary",
    "section", "div", "strong", "span", "em", "small", "br", "bdi", "table", "caption", "thead", "tbody",
    "tr", "th", "td", "figure", "figcaption", "img", "ul", "li", "dl", "dt", "dd", "code", "footer",
}  # fmt: skip
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def written(fit, tmp_path, **settings):
    return write_report(fit, path=tmp_path / "report.html", **settings).read_text("utf-8")


def changed(fit, *, notes=None, **diagnostics):
    """The fit with other notes, verdict, reasons or flags."""
    judged = dataclasses.replace(fit.diagnostics, **diagnostics)
    return altered(fit, settings=None if notes is None else {"notes": notes}, diagnostics=judged)


def test_the_page_counts_the_runs_that_the_fit_used(page, seen, fake_fit):
    words = seen(page).words
    used = used_runs(fake_fit.runs)
    assert f"{used.sum()} of {used.size} runs used; error is that" in words
    assert f"{used.sum()} of {used.size} runs used: the fit leaves out grey ones" in words
    assert "Circles are runs" in words


# --- no text of a user acts -------------------------------------------------------------------------


def test_hostile_texts_add_no_element_no_handler_and_no_address(hostile_page, seen):
    parsed = seen(hostile_page)
    assert parsed.open == []
    assert set(parsed.tags) <= ELEMENTS
    assert [tag for tag in parsed.tags if tag in ("script", "iframe", "svg", "form", "object", "link")] == []
    for tag, name, value in parsed.attributes:
        assert not name.startswith("on"), (tag, name)
        if name in ("src", "href", "action", "data", "srcset"):
            assert value.startswith(("data:image/svg+xml;base64,", "data:image/png;base64,", "#")), tag
        assert name != "style"
    assert len([t for t in parsed.tags if t == "style"]) == 1


def test_hostile_page_has_the_elements_of_a_tame_one(hostile_fit, seen):
    """The same page with tame names has the very same elements in the same order."""
    tame = {name: f"tame {i:03d}" for i, name in enumerate(sorted(hostile_fit.slices.astype(str)))}
    numbers = report_numbers(hostile_fit)
    text = json.dumps(numbers)
    drawn = {key: [] for key in ("curves", "gains", "impacts", "money", "tornado")} | {"ranks": None}
    drawn |= dict.fromkeys(["curve_caption", "gain_caption", "impact_caption"], "")
    for name in sorted(tame, key=len, reverse=True):
        text = text.replace(json.dumps(name), json.dumps(tame[name]))
    assert seen(html.render(json.loads(text), drawn)).tags == seen(html.render(numbers, drawn)).tags


def test_names_are_shown_literally(hostile_fit, hostile_page, seen):
    shown = seen(hostile_page).names
    for name in hostile_fit.slices.astype(str):
        assert name in shown
    for note in hostile_fit.settings[names.NOTES]:
        assert " ".join(note.split()) in seen(hostile_page).words


def test_control_characters_are_made_visible():
    assert html.visible("a\x00\x1b[2J\u202eb") == "a\\x00\\x1b[2J\\u202eb"
    assert html.visible("\u05e9\u05dc\u05d5\u05dd") == "\u05e9\u05dc\u05d5\u05dd"


def test_page_asks_for_nothing(page, hostile_page, decided_page, seen):
    for text in (page, hostile_page, decided_page):
        images = [v for t, n, v in seen(text).attributes if t == "img" and n == "src"]
        for image in images:
            kind, data = image.split(";base64,")
            content = base64.b64decode(data, validate=True)
            if "svg" in kind:
                assert b"<script" not in content
                assert b"scale(0.015625)" in content, "glyphs of full size"
                assert not re.search(rb"(?:href|src)=\"(?!#)", content)
    for text in (page, decided_page):  # names of the other are addresses, in words
        assert not re.search(r"(?i)https?://|//[a-z]|url\(|@import", re.sub(r"data:image[^\"]*", "", text))


def policies(text, seen):
    return [v for t, n, v in seen(text).attributes if t == "meta" and n == "content" and "src" in v]


def test_the_policy_lets_the_one_script_run_and_no_other(page, hostile_page, decided_page, seen):
    for text in (page, hostile_page):
        assert policies(text, seen) == [POLICY]
        assert "<script" not in text
    (data, _), (attributes, script) = re.findall(r"<script([^>]*)>(.*?)</script>", decided_page, re.DOTALL)
    assert "".join(data.split()) == 'type="application/json"id="what-if-data"', "data, which no browser runs"
    assert attributes == ""
    assert "\r" not in script, "a browser would take the hash of another text"
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    assert policies(decided_page, seen) == [f"{POLICY}; script-src 'sha256-{digest}'"]
    assert [name for _, name, _ in seen(decided_page).attributes if name.startswith("on") or name == "style"] == []


def test_page_is_small(hostile_page):
    assert len(hostile_page.encode()) < 3_000_000


# --- what it says -----------------------------------------------------------------------------------


def test_page_shows_the_numbers_of_the_tables(fake_fit, page, seen):
    table = lv.summarise(lv.predict_gain(fake_fit, budgets=[500, 2000]))
    words = seen(page).words
    digits = 4 if f" {number(table['mean'][0], 4)} " in words else 3
    for _, row in table.iterrows():
        for column in ("mean", "lower", "upper"):
            assert number(row[column], digits) in words
    impact = lv.summarise(lv.impact(fake_fit, per=1000))
    assert all(f"{v:.3g}" in words or f"{v:.3f}" in words or f"{v:#.3g}" in words for v in impact["mean"])
    for labels in fake_fit.position["labels_now"].values:
        assert f"{int(labels):,}" in words


def test_the_error_now_stands_in_the_row_of_its_slice_with_its_interval(fake_fit, tmp_path, seen):
    """Mean and ends of the draws, at the probability that was asked for, in their own column."""
    text = written(fake_fit, tmp_path, budgets=[500, 2000], ci_prob=0.8)
    drawn = fake_fit.posterior["error_now"]
    by_slice = {row["slice"]: row["error_now"] for row in report_numbers(fake_fit, [500], ci_prob=0.8)["slices"]}
    digits = decimals(row["upper"] - row["lower"] for row in by_slice.values())
    part = text[text.index('<section id="slices"') :].partition("</section>")[0]
    head = part[: part.index("</thead>")].partition("<thead>")[2]
    assert seen(f"<table>{head}</table>").words.startswith("Slice Labels now Error now Impact")
    for name in map(str, fake_fit.slices):
        own = drawn.sel(slice=name).values.ravel()
        mean, (lower, upper) = own.mean(), np.quantile(own, [0.1, 0.9])
        said = by_slice[name]
        assert (said["mean"], said["lower"], said["upper"]) == pytest.approx((mean, lower, upper))
        row = part.partition(f'<tr><th scope="row" class="slice"><bdi class="name">{name}</bdi>')[2]
        cell = re.findall(r"<td.*?</td>", row, re.DOTALL)[1]
        shown = f"{number(mean, digits)} {number(lower, digits)} to {number(upper, digits)}"
        assert seen(cell).words == shown


def test_numbers_are_those_of_summarise_and_fit_into_json(fake_fit):
    numbers = report_numbers(fake_fit, budgets=[500, 2000], ci_prob=0.8)
    assert json.loads(json.dumps(numbers, allow_nan=False)) == numbers
    table = lv.summarise(lv.predict_gain(fake_fit, budgets=[500, 2000]), ci_prob=0.8)
    assert [row["mean"] for row in numbers["gain"]] == list(table["mean"])
    by_slice = {row["slice"]: row for row in numbers["slices"]}
    for _, row in table.iterrows():
        (gain,) = [g for g in by_slice[row["slice"]]["gains"] if g["budget"] == row["budget"]]
        assert all(gain[column] == row[column] for column in ("mean", "lower", "upper"))
    gains = [row["gains"][-1]["mean"] for row in numbers["slices"]]
    assert gains == sorted(gains, reverse=True)


def test_every_table_of_results_says_interval_and_probability(fake_fit, tmp_path, seen):
    words = written(fake_fit, tmp_path, budgets=[500], ci_prob=0.8)
    captions = re.findall(r"<caption>(.*?)</caption>", words, re.DOTALL)
    results = [c for c in captions if "redible" in c]
    assert results
    assert all("80 %" in c and "equal-tailed" in c for c in results)
    assert "90 %" not in seen(words).words


def test_m2_the_page_says_slice_by_slice_how_far_it_is_the_groups(fake_fit, page, seen):
    shares = lv.diagnostics.pooling(fake_fit)
    words = seen(page).words
    rows = {row["slice"]: row["pooling"] for row in report_numbers(fake_fit, [500])["slices"]}
    assert rows == {str(name): float(shares.sel(slice=name)) for name in fake_fit.slices}
    for share in rows.values():
        assert f"group {percent(share)}" in words
    assert page.count("<small>group ") == len(rows)
    assert "share of it that rests on other slices and priors" in words


def test_images_have_words(hostile_page, seen):
    images = seen(hostile_page).tags.count("img")
    alts = [v for t, n, v in seen(hostile_page).attributes if t == "img" and n == "alt"]
    assert images == len(alts) > 3
    assert all(len(a) > 20 for a in alts)


def test_r2_own_and_total_gain_stand_in_one_row_and_on_the_page(fake_fit, page, seen):
    budgets = [500, 2000]
    own, total = lv.predict_gain(fake_fit, budgets), lv.predict_total_gain(fake_fit, budgets)
    table = lv.summarise(own, total=total, ci_prob=0.8)
    assert len(table) == fake_fit.slices.size * 2, "one row a slice and budget"
    for _, row in table.iterrows():
        draws = total.sel(slice=row["slice"], budget=row["budget"]).values.ravel()
        assert row["total_mean"] == pytest.approx(draws.mean())
        assert (row["total_lower"], row["total_upper"]) == pytest.approx(tuple(np.quantile(draws, [0.1, 0.9])))
    pd.testing.assert_frame_equal(table[lv.summarise(own, ci_prob=0.8).columns], lv.summarise(own, ci_prob=0.8))
    with pytest.raises(ValueError, match="other slices or budgets"):
        lv.summarise(own, total=lv.predict_total_gain(fake_fit, [500]))
    part = seen(page).words.partition("What the same labels bring to all slices together")[2]
    for row in report_numbers(fake_fit, budgets)["gain"]:
        assert f"{significant(row['total_lower'])} to {significant(row['total_upper'])}" in part


def test_r9_numbers_lead_to_fit_inputs_code_seed_and_sampler(fake_fit, page, seen):
    words = seen(page).words.partition("A SHA-256 is a fingerprint")[2]
    settings = fake_fit.settings
    said = report_numbers(fake_fit, [500])["provenance"]
    assert said["draws_sha256"] == draws_digest(fake_fit) != draws_digest(testing.fake_fit(seed=2))
    known = [said["draws_sha256"], settings["runs_sha256"], f"{settings['sampler']}, {settings['random_seed']}"]
    known += [f"{package} {settings['versions'][package]}" for package in ("labelvalue", "numpy", "pymc")]
    for text in known:
        assert text in words, text


def test_r11_every_section_is_somebodys_and_everybody_finds_theirs(page, decided_page, seen):
    for text in (page, decided_page):
        there = re.findall(r'<section id="([\w-]+)"', text)
        first, *parts = re.split(r"<h2>(For the \w+)</h2>", text)
        assert re.findall(r'<section id="([\w-]+)"', first) == ["decision"], "whoever pays reads the first page"
        assert parts[::2] == ["For the analyst", "For the statistician"]
        closed = re.findall(
            r'<details class="fold">\n<summary><h3>\d+\. .*?</h3></summary>\n<section id="([\w-]+)"', text
        )
        assert ["decision", *closed] == there, "everything else is folded, each part once"
        targets = set(re.findall(r'id="([\w-]+)"', text))
        assert set(re.findall(r'href="#([\w-]+)"', text)) <= targets, "no link leads nowhere"


def test_provenance_and_priors(fake_fit, page, seen):
    words = seen(page).words
    assert fake_fit.settings["runs_sha256"] in words
    for package, version in fake_fit.settings["versions"].items():
        assert f"{package} {version}" in words
    for name, prior in fake_fit.model.priors.items():
        assert name in words
        assert prior.meaning in words
        assert prior.source in words


def test_diagnostics_show_figures_and_thresholds(page, seen):
    words = seen(page).words
    for text in ("R-hat, worst", "≤ 1.010", "≤ 1.050", "Tail ESS, worst", "≥ 400", "Divergent draws"):
        assert text in words
    assert "first attempt" in words
    assert "Do the chains agree?" in words


def test_reservations_cannot_be_switched_off(page, fake_fit, seen):
    words = seen(page).words
    for item in report_numbers(fake_fit, [500, 2000])["limitations"]:
        assert item["text"] in words
    assert "Strongest reservation:" in words
    assert "Assumptions and limitations" in words


def test_notes_flags_and_distances_become_limitations(fake_fit, tmp_path, seen):
    flags = {"east": ("borrowed",), "north": (), "south": (), "west": ()}
    fit = changed(fake_fit, notes=["3 rows were left out"], flags=flags)
    numbers = report_numbers(fit, budgets=[500, 60_000])
    topics = [item["topic"] for item in numbers["limitations"]]
    assert topics[:3] == ["borrowed", "beyond validated distance", "note from the data or the fit"]
    words = seen(written(fit, tmp_path, budgets=[500, 60_000])).words
    assert "3 rows were left out" in words
    assert "beyond validated distance (5.1 doublings)" in words
    assert "Measuring two or three more sizes would mend that." in words


def test_p3_a_batch_that_counts_for_less_is_a_limitation(fake_fit):
    runs = fake_fit.runs
    batch = np.where(runs[names.REPLICATE].values == 0, "pilot", "new").astype(object)
    weight = np.where(batch == "pilot", 0.4, 1.0)
    found = report_numbers(
        altered(fake_fit, runs=runs.assign({names.BATCH: ("run", batch), names.WEIGHT: ("run", weight)})), [500]
    )["limitations"]
    (said,) = [item["text"] for item in found if item["check"] == "discount"]
    assert said.endswith("as was asked for: pilot (0.4).")


def test_the_same_budget_twice_leaves_a_note(fake_fit, tmp_path, seen):
    words = seen(written(fake_fit, tmp_path, budgets=[500, 500])).words
    assert "duplicates were dropped" in words


def test_two_learners(tmp_path, seen):
    fit = testing.fake_fit(seed=2, learners=("tree", "linear"), draws=50)
    parsed = seen(written(fit, tmp_path, budgets=[500]))
    assert len(report_numbers(fit, budgets=[500])["decision"]["by_learner"]) == 2
    assert parsed.words.count("With learner") == 2
    assert {"tree", "linear", *fit.slices} <= set(parsed.names)


def test_143_slices_are_all_there(tmp_path, seen):
    fit = testing.fake_fit(seed=1, slices=tuple(f"s{i}" for i in range(143)), chains=2, draws=25)
    text = written(fit, tmp_path, budgets=[50])
    parsed = seen(text)
    assert "All 143 rows" in parsed.words
    rows = re.findall(r'<th scope="row" class="slice"><bdi class="name">(s\d+)</bdi>', text)
    assert sorted(rows) == sorted(fit.slices)
    alts = [v for t, n, v in parsed.attributes if t == "img" and n == "alt" and "Learning curves" in v]
    named = [s for alt in alts for s in alt.split("the slices ")[1].rstrip(".").split(", ")]
    assert "48 of 143 slices are drawn" in parsed.words
    gain = lv.predict_gain(fit, budgets=[50]).mean(["chain", "draw"]).isel(budget=0).to_series()
    assert named == sorted(gain.sort_values(ascending=False).index[:48])


def test_many_budgets_make_several_tables(fake_fit, tmp_path):
    budgets = [10, 20, 50, 100, 200, 500, 1000, 2000, 5000]
    text = written(fake_fit, tmp_path, budgets=budgets)
    heads = re.findall(r"Gain<small>\+([\d,]+) labels", text)
    assert [int(h.replace(",", "")) for h in heads] == budgets


# --- verdicts ---------------------------------------------------------------------------------------


def test_flagged_is_shown_under_a_banner_and_without_a_decision(tmp_path, seen):
    fit = testing.fake_fit(seed=1, verdict="flagged")
    text = written(fit, tmp_path)
    words = seen(text).words
    assert "Flagged: no decision published." in words
    assert "a verdict given by hand, for tests" in words
    assert "worth most in slice" not in words
    assert "P(best)" not in words
    assert 'id="gains"' in text
    numbers = report_numbers(fit)
    assert numbers["decision"]["status"] == "withheld"
    assert numbers["decision"]["by_learner"] == []
    assert numbers["limitations"][0]["topic"] == "fit flagged"
    assert numbers["gain"]


def test_refused_shows_diagnostics_only(tmp_path, seen):
    fit = testing.fake_fit(seed=1, verdict="refused")
    text = written(fit, tmp_path)
    parsed = seen(text)
    assert "Refused: no decision published." in parsed.words
    assert "R-hat, worst" in parsed.words
    assert 'id="gains"' not in text
    assert 'id="curves"' not in text
    assert "P(gain" not in parsed.words
    assert "credible band" not in text
    numbers = report_numbers(fit)
    assert not {"gain", "budgets"} & set(numbers)
    assert all(set(row) == {"slice", "labels_now", "flags"} for row in numbers["slices"])


def test_refused_fit_with_broken_draws_still_has_a_page(tmp_path, seen):
    fit = testing.fake_fit(seed=1, verdict="refused", draws=30)
    broken = fit.posterior.where(fit.posterior["chain"] > 0)
    figures = dict(fit.diagnostics.figures) | {"rhat": float("inf"), "bfmi": float("nan")}
    fit = changed(altered(fit, posterior=broken), figures=figures)
    words = seen(written(fit, tmp_path)).words
    assert "No rank plot" in words
    assert "not available" in words


# --- writing ----------------------------------------------------------------------------------------


def test_a_failure_half_way_leaves_the_old_page(fake_fit, tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("the old page")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        write_report(fake_fit, path=path, budgets=[500])
    assert path.read_text() == "the old page"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("budgets", [[], [1.5], [-1], ["many"]])
@pytest.mark.parametrize("verdict", ["ok", "refused"])
def test_bad_budgets_write_nothing(tmp_path, budgets, verdict):
    fit = testing.fake_fit(seed=1, verdict=verdict, draws=20)
    with pytest.raises(ValueError, match="budget"):
        write_report(fit, path=tmp_path / "report.html", budgets=budgets)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.rendered
def test_the_same_fit_gives_the_same_bytes(fake_fit_file, page, tmp_path):
    """Read back from disk."""
    assert written(lv.load_fit(fake_fit_file), tmp_path, budgets=[500, 2000]) == page


def test_r7_page_terminal_and_json_say_in_the_same_words_what_an_error_and_a_gain_rest_on(tmp_path, seen, capsys):
    """Few items, gains that no run shows, and a mean below its Monte Carlo error."""
    fit = share_items(testing.fake_fit(seed=1), ["east"], times=0.02)
    runs = fit.runs
    flat = runs.assign(errors=runs["errors"].where(runs["slice"] != "west", 340))
    fit = altered(fit, runs=flat)
    wanted = [
        "error now of east is known from 40 items: most of its uncertainty is which items these are; more evaluation "
        "labels would narrow it, more runs would not",
        "P(gain > 0) of west is the model's assumption that curves fall: its own runs show no fall yet",
    ]
    page = write_report(fit, path=tmp_path / "report.html", budgets=[500], numbers=tmp_path / "report.json")
    words = seen(page.read_text("utf-8")).words
    numbers = json.loads((tmp_path / "report.json").read_text())
    assert numbers["slice_notes"] == wanted
    assert {f"{note}." for note in wanted} <= {item["text"] for item in numbers["limitations"]}
    assert [row["evaluation_labels"] for row in numbers["slices"]].count(40) == 1
    assert words.count("40 items") == 2  # in its row, in the limitations
    assert all(words.count(note) == 1 for note in wanted)
    assert console.show(fit, True, [500])["notes"] == wanted
    capsys.readouterr()
    console.show(fit, False, [500])
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    assert all(f"Note: {note}" in " ".join(out.split()) for note in wanted)
    console.show(fit, False)
    assert f"Note: {wanted[0]}" in " ".join(capsys.readouterr().out.split())


def test_a_mean_below_its_monte_carlo_error_is_nothing_on_the_page(fake_fit, seen):
    numbers, gain = collect(fake_fit, [500], 0.9)
    numbers["slices"][0]["gains"][0] |= {"mean": 2.66e-14, "mcse": 0.0123}
    words = seen(render(numbers | {"header": []}, figures(fake_fit, numbers, gain))).words
    assert "0 (± 0.012)" in words
    assert "e-14" not in words
