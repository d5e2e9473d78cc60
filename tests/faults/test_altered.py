"""A ledger that somebody altered: refused by what writes and by what reads, and by its words, never by a traceback."""

import contextlib
import itertools
import json
import re
import shutil
import sqlite3

import pytest

from labelvalue import InputError, Project, StorageError, cli, write_runs
from labelvalue.operate.store.identity import canonical
from labelvalue.operate.store.records import FIRST, KEY, digest_of_text, misshapen
from tests.operate.conftest import CASE, QUIET, WITH_CASE, configure, kinds, put_case

SECRET = "a secret of thirty-two characters"


@contextlib.contextmanager
def opened(project, *, guarded=False):
    """The ledger as somebody with a database browser sees it, its guards aside and put back."""
    with contextlib.closing(sqlite3.connect(project.ledger.path)) as connection:
        guards = [sql for (sql,) in connection.execute("SELECT sql FROM sqlite_master WHERE type = 'trigger'")]
        if not guarded:
            connection.executescript("DROP TRIGGER no_update; DROP TRIGGER no_delete")
        yield connection
        if not guarded:
            for sql in guards:
                connection.execute(sql)
        connection.commit()


def rewritten(project, number, text, kind=None):
    """Put another content in a record's place, and every digest from there on right again."""
    with opened(project) as connection:
        rows = connection.execute("SELECT number, time, kind, content FROM records ORDER BY number").fetchall()
        previous = FIRST
        for n, time, was, content in rows:
            now, what = (text, kind or was) if n == number else (content, was)
            digest = digest_of_text(previous, n, time, what, now)
            connection.execute(
                "UPDATE records SET content = ?, kind = ?, previous = ?, digest = ? WHERE number = ?",
                (now, what, previous, digest, n),
            )
            previous = digest


@pytest.fixture
def whole(decided, second, tmp_path):
    """A project with a record of most kinds, and the commands on it: those that write, and those that read."""
    decided.add(second, batch="b")
    decided.note("two annotators only", slice="east")
    decided.decide("buy", approver="A. Lovelace")
    runs, folder = str(write_runs(second.isel(run=slice(4)), tmp_path / "c.csv")), str(decided.folder)
    writes = [["add", folder, runs], ["refit", folder], ["note", folder, "x", "--slice", "east"],
              ["decide", folder, "wait", "--approver", "B"]]  # fmt: skip
    trail = str(tmp_path / "t.html")
    reads = [["history", folder], ["assets", folder], ["assumptions", folder], ["preview", folder, runs],
             ["explain", folder], ["history", folder, "--out", trail], ["verify", folder]]  # fmt: skip
    return decided, writes, reads


def ends(command, capsys):
    """How a command ends, and what it says on stderr."""
    code = cli.main(command)
    return code, capsys.readouterr().err


# --- the chain -----------------------------------------------------------------------------------


def test_every_command_refuses_a_changed_record_and_changes_nothing(whole, capsys, sampler):
    """With the plan in the advice record changed, ``refit`` once printed it and ended with 0."""
    project, writes, reads = whole
    number = project.ledger.records("advice")[-1].number
    with opened(project) as connection:
        change = "UPDATE records SET content = json_set(content, '$.plan.east', 99999) WHERE number = ?"
        connection.execute(change, (number,))
    before, calls = project.ledger.path.read_bytes(), len(sampler.calls)
    for command in [*writes, *reads]:
        code, said = ends(command, capsys)
        assert code == 5, command
        assert f"record {number} (advice" in said, command
        assert "Fix: restore the ledger" in said, command
    assert (project.ledger.path.read_bytes(), len(sampler.calls)) == (before, calls)


