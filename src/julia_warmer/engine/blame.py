"""Who is to blame, on live data: what became of a chip's messages by list, template and source, beside those of its neighbours.

It gathers; `core.blame` judges. Windows are those of the snapshot; what was told since it was made is counted too.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from operator import attrgetter

from julia_warmer.core.blame import Blame, Cell, Without, add_up, blame, without
from julia_warmer.core.days import hour_of, local_day
from julia_warmer.core.model import Counts, Snapshot
from julia_warmer.core.month import DAYS_BACK, Edges
from julia_warmer.core.policy import Policy
from julia_warmer.store import blame as store
from julia_warmer.store.blame import HourCell
from julia_warmer.store.db import Connection

CHIPS_MAX = 30  # that a chip is compared with
DAYS = 14  # of their messages
SIGNALS = ("opt-outs", "replies")
COUNTED = ("accepted", "reached", "delivered", "read", "replied", "opted_out", "undeliverable", "limited", "held")


@dataclass(frozen=True, slots=True)
class Blamed:
    """The score without each list, template and source, and how opt-outs and missing replies split over them and over chips."""

    without: tuple[Without, ...]
    splits: tuple[Blame, ...]


async def blame_chip(conn: Connection, snapshot: Snapshot, policy: Policy) -> Blamed:
    """For the chip of this snapshot."""
    since = hour_of(snapshot.at) - timedelta(days=DAYS)
    neighbours = await store.find_neighbours(conn, snapshot.chip_id, day=local_day(since, snapshot.zone), limit=CHIPS_MAX)
    cells = await store.list_cells(conn, neighbours, since=since)
    mine = [cell for cell in cells if cell.chip_id == snapshot.chip_id]
    if sum(cell.accepted for cell in mine) < policy.evidence.recent_sends:  # a slow chip's recent sends are older than that
        mine = await store.list_cells(conn, [snapshot.chip_id], since=hour_of(snapshot.at) - timedelta(days=DAYS_BACK))
    edges = Edges.at(snapshot.at, policy.evidence)
    fresh, matured = (_recent(mine, snapshot, edges, before) for before in (edges.fresh, edges.matured))
    old_enough = _cells(cell for cell in cells if cell.hour < edges.matured)
    return Blamed(
        without(snapshot, fresh=_cells(fresh), matured=_cells(matured), policy=policy),
        tuple(blame(old_enough, signal, policy.evidence) for signal in SIGNALS),
    )


def _recent(cells: list[HourCell], snapshot: Snapshot, edges: Edges, before: int) -> list[HourCell]:
    """The newest hours back until so many were accepted, the hour that crosses included: `recent_fresh` or `recent_matured`."""
    rearmed_at = snapshot.state.rearmed_at
    armed = edges.month if rearmed_at is None else max(edges.month, int(-(-rearmed_at.timestamp() // 3600)))
    found: list[HourCell] = []
    left = edges.recent_sends
    for hour in sorted({cell.hour for cell in cells if armed <= cell.hour < before}, reverse=True):
        if left <= 0:
            break
        held = [cell for cell in cells if cell.hour == hour]
        found += held
        left -= sum(cell.accepted for cell in held)
    return found


_member = attrgetter("chip", "audience", "template", "source")


def _cells(rows: Iterable[HourCell]) -> list[Cell]:
    """Hours added up."""
    return [
        Cell(chip, audience, template, add_up(_counts(row) for row in group), source)
        for (chip, audience, template, source), group in groupby(sorted(rows, key=_member), key=_member)
    ]


def _counts(row: HourCell) -> Counts:
    return Counts(**{name: getattr(row, name) for name in COUNTED})
