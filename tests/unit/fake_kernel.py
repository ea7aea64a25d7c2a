# SPDX-License-Identifier: GPL-2.0-only
"""A checkout with a kernel of a few lines, whose Makefile knows the targets that the pipeline uses."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pipeline.declaration.model import Kernel
from pipeline.lock import Blob, Lock
from pipeline.paths import Paths

MAIN_C = "".join(f"line {n}\n" for n in range(1, 21))

# The options that this "kernel" knows; olddefconfig keeps those and drops the rest.
KCONFIG = """\
config NET
\tbool "Networking"
\thelp
\t  config NOT_AN_OPTION in a help text

if NET
config INET
\tbool "TCP/IP"
\tdepends on \\
\t\tCRYPTO
endif

config CRYPTO
\tbool "Cryptography"

config LIBRARY
\tbool

config HELPER
\tbool "Helper"
\tselect ALWAYS

config ALWAYS
\tbool "Always"
"""

MAKEFILE = """\
OUT := $(or $(O),.)
C := $(or $(KCONFIG_CONFIG),$(OUT)/.config)
tinyconfig allnoconfig:
\tprintf 'CONFIG_ALWAYS=y\\nCONFIG_CRYPTO=n\\n' > $(C)
olddefconfig:
\tgrep -E '^CONFIG_(NET|ALWAYS|HELPER|NAME)=' $(C) > $(C).new; mv $(C).new $(C)
oldconfig:
\t@for question in 1 2 3; do read answer || { echo 'error: nobody answers'; exit 1; }; done
\t@$(MAKE) olddefconfig
dep:
\techo dep >> .depend
vmlinux:
\t@echo '  CC      main.o'
\t@echo "$$KBUILD_BUILD_TIMESTAMP $$KBUILD_BUILD_USER" > $(OUT)/banner.c
\t@echo '  CC      ours.o'
\t@sh $(CURDIR)/broken.sh
\t@cp /bin/true $(OUT)/vmlinux; echo 'map' > $(OUT)/System.map
\t@echo '  LD      vmlinux'
"""

HOOK = """\
The hook: what and why.

--- a/main.c
+++ b/main.c
@@ -4,3 +4,4 @@
 line 4
 line 5
+hook();
 line 6
@@ -14,3 +15,4 @@
 line 14
 line 15
+second_hook();
 line 16
"""

# On top of HOOK: a series may change one file twice.
SECOND = """\
--- a/main.c
+++ b/main.c
@@ -5,3 +5,4 @@
 line 5
 hook();
+another();
 line 6
--- /dev/null
+++ b/new.c
@@ -0,0 +1 @@
+int new;
"""


def make_pristine(folder: Path) -> None:
    """The kernel's source as it comes out of a tarball."""
    (folder / "arch/x86").mkdir(parents=True)
    (folder / "main.c").write_text(MAIN_C)
    (folder / "other.c").write_text("other\n")
    (folder / "Kconfig").write_text(KCONFIG)
    (folder / "Makefile").write_text(MAKEFILE)
    (folder / "broken.sh").write_text("exit 0\n")


class Checkout:
    """A checkout in `root` with patches, an overlay and the fake kernel's pin in its lock."""

    def __init__(self, root: Path) -> None:
        self.paths = Paths(root)
        self.patches = root / "patches"
        self.unpacked = 0
        self.write("patches/fake/series", "# the series\n0001-hook.patch\n0002-second.patch\n")
        self.write("patches/fake/0001-hook.patch", HOOK)
        self.write("patches/fake/0002-second.patch", SECOND)
        self.write("patches/ours/arch/x86/ours/ours.c", "int ours;\n")
        self.write("patches/ours/arch/x86/ours/Makefile", "obj-y := ours.o\n")
        self.write("patches/ours/SHARED", "# comment\narch/x86/ours/abi.h runtime/abi.h\n")
        self.write("patches/fake/config/base.config", "CONFIG_NET=y\nCONFIG_HELPER=y\n")
        self.write("runtime/abi.h", "#define ABI 1\n")
        blob = Blob(name="fake.tar", kind="tarball", url="u", size=1, sha256="1" * 64)
        self.lock = Lock({"source:fake": (blob,)})
        self.kernel = Kernel(
            name="fake-1", series="6.1", arch="x86_64", sources=("fake",), patches="fake", overlay=("ours",),
            base="tinyconfig", fragments=("base",), options={}, compiler="gcc-12-x86_64")
        self.decl: Any = SimpleNamespace(project=SimpleNamespace(epoch=86400))

    def write(self, name: str, text: str) -> Path:
        """A file of the checkout."""
        path = self.paths.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def unpack(self, folder: Path) -> None:
        """What pipeline.sources would do."""
        self.unpacked += 1
        make_pristine(folder)

    @property
    def tree(self) -> Path:
        return self.paths.src("fake-1")
