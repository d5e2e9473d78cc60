"""One fit of shipped runs, one case, one answer: Python, notebook, command line, project and page say the same."""

import dataclasses
import html
import itertools
import json
import re
from pathlib import Path

import nbclient
import nbformat
import numpy as np
import pandas as pd
import pytest

import labelvalue as lv
from labelvalue import Project, cli, exits, names, testing
from labelvalue.decisions.case.case import parse_case
from labelvalue.operate.refit.refit import POSTERIOR_FILE
from labelvalue.operate.store.folders import FITS, REPORTS
from labelvalue.report.numbers.alternatives import offer_numbers
from labelvalue.report.numbers.plan import plan_numbers
from labelvalue.report.words.verdicts import VERDICTS
from tests.operate.conftest import configure

MOST = 2_000
SLICES = ("Exec-managerial", "Prof-specialty", "Sales")
SHIPPED = Path(__file__).resolve().parents[1] / "data" / "adult_runs.csv"
SETTINGS = 'case = "case.toml"\n[plan]\nmax_labels = 2000\n[fit]\ndraws = 250\nbacktest = false\n'
COSTS = "[costs]\nprice_per_label = 0.1\nretraining = 20\n"
VALUE = "[value]\nper_error_point = 4000\n"
NOISE = "label_noise = 0.2\n"
PLAIN = f"{COSTS}{VALUE}"
CASES = {
    "buy": (f'name = "three occupations"\n{PLAIN}', "buy", exits.DONE),
    "wait": (f"{COSTS}[value]\nper_error_point = 0.01\n", "wait", exits.DONE),
    "measure first": (
        "label_noise = [{ value = 0.01, probability = 0.5 }, { value = 0.35, probability = 0.5 }]\n"
        f"[costs]\nprice_per_label = 0.1\n{VALUE}[slices]\n"
        + "".join(f"{name} = {{ maximum = 0 }}\n" for name in SLICES)
        + '[[interventions]]\nkind = "guideline"\nfactor = 0.9\nredone = 1.0\nunit_cost = 0.0\ncost = COST\n',
        "measure first",
        exits.DONE,
    ),
    "quality": (
        f'{NOISE}{PLAIN}[[interventions]]\nkind = "guideline"\nfactor = 0.1\nredone = 1.0\n',
        "spend on quality",
        exits.DONE,
    ),
    "weighed": (
        f'{NOISE}{PLAIN}[[interventions]]\nkind = "relabel"\nshare = 0.5\ncaught = 0.9\nunit_cost = 9.0\n',
        "buy",
        0,
    ),
    "uncertain prices": (
        f"[costs]\nprice_per_label = {{ low = 0.05, high = 0.4 }}\n{VALUE}[guardrails]\n"
        "maximum_budget = { limit = 150, probability = 0.8 }\n",
        "buy",
        exits.DONE,
    ),
    "floor out of reach": (
        f'{PLAIN}[[guardrails.floors]]\nslice = "Sales"\nerror = 0.0001\n',
        "no plan",
        exits.STOPPED,
    ),
    "minima above all": (f"{PLAIN}[slices]\nSales = {{ minimum = 5000 }}\n", "no plan", exits.STOPPED),
    "gain too small": (f"{PLAIN}[guardrails]\nminimum_gain = {{ limit = 0.9 }}\n", "wait", exits.STOPPED),
    "gain undecided": (f"{PLAIN}[guardrails]\nminimum_gain = {{ limit = LIMIT }}\n", "wait", exits.UNDECIDED),
    "deadline": (
        f"[costs]\nprice_per_label = 0.1\nlabels_per_day = {{ low = 80, high = 140 }}\n{VALUE}[guardrails]\n"
        "deadline = { limit = 8 }\n",
        "buy",
        exits.DONE,
    ),
    "spent before": (f"{PLAIN}[guardrails]\nmaximum_spend = {{ limit = LEFT, spent = SPENT }}\n", "buy", exits.DONE),
    "all is spent": (
        f"{PLAIN}[guardrails]\nmaximum_spend = {{ limit = GONE, spent = SPENT }}\n",
        "no plan",
        exits.STOPPED,
    ),
    "labels in all": (f"{PLAIN}[guardrails]\nlabels_in_all = {{ limit = 10 }}\n", "no plan", exits.STOPPED),
    "approval": (f"{PLAIN}[[approvals]]\napprover = 'board'\nabove = 100\n", "buy", exits.STOPPED),
    "gap": (f"{PLAIN}[guardrails]\nlargest_gap = {{ limit = 0.9 }}\n", "buy", exits.DONE),
}


