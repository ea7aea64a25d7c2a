# SPDX-License-Identifier: GPL-2.0-only
"""Network adapters in the registry of tests' Windows, for ethN=tuntap."""

from __future__ import annotations

from wine_kit import Wine

NET = "{4D36E972-E325-11CE-BFC1-08002BE10318}"
CLASS = rf"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Control\Class\{NET}"
NETWORK = rf"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Control\Network\{NET}"

# Its number in the class, its driver, its id, the name of its connection.
Adapter = tuple[str, str, str, str]

# What each Wine's registry has.
written: dict[Wine, list[Adapter]] = {}


def write(wine: Wine, adapters: list[Adapter]) -> None:
    """The registry has these adapters and no others; and what else is there among them, in a real one."""
    if written.get(wine) == adapters:
        return
    lines = ["Windows Registry Editor Version 5.00", "", f"[-{CLASS}]", f"[-{NETWORK}]", f"[{CLASS}]",
             '"Class"="Net"', rf"[{CLASS}\Properties]", rf"[{CLASS}\9998]", '"ComponentId"="tap0901"',
             rf"[{CLASS}\9999]", '"ComponentId"=dword:00000001', '"NetCfgInstanceId"="{C0110099-0000-4000-8000-00000000C0DE}"']  # fmt: skip
    for number, component, guid, name in adapters:
        escaped = component.replace("\\", "\\\\")
        lines += [rf"[{CLASS}\{number}]", f'"ComponentId"="{escaped}"', f'"NetCfgInstanceId"="{guid}"']
        if name:
            lines += [rf"[{NETWORK}\{guid}\Connection]", f'"Name"="{name}"']
    path = wine.drive / "adapters.reg"
    path.write_text("\r\n".join([*lines, ""]), encoding="utf-16")
    done = wine.run("regedit", "/S", r"C:\adapters.reg")
    assert done.returncode == 0, done
    path.unlink()
    written[wine] = adapters
