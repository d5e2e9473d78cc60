"""Every setting of a project changes something, and triggers gate fits."""

from dataclasses import fields, is_dataclass

import numpy as np
import pytest

from labelvalue import names, testing
from labelvalue.operate.store.configuration import Configuration
from tests.operate.conftest import CASE, QUIET, configure, kinds

KEY, RULES, TRIGGERS, ADVICE, LIMITS, PAGE, BUDGETS, READ = [
    "key", "rules", "triggers", "advice", "limits", "page", "budgets", "read",
]  # fmt: skip
MINIMUM = "minimum_gain_per_1000 = 0.001"
OTHER = {
    "protocol": ("", READ),
    "case": ("", READ),
    "runs.metric": ('[runs]\nmetric = "accuracy"', READ),
    "fit.model": ('[fit]\nmodel = "exponential"', KEY),
    "fit.random_seed": ("[fit]\nrandom_seed = 3", KEY),
    "fit.draws": ("[fit]\ndraws = 300", KEY),
    "fit.tune": ("[fit]\ntune = 500", KEY),
    "fit.chains": ("[fit]\nchains = 2", KEY),
    "fit.classes": ("[fit]\nclasses = 3", KEY),
    "fit.backtest": ("[fit]\nbacktest = true", READ),
    "fit.discount": ("[fit.discount]\na = 0.5", KEY),
    "labels_now": ("[labels_now]\nwest = 9000", KEY),
    "priors": ('[priors.elasticity_mean]\ndistribution = "normal"\ncenter = 0.5\nspread = 1.0', KEY),
    "guardrails.probability": (f"[guardrails]\nprobability = 0.6\n{MINIMUM}", RULES),
    "guardrails.batch_labels": (f"[guardrails]\nbatch_labels = 50\n{MINIMUM}", RULES),
    "guardrails.minimum_gain_per_1000": ("[guardrails]\nminimum_gain_per_1000 = 0.5", RULES),
    "guardrails.maximum_labels": (f"[guardrails]\n{MINIMUM}\nmaximum_labels = 10", RULES),
    "guardrails.maximum_spend": (f"[guardrails]\n{MINIMUM}\nmaximum_spend = 10", RULES),
    "guardrails.error_limits": (f"[guardrails]\n{MINIMUM}\nerror_limits = {{ west = 0.01 }}", RULES),
    "triggers.new_labels": ("[triggers]\nnew_labels = 900", TRIGGERS),
    "triggers.surprise": ("[triggers]\nsurprise = 0.3", TRIGGERS),
    "triggers.retraining": ("[triggers]\nretraining = 0.5", TRIGGERS),
    "plan.max_labels": ("[plan]\nmax_labels = 300", ADVICE),
    "plan.lot": ("[plan]\nlot = 77", ADVICE),
    "limits.memory_gb": ("[limits]\nmemory_gb = 9\n[fit]\nrandom_seed = 4", LIMITS),
    "limits.minutes": ("[limits]\nminutes = 9\n[fit]\nrandom_seed = 5", LIMITS),
    "report.page": ("[report]\npage = true", PAGE),
    "report.budgets": ("[report]\npage = false\nbudgets = [5]\n[fit]\nrandom_seed = 6", BUDGETS),
}
BASE = f"[guardrails]\n{MINIMUM}"


def test_every_setting_of_a_project_changes_something(project, first, second, monkeypatch):
    """Fits are pretended; what they are asked for, and everything that follows, is not."""
    from labelvalue.operate.refit import subprocess_fit

    empty = Configuration()
    tables = {one.name: getattr(empty, one.name) for one in fields(empty)}
    known = {
        f"{name}.{key.name}" if is_dataclass(table) else name
        for name, table in tables.items()
        for key in (fields(table) if is_dataclass(table) else [None])
    }
    assert {*OTHER, "assumptions", "text"} == known
    limits, here = [], subprocess_fit.fit_in_subprocess

    def fit_in_subprocess(*given, **more):
        limits.append((more["memory_gb"], more["minutes"]))
        return here(*given, **more)

    monkeypatch.setattr(subprocess_fit, "fit_in_subprocess", fit_in_subprocess)
    (project.folder / "case.toml").write_text(CASE)
    project.add(first, batch="a")
    before = _seen(project, BASE, limits)
    silent = []
    for name, (more, kind) in OTHER.items():
        if kind != READ and _seen(project, more, limits)[kind] == before[kind]:
            silent.append(name)
    assert silent == []


def _seen(project, text, limits):
    quiet = "" if "[report]" in text else QUIET
    fit = "" if "[fit]" in text else "[fit]\nbacktest = false\n"
    text = text.replace("[fit]\n", "[fit]\nbacktest = false\n")
    configure(project, f'case = "case.toml"\n{fit}{quiet}{text}\n')
    made = project.refit(progress=False)
    told = [r.content for r in project.ledger.records("forecast") if r.content["fit"] == made.fit]
    return {
        KEY: made.fit,
        RULES: str(made.guardrails),
        TRIGGERS: str([one.get("limit") for one in made.triggers]),
        ADVICE: str(made.advice["settings"]["plan"]) + str(made.advice["plan"]),
        LIMITS: limits[-1],
        PAGE: made.page,
        BUDGETS: str(sorted({cell["budget"] for cell in told[-1]["cells"]})),
    }


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


DEAR = CASE.replace("retraining = 20", "retraining = 1e9")


@pytest.mark.parametrize(
    ("trigger", "change", "limits", "case", "lifted"),
    [
        pytest.param("surprise", strange, "surprise = 0.01", "", True, id="a surprise"),
        pytest.param("surprise", strange, "", "", False, id="none is"),
        pytest.param("new_learner", None, "", "", True, id="a new learner"),
        pytest.param("retraining", None, "retraining = 0.9", CASE, True, id="training pays"),
        pytest.param("retraining", None, "retraining = 0.9", DEAR, False, id="training is dear"),
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