@pytest.fixture(scope="module")
def answered(tmp_path_factory):
    """A project with a real fit of shipped runs, and that fit: all that is asked here is asked of it."""
    project = Project.create(tmp_path_factory.mktemp("one-answer") / "project")
    (project.folder / "case.toml").write_text(CASES["buy"][0])
    configure(project, SETTINGS)
    runs = pd.read_csv(SHIPPED, keep_default_na=False)
    made = project.add(runs[runs["slice"].isin(SLICES)], batch="a").refit(progress=False)
    return project, project.folder / FITS / made.fit / POSTERIOR_FILE


def filled(text, fit):
    """A case with the numbers that only a fit can give it."""
    if "LIMIT" in text:  # what the first labels of the best slice bring is as likely above as below
        first = {str(name): {str(name): 50} for name in fit.slices}
        gain = lv.plans.plan_outcomes(fit, parse_case(PLAIN), first)[names.GAIN].mean(names.SLICE)
        text = text.replace("LIMIT", f"{1000 / 50 * float(gain.median(names.SAMPLE).max()):.6g}")
    if "COST" in text:  # guidelines that pay if many labels are wrong, and do not if few are
        free = lv.decide(fit, parse_case(text.replace("COST", "0.0")), 10, measure=False)
        text = text.replace("COST", f"{1.05 * float(free.advantage().mean()):.6g}")
    return text


PAGED = ("buy", "wait", "measure first", "quality", "floor out of reach", "gain undecided")
"""One case of each advice and of each ending: a page says these in words of its own, and nothing else of a case."""


@pytest.mark.parametrize("which", CASES)
def test_every_surface_gives_the_same_answer(answered, which, tmp_path, capsys):
    project, file = answered
    configure(project, SETTINGS + ("" if which in PAGED else "[report]\npage = false\n"))
    text, advice, code = CASES[which]
    fit = lv.load_fit(file)
    text = filled(text, fit)
    spent = 0.1 * project.assets().attrs["total"]["labels"]  # a project knows it; elsewhere the case has to say it
    text = text.replace("LEFT", f"{spent + 104.05:.12g}").replace("GONE", f"{spent - 1:.12g}")
    (project.folder / "case.toml").write_text(text.replace("SPENT", "0"))
    path = tmp_path / "case.toml"
    path.write_text(text.replace("SPENT", f"{spent:.12g}"))

    made = lv.decide(fit, lv.read_case(path), MOST)
    answer = {
        "advice": made.verdict.advice,
        "labels": dict(made.labels),
        "code": exits.ending(made.state, made.approvals),
        "worth": float(made.advantage().mean()),
        "reasons": list(made.verdict.reasons),
    }
    assert (advice, code) == (answer["advice"], answer["code"])
    assert html.escape(made.verdict.advice) in made._repr_html_()

    ended = cli.main(["plan", str(file), "--case", str(path), "--max-labels", str(MOST), "--json"])
    said = json.loads(capsys.readouterr().out)
    assert answer == {
        "advice": said["verdict"],
        "labels": said["plan"]["labels"],
        "code": ended,
        "worth": pytest.approx(said["net_benefit"]["mean"]),
        "reasons": said["reasons"],
    }

    scheduled = Project.open(project.folder).refit(progress=False)
    told = scheduled.advice
    assert answer == {
        "advice": told["advice"],
        "labels": dict(told["plan"]),
        "code": scheduled.exit_code,
        "worth": pytest.approx(told["net_benefit"]["mean"]),
        "reasons": list(told["reasons"]),
    }
    assert {rule["promise"]: rule["state"] for rule in told["guardrails"]} == {
        rule["words"]: rule["state"] for rule in said["rules"]
    }

    if which == "weighed":
        assert "weighed and left: relabel brings less" in " ".join(answer["reasons"])
    if which not in PAGED:
        return
    page = (project.folder / REPORTS / f"{scheduled.fit}.html").read_text(encoding="utf-8")
    shown = re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", "", page)))
    assert VERDICTS[answer["advice"]] in shown
    assert not [other for other in VERDICTS.values() if other != VERDICTS[answer["advice"]] and other in shown]
    if made.total and answer["advice"] in ("buy", "measure first"):
        assert f"{made.total:,} labels for" in shown
    if made.total and answer["advice"] == "spend on quality":
        assert f"{' and '.join(made.interventions)}, with {made.total:,} labels, for" in shown
    if which == "buy":
        assert "three occupations" in shown


