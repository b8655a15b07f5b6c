"""Restored databases: noticed, held, made good from the journal, and released by a person. docs/decisions/0011-restored-databases.md.

Three memories lie outside a backup: the journal of this machine, the rows of workers that never ended, and the platform's statuses.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from uuid import UUID

import structlog

from julia_warmer.core.events import MessageSent, StatusFact
from julia_warmer.core.phone import key_of
from julia_warmer.engine import wishes
from julia_warmer.engine.erased import list_erased
from julia_warmer.engine.errors import Conflict, Wrong
from julia_warmer.engine.journal import Entry, Journal
from julia_warmer.engine.parts import Parts
from julia_warmer.store import holds, platform, restores
from julia_warmer.store.audit import record_act
from julia_warmer.store.db import Connection, Pool, transaction
from julia_warmer.store.holds import HoldKind
from julia_warmer.store.platform import Alert
from julia_warmer.store.restores import Forgotten, PutBack
from julia_warmer.store.seal import Seal

LOOK_AT = 200  # newest entries of a journal: a restore forgets the newest first
CHUNK = 2000
QUIET = timedelta(minutes=10)  # workers say every few seconds that they are there
ALERT_KEY = "restore"
REASON = "sent, and forgotten by a restored database"
PLANNED_BEFORE = "planned before the database was restored"
PRESUMED = "may have been sent before the database was restored"
MEND = "`warmer reconcile` shows what is known; then `warmer release --restore --why …`"

log = structlog.stdlib.get_logger(__name__)


class Evidence(StrEnum):
    """Who holds: what told us that the database forgot something."""

    JOURNAL = "journal"  # what was sent is known, and put back
    WORKERS = "workers"  # that something may have been sent is known, not what
    STATUS = "status"  # likewise, from a callback id that we never wrote


class People(StrEnum):
    """Whom to count as written to on release."""

    KNOWN = "known"  # those whose sends are known
    EVERYBODY = "everybody"  # of the campaigns that stand: nothing goes to anybody who may have had it


@dataclass(frozen=True, slots=True)
class Compared:
    """What a comparison found. `held`: everything is held by now."""

    forgotten: int = 0
    found: int = 0  # sends that were there, planned or half done
    made: int = 0  # sends that the database did not know at all
    left_out: int = 0  # of numbers that are not in the database any more
    stops: int = 0  # requests to stop that were forgotten, and are carried out again
    erased: int = 0  # people who were erased, and are again

    @property
    def held(self) -> bool:
        return self.forgotten + self.stops + self.erased > 0


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What is known after a restore, before a release."""

    compared: Compared
    journal_from: date | None
    unknown: int
    held: tuple[holds.Hold, ...]


@dataclass(frozen=True, slots=True)
class ReleasedRestore:
    """What a release did. `cancelled`: sends that were planned before the restore. `presumed`: people per campaign."""

    reasons: tuple[str, ...]
    cancelled: int
    presumed: int


# ------------------------------------------------------------------ noticing


async def begin_work(parts: Parts, *, at: datetime) -> bool:
    """Before a worker sends anything: look for signs of a restore, then say that this worker is there. Returns whether it is held."""
    async with transaction(parts.pool) as conn:
        crew = await holds.read_crew(conn)
        has_memory = parts.journal is None or parts.journal.reaches_back_to() is not None
        if not has_memory and crew.seen_at is not None and at - crew.seen_at > QUIET:
            await _hold(conn, Evidence.WORKERS, _of_workers(crew.seen_at), at=at)
    await compare(parts.pool, parts.journal, at=at)
    if parts.journal is not None and not has_memory:
        parts.journal.mark(at=at)  # from now on this machine knows
    await give_sign(parts, at=at)
    async with transaction(parts.pool) as conn:
        return bool(await holds.list_holds(conn))


async def give_sign(parts: Parts, *, at: datetime) -> None:
    """This worker is at work. Those that gave no sign for long are forgotten, now that somebody knows of it."""
    async with transaction(parts.pool) as conn:
        await holds.see_worker(conn, parts.worker, at=at)
        await holds.forget_workers(conn, before=at - QUIET)


