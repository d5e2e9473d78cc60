"""Promises across rooms, literally: templates, shipped data, the high-stakes notebook."""

import re
from pathlib import Path

import nbformat
import pytest

import labelvalue as lv
from labelvalue.observe.simulate.protocol import parse_protocol, template

ROOT = Path(__file__).resolve().parents[1]

# --- X1, X2 ---------------------------------------------------------------------------------------


def test_x1_the_template_that_ships_is_in_the_documentation_and_rules_a_project(tmp_path):
    shipped = (ROOT / "data" / "protocol.toml").read_text("utf-8")
    assert template() == shipped
    assert "<!-- made from the code: protocol.toml -->" in (ROOT / "docs/reference/formats.md").read_text("utf-8")
    project = lv.Project.create(tmp_path / "project")
    (project.folder / "protocol.toml").write_text(shipped)
    (project.folder / "labelvalue.toml").write_text('protocol = "protocol.toml"\n[report]\npage = false\n')
    table = lv.testing.fake_runs(seed=1, sizes=(500, 1000)).to_dataframe()
    table = table[["slice", "labels", "other_labels", "replicate", "errors", "trials"]]
    with pytest.raises(lv.InputError, match="the project's is"):
        project.add(table, batch="another way")
    project.add(table.assign(protocol=parse_protocol(shipped).id), batch="by the book")
    assert project.history()["kind"].tolist() == ["project", "settings", "batch", "check"]


def test_x2_every_file_of_data_has_its_source_its_licence_and_what_made_it():
    text = (ROOT / "data" / "README.md").read_text("utf-8")
    rows = {row[0].strip("` "): row[1:] for row in re.findall(r"^\| (`[^|]*) \|([^|]*)\|(.*)\|$", text, re.MULTILINE)}
    files = {path.name for path in (ROOT / "data").iterdir() if path.suffix in (".csv", ".parquet", ".toml")}
    assert set(rows) == files
    for name, (_, source) in rows.items():
        assert re.search(r"computed by this product .*`python data/\w+\.py|licence|written by hand", source), name
        for script in re.findall(r"`python (data/\w+\.py)", source):
            assert (ROOT / script).is_file()


# --- X10 ------------------------------------------------------------------------------------------


def test_x10_the_high_stakes_notebook_shows_the_whole_chain():
    """What it stores is what ``make notebooks`` showed; that it still runs is for ``test_notebooks.py``."""
    notebook = nbformat.read(ROOT / "notebooks" / "05_a_plan_under_risk.ipynb", as_version=4)
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    case = re.search(r'"""\n(name = "a plan under risk".*?)"""', code, re.DOTALL)[1]
    from labelvalue.decisions.case.case import parse_case

    read = parse_case(case, file="notebook")
    (floor,) = read.guardrails.floors
    assert floor.slice in read.slices, "the protected slice has its minimum too"
    assert floor.reason
    assert 0.5 < floor.probability < 1
    assert read.guardrails.maximum_budget.probability > 0.5
    shown = {
        step: "".join(o["data"]["text/plain"] for o in cell.outputs if "text/plain" in o.get("data", {}))
        for cell in notebook.cells
        if cell.cell_type == "code"
        for step in ("check_guardrails(", "project.history()", "project.verify()", "scenario_sets(")
        if step in cell.source
    }
    assert "agreed with the regulator" in shown["check_guardrails("]
    assert "True" in shown["check_guardrails("]
    assert "False" not in shown["check_guardrails("], "every rule is kept"
    assert "approved by M. Rossi" in shown["project.history()"]
    assert re.search(r"'[0-9a-f]{16}'", shown["project.verify()"])
    assert "stress" in shown["scenario_sets("]
