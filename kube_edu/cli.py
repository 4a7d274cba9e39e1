"""The command `kube-edu`.

Each sub-command is a module with `add_arguments(parser)` and `run(arguments)`, which returns the
exit status. Only the module that is asked for is imported.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

COMMANDS = {
    "etcd": ("kube_edu.etcd_main", "run a member of the store, for etcdctl"),
    "etcd-restore": ("kube_edu.etcd_restore", "make a member's data directory from a snapshot"),
    "lab": ("kube_edu.classroom.workbook", "open the labs in JupyterLab"),
    "up": ("kube_edu.up", "run a cluster on this machine, for kubectl"),
}
"""By name: the module, and what it does in half a line."""


def main(argv: Sequence[str] | None = None) -> int:
    words = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="kube-edu", description="A workbook on the architecture of Kubernetes."
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (_, summary) in COMMANDS.items():
        commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
    if not words or words[0] not in COMMANDS:
        parser.parse_args(words)  # prints the help, or what is wrong, and exits
    module = import_module(COMMANDS[words[0]][0])
    module.add_arguments(commands.choices[words[0]])
    status: int = module.run(parser.parse_args(words))
    return status


if __name__ == "__main__":
    sys.exit(main())
