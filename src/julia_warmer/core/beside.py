"""A second policy beside the one that was in force: what it would have decided on the same snapshots, with a state of its own.

Pure. What a chip sent and heard was the first policy's doing; so each part of the answer that goes beyond it is marked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from julia_warmer.core.days import local_day
from julia_warmer.core.decide import decide
from julia_warmer.core.model import ChipState, ChipStatus, Decision, Phase, Snapshot
from julia_warmer.core.policy import Policy


@dataclass(frozen=True, slots=True)
class Beside:
    """Where a chip stands under the second policy, and how the first one left it: all that is carried to the next snapshot."""

    own: ChipState
    lived: ChipState


def decide_beside(snapshot: Snapshot, decision: Decision, policy: Policy, before: Beside | None) -> tuple[Decision, Beside]:
    """What the second policy decides on a snapshot on which the first one decided. None before: it begins with the chip as it stood.

    The evidence is the recorded one: where the second policy has its chip in another phase, the phase's window is still the lived phase's.
    """
    own = snapshot.state if before is None else carried(before, snapshot.state)
    other = decide(snapshot if own is snapshot.state else replace(snapshot, state=own), policy)
    return other, Beside(other.state, decision.state)


def carried(before: Beside, now: ChipState) -> ChipState:
    """The second policy's own state, or the lived one where a person or the platform acted on the chip since the last decision.

    That a person ended a pause which the second policy never began is no act on its chip.
    """
    if now == before.lived:
        return before.own
    is_resumed = before.lived.status is ChipStatus.PAUSED and now.status is not ChipStatus.PAUSED
    return before.own if is_resumed and before.own.status is not ChipStatus.PAUSED else now


@dataclass(frozen=True, slots=True, kw_only=True)
class Parting:
    """A moment at which the two policies part, or part in another way than before."""

    at: datetime
    chip: str
    budget_then: int
    budget_now: int
    phase_then: Phase
    phase_now: Phase
    status_then: ChipStatus
    status_now: ChipStatus
    changes_then: tuple[str, ...]
    changes_now: tuple[str, ...]
    binding_now: str
    observed: bool  # False: the second policy had left by then what was observed


@dataclass(slots=True)
class Course:
    """One chip under the second policy, snapshot by snapshot. `add` follows; the rest is read at the end."""

    chip: str
    before: Beside | None = None
    decisions: int = 0
    differ: int = 0
    pauses_then: int = 0
    pauses_now: int = 0
    demoted_then: int = 0
    demoted_now: int = 0
    last: tuple[Decision, Decision] | None = None
    leaves_at: datetime | None = None  # the first moment from which on what people would have done is not known
    window_since: datetime | None = None  # the first moment at which the phase's evidence is another phase's
    partings: list[Parting] = field(default_factory=list)
    days_then: dict[date, int] = field(default_factory=dict)  # the largest budget of each local day, as decided …
    days_now: dict[date, int] = field(default_factory=dict)  # … and as the second policy has it

    def add(self, snapshot: Snapshot, decision: Decision, policy: Policy, *, sent: Mapping[date, int]) -> None:
        """The next snapshot with the decision that was made on it; `sent`: what was accepted on each local day."""
        other, self.before = decide_beside(snapshot, decision, policy, self.before)
        day = local_day(snapshot.at, snapshot.zone)
        self.decisions += 1
        for days, budget in ((self.days_then, decision.budget.day_max), (self.days_now, other.budget.day_max)):
            days[day] = max(budget, days.get(day, 0))
        if self.leaves_at is None and self.days_now[day] > self.days_then[day] <= sent.get(day, 0):
            self.leaves_at = snapshot.at
        if self.window_since is None and other.state.phase_since != decision.state.phase_since:
            self.window_since = snapshot.at
        self.pauses_then, self.demoted_then = self.pauses_then + ("paused" in decision.changes), self.demoted_then + _went_down(decision)
        self.pauses_now, self.demoted_now = self.pauses_now + ("paused" in other.changes), self.demoted_now + _went_down(other)
        self._part(decision, other)
        self.last = decision, other

    def _part(self, decision: Decision, other: Decision) -> None:
        told = _told(decision), _told(other)
        if told[0] == told[1]:
            return
        self.differ += 1
        if self.last is not None and (_told(self.last[0]), _told(self.last[1])) == told:
            return
        self.partings.append(
            Parting(
                at=decision.at,
                chip=self.chip,
                budget_then=decision.budget.day_max,
                budget_now=other.budget.day_max,
                phase_then=decision.state.phase,
                phase_now=other.state.phase,
                status_then=decision.state.status,
                status_now=other.state.status,
                changes_then=tuple(decision.changes),
                changes_now=tuple(other.changes),
                binding_now=other.budget.binding,
                observed=self.leaves_at is None or decision.at < self.leaves_at,
            )
        )

    def held_back(self, sent: Mapping[date, int]) -> int:
        """Messages that were accepted beyond the second policy's budget of their day: avoided, or delayed to a day that nobody knows."""
        return sum(max(0, sent.get(day, 0) - budget) for day, budget in self.days_now.items())

    def held_back_observed(self, sent: Mapping[date, int], *, zone: str) -> int:
        """Of those, the ones before the second policy left what was observed."""
        until = date.max if self.leaves_at is None else local_day(self.leaves_at, zone)
        return sum(max(0, sent.get(day, 0) - budget) for day, budget in self.days_now.items() if day < until)

    def granted_more(self, sent: Mapping[date, int]) -> int:
        """Messages that the second policy would have let go on days whose budget was used up: most that it could have sent more."""
        rows = ((budget - self.days_then[day], sent.get(day, 0) >= self.days_then[day]) for day, budget in self.days_now.items())
        return sum(more for more, is_used in rows if more > 0 and is_used)


def _told(decision: Decision) -> tuple[int, Phase, ChipStatus]:
    return decision.budget.day_max, decision.state.phase, decision.state.status


def _went_down(decision: Decision) -> bool:
    return "demoted" in decision.changes or "returned_to_warming" in decision.changes
