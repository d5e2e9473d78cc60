"""Small changes of sound inputs, drawn from a generator: bytes, tokens, lines, nodes, members, records."""

import contextlib
import dataclasses
import hashlib
import io
import json
import random
import re
import sqlite3
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.faults.corpus import NUMBERS, TEXTS, Seed

NAMES = [text for text in TEXTS if len(text) < 99 and not {"\x00", "\ud800", "/", "-", "'"} & set(text)]
"""Hostile texts that a file may be called, or an option be."""


def some_bytes(content: bytes, rng: random.Random) -> bytes:
    """Flip, set, cut, drop, repeat or insert bytes."""
    at = rng.randrange(len(content) + 1)
    end = min(at + rng.choice([1, 1, 2, 8, 64]), len(content))
    how = rng.choice(["flip", "flip", "set", "cut", "drop", "repeat", "insert"])
    if how == "flip" and at < len(content):
        return content[:at] + bytes([content[at] ^ (1 << rng.randrange(8))]) + content[at + 1 :]
    if how == "set":
        return content[:at] + rng.randbytes(end - at) + content[end:]
    if how == "cut":
        return content[:at]
    if how == "drop":
        return content[:at] + content[end:]
    if how == "repeat":
        return content[:end] + content[at:]
    return content[:at] + rng.choice([*TEXTS, *NUMBERS]).encode("utf-8", "surrogatepass") + content[at:]


def spelled(text: str, kind: str, rng: random.Random) -> str:
    """A hostile text as the format writes it, or as it is."""
    if rng.random() < 0.2:
        return text
    if kind == "csv":
        return '"' + text.replace('"', '""') + '"'
    if kind == "xml":
        return "".join(f"&#{ord(c)};" if not c.isalnum() else c for c in text)
    return json.dumps(text, ensure_ascii=rng.random() < 0.7)


def one_token(content: bytes, rng: random.Random, kind: str) -> bytes:
    """Put something hostile in the place of a number, a text, or a key."""
    text = content.decode("utf-8", "surrogateescape")
    found = list(re.finditer(r'"[^"\n]*"|[-+]?\d[\w.+-]*|[^\W\d]\w*', text))
    if not found:
        return content
    token = rng.choice(found)
    if rng.random() < 0.15:
        other = rng.choice(found)[0]
    elif rng.random() < 0.5:
        other = rng.choice(NUMBERS)
    else:
        other = spelled(rng.choice(TEXTS), kind, rng)
        if kind == "xml" and token[0].startswith('"'):
            other = f'"{other}"'
    changed = text[: token.start()] + other + text[token.end() :]
    return changed.encode("utf-8", "surrogatepass" if "\ud800" in other else "surrogateescape")


def one_line(content: bytes, rng: random.Random, kind: str) -> bytes:
    """Repeat, drop, swap, empty, lengthen or shorten a line."""
    lines = content.split(b"\n")
    at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    cell = rng.choice([b",", b";", b"\t", b",x", b',"x'])
    changed = {
        "repeat": [lines[at], lines[at]],
        "drop": [],
        "put in": [lines[other], lines[at]],
        "empty": [b"", lines[at]],
        "longer": [lines[at] + cell],
        "shorter": [lines[at].rpartition(rng.choice([b",", b" ", b"="]))[0]],
        "return": [lines[at] + b"\r"],
    }
    return b"\n".join([*lines[:at], *rng.choice(list(changed.values())), *lines[at + 1 :]])


def whole(content: bytes, rng: random.Random, kind: str) -> bytes:
    """Another encoding, other line ends, a mark, twice the same."""
    text = content.decode("utf-8", "replace")
    return rng.choice(
        [
            *(
                text.encode(name, "replace")
                for name in ("utf-16", "utf-32", "latin-1", "utf-8-sig", "utf-16-be", "cp037")
            ),
            *(content.replace(b"\n", end) for end in (b"\r\n", b"\r", b"\n\n", b"\x0b", b"\0\n")),
            *(content + content, b"\n" + content, content + b"\0", content * 50, content.swapcase()),
            *(content.replace(b",", b";"), content.replace(b'"', b"'"), content.replace(b".", b",")),
        ]
    )


def one_node(content: bytes, rng: random.Random, kind: str) -> bytes:
    """Put something else in the place of a node of JSON, or a key twice."""
    lines = kind == "jsonl"
    try:
        document = [json.loads(line) for line in content.splitlines()] if lines else json.loads(content)
    except ValueError:
        return content
    nodes = [(node, key) for node in _nodes(document) for key in (node if isinstance(node, dict) else range(len(node)))]
    node, key = rng.choice(nodes)
    odd = [None, True, [], {}, [[]], [None], {"id": None}, 1e308, -1, 10**400, *TEXTS, rng.choice(nodes)[0]]
    node[key] = json.loads(json.dumps(rng.choice(odd)))
    if isinstance(node, dict) and rng.random() < 0.2:
        node[rng.choice([t for t in TEXTS if len(t) < 50])] = node.pop(key)
    escaped = rng.random() < 0.7
    made = [json.dumps(d, ensure_ascii=escaped) for d in (document if lines else [document])]
    if rng.random() < 0.1:
        made = [re.sub(r'("[^"]+": )("\w+"|\d+)', r"\1\2, \1null", line, count=1) for line in made]
    return "\n".join(made).encode("utf-8", "surrogatepass")


