"""The recipes of docs/recipes.md, as they stand there: added to a copy of the package, and tried for real."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {"labelvalue": "labelvalue", "models": "labelvalue_models", "data": "labelvalue_data"}
BLOCK = re.compile(r'^```\w+ title="([^"]*)"\n(.*?)^```$', re.DOTALL | re.MULTILINE)
RECIPES = dict(part.split("\n", 1) for part in (ROOT / "docs" / "recipes.md").read_text("utf-8").split("\n## ")[1:])
MOST_LINES = 30  # a recipe that takes more than this is a structure that should be another


def put(home: Path, title: str, text: str) -> None:
    """Write a block where its title says: a new file, the end of one, or a class of one."""
    path, _, where = title.partition(", ")
    folder, _, rest = path.partition("/")
    file = home / PACKAGES[folder] / rest
    if not where:
        assert not file.exists(), f"{path} is there already"
        file.write_text(text, "utf-8")
    elif where == "at the end":
        file.write_text(f"{file.read_text('utf-8')}\n\n{text}", "utf-8")
    else:
        head, found, tail = file.read_text("utf-8").partition(f"\nclass {where.removeprefix('in ')}")
        body, end, after = tail.partition("\n\n\n")
        assert found
        file.write_text(f"{head}{found}{body}\n{text.rstrip()}{end}{after}", "utf-8")


def test_recipes_work_as_they_are_written(tmp_path):
    """All in one copy, tried one after the other in one process."""
    for folder, package in PACKAGES.items():
        shutil.copytree(ROOT / folder, tmp_path / package)
    trials = ""
    for recipe, page in RECIPES.items():
        *files, (last, trial) = BLOCK.findall(page)
        assert last == "try"
        for title, text in files:
            put(tmp_path, title, text)
        assert len([line for _, text in files for line in text.splitlines() if line.strip()]) <= MOST_LINES, recipe
        trials += f"exec(compile({trial!r}, {recipe!r}, 'exec'), {{}})\n"
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-W", "error", "-c", trials]
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_there_is_a_recipe_for_each_of_the_four():
    assert list(RECIPES) == ["A curve family", "An importer", "A rule", "A section of the page"]
