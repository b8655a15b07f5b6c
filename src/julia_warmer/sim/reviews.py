"""One decision for each chip at each moment: snapshots out of arrays, `core.decide`, states kept from one moment to the next.

The only part of the vector world that calls the rules. It decides nothing and knows no people.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from julia_warmer.core import control
from julia_warmer.core.budget import Want, split
from julia_warmer.core.commands import ResumeChip
from julia_warmer.core.control import Refusal, Standing
from julia_warmer.core.days import local_day
from julia_warmer.core.model import Checklist, ChipState, ChipStatus, Counts, Decision, Media, Phase, Quality, Snapshot
from julia_warmer.core.pauses import SENDING, ends_at
from julia_warmer.core.policy import Policy
from julia_warmer.sim.cohorts import FIELDS, Windows
from julia_warmer.sim.scatter import Ints
from julia_warmer.sim.scenarios import BEGINS_AT, ZONE
from julia_warmer.sim.streams import Floats

DONE = Checklist(name_approved=True, profile_filled=True, pin_set=True, template_approved=True, webhook_heard=True, route_set=True)
NOTHING = Counts()
RATINGS = (Quality.UNKNOWN, Quality.GREEN, Quality.YELLOW, Quality.RED)  # by platform.UNRATED, GREEN, YELLOW, RED
MEDIA = tuple(Media(bits) for bits in range(int(max(Media)) * 2))
UNSHARED = 1_000_000  # the portfolio's share is laid over the budget afterwards, for all its chips at once
SCORES_BACK = 4  # moments of a day
MIDNIGHT = BEGINS_AT - timedelta(hours=8)  # hour 0 of all arrays: the local midnight of the first day

Rule = Callable[[Snapshot, Policy], Decision]


def moment_of(hour: float) -> datetime:
    """An hour of the arrays as a moment."""
    return MIDNIGHT + timedelta(hours=hour)


def hour_of(moment: datetime) -> int:
    """A moment as a whole hour of the arrays. Decisions, and so all that they write down, fall on whole hours."""
    return int((moment - MIDNIGHT).total_seconds()) // 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a decision may look at, by chip."""

    windows: Windows
    rating: Ints
    heard: Sequence[datetime | None]  # the last webhook of the chip's account
    stops: tuple[str, ...]  # the same for all
    sending_days: Ints
    reachable: Ints
    accepted: Ints
    best_day: Ints
    last_day: Ints
    idle_days: Ints
    today: Ints
    received_30d: Ints
    conversations_7d: Ints
    media_7d: Ints
    green: Ints
    paused: Ints
    spam_7d: Ints
    spam_rearmed: Ints
    warnings: int
    eligible: Ints