def _nodes(document: Any) -> Iterator[Any]:
    if isinstance(document, (dict, list)):
        if document:
            yield document
        for inside in document.values() if isinstance(document, dict) else document:
            yield from _nodes(inside)


def in_archive(content: bytes, rng: random.Random) -> bytes:
    """Change what a member holds, or its name; the archive is sound."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            kind = "xml" if name.endswith(".xml") else "jsonl"
            shown = (
                name
                if rng.random() < 0.8
                else rng.choice([t for t in TEXTS if len(t) < 99 and "\ud800" not in t]) + name
            )
            new.writestr(shown, in_text(old.read(name), rng, kind))
    return made.getvalue()


def in_text(content: bytes, rng: random.Random, kind: str) -> bytes:
    """One to three changes of a text file."""
    ways: list[Callable[..., bytes]] = [one_token, one_token, one_line, whole, lambda c, r, k: some_bytes(c, r)]
    ways += [one_node] * 3 if kind in ("json", "jsonl") else []
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        content = rng.choice(ways)(content, rng, kind)
    return content


CHANGES = (
    *["UPDATE records SET content = :content WHERE number = :number"] * 6,
    *(
        f"UPDATE records SET {change} WHERE number = :number"
        for change in ("kind = 'note'", "time = 'x'", "previous = 0")
    ),
    *(f"DELETE FROM records{which}" for which in ("", " WHERE number = :number", " WHERE number >= :number")),
    "UPDATE records SET number = number + 100 WHERE number >= :number",
    *("DROP TABLE records", "PRAGMA user_version = 99", "SELECT 1"),
)


def in_records(content: bytes, rng: random.Random) -> bytes:
    """Change a ledger by SQL as somebody would who drops its triggers; at times the chain is made anew."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "ledger"
        path.write_bytes(content)
        with contextlib.closing(sqlite3.connect(path)) as ledger:
            for (name,) in ledger.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                ledger.execute(f'DROP TRIGGER "{name}"')
            number, text = rng.choice(ledger.execute("SELECT number, content FROM records").fetchall())
            odd = [
                way(text.encode(), rng, "json").decode("utf-8", "replace") for way in (one_token, one_node, one_node)
            ]
            given = {
                "number": number,
                "content": rng.choice(["{}", "[]", "null", "x", text[:-1] + ', "by": "me"}', *odd]),
            }
            with contextlib.suppress(sqlite3.Error, ValueError):
                ledger.execute(rng.choice(CHANGES), given)
                if rng.random() < 0.4:
                    _chain_anew(ledger)
            ledger.commit()
        return path.read_bytes()


def chained(previous: str, number: int, time: str, kind: str, text: str) -> str:
    """The digest that a record has by its content as it is stored, as the docs say it is made."""
    head = json.dumps([previous, number, time, kind], separators=(",", ":"), ensure_ascii=False).removesuffix("]")
    return hashlib.sha256(f"{head},{text}]".encode()).hexdigest()


def _chain_anew(ledger: sqlite3.Connection) -> None:
    previous, rows = "0" * 64, "SELECT number, time, kind, content FROM records ORDER BY number"
    for row in ledger.execute(rows).fetchall():
        now = chained(previous, *row)
        ledger.execute("UPDATE records SET previous = ?, digest = ? WHERE number = ?", (previous, now, row[0]))
        previous = now


def mutated(seed: Seed, rng: random.Random) -> Seed:
    """The seed with its target changed; sometimes its name, or an option, instead."""
    content, files = seed.files[seed.target], dict(seed.files)
    options = [i for i, word in enumerate(seed.command) if seed.command[i - 1] in ("--slice", "--batch", "--metric")]
    if options and rng.random() < 0.04:
        words = list(seed.command)
        words[rng.choice(options)] = rng.choice(NAMES)
        return dataclasses.replace(seed, command=tuple(words), oracle="")
    if seed.kind in ("parquet", "bytes"):
        files[seed.target] = some_bytes(content, rng)
    elif seed.kind == "zip":
        inside = rng.random() < 0.5
        files[seed.target] = in_archive(content, rng) if inside else some_bytes(content, rng)
        return dataclasses.replace(seed, files=files, oracle="" if inside else "same")
    elif seed.kind == "ledger":
        files[seed.target] = in_records(content, rng) if rng.random() < 0.6 else some_bytes(content, rng)
    elif seed.kind == "sealed":
        files[seed.target] = some_bytes(content, rng)
    else:
        files[seed.target] = in_text(content, rng, seed.kind)
    return _renamed(dataclasses.replace(seed, files=files), rng)


def _renamed(seed: Seed, rng: random.Random) -> Seed:
    """Sometimes, the same under a hostile name."""
    if seed.target not in seed.command or rng.random() > 0.04:
        return seed
    name = rng.choice(NAMES) + seed.target
    files = {name if key == seed.target else key: content for key, content in seed.files.items()}
    command = tuple(name if word == seed.target else word for word in seed.command)
    return dataclasses.replace(seed, target=name, files=files, command=command, oracle="")
