"""One fit of shipped runs, one case, one answer: Python, notebook, command line, project and page say the same."""

import dataclasses
import html
import io
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
from labelvalue.operate.store.folders import FITS, POSTERIOR_FILE, REPORTS
from labelvalue.report.numbers.alternatives import offer_numbers
from labelvalue.report.numbers.plan import plan_numbers
from labelvalue.report.words.verdicts import VERDICTS
from tests.fits import with_suites
from tests.operate.conftest import configure

MOST = 2_000
SLICES = ("Exec-managerial", "Prof-specialty", "Sales")
SHIPPED = Path(__file__).resolve().parents[1] / "data" / "adult_runs.csv"
SETTINGS = 'case = "case.toml"\n[plan]\nmax_labels = 2000\n[fit]\ndraws = 100\nbacktest = false\n'
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
    "labels in all": (f"{PLAIN}[guardrails]\nlabels_in_all = 10\n", "no plan", exits.STOPPED),
    "approval": (f"{PLAIN}[[approvals]]\napprover = 'board'\nabove = 100\n", "buy", exits.STOPPED),
    "gap": (f"{PLAIN}[guardrails]\nlargest_gap = {{ limit = 0.9 }}\n", "buy", exits.DONE),
}


@pytest.fixture(scope="module")
def answered(tmp_path_factory):
    """A project with a real fit of shipped runs, and that fit: all that is asked here is asked of it."""
    project = Project.create(tmp_path_factory.mktemp("one-answer") / "project")
    (project.folder / "case.toml").write_text(CASES["buy"][0])
    configure(project, f"{SETTINGS}[report]\nrefits = false\n")
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
    configure(project, f"{SETTINGS}[report]\n{'refits' if which in PAGED else 'page'} = false\n")
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
fit = lv.load_fit({fit!r})
decision = lv.decide(fit, lv.read_case({case!r}), {most})
decision
###
print(decision)
###
advice = {{"advice": decision.verdict.advice, "labels": dict(decision.labels), "state": decision.state}}
print(json.dumps(advice | {{"worth": float(decision.advantage().mean()), "reasons": decision.verdict.reasons}}))
"""
GAINS = 'lv.summarise(lv.predict_gain(fit, [500, 2000]))[["slice", "budget", "mean", "lower", "upper", "p_positive"]]'


def test_x5_a_notebook_gives_the_answer_of_the_command_line(answered, tmp_path, capsys):
    """Cells as a notebook has them, run by a kernel; what it shows is what the command says, and Python here."""
    _, file = answered
    files = {which: tmp_path / f"{which}.toml" for which in ("buy", "gain undecided")}
    cells = ["import json\nimport labelvalue as lv"]
    for which, path in files.items():
        path.write_text(filled(CASES[which][0], lv.load_fit(file)))
        cells += CELLS.format(fit=str(file), case=str(path), most=MOST).split("###\n")
    cells += [f'print({GAINS}.to_json(orient="records", double_precision=15))']
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(notebook, timeout=600, startup_timeout=600, kernel_name="python3").execute()
    shown = itertools.batched((cell.outputs for cell in notebook.cells[1:-1]), 3)
    for (which, path), (result, printed, told) in zip(files.items(), shown, strict=True):
        ended = cli.main(["plan", str(file), "--case", str(path), "--max-labels", str(MOST), "--json"])
        assert ended == CASES[which][2]
        said = json.loads(capsys.readouterr().out)
        assert json.loads(told[-1]["text"]) == {
            "advice": said["verdict"],
            "labels": said["plan"]["labels"],
            "state": said["state"],
            "worth": pytest.approx(said["net_benefit"]["mean"]),
            "reasons": said["reasons"],
        }
        assert f"<strong>{said['verdict']}</strong>" in result[0]["data"]["text/html"]
        written = "".join(one["text"] for one in printed if one.get("name") == "stdout")
        assert written.startswith(VERDICTS[said["verdict"]].split(":")[0])
    assert cli.main(["gain", str(file), "--budgets", "500,2000", "--json"]) == exits.DONE
    rows = pd.DataFrame(json.loads(capsys.readouterr().out)["gain"])
    here = eval(GAINS, {"lv": lv, "fit": lv.load_fit(file)})
    there = pd.read_json(io.StringIO(notebook.cells[-1].outputs[-1]["text"]))
    for told in (there, rows[here.columns]):
        pd.testing.assert_frame_equal(told, here.reset_index(drop=True), rtol=1e-12, check_dtype=False)


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

SOME_GAIN = {"minimum_gain": {"limit": 0.002, "probability": 0.6}}


@pytest.mark.parametrize("rules", [{}, SOME_GAIN, {"maximum_budget": {"limit": 120}}])
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

OFFER = {"kind": "relabel", "share": 0.3, "caught": 0.5, "unit_cost": 0.02, "slices": ["west", "east"]}
BASE = {
    "name": "autumn",
    "currency": "USD",
    "learner": "line",
    "costs": {
        "price_per_label": 0.1,
        "tiers": [{"above": 300, "factor": 0.9}],
        "labels_per_day": 200,
        "hours_per_label": 0.01,
        "opportunity_per_hour": 1.0,
        "setup_per_batch": {"low": 2, "high": 8},
        "batch_size": 800,
    },
    "value": {
        "per_error_point": 400,
        "horizon_days": 300,
        "target": {"error": 0.19, "worth": 10.0},
        "mix_changes": [{"after_days": 100, "factors": {"west": 3.0}, "probability": 0.5}],
    },
    "guardrails": {
        **{rule: {"limit": limit} for rule, limit in (("largest_gap", 0.5), ("deadline", 30), ("minimum_gain", 1e-5))},
        "maximum_budget": {"limit": 900, "probability": 0.8},
        "maximum_spend": {"limit": 950, "spent": 5, "probability": 0.8},
        "floors": [{"slice": "west", "error": 0.5}],
    },
    "classes": {"high": {"slices": ["west", "east"], "minimum": 50}},
    "approvals": [{"approver": "board", "above": 1}],
    "slices": {
        "west": {"minimum": 60, "maximum": 1_400, "minimum_evaluation": 2_100},
        "east": {"minimum": 10, "available": 1_500},
    },
}
PLAINLY = {"costs": {"price_per_label": 0.1}, "value": {"per_error_point": 400}}
OFFERED = PLAINLY | {
    "scenarios": [{"name": "all in the west", "labels": {"west": 500}}],
    "label_noise": 0.1,
    "interventions": [OFFER],
}
RISKY = PLAINLY | {"risk": {"appetite": "cvar", "level": 0.5}}
OFFER_KEYS, RISK_KEYS = ("interventions", "scenarios", "label_noise"), ("risk",)
RULED = {"limit": 0.6, "probability": 0.6, "reason": "law"}
OTHER = {
    "name": "spring",
    "currency": "EUR",
    "learner": "tree",
    "suite": "later",
    "costs.price_per_label": 0.2,
    "costs.tiers.0.above": 100,
    "costs.tiers.0.factor": 0.5,
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
    "value.target.error": 0.187,
    "value.target.of": "worst",
    "value.target.worth": 900,
    "value.target.probability": 0.6,
    "value.horizon_days": 130,
    "value.drift": 0.01,
    "value.elapsed": {"later": 30},
    "value.mix_changes.0.after_days": 3,
    "value.mix_changes.0.factors": {"west": 9.0},
    "value.mix_changes.0.probability": 0.9,
    "value.mix_changes.0.reason": "a fair",
    **{
        f"guardrails.{rule}.{key}": value
        for rule in ("largest_gap", "deadline", "minimum_gain", "maximum_budget", "maximum_spend")
        for key, value in RULED.items()
    },
    "guardrails.deadline.limit": 4,
    "guardrails.minimum_gain.limit": 1e-3,
    "guardrails.maximum_budget.limit": 90,
    "guardrails.maximum_spend.limit": 90,
    "guardrails.maximum_spend.spent": 870,
    "guardrails.labels_in_all": 11_000,
    "guardrails.floors.0.slice": "east",
    "guardrails.floors.0.error": 0.4,
    "guardrails.floors.0.probability": 0.6,
    "guardrails.floors.0.reason": "law",
    "guardrails.overrun": 0.02,
    "classes.high.slices": ["west"],
    "classes.high.stakes": 3.0,
    "classes.high.minimum": 500,
    "classes.high.reason": "law",
    "scenarios.0.name": "much in the west",
    "scenarios.0.labels": {"west": 1_000},
    "scenarios.0.interventions": ["relabel"],
    "approvals.0.approver": "head of data",
    "approvals.0.above": 2,
    "approvals.0.reason": "law",
    "slices.west.minimum": 300,
    "slices.west.maximum": 900,
    "slices.east.available": 500,
    "slices.east.usable": 0.5,
    "slices.west.minimum_evaluation": 2_500,
    "slices.west.reason": "law",
    "risk": {"appetite": "mean"},
    "risk.level": 0.9,
    "score.weight": 9.0,
    "score.level": 0.5,
    "label_errors": 0.3,
    "label_noise": 0.3,
    "label_noise_origin": "from annotations",
    "interventions.0.name": "look again",
    "interventions.0.cost": 30,
    "interventions.0.unit_cost": 0.2,
    "interventions.0.delay": 20,
    "interventions.0.slices": ["west"],
    "interventions.0.share": 0.6,
    "interventions.0.caught": 0.9,
    "interventions.0.remaining": 0.3,
}
WORDS = ("name", "reason", "approver")  # ends of keys whose words are repeated as they are, so that one look tells all
SUITES = ("suite", "value.elapsed")  # what only a fit of several suites can be asked
LATE = ("value.target.probability", "label_errors")  # what only the last of all that is said tells
OFFERS = {
    "guideline": ({"factor": 0.5, "redone": 0.5, "cost": 5}, {"factor": 0.2, "redone": 0.1}),
    "consensus": ({"votes": 3}, {"votes": 5, "correlation": 0.4}),
    "active learning": ({"strategy": "margin", "efficiency": 1.3}, {"efficiency": 2.0}),
    "synthetic data": ({"examples": 1_000, "worth": 0.2}, {"examples": 3_000, "worth": 0.6}),
    "new learner": (
        {"learner": "deep", "excess": 0.9, "elasticity": 1.0, "floor": 1.0},
        {"excess": 0.7, "elasticity": 1.2, "floor": 0.8},
    ),
    "pre-training": (
        {"excess": 0.9, "elasticity": 1.0, "floor": 1.0},
        {"excess": 0.7, "elasticity": 1.2, "floor": 0.8},
    ),
    "evaluation labels": ({"labels": 100}, {"labels": 400}),
}
SHARED = {"name", "cost", "unit_cost", "delay", "slices"}  # of all kinds of offers, tried with one
NAMES = {"strategy", "learner"}  # beside effects that are stated they are but names; runs that tell one know it


def keys_of(part, at=""):
    """Every key of a case that is no table itself: in tables, and in the first of several."""
    for field in (field for field in dataclasses.fields(part) if field.init):
        value, step = getattr(part, field.name), ""
        if isinstance(value, (dict, tuple)) and value:
            step = ".0" if isinstance(value, tuple) else f".{next(iter(value))}"
            value = value[0] if isinstance(value, tuple) else next(iter(value.values()))
        if dataclasses.is_dataclass(value) and not isinstance(value, (lv.Interval, lv.Branch)):
            yield from keys_of(value, f"{at}{field.name}{step}.")
        else:
            yield at + field.name


def with_other(given, key, value):
    """The same case with another value at a key."""
    given = json.loads(json.dumps(given))
    *path, last = key.split(".")
    at = given
    for step in path:
        at = at[int(step)] if step.isdigit() else at.setdefault(step, {})
    at[last] = value
    return given


def silent(fit, base, others):
    """Keys whose other value changes nothing that is said; a refusal is no difference but an error."""
    befores = itertools.tee(_said(fit, base), len(others))  # said as far as any other is looked at
    every = {key: _said(fit, with_other(base, key, value)) for key, value in others.items()}
    return [
        key
        for (key, said), before in zip(every.items(), befores, strict=True)
        if all(a == b for a, b in itertools.zip_longest(said, before))
    ]


def test_every_setting_of_a_case_changes_something():
    every = [key for base in (BASE, OFFERED, RISKY) for key in keys_of(lv.Case(**base))]
    every = [key for key in every if not any(other.startswith(f"{key}.") for other in every)]
    known = {key.replace("slices.east", "slices.west") for key in every}
    tried = {key.replace("slices.east", "slices.west") for key in OTHER} - {"risk"}
    assert known - {"costs.currency", "value.currency"} == tried
    fit = testing.fake_fit(seed=1, draws=30, slices=("east", "west"), learners=("line", "tree"))
    one = testing.fake_fit(seed=1, draws=30, slices=("east", "west"))
    suites = with_suites(testing.fake_fit(seed=1, draws=30, slices=("east", "west"), learners=("holdout", "later")))
    timed = PLAINLY | {"value": PLAINLY["value"] | {"horizon_days": 300}}
    aimed = {"learner": "line", "costs": BASE["costs"]}
    aimed["value"] = PLAINLY["value"] | {"target": BASE["value"]["target"]}
    asked = ((one, OFFERED, OFFER_KEYS), (one, RISKY, RISK_KEYS), (suites, timed, SUITES), (fit, aimed, LATE))
    for of, base, keys in asked:
        assert silent(of, base, {key: value for key, value in OTHER.items() if key.startswith(keys)}) == []
    apart = (*OFFER_KEYS, *RISK_KEYS, *SUITES, *LATE)
    others = {key: value for key, value in OTHER.items() if not key.startswith(apart)}
    worded, given = [key for key in others if key.rpartition(".")[2] in WORDS], BASE
    for place, key in enumerate(worded):
        given = with_other(given, key, f"word {place:02}")
    said = str(list(_said(fit, given)))
    assert [key for place, key in enumerate(worded) if f"word {place:02}" not in said] == []
    assert silent(fit, BASE, {key: value for key, value in others.items() if key not in worded}) == []


@pytest.mark.parametrize("kind", OFFERS)
def test_every_setting_of_an_offer_changes_something(kind):
    own, others = OFFERS[kind]
    base = PLAINLY | {"label_noise": 0.1, "interventions": [{"kind": kind} | own]}
    (made,) = lv.Case(**base).interventions
    assert {field.name for field in dataclasses.fields(made) if field.init} - SHARED - NAMES == set(others)
    fit = testing.fake_fit(seed=1, draws=30, slices=("east", "west"))
    assert silent(fit, base, {f"interventions.0.{key}": value for key, value in others.items()}) == []


def _said(fit, given):
    """Everything that is said of a case, what costs least first; the texts of its keys are not among it."""
    case = lv.Case(**given)
    made = lv.decide(fit, case, 1_500, measure=False)
    yield made.labels, float(made.advantage().mean()), made.verdict.reasons
    yield json.dumps([plan_numbers(made), offer_numbers(made)], default=str)
    if case.label_errors:
        worst = lv.label_quality.stress_label_errors(fit, case, {"p": dict(made.labels)})
        yield worst[names.NET_BENEFIT].mean().item()
    if case.value.target:
        yield lv.plans.cheapest_plan(fit, case, max_labels=1_500)[names.LABELS].tolist()
