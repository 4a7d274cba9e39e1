"""`make bench`: run every benchmark and print one table."""

from __future__ import annotations

import importlib
import pkgutil
import platform
import sys

import tests.benchmarks as package


def main() -> None:
    print(f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}\n")
    for module in pkgutil.iter_modules(package.__path__):
        if module.name.startswith("bench_") and (len(sys.argv) < 2 or sys.argv[1] in module.name):
            benchmark = importlib.import_module(f"tests.benchmarks.{module.name}")
            for name, value, mark in benchmark.run():
                print(f"{name:<58} {value:>16}   mark: {mark}", flush=True)


if __name__ == "__main__":
    main()
