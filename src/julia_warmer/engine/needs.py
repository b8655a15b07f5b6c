"""How many people a chip needs, and how many chips a list of people feeds. Pure arithmetic on a policy."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from julia_warmer.core.hours import open_span
from julia_warmer.core.model import Phase
from julia_warmer.core.policy import Policy

A_MONDAY = date(2026, 1, 5)
SENDING_PHASES = (Phase.FIRST_CONTACTS, Phase.EXPANSION, Phase.PRE_OPERATION)
STEADY_D = 60  # days of operation that are looked at: twice the longest span of a person's cap


@dataclass(frozen=True, slots=True)
class PeopleNeeded:
    """People that one chip needs, if none is lost."""

    until_ready: int
    in_operation: int
    days_until_ready: int  # from the registration, holidays left aside, when every gate passes the first time


def people_needed(policy: Policy) -> PeopleNeeded:
    """How many people the policy's caps ask for, given how often it lets a person be written to."""
    warmup = _warmup(policy)
    operation = _fill(policy, [policy.phases[Phase.OPERATION].cap_day_max] * STEADY_D, start=0)
    return PeopleNeeded(_people(warmup, policy), _people(operation, policy), len(warmup))


def chips_fed(people: int, policy: Policy) -> tuple[int, int]:
    """How many chips a list of so many people brings to ready, and how many it keeps in operation."""
    needed = people_needed(policy)
    return people // max(1, needed.until_ready), people // max(1, needed.in_operation)


def _warmup(policy: Policy) -> list[int]:
    """Messages a calendar day, from the registration (a Monday) to the last day before operation."""
    wait = [0] * policy.phases[Phase.SETUP].days_min
    sending = [policy.phases[phase].cap_day_max for phase in SENDING_PHASES for _ in range(policy.phases[phase].days_min)]
    return wait + _fill(policy, sending, start=len(wait))


def _fill(policy: Policy, sending: Sequence[int], *, start: int) -> list[int]:
    """Sending days laid over the calendar: a closed day sends nothing and counts for nothing."""
    left, days = list(reversed(sending)), list[int]()
    while left:
        day = A_MONDAY + timedelta(days=start + len(days))
        days.append(left.pop() if open_span(policy.hours, day, "UTC") else 0)
        if len(days) > 8 * len(sending):
            raise ValueError("the policy's hours open on no day of the week")
    return days


def _people(days: Sequence[int], policy: Policy) -> int:
    """The least number of people with whom no one is written to more often than allowed in any 7 and any 30 days."""
    caps = ((7, policy.people.marketing_7d_max), (30, policy.people.marketing_30d_max))
    return max(-(-_most(days, span) // max(1, cap)) for span, cap in caps)


def _most(days: Sequence[int], span: int) -> int:
    return max((sum(days[first : first + span]) for first in range(len(days))), default=0)
