"""``labelvalue plan``: what it prints, its JSON, and how it ends."""

import html
import json
import re
import threading
import time

import pytest

import labelvalue as lv
from labelvalue import cli, printing
from labelvalue.decisions.advice import deciding
from labelvalue.decisions.search.allocation import find_plan
from labelvalue.report.words.verdicts import cheapest_text
from tests.fits import judged

CASE = 'currency = "USD"\n[costs]\nprice_per_label = 0.1\nretraining = 20\n[value]\nper_error_point = 400\n'


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fits")
    fit = lv.testing.fake_fit(seed=1, draws=150)
    fit.save(folder / "fit.nc")
    for verdict in ("flagged", "refused"):
        judged(fit, verdict, "R-hat 1.3").save(folder / f"{verdict}.nc")
    return folder


@pytest.fixture
def run(capsys, saved, tmp_path):
    def run(*arguments, case=CASE, fit="fit.nc"):
        path = tmp_path / "case.toml"
        path.write_text(case)
        capsys.readouterr()
        code = cli.main(["plan", str(saved / fit), "--case", str(path), *map(str, arguments)])
        return code, *capsys.readouterr()

    return run


def test_text_says_what_to_do_in_80_columns(run):
    code, out, err = run("--max-labels", 1200)
    assert code == 0
    assert "labelvalue: weighing plans, and what measuring first would be worth\n" in err
    lines = out.splitlines()
    assert lines[1] == "Verdict: BUY"
    assert max(map(len, lines)) <= 80
    for said in ("USD", "Net benefit", "Cost", "do nothing", "equal split", "P(best)", "1,200 labels"):
        assert said in out, said


def test_a_command_says_again_what_it_does_before_it_is_silent_for_two_seconds(run, monkeypatch):
    assert printing.QUIET_S < 2
    monkeypatch.setattr(printing, "QUIET_S", 0.02)
    monkeypatch.setattr(deciding, "find_plan", lambda *given, **more: (time.sleep(0.5), find_plan(*given, **more))[1])
    before = threading.enumerate()
    _, out, err = run("--max-labels", 300, "--json")
    assert err.count("labelvalue: still weighing plans, and what measuring first would be worth (0 s)\n") > 5
    assert json.loads(out)["verdict"] == "buy"
    assert threading.enumerate() == before


def test_json_holds_verdict_plan_gain_and_cost(run):
    code, out, _ = run("--max-labels", 1200, "--json")
    assert code == 0
    found = json.loads(out)
    assert found["verdict"] == "buy"
    assert found["plan"]["total"] == sum(found["plan"]["labels"].values()) <= 1200
    assert {row["slice"] for row in found["gain"]} == set(found["plan"]["labels"])
    assert found["cost"]["mean"] == pytest.approx(0.1 * found["plan"]["total"] + 20)
    assert found["unit"] == "USD"
    assert found["net_benefit"]["lower"] < found["net_benefit"]["mean"] < found["net_benefit"]["upper"]
    assert found["certificate"]["objective"] >= found["certificate"]["equal"]
    assert found["fit"]["verdict"] == "ok"
    # The same figures as in Python: traceable.
    fit = lv.testing.fake_fit(seed=1, draws=150)
    case = lv.Case(costs={"price_per_label": 0.1, "retraining": 20}, value={"per_error_point": 400}, currency="USD")
    plan = lv.decide(fit, case, max_labels=1200, measure=False)
    assert found["plan"]["labels"] == plan.labels
    assert found["net_benefit"]["mean"] == pytest.approx(float(plan.advantage().mean()))


def test_details_are_printed_and_in_json(run, monkeypatch):
    monkeypatch.setattr("labelvalue.forecast.gains.prior_sensitivity.fit_again", lambda fit, **changes: fit)
    code, out, _ = run("--max-labels", 800, "--details")
    assert code == 0
    for said in ("Where to look first", "Stability", "Batch by batch", "Would the evaluation sets"):
        assert said in out
    assert max(map(len, out.splitlines())) <= 80
    assert re.search(r"\d+ of \d+ were fitted again, the others re-weighted\.", out)
    found = json.loads(run("--max-labels", 800, "--details", "--json")[1])
    assert {row["advice"] for row in found["stability"]["rows"]} == {"", "fitted again"}
    assert {"sensitivity", "stability", "milestones", "detection"} <= set(found)