def test_flipped_bytes_of_a_ledger_take_no_note(decided):
    """A byte of the records' own pages: what ``verify`` refuses nobody writes to."""
    content = bytearray(decided.ledger.path.read_bytes())
    places = [content.find(word) for word in (b'"plan"', b'"published":true', b'"triggers"', b'"net_benefit"')]
    for place, bit in itertools.product(places, (1, 4)):
        flipped = bytes(content[:place]) + bytes([content[place] ^ bit]) + bytes(content[place + 1 :])
        decided.ledger.path.write_bytes(flipped)
        for act in (decided.verify, decided.history, lambda: decided.note("x", slice="east")):
            with pytest.raises(StorageError):
                act()
        assert decided.ledger.path.read_bytes() == flipped
    decided.ledger.path.write_bytes(content)
    decided.verify()


def test_a_process_that_goes_on_sees_what_is_altered_meanwhile(decided):
    decided.history()
    with opened(decided) as connection:
        connection.execute("UPDATE records SET time = replace(time, '2026', '2025') WHERE number = 2")
    with pytest.raises(StorageError, match="record 2"):
        decided.history()


def test_without_any_record_nothing_is_sound(decided):
    with opened(decided) as connection:
        connection.execute("DELETE FROM records")
    for act in (decided.verify, decided.history, lambda: decided.note("x", slice="east")):
        with pytest.raises(StorageError, match="holds no record: all were deleted"):
            act()


def test_a_key_twice_breaks_the_chain_and_a_chain_rewritten_around_it_too(decided):
    """SQL reads the first of two equal keys, Python the last."""
    record = decided.ledger.records("advice")[-1]
    text = canonical(record.content)
    twice = '{"plan":{"east":99999},' + text[1:]
    assert json.loads(twice) == json.loads(text)
    with opened(decided) as connection:
        connection.execute("UPDATE records SET content = ? WHERE number = ?", (twice, record.number))
    with pytest.raises(StorageError, match="was changed after it was written"):
        decided.verify()
    rewritten(decided, record.number, twice)
    for act in (decided.verify, lambda: decided.refit(progress=False)):
        with pytest.raises(StorageError, match="'plan' stands twice"):
            act()
    rewritten(decided, record.number, text.replace(":", ": ", 1))
    with pytest.raises(StorageError, match="not in its one spelling"):
        decided.verify()


# --- records that are not well formed ------------------------------------------------------------


def variants(content):
    """A record's content with each of its keys gone, and with each of its values of another type."""
    yield {}
    for key, value in content.items():
        yield {name: kept for name, kept in content.items() if name != key}
        for other in (None, "../../x", -1, 0.5, [], {}, [{}], True):
            if type(other) is not type(value):
                yield {**content, key: other}


def test_a_record_of_nothing_ends_no_command_in_a_traceback(whole, capsys):
    """Chains rewritten around it: exit code 5 with the record's number, or 0 where a command reads no such record."""
    project, _, reads = whole
    head = project.ledger.path.read_bytes()
    for record in {record.kind: record for record in project.ledger.records()}.values():
        project.ledger.path.write_bytes(head)
        rewritten(project, record.number, "{}")
        for command in reads:
            code, said = ends(command, capsys)
            assert (code, f"record {record.number} (" in said) in ((5, True), (0, False)), (command, said)


def test_every_key_that_is_gone_or_of_another_type_is_a_fault(whole):
    project, _, _ = whole
    tried = let_by = 0
    for record in project.ledger.records():
        for content in variants(dict(record.content)):
            tried += 1
            let_by += misshapen(record.kind, content) is None
    assert tried > 700
    assert let_by < 0.2 * tried, "what older layouts lack, and texts that nothing is asked of"


FORGED = {
    "a fit's id": ("fit", {"fit": "../../../../etc"}),
    "an id of its form": ("fit", {"fit": "0" * 26}),
    "advice on no fit": ("advice", {"fit": "0" * 26}),
    "a decision on no fit": ("decision", {"fit_record": 2}),
    "a batch's file": ("batch", {"file": "../../outside.parquet"}),
    "a batch's file by a whole path": ("batch", {"file": "/etc/passwd"}),
    "a batch of none": ("batch", {"supersedes": 99}),
    "a fit of no batch": ("fit", {"batches": [1]}),
}


