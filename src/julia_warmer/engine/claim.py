"""Claims: takes due sends of one portfolio for one worker, every guard checked at that very moment. It must not know the provider.

The order is the safety: portfolio, chips, people are locked, each by a statement of its own; only then a further statement counts and
takes, so that it sees all that those locks waited for. docs/decisions/0006-at-most-once.md has the measurements behind it.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from julia_warmer.config import Settings
from julia_warmer.core.hours import next_open
from julia_warmer.core.policy import Policy
from julia_warmer.store import claims
from julia_warmer.store.claims import Candidate, ChipRoom, Guards, Judged, PortfolioLimits, Room
from julia_warmer.store.db import Connection

PAIR_S = 6.0  # one number, one person: a message every six seconds (Meta: "About the platform", 2025-12-05)
UNLIMITED = -1
OVER = -1  # people left where more than the limit hold a slot
SHARES, SHARE_MIN = 2, 5  # of a claim one chip may fill so many times its even share: the oldest go first, and nothing is read in vain
NEVER = timedelta(days=3650)  # where the policy's hours never open: past every send's end


@dataclass(frozen=True, slots=True)
class Claim:
    """What one claim did. `again`: more may be due, so claim again. `is_busy`: somebody else holds the portfolio, nothing was done.

    `is_probe`: a wait has just ended, and what was taken shows whether more may go. `is_cut`: of a chip more is due than was wanted.
    """

    taken: tuple[Judged, ...] = ()
    cancelled: int = 0
    later: int = 0
    again: bool = False
    is_busy: bool = False
    is_probe: bool = False
    is_cut: bool = False


NOTHING = Claim()
BUSY = Claim(is_busy=True)
AtMost = Callable[[int], int]  # how many more of a chip the worker wants now


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimer:
    """By which rules one worker claims."""

    settings: Settings
    policy: Policy
    holidays: frozenset[date]
    worker: str

    async def claim(
        self, conn: Connection, portfolio_id: int, *, limit: int, at: datetime, at_most: AtMost | None = None, wait: bool = True
    ) -> Claim:
        """Take up to `limit` due sends. One short transaction, which the caller opened for this alone. Without `wait` it may be BUSY."""
        limits = await (claims.lock_portfolio(conn, portfolio_id) if wait else claims.try_portfolio(conn, portfolio_id))
        if limits is None:
            return BUSY
        chip_ids = await claims.lock_due_chips(conn, portfolio_id, at=at)
        if not chip_ids:
            return NOTHING
        chips = await claims.survey_chips(conn, portfolio_id, chip_ids, with_money=limits.spend_day_max is not None, at=at)
        if not chips:
            return NOTHING
        people_left = await self._people_left(conn, portfolio_id, limits, most=limit, at=at)
        money_left = _money_left(limits, chips[0].spent)
        limit = 1 if chips[0].probing_app else limit
        wanted = {chip.chip_id: min(limit, at_most(chip.chip_id)) if at_most else limit for chip in chips}
        rooms = [_room(chip, wanted[chip.chip_id]) for chip in _probes(chips) if wanted[chip.chip_id] > 0]
        is_cut = any(most <= 0 for most in wanted.values())
        if not rooms:
            return Claim(is_cut=is_cut)
        share = min(limit, max(SHARE_MIN, SHARES * limit // len(rooms)))
        found = await claims.lock_candidates(conn, rooms, people_left=people_left, money_left=money_left, most=limit, share=share, at=at)
        if not found:
            return Claim(is_cut=is_cut)
        judged = await claims.take_sends(
            conn,
            [candidate.send_id for candidate in found],
            self._guards(found, rooms, people_left, money_left, at),
            worker=self.worker,
            lease_until=at + timedelta(seconds=self.settings.lease_s),
            at=at,
        )
        is_probe = any(chip.probing or chip.probing_account or chip.probing_app for chip in chips)
        is_cut = is_cut or any(number >= wanted[chip_id] for chip_id, number in Counter(send.chip_id for send in judged).items())
        return _claim(judged, is_full=len(found) >= share, is_probe=is_probe, is_cut=is_cut)

    async def _people_left(self, conn: Connection, portfolio_id: int, limits: PortfolioLimits, *, most: int, at: datetime) -> int | None:
        """New people that the portfolio's moving 24 h surely has room for; None = unlimited. Below 0 not even those who have a slot go.

        There are more than the limit after it was lowered, or after the clock was set back: core/budget.py has the law.
        """
        limit = self.policy.budget.limit_unknown if limits.messaging_limit is None else limits.messaging_limit
        if limit == UNLIMITED:
            return None
        return max(OVER, limit - await claims.count_people(conn, portfolio_id, people_max=limit, most=most, at=at))

    def _guards(
        self, found: list[Candidate], rooms: list[Room], people_left: int | None, money_left: Decimal | None, at: datetime
    ) -> Guards:
        people, hours = self.policy.people, self.policy.hours
        return Guards(
            marketing_7d_max=people.marketing_7d_max,
            marketing_30d_max=people.marketing_30d_max,
            utility_1d_max=people.utility_1d_max,
            pair_s=PAIR_S,
            opens_at={zone: next_open(hours, at, zone, self.holidays) or at + NEVER for zone in sorted({one.zone for one in found})},
            rooms=rooms,
            people_left=people_left,
            money_left=money_left,
        )


def _money_left(limits: PortfolioLimits, spent: Decimal) -> Decimal | None:
    return None if limits.spend_day_max is None else max(Decimal(0), limits.spend_day_max - spent)


def _probes(chips: list[ChipRoom]) -> list[ChipRoom]:
    """Of an account whose throttle has just ended only the first chip goes, with its probe."""
    first: dict[int, int] = {}
    for chip in chips:
        first.setdefault(chip.account_id, chip.chip_id)
    return [chip for chip in chips if not chip.probing_account or first[chip.account_id] == chip.chip_id]


def _room(chip: ChipRoom, limit: int) -> Room:
    """After a throttle a single probe goes first; replies are no part of the day's budget."""
    most = min(1, limit) if chip.probing or chip.probing_account else limit
    return Room(chip.chip_id, chip.day, campaign=min(max(0, chip.room), most), reply=most)


def _claim(judged: list[Judged], *, is_full: bool, is_probe: bool, is_cut: bool) -> Claim:
    taken = tuple(send for send in judged if send.state == "claimed")
    cancelled = sum(1 for send in judged if send.state == "cancelled")
    later = len(judged) - len(taken) - cancelled
    again = bool(judged) and (is_full or is_probe or cancelled + later > 0)
    return Claim(taken, cancelled, later, again=again, is_probe=is_probe, is_cut=is_cut)
