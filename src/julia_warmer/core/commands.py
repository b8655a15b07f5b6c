"""What the outside asks of a chip or of everything, in the imperative. Values only; `core.control` answers them."""

from dataclasses import dataclass
from enum import StrEnum


class StopScope(StrEnum):
    """What one stop covers."""

    EVERYTHING = "everything"
    PORTFOLIO = "portfolio"
    ACCOUNT = "account"
    CHIP = "chip"
    CAMPAIGN = "campaign"
    TEMPLATE = "template"


@dataclass(frozen=True, slots=True, kw_only=True)
class StartChip:
    by: str
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseChip:
    """Pause a chip until a person resumes it."""

    by: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeChip:
    """End every pause of a chip; it goes on at half of what failed, with its detectors re-armed."""

    by: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivateChip:
    """Hand a ready chip to Julia's agent."""

    by: str
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetireChip:
    by: str
    why: str


ChipCommand = StartChip | PauseChip | ResumeChip | ActivateChip | RetireChip