@pytest.mark.parametrize("name", FORGED)
def test_ids_and_files_in_records_lead_nowhere(whole, name, capsys):
    """A forged id once ended in StopIteration; what names nothing that is there is a broken record."""
    project, writes, reads = whole
    kind, change = FORGED[name]
    record = project.ledger.records(kind)[-1]
    rewritten(project, record.number, canonical({**record.content, **change}))
    before = project.ledger.path.read_bytes()
    for command in (["verify", str(project.folder), "--reproduce"], reads[0], writes[1]):
        code, said = ends(command, capsys)
        if command == writes[1] and code == 0:  # a re-fit reads no decision
            assert kind == "decision"
            continue
        assert (code, "broken record" in said) == (5, True), (command, said)
    assert kind == "decision" or project.ledger.path.read_bytes() == before


# --- guards --------------------------------------------------------------------------------------


def test_guards_that_are_gone_are_noticed_and_put_back_on_record(decided, capsys):
    with contextlib.closing(sqlite3.connect(decided.ledger.path)) as connection:
        connection.execute("DROP TRIGGER no_delete")
        connection.commit()
    assert ends(["verify", str(decided.folder)], capsys)[0] == 5
    assert cli.main(["history", str(decided.folder)]) == 0
    decided.note("x", slice="east")
    assert "no_delete, which guard" in decided.ledger.records("failure")[-1].content["why"]
    decided.verify()
    with opened(decided, guarded=True) as connection, pytest.raises(sqlite3.IntegrityError, match="never deleted"):
        connection.execute("DELETE FROM records")


@pytest.mark.parametrize("more", ["CREATE TABLE notes (x)", "CREATE VIEW v AS SELECT 1",
                                  "CREATE TRIGGER t AFTER INSERT ON records BEGIN SELECT 1; END"])  # fmt: skip
def test_what_labelvalue_never_made_is_refused(decided, more):
    with opened(decided, guarded=True) as connection:
        connection.execute(more)
    for act in (decided.verify, decided.history, lambda: decided.note("x", slice="east")):
        with pytest.raises(StorageError, match="that labelvalue never made"):
            act()


# --- settings and pages --------------------------------------------------------------------------


def test_settings_are_on_record_as_they_were_in_force(project, first, second, capsys):
    configure(project, QUIET + "# mine\n")
    project.add(first, batch="a").refit(progress=False)
    configure(project, QUIET)
    assert "was edited since record 2" in _verified(project, capsys)
    project.add(second, batch="b")
    texts = [record.content["text"] for record in project.ledger.records("settings")]
    assert texts == [QUIET + "# mine\n", QUIET]
    assert f"is as record {project.ledger.records('settings')[-1].number} holds it" in _verified(project, capsys)
    assert kinds(project)[:3] == ["project", "settings", "batch"]


def _verified(project, capsys):
    assert cli.main(["verify", str(project.folder)]) == 0
    return capsys.readouterr().out


