# SPDX-License-Identifier: GPL-2.0-only
"""Every value of a TOML file is found on the line it stands on, in every way TOML can be written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tomli
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.declaration import positions
from pipeline.declaration.positions import KeyPath, Positions
from pipeline.declaration.schema import walk
from pipeline.errors import UserError

SAMPLE = '''\
# a comment with [brackets] and = signs
title = "x"   # 2
"quoted.key" = 'y # no comment'
a.b.c = 1   # 4
"\\u0061".d = 2 # 5, the same a

[table]     # 7
array = [   # 8
    1,
    [2, 3], # 10
    # a comment, with ] in it
    { x = 1, y = { z = 2 } },  # 12
    "]",
]
multi = """   # 15
not = "a key"
[not.a.table]
ends in quotes""""" # 18
literal = \'\'\'
'' [no] \'\'\' # 20
date = 1979-05-27 07:32:00 # 21
inline = { p.q = 1, "r s" = [ 1,
  2 ] } # 23

[table . "sub.table" . 'x']   # 25
[[list]] # 26
n = 1
[list.child]  # 28
m = 2
[[list]]  # 30
n = 3
[[list.inner]]  # 32
k = 1
[[list.inner]]  # 34
k = 2
[table.array2]
[late.implied.deep]  # 37
[late]  # 38
last = true'''

EXPECTED: dict[KeyPath, int] = {
    ("title",): 2,
    ("quoted.key",): 3,
    ("a",): 4,
    ("a", "b", "c"): 4,
    ("a", "d"): 5,
    ("table",): 7,
    ("table", "array"): 8,
    ("table", "array", 0): 9,
    ("table", "array", 1): 10,
    ("table", "array", 1, 1): 10,
    ("table", "array", 2): 12,
    ("table", "array", 2, "y", "z"): 12,
    ("table", "array", 3): 13,
    ("table", "multi"): 15,
    ("table", "literal"): 19,
    ("table", "date"): 21,
    ("table", "inline"): 22,
    ("table", "inline", "p", "q"): 22,
    ("table", "inline", "r s", 0): 22,
    ("table", "inline", "r s", 1): 23,
    ("table", "sub.table", "x"): 25,
    ("list",): 26,
    ("list", 0): 26,
    ("list", 0, "n"): 27,
    ("list", 0, "child", "m"): 29,
    ("list", 1): 30,
    ("list", 1, "n"): 31,
    ("list", 1, "inner", 0, "k"): 33,
    ("list", 1, "inner", 1): 34,
    ("list", 1, "inner", 1, "k"): 35,
    ("table", "array2"): 36,
    ("late",): 38,
    ("late", "implied"): 37,
    ("late", "last"): 39,
}


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_every_way_to_write(newline: str) -> None:
    source = SAMPLE.replace("\n", newline)
    found = Positions(source)
    content = tomli.loads(source)
    assert content["table"]["multi"].endswith('quotes""')
    for path, line in EXPECTED.items():
        assert found.lines[path] == line, path
    assert set(found.lines) == {path for path, _ in walk(content)}


def test_a_missing_key_is_on_its_table_s_line() -> None:
    found = Positions(SAMPLE)
    assert found.line(("list", 1, "inner", 1, "missing", "deeper")) == 34
    assert found.line(("nowhere",)) == 1


def test_paths_are_shown_as_one_writes_them() -> None:
    path = ("machine", "linux-6.1", "disks", 0, "size_mib")
    assert positions.text(path) == 'machine."linux-6.1".disks[0].size_mib'
    assert positions.text(()) == ""


def test_empty_files() -> None:
    for source in ("", "\n", "# only\n# comments", "\r\n"):
        assert Positions(source).lines == {(): 1}


# --- random documents, written in random styles by a writer that knows where it is -------------

KEYS = st.text(st.sampled_from("ab.# =[]\"'\\é"), min_size=1, max_size=4) | st.sampled_from(["x", "y-1", "2_"])
TEXTS = st.text(st.sampled_from("ab\"'\\#[]{},=\n é"), max_size=8)
SCALARS = st.integers(-99, 99) | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(KEYS, VALUES, max_size=5)


class Writer:
    """Writes TOML and notes the line of everything it writes."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw
        self.text = ""
        self.lines: dict[KeyPath, int] = {(): 1}

    @property
    def line(self) -> int:
        return self.text.count("\n") + 1

    def flip(self) -> bool:
        return bool(self.draw(st.booleans()))

    def gap(self, newline: bool) -> None:
        choices = ["", " ", "\t"] + (["\n", " # ] } , \" '''\n", "\n\n  "] if newline else [])
        self.text += self.draw(st.sampled_from(choices))

    def key(self, key: str) -> None:
        bare = key and all(c.isascii() and (c.isalnum() or c in "-_") for c in key)
        if bare and self.flip():
            self.text += key
        elif "'" not in key and self.flip():
            self.text += f"'{key}'"
        else:
            self.text += json.dumps(key, ensure_ascii=self.flip())

    def value(self, path: KeyPath, value: Any) -> None:
        if isinstance(value, bool):
            self.text += str(value).lower()
        elif isinstance(value, int | float):
            self.text += repr(value)
        elif isinstance(value, str):
            self.string(value)
        elif isinstance(value, list):
            self.text += "["
            for index, item in enumerate(value):
                self.gap(True)
                self.lines[(*path, index)] = self.line
                self.value((*path, index), item)
                self.gap(True)
                if index < len(value) - 1 or self.flip():
                    self.text += ","
            self.gap(True)
            self.text += "]"
        else:
            self.text += "{"
            for index, (key, item) in enumerate(value.items()):
                self.text += ", " if index else " "
                self.pair((*path, key), key, item)
            self.text += " }"

    def string(self, value: str) -> None:
        if "'''" not in value and not value.endswith("'") and self.flip():
            self.text += "'''" + ("\n" if value.startswith("\n") or self.flip() else "") + value + "'''"
        elif self.flip():
            escaped = value.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
            if escaped.startswith("\n"):
                escaped = "\n" + escaped
            self.text += '"""' + escaped + '"""' if escaped.count('"') < 3 or '\\"' in escaped else json.dumps(value)
        else:
            self.text += json.dumps(value)

    def pair(self, path: KeyPath, key: str, value: Any) -> None:
        self.lines[path] = self.line
        self.key(key)
        if isinstance(value, dict) and len(value) == 1 and self.flip():
            self.gap(False)
            self.text += "."
            self.gap(False)
            ((inner, item),) = value.items()
            self.pair((*path, inner), inner, item)
            return
        self.gap(False)
        self.text += "="
        self.gap(False)
        self.value(path, value)

    def document(self, content: dict[str, Any]) -> None:
        tables = []
        for key, value in content.items():
            of_tables = isinstance(value, list) and value and all(isinstance(v, dict) for v in value)
            if (isinstance(value, dict) or of_tables) and self.flip():
                tables.append((key, value))
            else:
                self.pair((key,), key, value)
                self.text += self.draw(st.sampled_from(["\n", " # x = [\n", "\n\n"]))
        for key, value in tables:
            many = isinstance(value, list)
            self.lines[(key,)] = self.line
            for index, table in enumerate(value if many else [value]):
                path: KeyPath = (key, index) if many else (key,)
                self.lines[path] = self.line
                self.text += "[[" if many else "["
                self.key(key)
                self.text += ("]]" if many else "]") + self.draw(st.sampled_from(["\n", " # [no]\n"]))
                for inner, item in table.items():
                    self.pair((*path, inner), inner, item)
                    self.text += "\n"


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_random_documents(data: st.DataObject) -> None:
    content = data.draw(DOCUMENTS)
    writer = Writer(data.draw)
    writer.document(content)
    assert tomli.loads(writer.text) == content, writer.text
    assert Positions(writer.text).lines == writer.lines, writer.text


# --- files that are no TOML ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a = 1\nb = \n", "x.toml:2: not valid TOML: invalid value at column 5: b ="),
        (b"a = 1\na = 2\n", "x.toml:2: not valid TOML: cannot overwrite a value"),
        (b"[x]\n\n[x]\n", "x.toml:3: not valid TOML: cannot declare"),
        (b"a = [1,\n2,\n", "x.toml:2: not valid TOML"),
        (b"a = 1\nb = '\xff'\n", "x.toml:2: this is not UTF-8 text"),
        (b"a = 1\r\nb = = 2\r\n", "x.toml:2: not valid TOML"),
    ],
)
def test_a_syntax_error_has_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.toml").write_bytes(data)
    with pytest.raises(UserError) as caught:
        positions.parse(tmp_path / "x.toml")
    assert message in str(caught.value)


def test_a_byte_order_mark_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_bytes(b"\xef\xbb\xbfa = 1\n")
    content, found = positions.parse(tmp_path / "x.toml")
    assert content == {"a": 1} and found.line(("a",)) == 1


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read"):
        positions.parse(tmp_path / "no.toml")
    with pytest.raises(UserError, match="cannot read"):
        positions.parse(tmp_path)
