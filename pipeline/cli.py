# SPDX-License-Identifier: GPL-2.0-only
"""`./doit`: doit with our task list, our manners and our exit codes.

Exit codes: 0 done; 1 a build, a boot or a test failed; 2 the user's turn (a
typo in colinux.toml, a missing tool, a file that is not ours); 3 the
infrastructure's (network, disk, QEMU); 130 interrupted, 143 terminated. After
the last two everything that was finished is kept and the next run goes on.

Options of ours, anywhere on the line: `--offline` never touches the network;
`--locked` accepts no substitute for a locked package that Debian's archive has
dropped (a release is always locked). COLINUX_OFFLINE=1 and COLINUX_LOCKED=1 do
the same. doit's `-n N`, before the tasks, does N of them at a time (pipeline.parallel).
"""

from __future__ import annotations

import os
import shutil
import sys

from doit.cmd_base import ModuleTaskLoader
from doit.cmd_clean import Clean as DoitClean
from doit.cmd_list import List as DoitList
from doit.doit_cmd import DoitMain

from pipeline import parallel, process
from pipeline.errors import ColinuxError
from pipeline.paths import checkout
from pipeline.work import FAILURES

OPTIONS = {"--offline": "COLINUX_OFFLINE", "--locked": "COLINUX_LOCKED"}


class List(DoitList):  # type: ignore[misc]
    """doit's list, with the sub-tasks: their names are what one types."""

    def _execute(self, subtasks: bool = True, quiet: bool = False, status: bool = False,
                 private: bool = False, list_deps: bool = False, template: str | None = None,
                 sort: str = "name", pos_args: list[str] | None = None) -> int:
        try:
            code = int(super()._execute(True, quiet, status, private, list_deps, template, sort, pos_args))
            self.outstream.flush()
        except BrokenPipeError:  # `./doit list | head`: the reader has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        return code


class Clean(DoitClean):  # type: ignore[misc]
    """`clean` alone removes build/ and dist/; `clean TASK ...` what those tasks made. The cache stays."""

    def _execute(self, dryrun: bool, cleandep: bool, cleanall: bool, cleanforget: bool,
                 pos_args: list[str] | None = None) -> int:
        if pos_args:
            super()._execute(dryrun, cleandep, cleanall, cleanforget, pos_args)
            return 0
        self.dep_manager.close()
        paths = checkout()
        for folder in (paths.build, paths.dist):
            self.outstream.write(f"removing {folder.relative_to(paths.root)}/\n")
            if not dryrun:
                shutil.rmtree(folder, ignore_errors=True)
        return 0


class Main(DoitMain):  # type: ignore[misc]
    """doit with two commands of ours in place of its own."""

    BIN_NAME = "./doit"
    DOIT_CMDS = (*(c for c in DoitMain.DOIT_CMDS if c.get_name() not in ("list", "clean")), List, Clean)


def main(arguments: list[str]) -> int:
    """Run one command line; every error ends here as a message and an exit code, never as a traceback."""
    process.install_signal_handlers()
    for option, variable in OPTIONS.items():
        if option in arguments:
            os.environ[variable] = "1"
    arguments = parallel.in_threads([a for a in arguments if a not in OPTIONS])
    if "release" in arguments:
        os.environ["COLINUX_LOCKED"] = "1"
    try:
        checkout().state.mkdir(parents=True, exist_ok=True)
        import dodo  # the declaration is read here; its errors are the user's

        code = Main(ModuleTaskLoader(dodo), config_filenames=()).run(arguments)
    except ColinuxError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("\ninterrupted; what was finished is kept, and the next run goes on from there", file=sys.stderr)
        return 130
    if FAILURES.first is not None:
        return FAILURES.first.exit_code
    return int(code or 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