def test_details_as_json_hold_every_pair_of_plans_and_each_change_that_waiting_would_tell(run, monkeypatch):
    monkeypatch.setattr("labelvalue.forecast.gains.prior_sensitivity.fit_again", lambda fit, **changes: fit)
    value = "horizon_days = 300\nmix_changes = [{ after_days = 30, factors = { west = 9.0 }, probability = 0.4 }]\n"
    stated = '[[scenarios]]\nname = "mine"\nlabels = { west = 300 }\n'
    found = json.loads(run("--max-labels", 400, "--details", "--json", case=CASE + value + stated)[1])
    enb = {row["plan"]: row["enb"] for row in found["plans"]}
    pairs = {(row["plan"], row["against"]): row for row in found["pairs"]}
    assert len(pairs) == len(enb) * (len(enb) - 1)
    assert pairs["mine", "recommended"]["difference"] == pytest.approx(enb["mine"] - enb["recommended"])
    assert pairs["mine", "recommended"]["regret"] > pairs["recommended", "mine"]["regret"]
    changes = {row["comes"]: row for row in found["changes"]}
    assert set(changes) == {"nothing", "west × 9 after 30 days"}
    gained = sum(row["probability"] * (row["later"] - row["now"]) for row in changes.values())
    assert gained == pytest.approx(found["waiting"]["value"])


def test_d21_a_page_beside_the_details_has_their_fits_and_makes_none_of_its_own(run, monkeypatch, tmp_path):
    made = []

    def again(fit, **changes):
        made.append(changes)
        return fit

    monkeypatch.setattr("labelvalue.forecast.gains.prior_sensitivity.fit_again", again)
    run("--max-labels", 800, "--details")
    alone, page = len(made), tmp_path / "page.html"
    assert alone > 0
    _, out, _ = run("--max-labels", 800, "--details", "--report", str(page), "--json")
    assert len(made) == 2 * alone
    text = page.read_text("utf-8")
    rows = json.loads(out)["stability"]["rows"]
    told = text.count("<small>fitted again</small>") + text.count("(fitted again)")
    assert told == sum(row["advice"] == "fitted again" for row in rows) > 0
    assert "would need a new fit" not in text


def test_d21_the_page_of_a_report_knows_every_row_unless_fits_are_left_out(saved, monkeypatch, tmp_path, capsys):
    made = []
    monkeypatch.setattr(
        "labelvalue.forecast.gains.prior_sensitivity.fit_again", lambda fit, **changes: made.append(changes) or fit
    )
    (tmp_path / "case.toml").write_text(CASE)
    asked = ["report", str(saved / "fit.nc"), "--case", str(tmp_path / "case.toml"), "--max-labels", "800"]
    asked += ["--out", str(tmp_path / "page.html"), "--numbers", str(tmp_path / "page.json")]

    def unknown():
        numbers = json.loads((tmp_path / "page.json").read_text("utf-8"))
        rows = numbers["plan"]["stability"]["rows"]
        unsaid = [item["check"] for item in numbers["limitations"] if item["check"] == "stability"]
        return sum(row["advice"] == "re-fit instead" for row in rows), bool(unsaid)

    assert cli.main(asked) == 0
    assert unknown() == (0, False)
    assert "fitting again" in capsys.readouterr().err
    fits = len(made)
    assert cli.main([*asked, "--no-refits"]) == 0
    left, said = unknown()
    assert (left > 0, said, len(made)) == (True, True, fits), "what is not known is said"
    assert "fitting again" not in capsys.readouterr().err


AIMED = CASE + 'target = { error = 0.26, of = "worst", worth = 50 }\n'


@pytest.mark.parametrize(
    ("case", "arguments", "target", "probability"),
    [
        (CASE, ("--target", "0.208", "--probability", "0.6"), lv.Target(error=0.208), 0.6),
        (CASE, ("--target", "0.05"), lv.Target(error=0.05), 0.9),
        (AIMED, ("--target", "0.265", "--probability", "0.7"), lv.Target(error=0.265, of="worst"), 0.7),
        (AIMED, ("--probability", "0.5"), lv.Target(error=0.26, of="worst", worth=50), 0.5),
    ],
)
def test_d33_the_cheapest_plan_for_a_target_is_printed_as_python_finds_it(run, case, arguments, target, probability):
    asked = ("--max-labels", 1200, *arguments)
    code, out, _ = run(*asked, "--json", case=case)
    assert code == 0
    found = json.loads(out)["cheapest"]
    fit = lv.testing.fake_fit(seed=1, draws=150)
    costs = lv.Case(costs={"price_per_label": 0.1, "retraining": 20}, value={"per_error_point": 400})
    table = lv.plans.cheapest_plan(fit, costs, target, probability=probability, max_labels=1200)
    assert [row["labels"] for row in found["rows"]] == table["labels"].tolist()
    assert (found["found"], found["p_target"]) == (table.attrs["found"], table.attrs["p_target"])
    assert (found["target"], found["of"], found["probability"]) == (target.error, target.of, probability)
    assert found["found"] is (target.error != 0.05)
    if case is not CASE:
        return
    out = run(*asked, case=case)[1]
    last = " ".join(out.split("\n\n")[-1].split())
    assert ("The cheapest plan for" if found["found"] else "No plan reaches") in last
    assert f"P(reached) {found['p_target']:.2f}, asked for {probability:g}" in last
    assert max(map(len, out.splitlines())) <= 80


