"""Lives with trouble: whatever the platform does and in whatever order, no step of the way breaks the rules."""

import random
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from julia_warmer.core.commands import ResumeChip
from julia_warmer.core.control import Refusal, Standing, apply
from julia_warmer.core.days import local_day
from julia_warmer.core.model import PHASES, Change, ChipStatus, Decision, Quality, Snapshot
from julia_warmer.core.pauses import SENDING
from tests.core.life import BORN, Life, People
from tests.core.some import STANDARD

TROUBLE = (
    {"quality": Quality.YELLOW},
    {"quality": Quality.RED},
    {"webhook_at": BORN},
    {"quality_at": None},
    {"phone_status": "RESTRICTED"},
    {"spam_errors_rearmed": 1},
    {"stops": ("everything: a person",)},
    {"eligible_people": 0},
    {"portfolio_share": 3},
    {"health_max_24h": 100, "platform_warnings_7d": 6},
)


class RoughLife(Life):
    """On about one day in five something goes wrong; a person resumes what waits for one, a day or more later."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.seen: list[Snapshot] = []
        draw = random.Random(f"trouble {self.seed}")
        self._trouble = [draw.choice(TROUBLE) if draw.random() < 0.2 else {} for _ in range(100)]

    def snapshot(self, at: datetime) -> Snapshot:
        self._resume_by_hand(at)
        day = (local_day(at, self.zone) - local_day(BORN, self.zone)).days
        snapshot = replace(super().snapshot(at), **self._trouble[day])
        self.seen.append(snapshot)
        return snapshot

    def _resume_by_hand(self, at: datetime) -> None:
        if not any(pause.hard and at - pause.since > timedelta(days=1) for pause in self.state.pauses):
            return
        counts = self.tally.counts(at, state=self.state, evidence=self.policy.evidence)
        failed_day = max(counts["best_day_7d"], counts["accepted_today"])
        standing = Standing(today=local_day(at, self.zone), route_set=True, failed_day=failed_day)
        answer = apply(self.state, ResumeChip(by="ana", why="looked at it"), at=at, standing=standing, policy=self.policy)
        assert not isinstance(answer, Refusal)
        assert answer.risk_cap is not None
        assert answer.risk_cap <= max(1, failed_day // 2) or failed_day == 0
        self.state = answer


@pytest.mark.parametrize("seed", range(24))
def test_no_trouble_breaks_the_rules(seed: int) -> None:
    life = RoughLife(STANDARD, People(reply=0.1 + 0.015 * seed, opt_out=0.002 * (seed % 8)), seed=f"rough {seed}")
    life.run(45)
    days_of: dict[Change, list[object]] = {Change.ADVANCED: [], Change.DEMOTED: []}
    for snapshot, decision in zip(life.seen, life.decisions, strict=True):
        _check(snapshot, decision)
        for change in set(decision.changes) & set(days_of):
            days_of[change].append(local_day(decision.at, life.zone))
    assert all(len(days) == len(set(days)) for days in days_of.values())
    assert not set(days_of[Change.ADVANCED]) & set(days_of[Change.DEMOTED])


def _check(snapshot: Snapshot, decision: Decision) -> None:
    before, after = snapshot.state, decision.state
    step = PHASES.index(after.phase) - PHASES.index(before.phase)
    assert -1 <= step <= 1
    assert (after.status is ChipStatus.PAUSED) == bool(after.pauses)
    assert decision.budget.day_max == 0 or (after.status in SENDING and not snapshot.stops)
    if before.status is ChipStatus.PAUSED:
        assert step == 0  # a pause keeps its place
        assert after.status is ChipStatus.PAUSED or not any(pause.hard for pause in before.pauses)
    harm_h = 999.0 if after.harm_at is None else (decision.at - after.harm_at).total_seconds() / 3600
    if harm_h < STANDARD.gates.calm_h:
        assert step < 1
        assert decision.budget.day_max <= (max(snapshot.accepted_last_day, snapshot.accepted_today) or 5)


def test_chips_recover_from_one_bad_week() -> None:
    """A bad template in week two: most chips are slowed or paused within it, and all are ready some weeks later.

    Not all can be: five days at a first phase's ten a day are some fifty people, and of such weeks at 8 % opt-outs three in ten show no
    more than two, on which no rule may ring (`events_min`); then only missing replies can tell. The curve in docs/policies.md has 84 %
    caught within 90 sends. So the bar is eight of ten, and lower bars of evidence would be what makes it ten.
    """
    seen = [_one_bad_week(seed) for seed in range(10)]
    assert sum(life.changes(Change.SLOWED) + life.changes(Change.PAUSED) > 0 for life in seen) >= 8
    days = [day for life in seen if (day := life.ready_on()) is not None]
    assert len(days) == len(seen)
    assert sorted(days)[1] > 24


def _one_bad_week(seed: int) -> Life:
    life = Life(STANDARD, People(reply=0.38), seed=f"one bad week {seed}").run(9)
    life.people = People(reply=0.12, opt_out=0.08)
    life.run(5)
    life.people = People(reply=0.38)
    return life.run(45)
