"""The health score of many lives at once, for the operating curve: the core's own terms, read from tables by counts.

Only what a score can lose or gain by people's reactions is looked up; what is the same for all lives is added as it stands.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from julia_warmer.core.health import score
from julia_warmer.core.model import Checklist, ChipState, ChipStatus, Counts, Media, Phase, Snapshot
from julia_warmer.core.policy import Policy, Window

Numbers = NDArray[np.int32]
WEEK_H = 168.0
SETUP_D = 3  # days from registration to the first send
BORN = datetime(2026, 1, 1, tzinfo=UTC)
READY = Checklist(name_approved=True, profile_filled=True, pin_set=True, template_approved=True, webhook_heard=True, route_set=True)


class Moment(Protocol):
    """What a review says about itself."""

    @property
    def at_h(self) -> float: ...
    @property
    def made(self) -> int: ...


class Heard(Protocol):
    """When each answer is heard, in hours."""

    @property
    def replied(self) -> NDArray[np.float32]: ...


def scores(
    lives: Heard, looks: Sequence[Moment], counted: Mapping[Window, Sequence[Mapping[str, Numbers]]], policy: Policy
) -> NDArray[np.int64]:
    """The score of each life (column) at each look (row)."""
    found: list[NDArray[np.int64]] = []
    for nth, look in enumerate(looks):
        fresh, matured = counted[Window.RECENT_FRESH][nth], counted[Window.RECENT_MATURED][nth]
        heard = lives.replied <= look.at_h
        lately = (lives.replied > look.at_h - WEEK_H) & heard
        points = policy.health.base + _even(policy, int(look.at_h // 24) + SETUP_D, look.made)
        points = points + np.minimum(heard.sum(axis=1) // policy.health.received_per, policy.health.received_max)
        points = points + np.minimum(lately.sum(axis=1) * policy.health.conversation_each, policy.health.conversation_max)
        for name, events, people in (
            ("response", matured["replied"], matured["reached"]),
            ("reads", matured["read"], matured["delivered"]),
            ("opt_outs", fresh["opted_out"], fresh["reached"]),
            ("undeliverable", fresh["undeliverable"], fresh["accepted"]),
        ):
            points = points + _looked_up(policy, name, events, people)
        found.append((np.clip(points, 0, 100) + 0.5).astype(np.int64))
    return np.stack(found)


def _looked_up(policy: Policy, name: str, events: Numbers, people: Numbers) -> NDArray[np.float64]:
    """Points of a term for each life; pairs of counts that were seen before are not asked again."""
    pairs, place = np.unique(events.astype(np.int64) << 32 | people, return_inverse=True)
    told = [_points(policy.sha256, name, int(pair >> 32), int(pair & 0xFFFFFFFF), _Rules(policy)) for pair in pairs]
    return np.array(told)[place]


class _Rules:
    """A policy that counts as equal to any other, so that a table is kept by its sha256 alone."""

    __slots__ = ("policy",)

    def __init__(self, policy: Policy) -> None:
        self.policy = policy

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Rules)

    def __hash__(self) -> int:
        return 0


@lru_cache(1 << 18)
def _points(sha256: str, name: str, events: int, people: int, rules: _Rules) -> float:
    """What the core gives for one term at these counts."""
    seen = {
        "response": Counts(accepted=people, reached=people, delivered=people, replied=events),
        "reads": Counts(accepted=people, delivered=people, read=events),
        "opt_outs": Counts(accepted=people, reached=people, opted_out=events),
        "undeliverable": Counts(accepted=people, undeliverable=events),
    }[name]
    is_matured = name in ("response", "reads")
    snapshot = _snapshot(Counts() if is_matured else seen, seen if is_matured else Counts())
    return sum(term.points for term in score(snapshot, rules.policy).terms if term.name == name)


def _snapshot(fresh: Counts, matured: Counts) -> Snapshot:
    return Snapshot(
        at=BORN,
        chip_id=0,
        chip="curve",
        zone="UTC",
        registered_at=BORN,
        state=ChipState(status=ChipStatus.WARMING, phase=Phase.EXPANSION, phase_since=BORN),
        checklist=READY,
        recent_fresh=fresh,
        recent_matured=matured,
    )


@lru_cache(1 << 14)
def _even_points(sha256: str, days: int, made: int, rules: _Rules) -> float:
    at = BORN + timedelta(days=days)
    snapshot = Snapshot(
        at=at,
        chip_id=0,
        chip="curve",
        zone="UTC",
        registered_at=BORN,
        state=ChipState(status=ChipStatus.WARMING, phase=Phase.EXPANSION, phase_since=BORN),
        checklist=READY,
        accepted_30d=made,
        media_7d=Media.TEXT,
        templates_green=1,
    )
    return sum(term.points for term in score(snapshot, rules.policy).terms)


def _even(policy: Policy, days: int, made: int) -> float:
    """What all lives have alike: age, sends, one kind of media, one GREEN template, the profile."""
    return _even_points(policy.sha256, days, made, _Rules(policy))
