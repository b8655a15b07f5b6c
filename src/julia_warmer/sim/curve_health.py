"""The health score of many lives at once, for the operating curve: the core's own terms, asked once for each pair of counts.

Only what a score gains or loses by people's reactions differs between lives; what is the same for all is added as it stands.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
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
DONE = Checklist(name_approved=True, profile_filled=True, pin_set=True, template_approved=True, webhook_heard=True, route_set=True)
PLAIN = Snapshot(
    at=BORN,
    chip_id=0,
    chip="curve",
    zone="UTC",
    registered_at=BORN,
    state=ChipState(status=ChipStatus.WARMING, phase=Phase.EXPANSION, phase_since=BORN),
    checklist=DONE,
)


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


class Terms:
    """A policy's terms by counts, each asked of the core once."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self._known: dict[tuple[str, int, int], float] = {}

    def looked_up(self, name: str, events: Numbers, people: Numbers) -> NDArray[np.float64]:
        """Points of a term for each life."""
        pairs, place = np.unique(events.astype(np.int64) << 32 | people, return_inverse=True)
        return np.array([self._points(name, int(pair >> 32), int(pair & 0xFFFFFFFF)) for pair in pairs])[place]

    def _points(self, name: str, events: int, people: int) -> float:
        if (name, events, people) not in self._known:
            self._known[name, events, people] = self._sum(_seen(name, events, people), name)
        return self._known[name, events, people]

    def alike(self, days: int, made: int) -> float:
        """What all lives have alike: age, sends, one kind of media, one GREEN template, the profile."""
        at = BORN + timedelta(days=days)
        return self._sum(replace(PLAIN, at=at, accepted_30d=made, media_7d=Media.TEXT, templates_green=1))

    def _sum(self, snapshot: Snapshot, name: str | None = None) -> float:
        return sum(term.points for term in score(snapshot, self.policy).terms if name in (None, term.name))


def _seen(name: str, events: int, people: int) -> Snapshot:
    """A snapshot that holds nothing but one term's counts."""
    match name:
        case "response":
            return replace(PLAIN, recent_matured=Counts(accepted=people, reached=people, delivered=people, replied=events))
        case "reads":
            return replace(PLAIN, recent_matured=Counts(accepted=people, delivered=people, read=events))
        case "opt_outs":
            return replace(PLAIN, recent_fresh=Counts(accepted=people, reached=people, opted_out=events))
        case _:
            return replace(PLAIN, recent_fresh=Counts(accepted=people, undeliverable=events))


def scores(
    lives: Heard, looks: Sequence[Moment], counted: Mapping[Window, Sequence[Mapping[str, Numbers]]], terms: Terms
) -> NDArray[np.int64]:
    """The score of each life (column) at each look (row)."""
    rules = terms.policy.health
    found: list[NDArray[np.int64]] = []
    for nth, look in enumerate(looks):
        fresh, matured = counted[Window.RECENT_FRESH][nth], counted[Window.RECENT_MATURED][nth]
        heard = lives.replied <= look.at_h
        lately = heard & (lives.replied > look.at_h - WEEK_H)
        points = rules.base + terms.alike(int(look.at_h // 24) + SETUP_D, look.made)
        points = points + np.minimum(heard.sum(axis=1) // rules.received_per, rules.received_max)
        points = points + np.minimum(lately.sum(axis=1) * rules.conversation_each, rules.conversation_max)
        points = points + terms.looked_up("response", matured["replied"], matured["reached"])
        points = points + terms.looked_up("reads", matured["read"], matured["delivered"])
        points = points + terms.looked_up("opt_outs", fresh["opted_out"], fresh["reached"])
        points = points + terms.looked_up("undeliverable", fresh["undeliverable"], fresh["accepted"])
        found.append((np.clip(points, 0, 100) + 0.5).astype(np.int64))
    return np.stack(found)
