"""The tree is what pyproject.toml and ARCHITECTURE.md say, in small modules, and names no machine."""

import re
import subprocess
import tomllib
from collections import Counter
from pathlib import Path

from packaging.requirements import Requirement

import labelvalue
from labelvalue.model.hierarchy import specification
from labelvalue.model.hierarchy.specification import get_label_model, get_model

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

# Written in two halves, so that this file does not find itself.
HOSTS = ["py" + "pi.org", "python" + "hosted.org", "registry.npm" + "js", "conda.ana" + "conda.org"]
PLACES = ["/" + "work/", "/" + "root/", "../" + "shared"]


SHORT = {
    "labelvalue/__main__.py": "python -m labelvalue",
    "labelvalue/exits.py": "exit codes, of which commands and projects speak without loading the other",
    "labelvalue/model/hierarchy/anchored.py": "what each family of curves imports, without PyMC",
}
"""Modules of fewer than 60 lines, and why they stand by themselves."""


def modules() -> list[Path]:
    return sorted(p for room in ("labelvalue", "models") for p in (ROOT / room).rglob("*.py"))


def committed() -> list[Path]:
    """Files that git keeps or would keep."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    return sorted(ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file())


def test_packages_are_folders():
    settings = PROJECT["tool"]["setuptools"]
    moved = settings["package-dir"]
    roots = {name: moved.get(name.partition(".")[0], name.partition(".")[0]) for name in settings["packages"]}
    folders = {"/".join([root, *name.split(".")[1:]]) for name, root in roots.items()}
    here = {str(p.parent.relative_to(ROOT)) for p in (ROOT / "labelvalue").rglob("__init__.py")}
    models = {str(p.parent.relative_to(ROOT)) for p in (ROOT / "models").rglob("__init__.py")}
    assert folders == here | models | set(moved.values())
    assert [f for f in folders if not (ROOT / f / "__init__.py").is_file()] == []
    assert [p for p in modules() if not (p.parent / "__init__.py").is_file()] == []


def test_models_are_found_by_their_folder():
    """Every file in models/ is a curve family, every one in models/annotators/ a model of annotators."""
    kinds = {
        "models": (names_of(specification.GROUP), get_model),
        "models/annotators": (names_of(specification.LABEL_GROUP), get_label_model),
    }
    for folder, (found, get) in kinds.items():
        files = sorted(p.stem for p in (ROOT / folder).glob("*.py") if p.stem != "__init__")
        assert found == files
        assert [get(name).name for name in files] == files


def names_of(group: str) -> list[str]:
    return sorted(point.name for point, _ in specification._points(group))


def test_modules_hold_one_thought_whole():
    """Neither two thoughts nor a part of one; the namespaces of the front door and families of curves may be short."""
    lines = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in modules()}
    assert {path: count for path, count in lines.items() if count >= 500} == {}, "split it"
    doors = {"__init__", *labelvalue.__all__}
    short = {path for path, count in lines.items() if count < 60 and Path(path).stem not in doors}
    assert {path for path in short if not path.startswith("models/")} == set(SHORT), "merge it, or say why not"


def test_architecture_names_every_folder():
    text = (ROOT / "ARCHITECTURE.md").read_text()
    named = set(re.findall(r"^\| `((?:labelvalue|models)[\w/]*?)/?` \|", text, flags=re.MULTILINE))
    there = {str(p.parent.relative_to(ROOT)) for p in modules() if p.name != "__init__.py"}
    assert named == there
    assert len(text.encode()) <= 10_000


def test_folders_tell_one_thought():
    """A dozen files each, beside the doors: that of a folder, and the namespaces of the package's."""
    doors = {"__init__", *labelvalue.__all__}
    count = Counter(p.parent for p in modules() if p.stem not in doors)
    assert {str(f.relative_to(ROOT)): n for f, n in count.items() if n > 12} == {}


def test_no_host_and_no_machine_in_committed_files():
    wrong = []
    for path in committed():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        name = str(path.relative_to(ROOT))
        for word in HOSTS + PLACES:
            if word in text and not (word == PLACES[-1] and name.startswith("tests/")):
                wrong.append(f"{name}: {word}")
    assert not wrong, "\n".join(wrong)


def test_constraints_are_names_and_versions():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []
    pinned = {re.sub(r"[-_.]+", "-", line.split("==")[0]).lower() for line in lines}
    asked = [*PROJECT["project"]["dependencies"]]
    for extra in PROJECT["project"]["optional-dependencies"].values():
        asked += extra
    asked_names = {re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", r)[0]).lower() for r in asked}
    assert asked_names - pinned - {"labelvalue"} == set()


def test_constraints_keep_to_the_bounds():
    """What we are tested with is what we say that we need; what opens files of others has a lower bound."""
    pinned = dict(line.lower().split("==") for line in (ROOT / "constraints.txt").read_text().splitlines())
    asked = [Requirement(text) for text in PROJECT["project"]["dependencies"]]
    assert [str(one) for one in asked if pinned[one.name.lower()] not in one.specifier] == []
    bounded = {one.name for one in asked if any(part.operator == ">=" for part in one.specifier)}
    assert {"pyarrow", "filelock", "jinja2"} <= bounded


def test_changelog_knows_the_version():
    assert f"[{PROJECT['project']['version']}]" in (ROOT / "CHANGELOG.md").read_text()
