"""Runs the tests on every core, on Debian's PostgreSQL 15 too where it is installed, and says plainly what could not be run."""

import os
import subprocess
import sys
from pathlib import Path

PG15 = Path("/usr/lib/postgresql/15/bin/initdb")


def main(arguments: list[str]) -> int:
    command = [sys.executable, "-m", "pytest", *arguments]
    if not any(argument.startswith(("-n", "--numprocesses")) for argument in arguments):
        command += ["-n", str(min(os.cpu_count() or 1, 4))]
    missing: list[str] = []
    if PG15.exists():
        command.append("--pg15")
    else:
        missing.append(
            "the store and claim tests on PostgreSQL 15 (Debian: apt-get install postgresql-15); they ran on the embedded 18 only"
        )
    code = subprocess.call(command)
    for what in missing:
        print(f"NOT RUN: {what}")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