CELLS = """\
import json
import labelvalue as lv
###
fit = lv.load_fit({fit!r})
decision = lv.decide(fit, lv.read_case({case!r}), {most})
decision
###
print(decision)
###
advice = {{"advice": decision.verdict.advice, "labels": dict(decision.labels), "state": decision.state}}
print(json.dumps(advice | {{"worth": float(decision.advantage().mean()), "reasons": decision.verdict.reasons}}))
"""


@pytest.mark.parametrize("which", ["buy", "gain undecided"])
def test_x5_a_notebook_gives_the_answer_of_the_command_line(answered, which, tmp_path, capsys):
    """Cells as a notebook has them, run by a kernel; what it shows is what the command says."""
    _, file = answered
    path = tmp_path / "case.toml"
    path.write_text(filled(CASES[which][0], lv.load_fit(file)))
    cells = CELLS.format(fit=str(file), case=str(path), most=MOST).split("###\n")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(notebook, timeout=600, startup_timeout=600, kernel_name="python3").execute()
    shown, printed, told = (cell.outputs for cell in notebook.cells[1:])
    assert cli.main(["plan", str(file), "--case", str(path), "--max-labels", str(MOST), "--json"]) == CASES[which][2]
    said = json.loads(capsys.readouterr().out)
    assert json.loads(told[-1]["text"]) == {
        "advice": said["verdict"],
        "labels": said["plan"]["labels"],
        "state": said["state"],
        "worth": pytest.approx(said["net_benefit"]["mean"]),
        "reasons": said["reasons"],
    }
    assert f"<strong>{said['verdict']}</strong>" in shown[0]["data"]["text/html"]
    written = "".join(one["text"] for one in printed if one.get("name") == "stdout")
    assert written.startswith(VERDICTS[said["verdict"]].split(":")[0])


@pytest.mark.parametrize("which", ["wait", "gain too small", "minima above all", "approval"])
def test_a_queue_and_a_report_end_as_the_plan_does(answered, which, tmp_path, capsys):
    _, file = answered
    text, _, code = CASES[which]
    case, items = tmp_path / "case.toml", tmp_path / "items.csv"
    case.write_text(text)
    items.write_text("kind,region\nyes,Sales\n,Exec-managerial\n")
    asked = [str(file), "--case", str(case), "--max-labels", str(MOST)]
    told = ["--target", "kind", "--slice", "region", "--out", str(tmp_path / "tasks.json")]
    assert cli.main(["queue", *asked[:1], str(items), *asked[1:], *told]) == code
    assert "no file was written" in capsys.readouterr().out
    assert not (tmp_path / "tasks.json").exists()
    if which in ("gain too small", "approval"):
        assert cli.main(["report", *asked, "--no-refits", "--out", str(tmp_path / "page.html")]) == code


# --- allowing more never hurts --------------------------------------------------------------------

RULED = {"minimum_gain": {"limit": 0.002, "probability": 0.6}}


@pytest.mark.parametrize("rules", [{}, RULED, {"maximum_budget": {"limit": 120}}])
def test_allowing_more_never_lowers_the_expected_net_benefit(rules):
    """Labels, money and interventions: what may be done with less may be done with more."""
    fit = testing.fake_fit(seed=1)
    case = lv.Case(costs={"price_per_label": 0.05}, value={"per_error_point": 300}, guardrails=rules, label_noise=0.2)
    offers = (lv.interventions.Relabel(0.5, caught=0.9, unit_cost=0.01), lv.interventions.Guideline(0.5, cost=20))
    few, some, many = (lv.decide(fit, case, most, measure=False) for most in (500, 2_000, 16_000))
    rows = [
        [few, some, many],
        [*(lv.decide(fit, case, 16_000, max_spend=money, measure=False) for money in (20, 100)), many],
        [
            some,
            *(
                lv.decide(fit, dataclasses.replace(case, interventions=offers[:n]), 2_000, measure=False)
                for n in (1, 2)
            ),
        ],
    ]
    for row in rows:
        net = [one.advantage() if one.verdict.advice != "wait" else 0.0 * one.advantage() for one in row]
        for less, more in itertools.pairwise(net):
            gained = more - less
            error = float(gained.std() / np.sqrt(gained.size))
            assert float(gained.mean()) >= -2 * error - 0.01 * abs(float(less.mean()))


# --- every setting means something ----------------------------------------------------------------