class Reviews:
    """The states of all chips under one policy."""

    def __init__(self, policy: Policy, chips: int, moments: int, rule: Rule) -> None:
        newborn = ChipState(status=ChipStatus.WARMING, phase=Phase.SETUP, phase_since=BEGINS_AT)
        self.policy, self._rule = policy, rule
        self.states: list[ChipState] = [newborn] * chips
        self.registered_at = BEGINS_AT
        self.armed = np.zeros(chips, np.int64)
        self.phase = np.full(chips, hour_of(BEGINS_AT))
        self.need = np.zeros(chips, np.int64)
        self.health = np.zeros(chips, np.int64)
        self.sends = np.ones(chips, np.bool_)
        self.is_paused = np.zeros(chips, np.bool_)
        self.is_ready = np.zeros(chips, np.bool_)
        self.bindings: list[str] = [""] * chips
        self.decisions = 0
        self._scores = np.full((chips, moments), -1, np.int64)
        self._hours: list[int] = []
        self._kept = [Kept(chips) for _ in range(4)]

    def begin(self, state: ChipState, *, registered_at: datetime, first: int, ends: Floats) -> None:
        """All chips stand like this, and are decided on for the first time at moment `first`."""
        self.registered_at = registered_at
        self._hours = [int(hour) for hour in ends[:first]]
        for chip in range(len(self.states)):
            self._become(chip, state)

    def remember_score(self, now: int, score: int | None) -> None:
        """The score of all chips at a moment before the first."""
        self._scores[:, now] = -1 if score is None else score

    def look(self, now: int, hour: int, facts: Facts) -> None:
        """Decide for every chip at one moment."""
        at, policy, decide = moment_of(hour), self.policy, self._rule
        best = self._best_score(now, hour)
        states = self.states
        rows = zip(
            range(len(states)),
            states,
            *[kept.renew(table) for kept, table in zip(self._kept, _tables(facts.windows), strict=True)],
            _whole(facts.windows.unanswered_run, facts.windows.accepted_30d, *_columns(facts)),
            facts.heard,
            best.tolist(),
            strict=True,
        )
        need, health = [0] * len(states), [0] * len(states)
        for i, state, phase_matured, recent_matured, recent_fresh, last_hours, numbers, heard, best_24h in rows:
            (
                run,
                sent,
                rating,
                days,
                reachable,
                accepted,
                best_day,
                last_day,
                idle,
                today,
                received,
                talks,
                media,
                green,
                paused,
                spam,
                spam_rearmed,
                eligible,
            ) = numbers
            decision = decide(
                Snapshot(
                    at=at,
                    chip_id=i,
                    chip="chip",
                    zone=ZONE,
                    registered_at=self.registered_at,
                    state=state,
                    checklist=DONE,
                    quality=RATINGS[rating],
                    quality_at=at,
                    webhook_at=heard,
                    stops=facts.stops,
                    phase_matured=phase_matured,
                    recent_matured=recent_matured,
                    recent_fresh=recent_fresh,
                    last_hours=last_hours,
                    unanswered_run=run,
                    sending_days_in_phase=days,
                    reachable_in_phase=reachable,
                    accepted_in_phase=accepted,
                    best_day_7d=best_day,
                    accepted_last_day=last_day,
                    idle_days=idle,
                    accepted_today=today,
                    accepted_30d=sent,
                    received_30d=received,
                    conversations_7d=talks,
                    media_7d=MEDIA[media],
                    templates_green=green,
                    templates_paused=paused,
                    spam_errors_7d=spam,
                    spam_errors_rearmed=spam_rearmed,
                    platform_warnings_7d=facts.warnings,
                    health_max_24h=best_24h if best_24h >= 0 else None,
                    portfolio_share=UNSHARED,
                    eligible_people=eligible,
                ),
                policy,
            )
            need[i], health[i] = decision.budget.day_max, decision.health.score
            self.bindings[i] = decision.budget.binding
            if decision.state is not state:
                self._become(i, decision.state)
        self.need[:], self.health[:] = need, health
        self._scores[:, now] = health
        self._hours.append(hour)
        self.decisions += len(states)

    def share_out(self, portfolio_of: Ints, limits: Ints) -> Ints:
        """The day's messages of each chip after the portfolios' limits were split: `need`, or less."""
        rules, wants = self.policy.budget, np.where(self.sends, self.need, 0)
        budget = self.need.copy()
        wanted = np.bincount(portfolio_of, wants, minlength=len(limits))
        there_is = np.where(limits < 0, np.inf, np.floor(limits * (1 - rules.reserve)))
        for owner in np.flatnonzero(wanted > there_is):
            chips = np.flatnonzero((portfolio_of == owner) & self.sends)
            asked = [Want(int(chip), int(self.need[chip]), int(self.health[chip])) for chip in chips]
            shares = split(int(limits[owner]), asked, reserve=rules.reserve, limit_unknown=rules.limit_unknown)
            for chip, share in shares.items():
                if share < budget[chip]:
                    budget[chip], self.bindings[chip] = share, "share"
        return budget

    def resume(self, hour: int, chips: Ints, *, rating: Ints, best_day: Ints, today: Ints) -> None:
        """A person ends the pauses of some chips, where the rules let them."""
        at = moment_of(hour)
        for chip in chips:
            standing = Standing(
                today=local_day(at, ZONE), failed_day=int(max(best_day[chip], today[chip])), quality=RATINGS[int(rating[chip])]
            )
            answer = control.apply(self.states[chip], ResumeChip(by="operator", why="rested"), at=at, standing=standing, policy=self.policy)
            if not isinstance(answer, Refusal):
                self._become(int(chip), answer)

    def waiting_since(self, chips: Ints) -> tuple[Ints, Ints]:
        """Of these chips those that wait for a person, and since which hour."""
        found = [(int(chip), self.states[chip]) for chip in chips]
        waiting = [(chip, hour_of(min(p.since for p in state.pauses))) for chip, state in found if state.pauses and ends_at(state) is None]
        return np.array([chip for chip, _ in waiting], np.int64), np.array([hour for _, hour in waiting], np.int64)

    def _become(self, chip: int, state: ChipState) -> None:
        self.states[chip] = state
        self.phase[chip] = hour_of(state.phase_since)
        self.armed[chip] = 0 if state.rearmed_at is None else hour_of(state.rearmed_at)
        self.is_paused[chip] = state.status is ChipStatus.PAUSED
        self.is_ready[chip] = state.status is ChipStatus.READY
        self.sends[chip] = state.status in SENDING

    def _best_score(self, now: int, hour: int) -> Ints:
        """The highest score of the 24 h before, since re-armed; -1 for none."""
        best = np.full(len(self.states), -1, np.int64)
        for n in range(max(0, now - SCORES_BACK), now):
            if self._hours[n] >= hour - 24:
                best = np.maximum(best, np.where(self.armed <= self._hours[n], self._scores[:, n], -1))
        return best


def _counts(row: list[int]) -> Counts:
    accepted, delivered, read, replied, opted_out, undeliverable, limited, failed = row
    return Counts(
        accepted=accepted,
        reached=delivered,
        delivered=delivered,
        read=read,
        replied=replied,
        opted_out=opted_out,
        undeliverable=undeliverable,
        limited=limited,
        failed=failed,
    )


class Kept:
    """One window's counts of every chip, made anew only for those that changed since the last moment."""

    def __init__(self, chips: int) -> None:
        self.counts = [NOTHING] * chips
        self._seen = np.zeros((len(FIELDS), chips), np.int32)

    def renew(self, table: Ints) -> list[Counts]:
        changed = np.flatnonzero((table != self._seen).any(axis=0))
        for chip, row in zip(changed.tolist(), table[:, changed].T.tolist(), strict=True):
            self.counts[chip] = _counts(row)
        self._seen = table
        return self.counts


def _tables(windows: Windows) -> tuple[Ints, Ints, Ints, Ints]:
    return windows.phase_matured, windows.recent_matured, windows.recent_fresh, windows.last_hours


def _columns(facts: Facts) -> tuple[Ints, ...]:
    return (
        facts.rating,
        facts.sending_days,
        facts.reachable,
        facts.accepted,
        facts.best_day,
        facts.last_day,
        facts.idle_days,
        facts.today,
        facts.received_30d,
        facts.conversations_7d,
        facts.media_7d,
        facts.green,
        facts.paused,
        facts.spam_7d,
        facts.spam_rearmed,
        facts.eligible,
    )


def _whole(*columns: Ints) -> list[list[int]]:
    """Arrays by chip as one list of plain numbers a chip."""
    return np.column_stack(columns).astype(np.int64).tolist()
