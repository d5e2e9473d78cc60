"""Promises of the room, literally and from end to end, where no other test shows them whole."""

import html
import json
import re
import shutil
import sqlite3
from pathlib import Path

import pandas as pd
import pytest

import labelvalue.model.fitting.fitting
from labelvalue import InputError, Prior, Project, cli, predict_gain, read_case, read_runs, summarise, write_runs
from labelvalue.decisions.case.case import parse_case
from labelvalue.diagnostics import what_is_missing
from labelvalue.forecast.backtesting.scores import recalibrated
from labelvalue.model.fitting.result import draws_digest
from labelvalue.model.hierarchy.specification import get_model
from labelvalue.numerals import significant
from labelvalue.operate.history.assets import evaluate, training_pays
from labelvalue.operate.history.pages import render, trail_values
from labelvalue.operate.refit.outcome import calibration_line
from labelvalue.operate.store.configuration import Triggers
from labelvalue.operate.store.folders import brought, unseen
from labelvalue.operate.store.identity import code_version
from labelvalue.testing import fake_fit, fake_runs
from tests.operate.conftest import CASE, QUIET, configure, kinds, put_case

COLUMNS = ["slice", "labels", "other_labels", "replicate", "errors", "trials"]


def columns(runs):
    return runs.to_dataframe()[COLUMNS]


# --- P1, P2 ---------------------------------------------------------------------------------------


