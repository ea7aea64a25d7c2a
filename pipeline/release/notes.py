# SPDX-License-Identifier: GPL-2.0-only
"""NOTES.md: what a person wants to know of a release, derived from its manifest."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from pipeline import progress
from pipeline.release.authenticode import CERTIFICATE
from pipeline.release.signing import PUBLIC, SIGNATURE

NAME = "NOTES.md"
KINDS = {
    "machine": "to run the machine", "windows": "to run guests beside Windows",
    "installer": "the same, as an installer",
    "debug": "symbols and configurations of the kernels",
    "source": "our source, patches and all", "key": "the key that signed",
}


def text(manifest: Mapping[str, Any]) -> str:
    """The file's content."""
    name, version = manifest["name"], manifest["version"]
    date = datetime.fromtimestamp(manifest["epoch"], timezone.utc).date()
    lines = [f"# {name} {version}", "", f"{date}, commit `{manifest['commit']}`", ""]
    if manifest["unbooted"]:
        lines += _warning(manifest)
    lines += [
        "> **This is not isolation.** A cooperative guest shares ring 0 with its host: root in the guest can become",
        "> the host's kernel. Run only guests that you trust as much as the host itself.",
        "",
        "## How it booted",
        "",
        "| machine | guest | beside | verdict | up after | checks |",
        "|---|---|---|---|---|---|",
        *(_row(machine, facts) for machine, facts in manifest["machines"].items()),
        "",
        *(f"- **{machine}**: {facts['title']}" for machine, facts in manifest["machines"].items()),
        "",
        "Results and consoles of each boot are in `evidence/`, as the boot left them.",
        *_of_windows(manifest),
        "",
        "## Files",
        "",
        *(f"- `{file['path']}` ({progress.size(file['size'])}): {KINDS[file['kind']]}"
          for file in manifest["files"] if file["kind"] in KINDS),
        "",
        *_how_to_check(manifest),
        "",
        f"## Changes {'since ' + manifest['since'] if manifest['since'] else 'since the beginning'}",
        "",
        *(f"- {change['subject']} ({change['commit'][:12]})" for change in manifest["changes"]),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _warning(manifest: Mapping[str, Any]) -> list[str]:
    bad = {machine: facts for machine, facts in manifest["machines"].items() if facts["problems"]}
    told = [f"> - {machine}: {problem}" for machine, facts in bad.items() for problem in facts["problems"]]
    return ["> **Made with --allow-unbooted.** "
            + ("There is no boot of exactly these files that passed for:" if bad else "Yet every machine booted well."),
            *([">", *told] if told else []), ""]


def _row(machine: str, facts: Mapping[str, Any]) -> str:
    boot = facts["boot"]
    if boot is None:
        return _cells(machine, "", facts["host"], "**not booted**", "", "")
    verdict = boot["verdict"] if not facts["problems"] else f"**{boot['verdict']}, not of these files**"
    if boot["verdict"] != "pass":
        verdict = f"**{boot['verdict']}**"
    seconds = "" if boot["boot_seconds"] is None else f"{boot['boot_seconds']:.1f} s ({boot['accel']})"
    checks = ", ".join(f"{count} {status}" for status, count in boot["checks"].items() if count)
    return _cells(machine, f"Linux {boot['guest']}", boot["beside"], verdict, seconds, checks)


def _cells(*words: str) -> str:
    """A row of a table, of as many cells as words, whatever a kernel calls itself."""
    return "|" + "|".join(f" {word.replace('|', chr(92) + '|')} " if word else " " for word in words) + "|"


def _of_windows(manifest: Mapping[str, Any]) -> list[str]:
    """What the boots do not show of the zips for Windows."""
    of = [name for name, facts in manifest["machines"].items() if "windows" in facts]
    if not of:
        return []
    return ["", f"No Windows was booted. {', '.join(of)}: through the very `colinux.sys` of the zip, in a Linux",
            "kernel that has the functions of NT which it imports, with a daemon for Linux. `colinux-daemon.exe`,",
            "`colinux-ctl.exe` and `colinux-console.exe` were built of the same sources, and no boot has seen them;",
            "nor has an installer run on a Windows.",
            *_certificate(manifest)]


def _certificate(manifest: Mapping[str, Any]) -> list[str]:
    if "certificate" not in manifest:
        return ["", "Driver, programs and installers are not signed: 64-bit Windows loads no such driver. README.txt",
                "in the zip says what can be done."]
    return ["", "Driver, programs and installers are signed, behind the bytes that were booted, with the certificate",
            f"(SHA-256) {manifest['certificate']}", f"in `{CERTIFICATE}`. By hand:", "",
            f"    osslsigncode verify -CAfile {CERTIFICATE} -in FILE"]


def _how_to_check(manifest: Mapping[str, Any]) -> list[str]:
    folder = f"{manifest['name']}-{manifest['version']}"
    lines = ["## Is it what we made?", "", "In a checkout of the source, with the whole folder of the release:", ""]
    if manifest["signer"]:
        return [*lines, f"    ./doit verify {folder} --key KEYRING", "",
                f"where KEYRING holds the key {manifest['signer']}",
                f"as you know it from elsewhere: the copy in `{PUBLIC}` proves nothing. By hand:", "",
                f"    gpgv --keyring KEYRING {SIGNATURE} SHA256SUMS && sha256sum -c SHA256SUMS"]
    return [*lines, f"    ./doit verify {folder}", "",
            "It is not signed: who made it, only the way it came to you can tell."]
