"""The rules on what comes from outside: nothing is executed, followed, fetched or told."""

import json
import os
import pickle
import re
import socket
import subprocess
import sys
import zipfile
from html.parser import HTMLParser

import pytest

from labelvalue import InputError, Project, StorageError, cli, names, read_case, read_protocol
from labelvalue.cli.runs import importing
from labelvalue.label_quality import read_annotations
from tests.observe.test_annotations import ARGILLA_FLAT, CVAT, DOCCANO, LABEL_STUDIO, PRODIGY
from tests.observe.test_trackers import DUMP, MAP, WANDB
from tests.operate.conftest import CASE, QUIET, configure, put_case

HOSTILE = (
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", '"><svg onload=alert(1)>', "javascript:alert(1)",
    "</title><script>x</script>", "<a href=//evil.example>x</a>", "{{ 7 * 7 }}", "{% for x in y %}", "&lt;b&gt;",
    "' OR 1=1 --", "'; DROP TABLE records; --", "=cmd|' /C calc'!A0", "+1+1", "@SUM(A1)", "-2+3", "$\\frac{1}{2}$",
    "_hidden", "../../etc/passwd", "<style>body{display:none}</style>", "<iframe src=http://evil.example>",
    "<!-- x -->", "\u202eevil", "a\u200bb", "<base href=//e>", "<meta http-equiv=refresh content=0;url=//e>",
    "<form action=//e>", "<object data=//e>", "<math><mi//xlink:href=//e>", "%3Cscript%3E", "\x7f",
)  # fmt: skip