async def end_work(parts: Parts) -> None:
    """This worker has ended, with nothing under way: a later start is no reason to doubt."""
    async with transaction(parts.pool) as conn:
        await holds.end_worker(conn, parts.worker)


async def compare(pool: Pool, journal: Journal | None, *, at: datetime) -> Compared:
    """Compare the journal with the database. What it forgot is held first, then put back, once however many compare at a time."""
    if journal is None:
        return Compared()
    newest = next(journal.newest_first(LOOK_AT), [])
    async with transaction(pool) as conn:
        forgotten = await restores.find_forgotten(conn, [entry.attempt_id for entry in newest])
        if not forgotten and not await wishes.are_forgotten(conn, journal):
            return Compared()
        await _hold(conn, Evidence.JOURNAL, "the database has forgotten what was done: it was restored from a backup", at=at)
    async with transaction(pool) as conn:
        await restores.lock_comparison(conn)
        again = await wishes.fulfil_again(conn, journal, at=at)
        compared = replace(await _put_all_back(conn, journal, at=at), stops=again.stops, erased=again.erased)
        if compared.held:
            await _hold(conn, Evidence.JOURNAL, _of_journal(compared, journal), at=at)
            await record_act(conn, at=at, who="journal", what="forgotten sends put back", target="restore", body=asdict(compared))
    journal.mark(at=at)
    journal.mark_stops(at=at)
    return compared


async def _put_all_back(conn: Connection, journal: Journal, *, at: datetime) -> Compared:
    """All that the database forgot, back to where a whole chunk is known."""
    forgotten = found = made = back = 0
    for entries in journal.newest_first(CHUNK):
        unknown = await restores.find_forgotten(conn, [entry.attempt_id for entry in entries])
        if not unknown:
            break
        rows = [_forgotten(entry) for entry in entries if entry.attempt_id in unknown]
        put: PutBack = await _put_back(conn, rows, journal.seal, at=at)
        forgotten, back = forgotten + len(rows), back + put.attempts
        found, made = found + put.sends_found, made + put.sends_made
    return Compared(forgotten, found, made, left_out=forgotten - back)


async def _put_back(conn: Connection, rows: Sequence[Forgotten], seal: Seal, *, at: datetime) -> PutBack:
    """Put them back; those to somebody who was erased name nobody."""
    erased = await list_erased(conn, {row.phone_key for row in rows}, seal)
    named = [replace(row, phone="", phone_key=seal.pseudonym(row.phone_key)) if row.phone_key in erased else row for row in rows]
    return await restores.put_back(conn, named, reason=REASON, at=at)


def _forgotten(entry: Entry) -> Forgotten:
    return Forgotten(
        attempt_id=entry.attempt_id,
        at=entry.at,
        send_id=entry.send_id,
        phone=entry.phone,
        phone_key=key_of(entry.phone),
        phone_number_id=entry.phone_number_id,
        campaign_id=entry.campaign_id,
        kind=entry.kind,
        worker=entry.worker,
    )


async def recall(conn: Connection, events: Sequence[StatusFact], *, seal: Seal, at: datetime) -> bool:
    """Statuses under ids of the form of ours that the database never wrote: hold, and put their messages back. True when any was.

    After a release only what was sent later holds again: the statuses of what was forgotten go on to come for days.
    """
    strange = {UUID(event.ours): event for event in events if event.ours}
    released_at = await restores.find_release(conn)
    news = [event for event in strange.values() if released_at is None or (isinstance(event, MessageSent) and event.at > released_at)]
    if news:
        newest = max(event.at for event in news)
        await _hold(conn, Evidence.STATUS, _of_status(len(news), newest), at=at, wait=False)
    rows = [_seen(nth, attempt_id, event) for nth, (attempt_id, event) in enumerate(strange.items(), start=1) if event.to]
    put = await _put_back(conn, rows, seal, at=at) if rows else PutBack(0, 0, 0)
    return put.attempts > 0


