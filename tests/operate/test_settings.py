"""Every setting of a project changes something, and triggers gate fits."""

import shutil
from dataclasses import fields, is_dataclass

import numpy as np
import pytest

from labelvalue import InputError, Project, Protocol, names, testing
from labelvalue.operate.store.configuration import Configuration
from tests.operate.conftest import CASE, QUIET, configure, kinds

ASKED, CALLED, ADVISED, GIVEN, PAGE, FITTED, BUDGETS, CHECKED, READ = [
    "what the fit was asked for",
    "which triggers fired",
    "the plan",
    "what the process is given",
    "the page",
    "whether runs are fitted again for it",
    "budgets that are forecast",
    "the backtest",
    "what becomes of another batch",
]
DECIDED = 'case = "case.toml"\n'
PAGED = f"{DECIDED}[report]\npage = true\n"
DEARER = 'case = "dear.toml"\n'
DEAR = CASE.replace("retraining = 20", "retraining = 5400")
"""What the new labels bring is as likely more as less."""
TIMED = 'case = "timed.toml"\n'
PAID = f"{TIMED}[annotations]\npay_per_hour = 18"
"""A case that states no price, which follows from the hours that annotations tell."""
HOURS = {"batch": "a", "content": "0" * 64, "file": f"{'0' * 64}.parquet", "supersedes": None, "rows": 1, "notes": []}
HOURS["told"] = "[costs]\nhours_per_label = { west = { low = 0.005, high = 0.006 } }\n"
OTHER = {
    "protocol": ('protocol = "protocol.toml"', READ),
    "case": (DECIDED, ADVISED),
    "runs.metric": ('[runs]\nmetric = "accuracy"', READ),
    "fit.model": ('[fit]\nmodel = "exponential"', ASKED),
    "fit.random_seed": ("[fit]\nrandom_seed = 3", ASKED),
    "fit.draws": ("[fit]\ndraws = 300", ASKED),
    "fit.tune": ("[fit]\ntune = 500", ASKED),
    "fit.chains": ("[fit]\nchains = 2", ASKED),
    "fit.classes": ("[fit]\nclasses = 3", ASKED),
    "fit.backtest": ("[fit]\nbacktest = true", CHECKED),
    "fit.discount": ("[fit.discount]\na = 0.5", ASKED),
    "labels_now": ("[labels_now]\nwest = 9000", ASKED),
    "priors": ('[priors.elasticity_mean]\ndistribution = "normal"\ncenter = 0.5\nspread = 1.0', ASKED),
    "annotations.pay_per_hour": (f"{TIMED}[annotations]\npay_per_hour = 9_000", ADVISED),
    "triggers.new_labels": ("[triggers]\nnew_labels = 50_000", CALLED),
    "triggers.surprise": ("[triggers]\nsurprise = 1e-6", CALLED),
    "triggers.retraining": (f"{DEARER}[triggers]\nretraining = 0.01", CALLED),
    "plan.max_labels": (f"{DECIDED}[plan]\nmax_labels = 300", ADVISED),
    "plan.lot": (f"{DECIDED}[plan]\nlot = 77\nmax_labels = 200", ADVISED),
    "limits.memory_gb": ("[limits]\nmemory_gb = 9", GIVEN),
    "limits.minutes": ("[limits]\nminutes = 9", GIVEN),
    "report.page": ("[report]\npage = true", PAGE),
    "report.refits": (f"{PAGED}refits = false", FITTED),
    "report.budgets": ("[report]\npage = false\nbudgets = [5]", BUDGETS),
}
BASE_DECIDED = f"{DECIDED}[plan]\nmax_labels = 200"


