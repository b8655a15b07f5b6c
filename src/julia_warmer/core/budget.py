"""How many messages a chip may send on this local day, which constraint binds, and how a portfolio's limit is shared.

A budget is the least of its constraints; 0 from any of them means none. The chip's cap counts a local calendar day (our own
rule); the portfolio's limit is Meta's: unique people, delivered, business-initiated, per moving 24 h (platform.md 1.1).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from operator import attrgetter, itemgetter

from julia_warmer.core.days import span
from julia_warmer.core.evidence import Prior, most_within
from julia_warmer.core.model import Budget, ChipState, Health, Phase, Quality, Snapshot, Verdict
from julia_warmer.core.pauses import SENDING
from julia_warmer.core.phases import sight_gate
from julia_warmer.core.policy import Policy

DAY = timedelta(hours=24)


def allowance(snapshot: Snapshot, state: ChipState, health: Health, policy: Policy) -> Budget:
    """The day's messages, those accepted already included, and which constraint binds (the first of the least)."""
    if (nothing := _nothing(snapshot, state)) is not None:
        return Budget(0, nothing)
    today = snapshot.accepted_today
    limits = [
        ("phase", _phase_cap(snapshot, state, health, policy)),
        ("growth", max(policy.budget.growth_min, int(policy.budget.growth_ratio * snapshot.best_day_7d))),
        ("people", today + snapshot.eligible_people),
    ]
    if policy.budget.harm_chance > 0:
        limits.append(("harm", _harm_cap(snapshot, policy)))
    if state.risk_cap is not None:
        limits.append(("risk", state.risk_cap))
    if snapshot.spend_left is not None:
        limits.append(("spend", today + snapshot.spend_left))
    if snapshot.clamp is not None:
        limits.append(("clamp", snapshot.clamp))
    if (hold := _hold(snapshot, state, policy)) is not None:
        limits.append(("hold", hold))
    limits.append(("share", _share(snapshot, policy)))  # last: it is split by what the others leave, so on a tie it is not the reason
    binding, least = min(limits, key=itemgetter(1))
    return Budget(max(0, least), binding, tuple(limits))


def _nothing(snapshot: Snapshot, state: ChipState) -> str | None:
    """Why nothing at all may be sent, if so."""
    if state.status not in SENDING:
        return state.status.value
    if snapshot.stops:
        return f"stop: {snapshot.stops[0]}"
    if not snapshot.checklist.done:
        return "checklist"
    return None


def _phase_cap(snapshot: Snapshot, state: ChipState, health: Health, policy: Policy) -> int:
    """The phase's cap at the chip's speed; in operation it grows from the best of the last days, while healthy."""
    rules = policy.phases[state.phase]
    cap = float(rules.cap_day_max)
    if state.phase is Phase.OPERATION:
        healthy = health.score >= rules.health_min
        cap = max(cap, snapshot.best_day_7d * (policy.budget.operation_growth if healthy else 0.5))
    speed = min(state.speed, policy.budget.yellow_speed) if snapshot.quality is Quality.YELLOW else state.speed
    return int(cap * speed)


def _harm_cap(snapshot: Snapshot, policy: Policy) -> int:
    """The largest day on which more than the bearable number of opt-outs has at most the allowed chance, by what was seen so far."""
    rules, evidence = policy.budget, policy.evidence
    seen = max(snapshot.recent_fresh, snapshot.phase_matured, key=attrgetter("reached"))
    prior_rate, prior_people = evidence.harm_prior_rate, evidence.harm_prior_people
    return _most_borne(seen.opted_out, seen.reached, prior_rate, prior_people, rules.harm_day_max, rules.harm_chance)


@lru_cache(1 << 14)
def _most_borne(opted_out: int, reached: int, prior_rate: float, prior_people: float, bearable: int, chance: float) -> int:
    prior = Prior.skeptical(prior_rate, prior_people)
    return most_within(prior.events + opted_out, prior.others + max(reached - opted_out, 0), bearable=bearable, chance=chance)


def _share(snapshot: Snapshot, policy: Policy) -> int:
    if snapshot.portfolio_share is not None:
        return snapshot.portfolio_share
    return int(policy.budget.limit_unknown * (1 - policy.budget.reserve))