def test_p1_the_commands_keep_a_ledger_that_only_grows(tmp_path, sampler, first, second, capsys):
    folder = tmp_path / "incomes"
    tables = {name: str(write_runs(runs, tmp_path / f"{name}.csv")) for name, runs in (("a", first), ("b", second))}
    steps = [
        (["init"], ["project"]),
        (["add", tables["a"]], ["settings", "batch", "check"]),
        (["refit"], ["fit", "forecast"]),
        (["decide", "buy", "--approver", "A. Lovelace"], ["decision"]),
        (["add", tables["b"], "--cost", "300"], ["batch", "forecast", "score", "check"]),
        (["refit"], ["fit", "forecast"]),
        (["decide", "wait", "--approver", "A. Lovelace"], ["decision"]),
    ]
    before: list = []
    for (name, *rest), new in steps:
        assert cli.main([name, str(folder), *rest, "--json"]) == 0, name
        if name == "init":
            (folder / "labelvalue.toml").write_text(QUIET)
        now = Project.open(folder).ledger.records()
        assert now[: len(before)] == before, "nothing that stood there was touched"
        assert [record.kind for record in now[len(before) :]] == new
        before = now
    capsys.readouterr()
    assert cli.main(["history", str(folder), "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["records"]
    assert [row["number"] for row in listed] == [record.number for record in before]
    assert cli.main(["verify", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["head"] == before[-1].digest


def test_o14_a_batch_that_is_added_says_what_to_measure_next(project, first, tmp_path, capsys):
    path = write_runs(first, tmp_path / "a.csv")
    missing = what_is_missing(read_runs(path))["column"].tolist()
    missing.remove("batch")  # the project gives it a name
    for known in (False, True):
        capsys.readouterr()
        assert cli.main(["add", str(project.folder), str(path)]) == 0
        text = " ".join(capsys.readouterr().out.split())
        assert (f"Measure next: {missing[0]}, for " in text) != known, "the same again says nothing"
    capsys.readouterr()
    cli.main(["add", str(project.folder), str(path), "--batch", "b", "--json"])
    assert list(json.loads(capsys.readouterr().out).get("missing", missing)) == missing


def test_p2_a_refit_after_each_batch_is_a_fresh_fit_of_all_of_them(project, first, second):
    configure(project, QUIET + "[fit]\nrandom_seed = 7\n")
    made = []
    for name, runs in (("a", first), ("b", second)):
        result = project.add(runs, batch=name).refit(progress=False)
        assert result.new
        made.append(draws_digest(project.published))
    assert made[0] != made[1]
    priors = {name: Prior(**given) for name, given in get_model("power_law").priors.as_dict().items()}
    whole = pd.concat([columns(first).assign(batch="a"), columns(second).assign(batch="b")])
    fresh = labelvalue.model.fitting.fitting.fit(read_runs(whole), random_seed=7, priors=priors)
    assert draws_digest(fresh) == made[1], "no posterior became a prior on the way"


# --- P3, P4, P5 -----------------------------------------------------------------------------------


def test_p3_a_discount_stands_in_the_ledger_among_the_assumptions_and_on_the_page(running):
    configure(running, '[report]\nbudgets = [100]\n[fit.discount]\n"a" = 0.5\n')
    result = running.refit(progress=False)
    assert running.ledger.records("fit")[-1].content["discount"] == {"a": 0.5}
    assert ", batch 'a' counts for 0.5, ok" in running.history().query("kind == 'fit'")["what"].iloc[-1]
    told = running.assumptions().set_index("id")
    assert (told.loc["fit.discount/a", "value"], told.loc["fit.discount/a", "source"]) == (0.5, "labelvalue.toml")
    assert "fit.discount/a" in Path(result.page).read_text("utf-8").replace("<wbr>", "")


def test_p4_a_forecast_is_of_a_fit_that_stood_before_and_knows_nothing_of_the_outcome(fitted, second, tmp_path):
    head = fitted.verify()
    draws = draws_digest(fitted.published)
    worse = columns(second).assign(errors=lambda t: (2 * t["errors"]).clip(upper=t["trials"]))
    shutil.copytree(fitted.folder, tmp_path / "worse")
    medians, truths = [], []
    for project, runs in ((fitted, second), (Project.open(tmp_path / "worse"), worse)):
        project.add(runs, batch="b")
        project.verify(head=head)
        of_fit = project.ledger.records("fit")[-1]
        forecast, score = (project.ledger.records(kind)[-1] for kind in ("forecast", "score"))
        assert forecast.content["fit"] == of_fit.content["fit"]
        assert of_fit.content["draws_sha256"] == draws
        assert of_fit.number < project.ledger.records("batch")[-1].number < forecast.number < score.number
        medians.append([cell["quantiles"]["0.5"] for cell in forecast.content["cells"]])
        truths.append([cell["truth"] for cell in score.content["cells"]])
        assert {"crps", "covers_50", "covers_90", "rank", "bias"} <= {*score.content["cells"][0]}
    assert min(after / before for before, after in zip(*truths, strict=True)) > 1.8
    assert medians[1] == pytest.approx(medians[0], rel=0.03)


def test_p4_p5_the_page_says_how_the_last_forecasts_did_and_shows_both_widths(project, first, second):
    """Eight forecasts, all of which missed: the header says so, and the whole page is as wide as they ask for."""
    project.add(first, batch="a").refit(progress=False)
    for batch, runs in (("b", second), ("c", fake_runs(seed=1, sizes=(32_000,), replicates=3))):
        project.add(columns(runs).assign(errors=lambda t: (2 * t["errors"]).clip(upper=t["trials"])), batch=batch)
    configure(project, "[report]\nbudgets = [2000]\n")
    result = project.refit(progress=False)
    page = html.unescape(Path(result.page).read_text("utf-8"))
    card, factor = project.scorecard(), result.calibration["factor"]
    assert factor > 1.5
    header = page[page.index('<section id="decision"') :].partition("</section>")[0]
    assert (
        f"scorecard: {100 * card['covers_90'].mean():.0f} % of {len(card)} forecasts in their 90 % interval" in header
    )
    against = f"CRPS {card['crps'].mean() / card['crps_repeated'].mean():.2f} times that of 'the last gain repeats'"
    bias = f"{card['bias'].mean():+.2g}".replace("-", "−")
    assert f"bias {bias} in error, {against}; widths times {factor:.2f}" in header
    last = card[card["batch"] == "c"]
    held = f"last batch 'c': {int(last['covers_90'].sum())} of {len(last)} in their 90 % interval"
    gains = f"gain promised {last['promised'].mean():.2g}, delivered {last['delivered'].mean():.2g}".replace("-", "−")
    assert f"{held}, {gains}" in header
    record = project.ledger.records("fit")[-1]
    origin = " ".join(re.sub(r"<[^>]*>", " ", page[page.index('<section id="provenance"') :]).split())
    made_by = f"SHA-256 of its source {code_version()['source']}"
    place = f"Record in the ledger {record.number}, digest {record.digest}"
    for text in (record.content["fit"], place, f"SHA-256 {record.content['draws_sha256']}", made_by):
        assert text in origin, "R9: from a number to the fit and what made it"
    part = page[page.index('id="scorecard"') :].partition("</table>")[0]
    for column in ("crps", "crps_repeated", "bias", "rank", "promised", "delivered"):
        assert f">{significant(last[column].mean())}<" in part, column
    places = [part.index(f">{head}<") for head in ("Promised", "Delivered", "90 %", "50 %", "Bias", "CRPS", "Rank")]
    assert places == sorted(places), "what was promised, what came, how good that was"
    part = page[page.index('id="widths"') :].partition("</table>")[0]
    assert f"{significant(factor)} times as wide" in part
    (promised,) = [r.content for r in project.ledger.records("forecast") if r.content.get("factor") == factor]
    both = [predict_gain(fit, [2000]) for fit in (project.published, recalibrated(project.published, factor))]
    plain, wide = (summarise(gain).set_index("slice") for gain in both)
    slices = " ".join(
        re.sub(r"<[^>]*>", " ", page[page.index('<section id="slices"') :].partition("</table>")[0]).split()
    )
    for cell in promised["cells"]:
        for key, table in (("quantiles", plain), ("widened", wide)):
            low, high = table.loc[cell["slice"], ["lower", "upper"]]
            assert [cell[key][q] for q in ("0.05", "0.95")] == pytest.approx([low, high], rel=0.02)
            assert (
                "<span>{} to</span> <span>{}</span>".format(*map(significant, (cell[key]["0.05"], cell[key]["0.95"])))
                in part
            )
            shown = any(f" {low:.{digits}f} to {high:.{digits}f} " in f"{slices} " for digits in (3, 4, 5))
            assert shown is (key == "widened"), "the table of gains is of the adjusted width"


def test_p4_bias_is_said_in_error_and_in_money():
    found = {"forecasts": 4, "covers_90": 0.75, "bias": -0.0123, "bias_money": -492.0, "factor": 1.0}
    said = "scorecard: 75 % of 4 forecasts in their 90 % interval, bias −0.012 in error, bias −492 in money"
    assert calibration_line(found) == f"{said}; widths are adjusted from 8 on"


# --- P8 -------------------------------------------------------------------------------------------

APPROVALS = """
[[approvals]]
approver = "head of data"
above = 100
reason = "by-law 4"
[[approvals]]
approver = "board"
above = 1_000_000
"""


def test_p8_approvals_live_in_the_case_and_the_exit_code_says_which_are_missing(project, first, capsys):
    put_case(project, CASE + APPROVALS)
    project.add(first, batch="a")

    def night():
        code = cli.main(["refit", str(project.folder), "--json"])
        return code, json.loads(capsys.readouterr().out)

    code, found = night()
    (wanted,) = found["approvals"]
    assert (code, found["state"], found["advice"]["advice"]) == (3, "PASS", "buy")
    assert (wanted["approver"], wanted["reason"], wanted["given"]) == ("head of data", "by-law 4", None)
    assert wanted["cost"] == found["advice"]["cost"]["mean"] > wanted["above"]
    assert cli.main(["refit", str(project.folder)]) == 3
    assert "approval of 'head of data' is missing" in capsys.readouterr().out
    project.decide("buy", approver="somebody else")
    assert night()[0] == 3, "who may not approve does not"
    project.decide("wait", approver="head of data")
    assert night()[0] == 3, "whoever decides otherwise does not approve"
    project.decide("Buy", approver="Head of  Data")
    code, found = night()
    assert (code, found["approvals"][0]["given"]) == (0, project.ledger.records("decision")[-1].number)
    put_case(project, (CASE + APPROVALS).replace("0.1", "0.2"))
    code, found = night()
    assert (code, found["approvals"][0]["given"]) == (3, None), "another advice asks anew"


def test_p8_nothing_to_spend_needs_no_approval_and_a_nameless_one_is_refused(project, first):
    put_case(project, CASE.replace("0.1", "5000") + APPROVALS)
    result = project.add(first, batch="a").refit(progress=False)
    assert (result.advice["advice"], result.approvals, result.exit_code) == ("wait", (), 0)
    put_case(project, CASE + '[[approvals]]\napprover = " "\nabove = -1\n')
    with pytest.raises(InputError) as caught:
        project.refit(progress=False)
    assert [p.column for p in caught.value.problems] == ["approvals[0].approver", "approvals[0].above"]


def test_p8_the_command_names_who_must_agree_before_a_plan_is_carried_out(tmp_path, capsys):
    (tmp_path / "case.toml").write_text(CASE + APPROVALS)
    fake_fit(seed=1, draws=50).save(tmp_path / "fit.nc")
    arguments = [str(tmp_path / "fit.nc"), "--case", str(tmp_path / "case.toml"), "--max-labels", "2000"]
    assert cli.main(["plan", *arguments]) == 3, "as the night's re-fit of a project ends"
    said = " ".join(capsys.readouterr().out.split())
    assert "Needs the approval of head of data: costs more than 100 (by-law 4)" in said
    assert "board" not in said
    assert cli.main(["plan", *arguments, "--approved", "Head of  Data", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["approvals"] == []
    assert cli.main(["report", *arguments, "--no-refits", "--out", str(tmp_path / "page.html")]) == 3
    told = ["--approved", "head of data", "--no-refits", "--out", str(tmp_path / "page.html")]
    assert cli.main(["report", *arguments, *told]) == 0
    case = read_case(tmp_path / "case.toml")
    assert parse_case(case.to_toml(), file="again") == case


# --- P7, P11, X7 ----------------------------------------------------------------------------------


def test_p7_every_evaluation_is_logged_with_what_it_takes_to_make_it_again(decided, second):
    decided.add(second, batch="b")
    decided.refit(progress=False)
    logged = [r for r in decided.ledger.records("check") if r.content["of"] == "triggers"][-1]
    by_fit = decided.ledger.records("fit")[-1].content
    assert by_fit["triggers"] == logged.content["triggers"], "the fit was called for by what add had found"
    assert by_fit["trigger_inputs"] == logged.content["inputs"]
    inputs = logged.content["inputs"]
    before = decided.ledger.records()[: logged.number]
    fit = next(r for r in before if r.number == inputs["fit_record"])
    scores = [r for r in before if r.kind == "score" and r.content["content"] in inputs["scored"]]
    found = {t["trigger"]: t for t in logged.content["triggers"]}
    limits = {name: found[name]["limit"] for name in ("new_labels", "surprise", "retraining")}
    new = [brought(decided.folder / "runs", record) for record in unseen(before, fit)]
    again = evaluate(new, Triggers(**limits), fit, scores)
    again += training_pays(decided, fit, new, inputs["factor"])
    assert again == logged.content["triggers"]
    assert [t["trigger"] for t in again] == ["new_labels", "surprise", "new_learner", "retraining"]
    assert inputs["case_sha256"] == decided.ledger.records("advice")[0].content["case_sha256"]


def test_p11_net_benefit_per_unit_of_money_over_time_and_a_warning_where_it_only_falls(decided, capsys):
    for price in (0.2, 0.3, 0.4):
        put_case(decided, CASE.replace("0.1", str(price)))
        assert decided.refit(progress=False).advice["advice"] == "buy"
    told = [r.content for r in decided.ledger.records("advice")]
    rates = [content["net_benefit"]["mean"] / content["cost"]["mean"] for content in told]
    table = decided.assets()
    assert [row["per_money"] for row in table.attrs["advice"]] == rates
    assert rates == sorted(rates, reverse=True)
    (warning,) = table.attrs["warnings"]
    assert warning == f"stagnation: expected net benefit per unit of money fell 3 times in a row: {_three(rates)}"
    assert decided.refit(progress=False).notes == (warning,)
    listed = decided.history().query("kind == 'advice'")["what"]
    assert [text.rpartition(", ")[2] for text in listed] == [f"{rate:,.3g} per unit of money" for rate in rates]
    assert cli.main(["assets", str(decided.folder)]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert all(f"{rate:,.3g} per unit of money" in out for rate in rates)
    page = render(trail_values(decided))
    assert all(f"{rate:,.4g}</td>" in page for rate in rates)


def _three(rates):
    return ", ".join(f"{rate:.3g}" for rate in rates)


def test_x7_totals_of_money_labels_and_gains_per_slice_and_over_time(decided, second):
    decided.add(second, batch="b", cost=300.0)
    table = decided.assets()
    first_batch, last = table.attrs["over_time"]
    assert (first_batch["batch"], last["batch"]) == ("a", "b")
    assert last["time"] == decided.ledger.records("batch")[-1].time
    for key in ("labels", "cost", "promised", "delivered"):
        own = table[table["batch"] == "b"][key].sum()
        assert last[key] == pytest.approx(own)
        assert last[f"{key}_so_far"] == pytest.approx(table.attrs["total"][key])
        by_slice = sum(total[key] for total in table.attrs["total_by_slice"].values())
        assert by_slice == pytest.approx(table.attrs["total"][key])
    assert first_batch["promised"] is None, "nobody had forecast the first batch"
    assert first_batch["labels_so_far"] == first_batch["labels"]


# --- P12 ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["advice", "decision", "score", "check"])
def test_p12_a_decision_that_was_rewritten_is_the_link_that_verify_names(decided, second, kind, capsys):
    decided.decide("buy", approver="A. Lovelace")
    decided.add(second, batch="b")
    place = kinds(decided).index(kind) + 1
    with sqlite3.connect(decided.ledger.path) as connection:
        connection.execute("DROP TRIGGER no_update")
        connection.execute("UPDATE records SET content = replace(content, '0', '1') WHERE number = ?", (place,))
    connection.close()
    assert cli.main(["verify", str(decided.folder)]) == 5
    said = capsys.readouterr().err
    assert f"record {place} ({kind}" in said
    assert "was changed after it was written" in said
