"""labelvalue.toml: the template is the default, and every fault is named with its key."""

import re

import pytest

from labelvalue import InputError
from labelvalue.operate.store.configuration import FILE, TEMPLATE, Configuration, read_configuration


def read(tmp_path, text):
    (tmp_path / FILE).write_text(text)
    return read_configuration(tmp_path)


def test_the_template_holds_the_defaults(tmp_path):
    assert read(tmp_path, TEMPLATE) == Configuration()
    assert read(tmp_path, "") == Configuration()


def test_every_line_of_the_template_is_legal(tmp_path):
    made = read(tmp_path, re.sub(r"(?m)^# (?=\S+ *=|\[)", "", TEMPLATE))
    assert made.runs.metric == "accuracy"
    assert made.case == "case.toml"
    assert made.priors["churn"]["spread"] == 1.0
    assert made.report.budgets == (500, 2000)
    assert made.assumptions[0]["id"] == "same-task"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[fit]\ndraw = 500", "'fit.draw': unknown key 'draw'; did you mean 'draws'"),
        ("[fit]\ndraws = '500'", "'fit.draws', value '500': must be a whole number ≥ 100"),
        ("[fit]\nchains = true", "'fit.chains', value True: must be a whole number ≥ 2"),
        ("[guardrails]\nmaximum_spend = 3", "'guardrails': unknown key 'guardrails'"),
        ("[limits]\nminutes = inf", "'limits.minutes', value inf: must be a finite number > 0"),
        ("[fit.discount]\nold = -1", "'fit.discount.old', value -1"),
        ("[triggers]\nsurprise = 1.5", "'triggers.surprise'"),
        ("[report]\nbudgets = []", "'report.budgets'"),
        ("[labels_now]\nFR = 1.5", "'labels_now.FR', value 1.5: must be a whole number ≥ 0"),
        ("[priors.churn]\nmodule = 'os'", "'priors.churn.module': unknown key"),
        ("import = 'os.system'", "'import': unknown key"),
        ("fit = 3", "'fit', value 3: expected a table"),
        ("[[assumptions]]\nid = 'a'", "'assumptions[0].text': is missing"),
        ("[fit", "not TOML"),
        ("[fit]\ndraws = 500\ndraws = 600", "not TOML"),
    ],
)
def test_faults_are_named(tmp_path, text, named):
    with pytest.raises(InputError, match=re.escape(named)):
        read(tmp_path, text)


def test_all_faults_at_once(tmp_path):
    with pytest.raises(InputError) as caught:
        read(tmp_path, "colour = 1\n[fit]\ndraw = 1\ntune = 1\n[triggers]\nsurprise = 2")
    assert [problem.column for problem in caught.value.problems] == [
        "colour",
        "fit.draw",
        "fit.tune",
        "triggers.surprise",
    ]


def test_no_file(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_configuration(tmp_path)
