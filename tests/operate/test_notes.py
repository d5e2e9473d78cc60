"""What experts say of slices and batches: in the ledger's chain, on the page beside what it is about, literally."""

import json
import sqlite3

import pytest

from labelvalue import InputError, StorageError, cli
from labelvalue.operate.history.pages import render, trail_values
from tests.operate.conftest import configure, kinds

HOSTILE = "half of it was labelled by <script>alert(1)</script> & $x$"


def test_a_note_is_a_record_that_cannot_be_changed(fitted):
    fitted.note("  annotators changed in May ", batch="a", author="R. Franklin")
    assert fitted.notes().drop(columns=["number", "time"]).to_dict("records") == [
        {"author": "R. Franklin", "of": "batch", "name": "a", "text": "annotators changed in May"}
    ]
    assert kinds(fitted)[-1] == "note"
    assert fitted.history()["what"].iloc[-1] == "note on batch 'a': annotators changed in May"
    assert fitted.export()["notes"][0]["text"] == "annotators changed in May"
    fitted.verify()
    with sqlite3.connect(fitted.ledger.path) as connection:
        connection.execute("DROP TRIGGER no_update")
        connection.execute("UPDATE records SET content = replace(content, 'May', 'June') WHERE kind = 'note'")
    connection.close()
    with pytest.raises(StorageError, match=r"\(note, .*was changed after it was written"):
        fitted.verify()


def test_the_page_shows_notes_beside_what_they_are_about(running, sampler):
    configure(running, "[report]\nbudgets = [100]\n")
    running.note(HOSTILE, slice="east")
    running.note("second shipment", batch="b", author="M. Curie")
    page = running.folder / "reports" / f"{running.refit(progress=False).fit}.html"
    of_slice, of_batch = running.notes()["number"]
    text = page.read_text("utf-8")
    east = text.partition('class="slice"><bdi class="name">east</bdi>')[2].partition("</th>")[0]
    assert f'<a href="#note-{of_slice}">note {of_slice}</a>' in east
    assert f'<dt id="note-{of_slice}"><bdi class="name">east</bdi></dt>' in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; $x$" in text
    assert "<script>alert(1)" not in text
    batch = text.partition('<th scope="row"><bdi class="name">b</bdi>')[2].partition("</th>")[0]
    assert f'<a href="#note-{of_batch}">' in batch
    assert "second shipment" in text
    assert "M. Curie" in text


def test_a_note_after_the_page_brings_it_up_to_date_without_a_fit(project, sampler, first):
    configure(project, "[report]\nbudgets = [100]\n")
    page = project.folder / "reports" / f"{project.add(first, batch='a').refit(progress=False).fit}.html"
    before = page.read_bytes()
    assert b"Notes on" not in before
    project.refit(progress=False)
    assert page.read_bytes() == before
    project.note("holidays", slice="west")
    assert not project.refit(progress=False).new
    assert len(sampler.calls) == 1
    assert "holidays" in page.read_text("utf-8")
    written = page.stat().st_mtime_ns
    project.refit(progress=False)
    assert page.stat().st_mtime_ns == written


def test_the_trail_page_has_them(fitted):
    fitted.note(HOSTILE, slice="east")
    page = render(trail_values(fitted))
    assert "note on slice &#39;east&#39;: half of it" in page
    assert "<script>alert(1)" not in page


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"text": " ", "slice": "east"}, "empty"),
        ({"text": "x" * 2001, "slice": "east"}, "2,001 characters"),
        ({"text": "x"}, "on a slice or on a batch"),
        ({"text": "x", "slice": "east", "batch": "a"}, "give one of the two"),
        ({"text": "x", "slice": "eats"}, "did you mean 'east'"),
        ({"text": "x", "batch": "z"}, "no such batch.*one of a"),
    ],
)
def test_a_note_that_is_about_nothing_is_refused(fitted, given, said):
    text = given.pop("text")
    with pytest.raises(InputError, match=said):
        fitted.note(text, **given)
    assert fitted.notes().empty


def test_the_command_puts_a_note_down(fitted, capsys):
    given = ["note", str(fitted.folder), "two annotators only", "--slice", "west", "--author", "E. Noether", "--json"]
    assert cli.main(given) == 0
    assert json.loads(capsys.readouterr().out)["records"][0]["what"] == "note on slice 'west': two annotators only"
    assert fitted.notes()["author"].tolist() == ["E. Noether"]
    assert cli.main(["note", str(fitted.folder), "x", "--slice", "nowhere"]) == 1