def test_a_page_is_the_one_that_was_made(project, first, sampler, capsys):
    configure(project, "[report]\nbudgets = [100]\n")
    page = project.folder / "reports" / f"{project.add(first, batch='a').refit(progress=False).fit}.html"
    content = page.read_bytes()
    for place in range(10, len(content), len(content) // 4):
        page.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(StorageError, match=r"is no page that the ledger knows"):
            project.verify()
    count = len(project.history())
    project.refit(progress=False)
    assert page.read_bytes() == content, "an altered page is made again"
    project.verify()
    page.unlink()
    project.verify()
    project.refit(progress=False)
    assert (page.read_bytes(), len(sampler.calls)) == (content, 1)
    assert len(project.history()) == count, "the same page is recorded once"


# --- a key ---------------------------------------------------------------------------------------


@pytest.fixture
def keyed(tmp_path, monkeypatch, sampler, first):
    monkeypatch.setenv(KEY, SECRET)
    project = Project.create(tmp_path / "keyed")
    configure(project, QUIET)
    return project.add(first, batch="a")


def test_a_keyed_ledger_is_nothing_without_its_key(keyed, monkeypatch, capsys):
    head = keyed.verify()
    assert keyed.ledger.records("project")[0].content["keyed"] is True
    assert not any(SECRET.encode() in path.read_bytes() for path in keyed.folder.rglob("*") if path.is_file())
    for key, said in (("", "is not set"), ("another secret of some length", "is not the key")):
        monkeypatch.setenv(KEY, key)
        for act in (keyed.verify, keyed.history, lambda: keyed.note("x", slice="east")):
            with pytest.raises(StorageError, match=said):
                act()
    monkeypatch.setenv(KEY, "short")
    with pytest.raises(InputError, match="no secret"):
        keyed.verify()
    monkeypatch.setenv(KEY, SECRET)
    assert keyed.verify() == head


def test_a_forgery_with_digests_of_its_own_passes_without_a_key_and_not_with_one(project, keyed, first, monkeypatch):
    """What the page on faults says of chains without a key, and of a kept digest."""
    with pytest.raises(StorageError, match="begun without a key"):
        project.history()
    monkeypatch.delenv(KEY)
    head = project.add(first, batch="a").verify()
    text = canonical({**project.ledger.records("batch")[0].content, "cost": 1.0})
    rewritten(project, project.ledger.records("batch")[0].number, text)
    project.verify()
    with pytest.raises(StorageError, match="cut off or written anew"):
        project.verify(head=head)
    monkeypatch.setenv(KEY, SECRET)
    rewritten(keyed, 1, canonical({"by": "me", "folder": "keyed"}))
    with pytest.raises(StorageError, match="begun without a key"):
        keyed.verify()


def test_every_command_that_writes_prints_the_head(whole, capsys):
    project, writes, _ = whole
    for command in writes:
        assert cli.main(command) == 0
        assert capsys.readouterr().out.splitlines()[-1] == f"head {project.ledger.last().digest}"
        assert cli.main([*command, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["head"] == project.ledger.last().digest
    assert project.verify(head=project.ledger.records()[0].digest) == project.ledger.last().digest
    with pytest.raises(InputError, match="no digest"):
        project.verify(head="abc")


# --- links, and what a holder says ---------------------------------------------------------------


@pytest.mark.parametrize("name", ["ledger.sqlite", "runs", "fits", "reports", "lock", "lock.json"])
def test_parts_of_a_project_that_are_links_are_not_followed(fitted, name, capsys):
    there, outside = fitted.folder / name, fitted.folder.parent / "outside"
    shutil.move(there, outside) if there.exists() else outside.write_text("mine")
    there.symlink_to(outside)
    before = outside.read_bytes() if outside.is_file() else None
    for command in (["refit", str(fitted.folder)], ["history", str(fitted.folder)]):
        code, said = ends(command, capsys)
        assert (code, "is a link" in said) == (5, True), command
    assert before is None or outside.read_bytes() == before


def test_a_folder_of_a_fit_that_is_a_link_is_not_followed(fitted):
    folder = fitted.folder / "fits" / fitted.ledger.records("fit")[0].content["fit"]
    shutil.move(folder, fitted.folder.parent / "outside")
    folder.symlink_to(fitted.folder.parent / "outside")
    for act in (fitted.verify, lambda: fitted.published):
        with pytest.raises(StorageError, match="is a link"):
            act()


HELD = [b"x" * 10_000_000, b'{"what": "' + b"x" * 3000 + b'"}', b"[" * 4000, b'{"secret": 1}']


@pytest.mark.parametrize("said", HELD, ids=("long", "long text", "deep", "other keys"))
def test_little_of_what_a_holder_said_comes_into_the_ledger(fitted, said):
    """200 MB once did."""
    (fitted.folder / "lock.json").write_bytes(said)
    fitted.note("x", slice="east")
    (failure,) = fitted.ledger.records("failure")
    assert len(canonical(failure.content)) < 1000
    assert "secret" not in failure.content["holder"]


# --- refused before the fit ----------------------------------------------------------------------

BEFORE = {
    "a case that is none": ('case = "labelvalue.toml"\n', {}, ["labelvalue.toml", "costs"]),
    "a case that is missing": ('case = "missing.toml"\n', {}, ["missing.toml", "No such file"]),
    "a key of the case": (WITH_CASE, {"case.toml": CASE + "[slices.nowhere]\nmaximum = 3\n"},
                          ["case.toml, key 'slices.nowhere'", "unknown slice"]),
    "a model": ("[fit]\nmodel = 'powerlaw'\n", {}, ["labelvalue.toml, key 'fit.model', value 'powerlaw'", "power_law"]),
    "a prior": ("[priors.chrun]\ndistribution='logitnormal'\ncenter=0.0\nspread=1.0\n", {},
                ["labelvalue.toml, key 'priors.chrun'", "did you mean 'churn'"]),
    "a distribution": ("[priors.churn]\ndistribution='cauchy'\ncenter=0.0\nspread=1.0\n", {}, ["unknown distribution"]),
    "half a prior": ("[priors.churn]\ncenter=0.0\n", {}, ["distribution, spread missing"]),
    "a slice of a rule": (WITH_CASE, {"case.toml": CASE + "[[guardrails.floors]]\nslice = 'eats'\nerror = 0.1\n"},
                          ["case.toml, key 'guardrails.floors[0].slice'", "did you mean 'east'"]),
    "a slice of labels": ("[labels_now]\neats = 100\n", {}, ["labelvalue.toml, key 'labels_now.eats'"]),
    "a batch": ("[fit.discount]\n'2024' = 0.5\n", {}, ["labelvalue.toml, key 'fit.discount.2024'", "unknown batch"]),
    "a key of an assumption": (
        WITH_CASE + "[[assumptions]]\nid='p'\ntext='t'\nsource='s'\nif_wrong='w'\nkey='costs.price'\nalternative=1\n",
        {"case.toml": CASE}, ["labelvalue.toml, key 'assumptions.key', value 'costs.price'"],
    ),
    "several at once": ("[fit]\nmodel='x'\n[labels_now]\neats = 1\n", {}, ["fit.model", "labels_now.eats"]),
}  # fmt: skip


@pytest.mark.parametrize("name", BEFORE)
def test_what_can_be_refused_is_refused_before_the_fit(project, sampler, first, name, capsys):
    settings, files, said = BEFORE[name]
    project.add(first, batch="a")
    for file, text in files.items():
        (project.folder / file).write_text(text)
    configure(project, settings if "[report]" in settings else settings + QUIET)
    sampler.error = AssertionError("a fit was begun")
    code, told = ends(["refit", str(project.folder)], capsys)
    assert code == 1, told
    for words in said:
        assert words in told
    assert "Fix: " in told
    assert project.ledger.records("failure") == []


def test_a_case_that_is_broken_after_the_fit_is_told_by_its_file(decided, capsys):
    put_case(decided, CASE.replace("price_per_label = 0.1", 'price_per_label = "ten cents"'))
    code, told = ends(["refit", str(decided.folder)], capsys)
    assert (code, "case.toml, key 'costs.price_per_label'" in told) == (1, True), told


# --- a batch that is refused ---------------------------------------------------------------------


def test_a_refused_batch_is_named_and_leaves_nothing(fitted, first, tmp_path, capsys):
    clash = first.to_dataframe()[["slice", "labels", "other_labels", "replicate", "errors", "trials"]].iloc[:3]
    runs = tmp_path / "clash.csv"
    clash.assign(batch="a", errors=clash["errors"] + 1).to_csv(runs, index=False)
    before = sorted((fitted.folder / "runs").iterdir())
    code, told = ends(["add", str(fitted.folder), str(runs), "--batch", "c"], capsys)
    assert code == 1
    assert str(runs) in told
    assert "batch 'c' does not go with the others: two results for one run" in told
    assert re.search(r"slice 'east' at [\d,]+ labels, batch 'a'", told)
    assert "rows 0" not in told
    assert sorted((fitted.folder / "runs").iterdir()) == before