def test_d10_d33_the_target_of_the_case_is_reached_how_probably_and_for_how_little(run, tmp_path):
    code, out, _ = run("--max-labels", 1200, case=AIMED)
    told = json.loads(run("--max-labels", 1200, "--json", case=AIMED)[1])
    reached, plans = told["target_reached"], {row["plan"]: row["p_target"] for row in told["plans"]}
    assert code == 0
    assert (reached["now"], reached["then"]) == (plans["do nothing"], plans["recommended"])
    assert reached["now"] < reached["then"]
    line = f"error of the worst slice ≤ 0.26: P(reached) {reached['now']:.2f} → {reached['then']:.2f}"
    assert line in out
    assert "P(reached)" not in run("--max-labels", 1200)[1]
    near = told["cheapest"]  # of the case's own target, on every surface, unasked
    table = lv.plans.cheapest_plan(
        lv.testing.fake_fit(seed=1, draws=150),
        lv.Case(costs={"price_per_label": 0.1, "retraining": 20}, value={"per_error_point": 400}),
        lv.Target(error=0.26, of="worst"),
        max_labels=1200,
    )
    assert [row["labels"] for row in near["rows"]] == table["labels"].tolist()
    assert (near["probability"], near["target"], near["of"]) == (0.9, 0.26, "worst")
    assert cheapest_text(near) in " ".join(out.split())
    page = tmp_path / "page.html"
    run("--max-labels", 1200, "--report", str(page), case=AIMED)
    shown = " ".join(html.unescape(re.sub("<[^>]+>", "", page.read_text("utf-8"))).split())
    assert cheapest_text(near) in shown
    assert "P(target)" in out
    assert json.loads(run("--max-labels", 1200, "--json")[1])["cheapest"] is None


def test_f13_the_text_says_what_an_offer_is_worth_in_labels(run):
    offer = '[[interventions]]\nkind = "synthetic data"\nexamples = 1000\nworth = 0.25\nname = "made up"\ncost = 1e6\n'
    _, out, _ = run("--max-labels", 300, case=CASE + offer)
    assert "Offer made up: worth 1,000 plain labels" in " ".join(out.split()), "250 in each of four slices"
    assert "break-even price 100" in " ".join(out.split())


def test_no_labels_is_doing_nothing(run):
    found = json.loads(run("--max-labels", 0, "--json")[1])
    assert found["verdict"] == "wait"
    assert found["plan"]["total"] == 0


def test_the_budget_is_the_labels_at_hand_by_default(run):
    found = json.loads(run("--json")[1])
    fit = lv.testing.fake_fit(seed=1, draws=150)
    assert found["plan"]["max_labels"] == int(fit.position["labels_now"].sum())


def test_guardrail_that_says_stop_ends_with_3(run):
    rule = "[guardrails]\nminimum_gain = { limit = 0.5, probability = 0.8 }\n"
    code, out, _ = run("--max-labels", 500, case=CASE + rule)
    assert code == 3
    assert "Verdict: WAIT" in out
    assert "NOT KEPT" in out


@pytest.mark.parametrize("fit", ["flagged.nc", "refused.nc"])
def test_a_fit_that_is_not_ok_publishes_no_decision(run, fit):
    code, out, _ = run("--max-labels", 500, fit=fit)
    assert code == 2
    assert "R-hat 1.3" in out
    assert "Verdict" not in out
    assert ("by its forecasts alone it would be: BUY" in " ".join(out.split())) == (fit == "flagged.nc")
    found = json.loads(run("--max-labels", 500, "--json", fit=fit)[1])
    assert found["verdict"] is None


@pytest.mark.parametrize(
    ("arguments", "case", "pattern"),
    [
        (("--max-labels", -1), CASE, "should be greater than or equal to 0"),
        (("--ci-prob", 1.5), CASE, "0 < … < 1"),
        (("--probability", 0.8), CASE, "there is no target"),
        (("--target", 0), CASE, "error"),
        (("--price", 1), CASE, "Fix: see 'labelvalue plan --help'."),
        (("--target", 0.1, "--probability", 1.5), CASE, "probability"),
        ((), CASE.replace("price_per_label", "price"), "did you mean 'price_per_label'?"),
        ((), CASE + "[slices]\nwets = { minimum = 3 }\n", "unknown slice 'wets'; did you mean 'west'?"),
    ],
)
def test_faults_end_with_1_and_say_where(run, arguments, case, pattern):
    code, out, err = run(*arguments, case=case)
    assert code == 1
    assert pattern in err
    assert out == ""


def test_missing_files_are_named(saved, capsys, tmp_path):
    assert cli.main(["plan", str(saved / "fit.nc"), "--case", str(tmp_path / "none.toml")]) == 1
    assert "none.toml: cannot be read" in capsys.readouterr().err
