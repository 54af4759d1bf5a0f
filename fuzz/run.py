"""`python fuzz/run.py TARGET [CORPUS ...] [libFuzzer options]`: atheris looks for bytes for which a target does not hold. See README.md."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["platform_assets.formats"]):
    from targets import TARGETS


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"usage: python fuzz/run.py {{{','.join(TARGETS)}}} [CORPUS ...] [-max_total_time=SECONDS ...]")
    atheris.Setup([sys.argv[0], *sys.argv[2:]], TARGETS[sys.argv[1]])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