BASE = {
    "currency": "USD",
    "costs": {
        "price_per_label": 0.1,
        "labels_per_day": 200,
        "hours_per_label": 0.01,
        "opportunity_per_hour": 1.0,
        "setup_per_batch": {"low": 2, "high": 8},
        "batch_size": 800,
    },
    "value": {"per_error_point": 400, "horizon_days": 300, "target": {"error": 0.05, "worth": 10.0}},
    "guardrails": {"maximum_budget": {"limit": 900}},
    "label_noise": 0.1,
}
OTHER = {
    "name": "spring",
    "currency": "EUR",
    "costs.price_per_label": 0.2,
    "costs.tiers": [{"above": 100, "factor": 0.5}],
    "costs.minimum_order": 900,
    "costs.rework": 0.2,
    "costs.setup_per_batch": 50,
    "costs.batch_size": 400,
    "costs.retraining": 30,
    "costs.compute_per_hour": 30,
    "costs.retraining_fails": 0.2,
    "costs.labels_per_day": 20,
    "costs.start_delay": 9,
    "costs.delay_per_day": 3,
    "costs.hours_per_label": 0.5,
    "costs.opportunity_per_hour": 3,
    "costs.opportunity_per_day": 3,
    "value.per_error_point": 40,
    "value.volume": {"west": 3.0},
    "value.stakes": {"west": 3.0},
    "value.target": {"error": 0.2, "worth": 900},
    "value.horizon_days": 30,
    "value.drift": 0.01,
    "value.elapsed": {"other": 30},
    "value.mix_changes": [{"after_days": 3, "factors": {"west": 9.0}}],
    "guardrails.minimum_gain": {"limit": 0.001},
    "guardrails.maximum_budget": {"limit": 50},
    "guardrails.largest_gap": {"limit": 0.5},
    "guardrails.deadline": {"limit": 5},
    "guardrails.maximum_spend": {"limit": 900, "spent": 850},
    "guardrails.labels_in_all": {"limit": 11_000},
    "guardrails.overrun": 0.02,
    "guardrails.floors": [{"slice": "west", "error": 0.5}],
    "classes": {"high": {"slices": ["west", "east"], "stakes": 3.0, "minimum": 500}},
    "scenarios": [{"name": "all in the west", "labels": {"west": 1_000}}],
    "approvals": [{"approver": "board", "above": 1}],
    "slices": {"west": {"minimum": 300, "minimum_evaluation": 2_100, "reason": "law"}},
    "risk": {"appetite": "cvar", "level": 0.9},
    "score": {"weight": 9.0},
    "label_errors": 0.3,
    "label_noise": 0.3,
    "label_noise_origin": "from annotations",
    "interventions": [{"kind": "relabel", "share": 0.3, "caught": 0.5, "unit_cost": 0.02}],
    "learner": "other",
    "suite": "other",
}
OF_AN_OFFER = ("label_noise", "label_noise_origin")  # what they change are offers


def test_every_setting_of_a_case_changes_something():
    known = {field.name for field in dataclasses.fields(lv.Case) if field.init}
    for part in ("costs", "value", "guardrails"):
        kind = {"costs": lv.Costs, "value": lv.Value, "guardrails": lv.rules.Guardrails}[part]
        known |= {f"{part}.{field.name}" for field in dataclasses.fields(kind)} - {f"{part}.currency"}
    assert known - {"costs", "value", "guardrails"} == set(OTHER)
    fit = testing.fake_fit(seed=1, draws=50)
    bases = BASE, BASE | {"interventions": OTHER["interventions"]}
    before = [list(_said(fit, base)) for base in bases]
    silent = []
    for key, value in OTHER.items():
        given = json.loads(json.dumps(bases[key in OF_AN_OFFER]))
        table, _, last = key.rpartition(".")
        (given[table] if table else given)[last] = value
        now = _said(fit, given)
        if all(one == other for one, other in itertools.zip_longest(now, before[key in OF_AN_OFFER])):
            silent.append(key)
    assert silent == []


def _said(fit, given):
    """Everything that is said of a case, what costs least first, or the words with which it is refused."""
    try:
        case = lv.Case(**given)
        made = lv.decide(fit, case, 1_500, measure=False)
    except lv.InputError as error:
        yield str(error)
        return
    yield made.labels, float(made.advantage().mean()), made.verdict.reasons
    yield json.dumps([plan_numbers(made), offer_numbers(made)], default=str)
    if case.label_errors:
        worst = lv.label_quality.stress_label_errors(fit, case, {"p": dict(made.labels)})
        yield worst[names.NET_BENEFIT].mean().item()
