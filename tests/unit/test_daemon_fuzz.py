# SPDX-License-Identifier: GPL-2.0-only
"""The configuration language against texts that nobody would write, and against all that somebody might."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import daemon_kit
import pytest
import tomli
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

CORPUS = sorted((Path(__file__).parent / "data/conf").glob("*.conf"))

SETTINGS = settings(
    max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.fuzz
def test_texts_out_of_pieces(tmp_path: Path) -> None:
    count = daemon_kit.inputs(15000)
    (accepted, refused), _ = daemon_kit.fuzz(tmp_path, "fuzz-options", count=count)
    assert accepted + refused == count and min(accepted, refused) > count // 100


@pytest.mark.fuzz
def test_mutations_of_the_corpus(tmp_path: Path) -> None:
    count = daemon_kit.inputs(60000)
    (accepted, refused), _ = daemon_kit.fuzz(tmp_path, "fuzz-options", count=count, seed=2, corpus=CORPUS)
    assert accepted + refused == count and min(accepted, refused) > count // 20


@pytest.mark.fuzz
def test_damaged_overlays(tmp_path: Path) -> None:
    """Each is refused, or holds what its format says."""
    count = daemon_kit.inputs(3000)
    (refused, taken), _ = daemon_kit.fuzz(tmp_path, "fuzz-overlay", count=count)
    assert refused + taken == count and min(refused, taken) > count // 20


@pytest.mark.fuzz
def test_answers_that_are_no_json(tmp_path: Path) -> None:
    """What colinux-ctl and colinux-console read."""
    (found, missed), _ = daemon_kit.fuzz(tmp_path, "fuzz-json", count=daemon_kit.inputs(20000))
    assert min(found, missed) > 10000


@pytest.mark.fuzz
def test_terminal_modes(tmp_path: Path) -> None:
    """What colinux-console reads along of what a guest prints, to put a terminal back at the end."""
    count = daemon_kit.inputs(30000)
    (switched, usual), _ = daemon_kit.fuzz(tmp_path, "fuzz-modes", count=count)
    assert switched + usual == count and min(switched, usual) > count // 10


@pytest.mark.fuzz
def test_lines_and_redirections(tmp_path: Path) -> None:
    """The languages inside of ttysN= and ethN=, and ports that are opened and closed as they say."""
    count = daemon_kit.inputs(30000)
    (understood, refused), _ = daemon_kit.fuzz(tmp_path, "fuzz-ports", count=count)
    assert understood + refused == count and min(understood, refused) > count // 20


@pytest.mark.fuzz
def test_requests_to_the_opener(tmp_path: Path) -> None:
    """Whatever a sandboxed daemon asks for, it gets what the configuration names."""
    count = daemon_kit.inputs(15000)
    (granted, refused), _ = daemon_kit.fuzz(tmp_path, "fuzz-opener", count=count)
    assert granted + refused == count and min(granted, refused) > count // 20


@pytest.mark.fuzz
def test_a_guest_that_leaves_for_any_reason(tmp_path: Path) -> None:
    """Its reasons, words and texts, and doorbells of all devices."""
    count = daemon_kit.inputs(15000)
    (ends,), said = daemon_kit.fuzz(tmp_path, "fuzz-vcpu", count=count)
    assert ends > count // 50
    assert said.count("\n") <= 8 * 3, "a hostile guest must not fill the host's disk with messages"


def run(folder: Path, text: bytes, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    (folder / "any.conf").write_bytes(text)
    return subprocess.run(
        [daemon_kit.programs() / "daemon", *arguments, "@any.conf"],
        cwd=folder, capture_output=True, check=False, env=daemon_kit.environment(),
        stdin=subprocess.DEVNULL, timeout=60,
    )  # fmt: skip


WORDS = st.one_of(
    st.sampled_from([
        "kernel=", "mem=", "cobd0=", "cobd31=", 'ttys0="', '"', "#", "\n", " ", "--", "=", ",ro", "@x", "-d", "eth0=",
        "initrd=vmlinux", "mem=64", "root=/dev/vda", "\\", "\t", "\r\n", "hd", "sda", "cocon", "exec0=", "hda=:cobd0",
    ]),
    st.text(max_size=8),
    st.binary(max_size=8),
)  # fmt: skip


@SETTINGS
@given(words=st.lists(WORDS, max_size=30), way=st.sampled_from(["--check", "--print-json", "--print-toml"]))
def test_any_text_gets_an_answer(words: list[str | bytes], way: str, tmp_path: Path) -> None:
    """No text crashes the parser, makes it say nothing, or comes out as something that is no JSON or TOML."""
    text = b"".join(word if isinstance(word, bytes) else word.encode("utf-8", "replace") for word in words)
    done = run(tmp_path, text, way)
    if done.returncode == 0 and way == "--print-json":
        json.loads(done.stdout)
    elif done.returncode == 0 and way == "--print-toml":
        tomli.loads(done.stdout.decode())
    else:
        assert done.returncode == 255  # there is no kernel here for --check
        assert done.stderr and all(line.startswith(b"colinux-daemon: ") for line in done.stderr.splitlines())


# --- files that somebody might write ----------------------------------------------------------------


@dataclass(frozen=True)
class Written:
    """A configuration, and a text that says it."""

    text: bytes
    memory_mib: int
    disks: dict[str, tuple[str, str | None, bool]]  # path, overlay, read-only
    aliases: dict[str, str]
    words: list[str]


PATHS = st.text(st.characters(exclude_characters='",', exclude_categories=["Cc", "Cs"]), min_size=1, max_size=12).filter(
    lambda path: path.strip() == path and not path.startswith(":")
)
MODES = st.one_of(st.tuples(st.none(), st.booleans()), st.tuples(PATHS, st.just(False)))
GUEST_WORDS = st.from_regex(r"[a-z]{4,8}\.[a-z_]{1,8}(=[0-9a-z:./]{1,8})?", fullmatch=True)
GAPS = st.sampled_from([" ", "\n", "\r\n", "\t", "  \n# kernel=no mem=1 \"\n", " # it's a \"comment\n"])


@st.composite
def written(draw: st.DrawFn) -> Written:
    memory = draw(st.integers(16, 65536))
    numbers = draw(st.lists(st.integers(0, 20), unique=True, max_size=5))
    disks = {f"cobd{number}": (draw(PATHS), *draw(MODES)) for number in numbers}
    aliases = {}
    if numbers:
        names = st.from_regex(r"[hs]d[a-z]([1-9]|[1-5][0-9])?", fullmatch=True)
        aliases = {name: f"cobd{draw(st.sampled_from(numbers))}" for name in draw(st.sets(names, max_size=5))}
    words = draw(st.lists(GUEST_WORDS, max_size=5))
    lines = [f"mem={memory}", "kernel=vmlinux"]
    lines += [f'{name}="{path}"' + ",ro" * readonly + (f',cow="{overlay}"' if overlay else "")
              for name, (path, overlay, readonly) in disks.items()]  # fmt: skip
    lines += [f"{name}=:{disk}" for name, disk in aliases.items()]
    lines = draw(st.permutations(lines))
    places = sorted(draw(st.lists(st.integers(0, len(lines)), min_size=len(words), max_size=len(words))), reverse=True)
    for place, word in zip(places, reversed(words), strict=True):
        lines.insert(place, word)
    text = "".join(draw(GAPS) + line for line in lines) + draw(GAPS)
    return Written(text.encode(), memory, disks, aliases, words)


@SETTINGS
@given(config=written())
def test_what_is_written_is_what_is_understood(config: Written, tmp_path: Path) -> None:
    done = run(tmp_path, config.text, "--print-json")
    assert (done.returncode, done.stderr) == (0, b""), config.text
    said = json.loads(done.stdout)
    assert said["memory_mib"] == config.memory_mib
    assert {disk["name"]: (disk["path"], disk.get("overlay"), disk["read_only"]) for disk in said["disks"]} == config.disks
    assert {name: disk["name"] for disk in said["disks"] for name in disk["aliases"]} == config.aliases
    by_number = sorted(config.disks, key=lambda name: int(name[4:]))
    assert [disk["name"] for disk in said["disks"]] == by_number
    assert [disk["device"] for disk in said["disks"]] == [f"/dev/vd{'abcdef'[n]}" for n in range(len(by_number))]
    ours = ("console=", "colinux.names=")
    assert [word for word in said["command_line"].split(" ") if not word.startswith(ours)] == config.words


@SETTINGS
@given(config=written())
def test_what_is_written_can_be_declared(config: Written, tmp_path: Path) -> None:
    """--print-toml is TOML, whatever the paths, and says the same."""
    done = run(tmp_path, config.text, "--print-toml")
    assert (done.returncode, done.stderr) == (0, b""), config.text
    (machine,) = tomli.loads(done.stdout.decode())["machine"].values()
    assert machine["cmdline"].split() == config.words
    by_number = sorted(config.disks, key=lambda name: int(name[4:]))
    assert [disk.get("readonly", False) for disk in machine.get("disks", [])] == [config.disks[n][2] for n in by_number]
