"""What `warmer doctor` checks. Every check gives findings and changes nothing; none of them raises for what it looks for."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """`warn`: going live is possible, and something is worth a look. `fail`: something will not work."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found, and the mend where there is something to mend."""

    check: str
    state: State
    found: str
    mend: str = ""


def ok(check: str, found: str) -> Finding:
    return Finding(check, State.OK, found)


def warn(check: str, found: str, mend: str) -> Finding:
    return Finding(check, State.WARN, found, mend)


def fail(check: str, found: str, mend: str) -> Finding:
    return Finding(check, State.FAIL, found, mend)