def _seen(nth: int, attempt_id: UUID, event: StatusFact) -> Forgotten:
    """A message of which only a status tells: not which send it was, nor of which campaign."""
    return Forgotten(
        attempt_id=attempt_id,
        at=event.at,
        send_id=-nth,
        phone=f"+{event.to}",
        phone_key=key_of(event.to or ""),
        phone_number_id=event.phone_number_id or "",
        campaign_id=None,
        kind="campaign",
        worker="not known",
    )


def _of_status(count: int, newest: datetime) -> str:
    return (
        f"Meta reports messages under ids of ours that the database does not know ({count} at {newest:%Y-%m-%d %H:%M} UTC): "
        "it was restored from a backup, or a copy of it is at work somewhere"
    )


async def _hold(conn: Connection, evidence: Evidence, reason: str, *, at: datetime, wait: bool = True) -> None:
    if await holds.put_hold(conn, HoldKind.RESTORE, evidence.value, reason=reason, at=at, wait=wait):
        log.error("sending is held", why=reason, mend=MEND)
        alert = Alert(rule="restore", level="critical", text=f"Nothing is sent: {reason}. {MEND}", open_key=ALERT_KEY, at=at)
        await platform.add_alerts(conn, [alert])


def _of_workers(seen_at: datetime) -> str:
    return (
        f"the database says that a worker was at work at {seen_at:%Y-%m-%d %H:%M} UTC and did not end, "
        "and this machine knows nothing of it: it may have been restored from a backup"
    )


def _of_journal(compared: Compared, journal: Journal) -> str:
    left_out = f", {compared.left_out} of numbers that it does not have" if compared.left_out else ""
    return (
        f"the database has forgotten {compared.forgotten} requests that this machine sent, {compared.stops} requests to stop and "
        f"{compared.erased} erasures: it was restored from a backup. These are carried out again; what was sent is "
        f"put back as unknown sends ({compared.found} that were planned, {compared.made} that it did not have{left_out}); "
        f"the journal here goes back to {journal.reaches_back_to()}"
    )


# ------------------------------------------------------------------ releasing


async def reconcile(pool: Pool, journal: Journal, *, at: datetime) -> Reconciled:
    """Compare this machine's journal with the database, and say what is known."""
    compared = await compare(pool, journal, at=at)
    async with transaction(pool) as conn:
        held = [hold for hold in await holds.list_holds(conn) if hold.kind is HoldKind.RESTORE]
        return Reconciled(compared, journal.reaches_back_to(), await restores.count_unknown(conn), tuple(held))


async def release_restore(conn: Connection, people: People | None, *, by: str, why: str, at: datetime) -> ReleasedRestore:
    """Let sending go on after a restore: what was planned before is planned anew, and nobody is written to twice by a campaign.

    With evidence beyond the journal `people` must be said, for then nobody knows to whom something was sent. Raises Conflict, Wrong.
    """
    standing = [hold for hold in await holds.list_holds(conn) if hold.kind is HoldKind.RESTORE]
    if not standing:
        raise Conflict("nothing is held after a restore", mend="`warmer stop --list` shows what is stopped")
    if people is None and any(hold.holder != Evidence.JOURNAL for hold in standing):
        mend = "--people everybody counts all on the lists as written to by the campaigns that stand; --people known trusts what is known"
        raise Wrong("say whom to count as written to: part of what was sent is not known", mend=mend)
    await holds.lock_portfolios(conn)
    cancelled = await restores.cancel_planned(conn, reason=PLANNED_BEFORE, at=at)
    presumed = await restores.presume_written(conn, reason=PRESUMED, at=at) if people is People.EVERYBODY else 0
    reasons = await holds.end_holds(conn, HoldKind.RESTORE)
    await platform.close_alerts(conn, [ALERT_KEY], by=by, at=at)
    body = {"reasons": reasons, "people": people, "cancelled": cancelled, "presumed": presumed}
    await record_act(conn, at=at, who=by, what="released after a restore", target="restore", why=why, body=body)
    return ReleasedRestore(tuple(reasons), cancelled, presumed)


def reasons_of(standing: Sequence[holds.Hold]) -> list[str]:
    """What a person is told of holds, with the mend."""
    return [f"everything is held: {hold.reason}" + (f". {MEND}" if hold.kind is HoldKind.RESTORE else "") for hold in standing]