class Marked:
    """Its pickle writes a file when it is loaded."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (os.mkdir, (self.path,))


@pytest.mark.parametrize(
    "place",
    [
        "runs.csv",
        "runs.parquet",
        "runs.pkl",
        "case.toml",
        "protocol.toml",
        "labelvalue.toml",
        "ledger.sqlite",
        "fit/posterior.nc",
        "fit/spec.json",
        "fit/manifest.json",
        "batch",
        "lock.json",
    ],
)
def test_a_planted_pickle_is_loaded_nowhere(decided, second, tmp_path, place):
    mark = tmp_path / "executed"
    payload = pickle.dumps(Marked(mark))
    fit = decided.folder / "fits" / decided.ledger.records("fit")[0].content["fit"]
    if place.startswith("runs."):
        path = tmp_path / place
    elif place.startswith("fit/"):
        path = fit / place.removeprefix("fit/")
    elif place == "batch":
        path = next((decided.folder / "runs").iterdir())
    else:
        path = decided.folder / place
    path.write_bytes(payload)
    if place == "protocol.toml":
        configure(decided, 'protocol = "protocol.toml"\n' + QUIET)
    acts = {
        "add": lambda: decided.add(path if place.startswith("runs.") else second, batch="b"),
        "refit": lambda: decided.refit(progress=False),
        "verify": lambda: decided.verify(reproduce=True),
    }
    refused = 0
    for act in acts.values():
        try:
            act()
        except (InputError, StorageError):
            refused += 1
    assert not mark.exists()
    assert refused or place == "lock.json", "what is no project file any more is refused; a holder's note is only text"


@pytest.mark.parametrize("key", ["protocol", "case"])
@pytest.mark.parametrize("path", ["../outside.toml", "/etc/passwd", "a/../../outside.toml", "link.toml"])
def test_a_configuration_leads_nowhere_outside(project, first, key, path):
    (project.folder.parent / "outside.toml").write_text(CASE)
    (project.folder / "link.toml").symlink_to(project.folder.parent / "outside.toml")
    configure(project, f'{key} = "{path}"\n' + QUIET)
    with pytest.raises(InputError, match="outside the project"):
        project.add(first, batch="a").refit(progress=False)


@pytest.mark.parametrize("name", ["../../x", "/tmp/x", "A" * 25 + "/", "..", "", "O" * 26, "a" * 26])
def test_ids_of_fits_become_paths_only_by_their_pattern(name):
    from labelvalue.operate.store.identity import PATTERN

    assert not PATTERN.fullmatch(name)


class Elements(HTMLParser):
    """Names of elements, and attributes that would act."""

    def __init__(self):
        super().__init__()
        self.elements, self.acting, self.addresses = set(), [], []

    def handle_starttag(self, tag, attrs):
        self.elements.add(tag)
        for name, value in attrs:
            if name.startswith("on"):
                self.acting.append((tag, name))
            if name in ("href", "src", "action", "data", "xlink:href"):
                self.addresses.append(value)


def page_of(project, path):
    text = project.page(path).read_text(encoding="utf-8")
    parsed = Elements()
    parsed.feed(text)
    return text, parsed


@pytest.mark.rendered
def test_hostile_texts_are_text_on_the_page_of_the_trail(decided, first, second, tmp_path):
    decided.add(second, batch="b")  # so that it has pictures
    _, plain = page_of(decided, tmp_path / "plain.html")
    for number, text in enumerate(HOSTILE):
        decided.decide(f"buy {text}", approver=f"{text} A.", comment=text * 2)
        if text.isprintable():
            table = first.to_dataframe().iloc[:4].assign(**{names.REPLICATE: 900 + number})
            decided.add(table[["slice", "labels", "other_labels", "replicate", "errors", "trials"]], batch=text)
    said = [(f"a{n}", json.dumps(text)) for n, text in enumerate(HOSTILE) if text.isprintable()]
    keys = ("text", "source", "if_wrong")
    more = "".join(f"\n[[assumptions]]\nid = '{n}'\n" + "".join(f"{k} = {t}\n" for k in keys) for n, t in said)
    put_case(decided, more=more)
    text, parsed = page_of(decided, tmp_path / "hostile.html")
    assert parsed.elements == plain.elements
    assert parsed.acting == []
    assert {address.partition(",")[0] for address in parsed.addresses} == {"data:image/svg+xml;base64"}
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in text
    for hidden in ("\u202e", "\u200b", "\x7f"):
        assert hidden not in text
    assert "{{ 7 * 7 }}" in text
    assert len(decided.verify()) == 64


@pytest.fixture
def no_network(monkeypatch):
    """Nobody connects to anything or looks a name up."""

    def refuse(*given, **settings):
        raise AssertionError("a network connection")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refuse)
    for name in ("MLFLOW_TRACKING_URI", "LABEL_STUDIO_URL", "WANDB_BASE_URL", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # no variable names a server to us
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(AssertionError, match="a network connection"):
        socket.create_connection(("127.0.0.1", 9))


@pytest.mark.usefixtures("no_network")
def test_no_command_opens_a_connection(project, first, second, tmp_path):
    put_case(project)
    configure(project, 'case = "case.toml"\n[report]\nbudgets = [100]\n')
    project.add(first, batch="a").refit(progress=False)
    project.add(second, batch="b").refit(progress=False)
    project.explain(budget=100, progress=False)
    project.verify(reproduce=True)
    project.page(tmp_path / "trail.html")
    assert cli.main(["history", str(project.folder), "--out", str(tmp_path / "trail.json")]) == 0


IMPORTS = {
    "label-studio": (LABEL_STUDIO, "e.json", ["--slice", "data.meta.country"]),
    "argilla": (ARGILLA_FLAT, "r.json", ["--slice", "country"]),
    "doccano": (DOCCANO, "d.jsonl", ["--slice", "country"]),
    "prodigy": (PRODIGY, "p.jsonl", ["--slice", "meta.country"]),
    "cvat": (CVAT, "c.xml", ["--slice", "path.0"]),
    "csv": ("task,label\n1,yes\n", "own.csv", ["--map", "item=task"]),
    "mlflow": (
        DUMP,
        "mlflow.csv",
        ["--metric=error_rate", *(f"--map={ours}={theirs}" for ours, theirs in MAP.items())],
    ),
    "wandb": (WANDB, "wandb.csv", ["--map=labels=n_train", "--map=value=val/acc", "--metric=accuracy"]),
}


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("format", IMPORTS)
def test_no_import_opens_a_connection(format, tmp_path, capsys):
    content, name, options = IMPORTS[format]
    (tmp_path / name).write_text(content)
    out = tmp_path / "out.csv"
    assert cli.main(["import", format, str(tmp_path / name), "--out", str(out), *options]) == 0
    assert out.is_file()


def test_every_format_of_an_import_is_watched():
    assert set(IMPORTS) == {command.name for command in importing.registered_commands}


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("command", ["fit X", "backtest X", "add DIR X", "gain X --budgets 5", "report X",
                                     "import argilla X", "import csv X", "import wandb X"])  # fmt: skip
def test_an_address_where_no_server_is_asked_is_a_file_that_is_not_there(command, project, tmp_path, capsys):
    page = "https://tracking.example.org/projects/7"
    arguments = [{"X": page, "DIR": str(project.folder)}.get(word, word) for word in command.split()]
    out = [] if arguments[0] in ("add", "gain", "backtest") else ["--out", str(tmp_path / "out.csv")]
    assert cli.main([*arguments, *out]) in (1, 5)
    assert "Fix: " in capsys.readouterr().err


@pytest.mark.usefixtures("no_network")
def test_no_simulation_opens_a_connection(tmp_path, capsys):
    lines = [f"{number},{'FR' if number % 2 else 'DE'},{'yes' if number % 3 else 'no'}" for number in range(200)]
    (tmp_path / "data.csv").write_text("\n".join(["age,country,bought", *lines]))
    command = ["simulate", str(tmp_path / "data.csv"), "--target", "bought", "--slice", "country", "--sizes", "40,80"]
    command += [
        "--learner", "logistic_regression", "--strategies", "random,margin", "--checkpoint", str(tmp_path / "p"),
    ]  # fmt: skip
    assert cli.main([*command, "--out", str(tmp_path / "runs.csv")]) == 0
    assert (tmp_path / "runs.csv").is_file()


def test_secrets_of_the_environment_reach_no_file_and_no_log(project, first, tmp_path, monkeypatch, capfd):
    secret = "s3cr3t-tok3n-0123456789"
    for name in ("AWS_SECRET_ACCESS_KEY", "API_TOKEN", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, secret)
    put_case(project)
    project.add(first, batch="a")
    assert cli.main(["refit", str(project.folder), "--json"]) == 0
    project.page(tmp_path / "trail.html")
    assert cli.main(["refit", str(tmp_path / "nowhere")]) == 1
    told = capfd.readouterr()
    everything = [told.out.encode(), told.err.encode(), (tmp_path / "trail.html").read_bytes()]
    everything += [path.read_bytes() for path in project.folder.rglob("*") if path.is_file()]
    assert not any(secret.encode() in content for content in everything)


def test_names_with_quotes_and_semicolons_are_parameters(project, first):
    table = first.to_dataframe()[["slice", "labels", "other_labels", "replicate", "errors", "trials"]]
    renamed = table.assign(slice=table["slice"].replace({"west": "w'; DROP TABLE records; --"}))
    project.add(renamed, batch='b"; DELETE FROM records; --')
    assert len(project.ledger.check()) == 4
    assert not any(re.search(r"DROP|DELETE", path.name) for path in project.folder.rglob("*"))


def test_a_case_chooses_no_model(project, first, sampler):
    configure(project, QUIET + "[fit]\nmodel = 'os:system'\n")
    with pytest.raises((InputError, ValueError), match="os:system"):
        project.add(first, batch="a").refit(progress=False)
    assert sampler.calls == []


def test_a_project_that_many_may_read_keeps_working_files_to_itself(project, first, monkeypatch):
    from labelvalue.operate.refit import subprocess_fit
    from labelvalue.operate.refit.refit import gather
    from labelvalue.operate.store.batches import Joint
    from labelvalue.operate.store.folders import current_batches

    project.add(first, batch="a")
    monkeypatch.undo()
    seen = []
    monkeypatch.setattr(subprocess_fit, "_run", lambda command: seen.append(os.stat(command[-1]).st_mode & 0o777) or 1)
    inputs = gather(Joint(project.folder / "runs", current_batches(project.ledger.records())), project.configuration)
    with pytest.raises(subprocess_fit.FitStoppedError):
        subprocess_fit.fit_in_subprocess(
            project.folder / "fits", inputs.runs, inputs.spec, memory_gb=None, progress=False
        )
    assert seen == [0o700]


def test_a_project_opens_without_executing_what_lies_beside_it(project, first, tmp_path):
    (project.folder / "conftest.py").write_text(f"import os; os.mkdir({str(tmp_path / 'ran')!r})")
    (project.folder / "labelvalue.py").write_text(f"import os; os.mkdir({str(tmp_path / 'ran')!r})")
    Project.open(project.folder).add(first, batch="a").refit(progress=False)
    assert not (tmp_path / "ran").exists()


BOTTOMLESS = (
    "a = " + "[" * 5_000 + "]" * 5_000,
    "a = " + "{a = " * 5_000 + "1" + "}" * 5_000,
    "[fit]\nrandom_seed = " + "9" * 5_000,
    "[fit]\nrandom_seed = " + "9" * 50,
    "# " + "x" * 2_000_000,
)


@pytest.mark.parametrize("text", BOTTOMLESS, ids=("lists", "tables", "digits", "too large", "too long"))
def test_settings_without_a_bottom_are_refused_as_bad_input(project, tmp_path, text):
    """Resource exhaustion: nesting, digits and lengths that no settings file has."""
    configure(project, text)
    with pytest.raises(InputError, match=r"labelvalue\.toml"):
        project.configuration  # noqa: B018
    assert cli.main(["refit", str(project.folder)]) == 1
    if "random_seed" not in text:
        for read in (read_case, read_protocol):
            path = tmp_path / "given.toml"
            path.write_text(text)
            with pytest.raises(InputError, match=r"not TOML|over the limit"):
                read(path)


def nested(depth):
    return "[" * depth + "]" * depth


@pytest.mark.parametrize("tool", ["label-studio", "argilla", "doccano", "prodigy"])
@pytest.mark.parametrize("depth", [3_000, 100_000])
def test_exports_without_a_bottom_are_refused_as_bad_input(tmp_path, tool, depth):
    for name, text in (("a.json", f'[{{"data": {nested(depth)}}}]'), ("a.jsonl", f'{{"text": {nested(depth)}}}\n')):
        (tmp_path / name).write_text(text)
        with pytest.raises(InputError):
            read_annotations(tmp_path / name, tool)


def test_a_cvat_export_without_a_bottom_is_refused_at_once(tmp_path):
    """A million elements within each other took a square of that while the path to each was copied."""
    path = tmp_path / "a.xml"
    path.write_text("<annotations>" + "<a>" * 1_000_000 + "</a>" * 1_000_000 + "</annotations>")
    with pytest.raises(InputError, match=r"a\.xml:1: elements nested too deeply, over the limit of 64"):
        read_annotations(path, "cvat")


SMALL = """
import resource, sys
from labelvalue import InputError, read_runs
from labelvalue.label_quality import read_annotations
import pyarrow.parquet
with open("/proc/self/statm") as file:
    used = int(file.read().split()[5]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_DATA, (used + 512 * 1024**2, used + 512 * 1024**2))
for read in (lambda: read_runs(sys.argv[1]), lambda: read_annotations(sys.argv[2], "doccano"),
             lambda: read_annotations(sys.argv[3], "doccano")):
    try:
        read()
    except InputError as error:
        print("refused:", str(error)[:200])
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="limits of memory as Linux has them")
def test_giant_inputs_end_within_512_mib(tmp_path):
    """A table of 5 GiB, a bomb of 100 to 1 and a record of 100 MB, all refused by a process with half a gigabyte."""
    with open(tmp_path / "runs.csv", "wb") as file:
        file.write(b"slice,labels,errors,trials\n")
        file.truncate(5 * 1024**3)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("a.jsonl", b" " * 100_000_000)
    (tmp_path / "long.jsonl").write_bytes(b'{"text": "' + b"x" * 100_000_000 + b'"}\n')
    given = [str(tmp_path / name) for name in ("runs.csv", "bomb.zip", "long.jsonl")]
    done = subprocess.run([sys.executable, "-c", SMALL, *given], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    told = done.stdout.splitlines()
    assert len(told) == 3, told
    for line, said in zip(told, ("over the limit", "more than 100-fold", "over the limit"), strict=True):
        assert said in line