def test_every_setting_of_a_project_changes_what_a_refit_does(running, first, sampler, monkeypatch, tmp_path):
    """Fits are pretended; what they are asked for, and everything that follows, is not. Nothing echoes a setting."""
    from labelvalue.operate.refit import subprocess_fit

    empty = Configuration()
    tables = {one.name: getattr(empty, one.name) for one in fields(empty)}
    known = {
        f"{name}.{key.name}" if is_dataclass(table) else name
        for name, table in tables.items()
        for key in (fields(table) if is_dataclass(table) else [None])
    }
    assert {*OTHER, "assumptions", "text"} == known
    limits, specs, refits, here = [], [], [], subprocess_fit.fit_in_subprocess
    monkeypatch.setattr(
        "labelvalue.forecast.gains.prior_sensitivity.fit_again", lambda fit, **how: refits.append(how) or fit
    )

    def fit_in_subprocess(*given, **more):
        limits.append((more["memory_gb"], more["minutes"]))
        specs.append(given[2])
        return here(*given, **more)

    monkeypatch.setattr(subprocess_fit, "fit_in_subprocess", fit_in_subprocess)
    running.ledger.append([("annotations", HOURS)])
    timed = CASE.replace("price_per_label = 0.1\n", "")
    for name, case in (("case.toml", CASE), ("dear.toml", DEAR), ("timed.toml", timed)):
        (running.folder / name).write_text(case)
    (running.folder / "protocol.toml").write_text(Protocol(replicates=2).to_toml())
    scored = first.isel(run=slice(0, 8)).to_dataframe()[[names.SLICE, names.LABELS, names.OTHER_LABELS]]
    scored = scored.assign(**{names.VALUE: 0.8, names.TRIALS: 500})

    def seen(name, text, what):
        project = Project.open(shutil.copytree(running.folder, tmp_path / name.replace(".", "-")))
        quiet = "" if "[report]" in text else QUIET
        fit = "" if "[fit]" in text else "[fit]\nbacktest = false\n"
        more = text.replace("[fit]\n", "[fit]\nbacktest = false\n") if "backtest" not in text else text
        top, line, rest = more.partition("\n") if more.split(" =")[0] in ("case", "protocol") else ("", "", more)
        configure(project, f"{top}{line}\n{fit}{quiet}{rest}\n")
        refits.clear()
        made = project.refit(progress=False)
        told = [
            r.content
            for r in project.ledger.records("forecast")
            if r.content["of"] == "gain" and r.content["fit"] == made.fit
        ]
        found = {
            ASKED: str({key: value for key, value in sampler.calls[-1].items() if key != "runs"}),
            CALLED: str([one["fired"] for one in made.triggers]),
            ADVISED: str(made.advice and made.advice["plan"]),
            GIVEN: limits[-1],
            PAGE: made.page is not None,
            FITTED: bool(refits),
            BUDGETS: str(sorted({cell["budget"] for cell in told[-1]["cells"]})),
            CHECKED: specs[-1][names.BACKTEST],
            READ: "",
        }
        for batch in (scored, testing.fake_runs(seed=2, sizes=(250,), replicates=1)) if what == READ else ():
            try:
                project.add(batch, batch=f"more {len(found)}")
            except InputError as error:
                found[READ] += str(error)
        return found

    bases = ("plain", "", ""), ("decided", DECIDED, BASE_DECIDED), ("dear", DEARER, DEARER), ("paged", PAGED, PAGED)
    before = {case: seen(name, text, READ) for name, case, text in (*bases, ("timed", TIMED, PAID))}
    silent = []
    for name, (text, where) in OTHER.items():
        case = next((one for one in (PAGED, DECIDED, DEARER, TIMED) if text.startswith(one) and text != one), "")
        if seen(name, text, where)[where] == before[case][where]:
            silent.append(name)
    assert silent == [], silent


@pytest.mark.parametrize(("wanted", "fitted"), [(0, True), (1, True), (100_000, False)])
def test_batches_wait_until_they_bring_enough_labels(fitted_quietly, second, wanted, fitted):
    project = fitted_quietly
    project.add(second, batch="b")
    configure(project, f"{QUIET}[fit]\nbacktest = false\n[triggers]\nnew_labels = {wanted}\nsurprise = 1e-12\n")
    before = kinds(project).count("fit")
    made = project.refit(progress=False)
    assert (kinds(project).count("fit") > before) is fitted
    assert made.exit_code == 0
    waits = [note for note in made.notes if "not fitted yet" in note]
    assert bool(waits) is not fitted
    if not fitted:
        assert "new labels, fewer than triggers.new_labels = 100,000" in waits[0]
        project.add(second.isel(run=slice(0, -1)), batch="b", supersede=True)
        assert project.refit(progress=False).new  # what takes the place of another is fitted at once


def strange(batch):
    """A batch whose errors nobody forecast."""
    return batch.assign({names.ERRORS: np.minimum(batch[names.ERRORS] + 400, batch[names.TRIALS])})


TOO_DEAR = CASE.replace("retraining = 20", "retraining = 1e9")


@pytest.mark.parametrize(
    ("trigger", "change", "limits", "case", "lifted"),
    [
        pytest.param("surprise", strange, "surprise = 0.01", "", True, id="a surprise"),
        pytest.param("surprise", strange, "", "", False, id="none is"),
        pytest.param("new_learner", None, "", "", True, id="a new learner"),
        pytest.param("retraining", None, "retraining = 0.9", CASE, True, id="training pays"),
        pytest.param("retraining", None, "retraining = 0.9", TOO_DEAR, False, id="training is dear"),
    ],
)
def test_p7_other_triggers_lift_the_one_that_waits_for_labels(
    fitted_quietly, second, trigger, change, limits, case, lifted
):
    """A batch of too few labels is fitted all the same where it surprises, is of a new learner, or pays to train on."""
    project = fitted_quietly
    tree = testing.fake_runs(seed=1, sizes=(500,), learners=("tree",))
    batch = tree if trigger == "new_learner" else second if change is None else change(second)
    limits = limits if "surprise" in limits else f"{limits}\nsurprise = 1e-300"
    (project.folder / "case.toml").write_text(case)
    named = 'case = "case.toml"\n' if case else ""
    configure(project, f"{named}{QUIET}[fit]\nbacktest = false\n[triggers]\nnew_labels = 100000\n{limits}\n")
    project.add(batch, batch="b")
    before = kinds(project).count("fit")
    made = project.refit(progress=False)
    fired = {one["trigger"]: one["fired"] for one in made.triggers}
    assert (fired[trigger], kinds(project).count("fit") > before) == (lifted, lifted)
    assert [name for name, called in fired.items() if called] == ([trigger] if lifted else [])
    assert bool([note for note in made.notes if "not fitted yet" in note]) is not lifted


@pytest.fixture
def fitted_quietly(project, first):
    configure(project, f"{QUIET}[fit]\nbacktest = false\n")
    project.add(first, batch="a").refit(progress=False)
    return project
