"""The built wheel, installed apart from the clone: what ships is what was meant to ship."""

import json
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

SHIPPED = """
import json, labelvalue, importlib.resources as resources
from labelvalue.model.hierarchy.specification import get_label_model, model_names
print(json.dumps({
    "home": labelvalue.__file__,
    "models": [*model_names(), get_label_model("dawid_skene").name],
    "rows": len((resources.files("labelvalue_data") / "adult_runs.csv").read_text().splitlines()),
    "names": [n for n in labelvalue.__all__ if not hasattr(labelvalue, n)],
}))
"""


@pytest.fixture(scope="module")
def wheel(root, tmp_path_factory) -> Path:
    """Build from what git keeps, and from nothing else that lies about."""
    folder = tmp_path_factory.mktemp("wheel")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (root / name).is_file():
            (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / name, folder / "source" / name)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, "source"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The ``bin`` of an environment with the wheel, this one's libraries and no network."""
    home = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", home], check=True)
    scripts = home / ("Scripts" if sys.platform == "win32" else "bin")
    asked = [scripts / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    site = Path(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip())
    (site / "borrowed.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    install = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--ignore-installed", wheel]
    done = subprocess.run([scripts / "python", *install], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return scripts


def test_contents(wheel, root):
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    sources = {
        target: {p for p in (root / folder).rglob("*") if p.is_file() and "__pycache__" not in p.parts}
        for folder, target in {"labelvalue": "labelvalue", "models": "labelvalue_models"}.items()
    }
    for target, files in sources.items():
        base = root / ("models" if target == "labelvalue_models" else target)
        missing = {f"{target}/{p.relative_to(base).as_posix()}" for p in files} - inside
        assert missing == set(), "package-data in pyproject.toml leaves these out"
    assert "labelvalue_data/adult_runs.csv" in inside
    assert not [name for name in inside if name.startswith(("tests/", "benchmarks/", "models/"))]


def test_models_data_and_names_are_found(installed, tmp_path):
    done = subprocess.run(
        [installed / "python", "-c", SHIPPED], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert Path(found["home"]).is_relative_to(installed.parent)
    assert {"power_law", "exponential", "dawid_skene"} <= {*found["models"]}
    assert found["rows"] > 6 * 7 * 5
    assert found["names"] == []


def test_commands_answer(installed, tmp_path, fake_fit_file):
    page = tmp_path / "report.html"
    for arguments in (
        ["--help"],
        ["gain", fake_fit_file, "--budgets", "500"],
        ["report", fake_fit_file, "--out", page],
    ):
        done = subprocess.run(
            [installed / "labelvalue", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    assert page.is_file()