def _hold(snapshot: Snapshot, state: ChipState, policy: Policy) -> int | None:
    """What may not be exceeded while we are blind, or within the calm hours after harm: the larger of today and the last sending day.

    After harm, a chip that has rested for a week may still begin at half a first day; a blind one may not begin.
    """
    proved = max(snapshot.accepted_last_day, snapshot.accepted_today)
    if sight_gate(snapshot, policy).verdict is not Verdict.PASS:
        return proved
    if state.harm_at is None or snapshot.at - state.harm_at >= span(policy.gates.calm_h):
        return None
    return proved or int(policy.budget.growth_min * policy.pauses.resume_share)


@dataclass(frozen=True, slots=True)
class Want:
    """What one chip could use of its portfolio's limit, and how healthy it is (0-100)."""

    chip_id: int
    need: int
    health: int


def split(limit: int | None, wants: Sequence[Want], *, reserve: float, limit_unknown: int) -> dict[int, int]:
    """Shares of a portfolio's limit in people a day, by need and health; never more than need, nor in sum than limit x (1 - reserve).

    Water filling: the level rises for all chips at once, weighted by health, and a chip that has enough stops taking. None or a
    limit that we cannot use counts as `limit_unknown`; -1 is unlimited. What rounding leaves goes to the healthiest.
    """
    enough = {want.chip_id: max(0, want.need) for want in wants}
    if limit is not None and limit < 0:
        return enough
    there_is = int((limit_unknown if limit is None else limit) * (1 - reserve))
    if sum(enough.values()) <= there_is:  # the level never rises to where it has to be shared
        return enough
    left, weight = _level(there_is, wants)
    shares = {want.chip_id: min(max(0, want.need), left * _weight(want) // max(weight, 1)) for want in wants}
    rest = there_is - sum(shares.values())
    for want in sorted(wants, key=lambda want: (-want.health, want.chip_id)):
        more = min(1, rest, max(0, want.need) - shares[want.chip_id])
        shares[want.chip_id] += more
        rest -= more
    return shares


def _level(left: int, wants: Sequence[Want]) -> tuple[int, int]:
    """How high the water stands, as (people, weight): what is left for the chips that it does not fill, and their weight together."""
    weight = sum(_weight(want) for want in wants)
    for want in sorted(wants, key=lambda want: max(0, want.need) / _weight(want)):
        need = max(0, want.need)
        if need * weight > left * _weight(want):
            return left, weight
        left -= need
        weight -= _weight(want)
    return sum(max(0, want.need) for want in wants), 1


def _weight(want: Want) -> int:
    """A sick chip still gets a little, or it could never prove that it is well again."""
    return max(10, want.health)


@dataclass(slots=True)
class _Slot:
    person: str
    since: datetime
    until: datetime


class BudgetLedger:
    """The law of a portfolio's slots in the moving 24 h; SQL keeps the same one in `budget_uses`.

    A slot is held from its claim until 24 h after the later of claim and delivery, or until failure. As long as nothing is
    known it is held through the message's time to live and 24 h more, since it may be delivered at the end of it. So however
    late deliveries come, no 24 h ever hold more people than the limit. One person in several messages counts once.
    """

    def __init__(self, limit: int, *, ttl: timedelta) -> None:
        self.limit = limit
        self._ttl = ttl
        self._slots: dict[str, _Slot] = {}

    def used(self, at: datetime) -> int:
        """People who hold a slot at this moment."""
        return len(self._people(at))

    def claim(self, send: str, person: str, *, at: datetime) -> bool:
        """Take a slot for a send, if the person has one already or one is free.

        More people than the limit hold slots after it was lowered, or the clock was set back behind slots that were over: then nobody
        may have another, for the slot that a person has may be one whose place was given away.
        """
        people = self._people(at)
        if len(people | {person}) > self.limit:
            return False
        self._slots[send] = _Slot(person, at, at + self._ttl + DAY)
        return True

    def delivered(self, send: str, *, at: datetime) -> None:
        """The moment of delivery is known: the slot ends 24 h after it (or after the claim, if clocks disagree)."""
        if slot := self._slots.get(send):
            slot.until = max(slot.since, at) + DAY

    def failed(self, send: str) -> None:
        """It was not delivered and never will be: the slot is free at once."""
        self._slots.pop(send, None)

    def _people(self, at: datetime) -> set[str]:
        """A slot claimed "later" than now counts too: then the clock was set back."""
        return {slot.person for slot in self._slots.values() if at < slot.until}
