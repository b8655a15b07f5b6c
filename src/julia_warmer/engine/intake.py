"""What comes in: `receive_all` is the webhook's one transaction, `apply_inbox` turns what it stored into facts and their effects, once.

It must not know HTTP or signatures. Why it is as it is: docs/decisions/0005-intake.md.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from julia_warmer.clock import Clock
from julia_warmer.cloud.decode import decode
from julia_warmer.cloud.glance import is_calm
from julia_warmer.cloud.keys import natural_key
from julia_warmer.core.events import Event, MessageReceived, OptOutDoubted, OptOutRequested, Unrecognised, kind_of
from julia_warmer.core.opt_out import NO_WORDS
from julia_warmer.engine.confirm import AS_SHIPPED, Hearing
from julia_warmer.engine.effects import Written, apply_facts
from julia_warmer.engine.journal import Journal, remember_stops
from julia_warmer.engine.questions import doubt_people
from julia_warmer.engine.scene import Arrival, names_in
from julia_warmer.engine.urgent import OptedOut, apply_stops, is_urgent, stop_people
from julia_warmer.engine.wake import Step, wake
from julia_warmer.store import inbox
from julia_warmer.store import people as people_store
from julia_warmer.store.db import UNDONE, Connection, Pool, transaction, transaction_within
from julia_warmer.store.facts import ensure_months
from julia_warmer.store.inbox import BODY_USE, ITEM_USE, Body, Kept, NewBody, Quarantined
from julia_warmer.store.platform import Alert, add_alerts
from julia_warmer.store.seal import Seal, SealBroken

BYTES_MAX = 512 * 1024  # of sealed bodies that one transaction takes, some 1,500 statuses; one larger body is taken alone
FACTS_MAX = 1000  # of one round of statements
LATE_MAX = timedelta(days=8)  # Meta retries for seven days (platform.md 6.8)
EARLY_MAX = timedelta(days=1)  # how far ahead of us the platform's clock may be
REASON_MAX = 500  # characters
QUARANTINED = "Some of what came in could not be used: it waits in the quarantine, with where it stood and why"
OPENED_AT_ONCE = 20  # bodies, about a millisecond
LANES = 2  # of one worker: one lane reads bodies while the other's SQL runs
TURNS_MAX = 20  # batches of a lane, a few seconds: then the worker looks whether it is to stop
TRIES_MAX = 4  # a deadlock with another writer undoes the transaction; the bodies still wait
CALLS_WAIT_S = 2.0  # how long the 200 to an opt-out waits for requests that are under way
GROUP_S = 20.0  # for one transaction at the door, the wait for a connection and for others' locks included
CALLS_ASK_S = 5.0  # for one look
CALLS_STEP_S = 0.02

# What the database says to a value that it cannot take: the item's fault, not the moment's.
REFUSALS = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
    ValueError,  # asyncpg's own, for a value that it cannot write
)


@dataclass(frozen=True, slots=True, eq=False)
class Delivery:
    """A webhook body as it came, and what of it has to act before its 200."""

    body: bytes
    at: datetime
    digest: bytes
    urgent: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a delivery. `stops`: of all stored with it. `calling`: sends to people who asked to stop: `await_calls`."""

    inbox_id: int
    repeated: bool
    opt_outs: int = 0
    stops: int = 0
    calling: tuple[int, ...] = ()
    stopped: tuple[OptOutRequested, ...] = ()  # the requests to stop that were new


@dataclass(frozen=True, slots=True)
class Applied:
    """What one round took from the inbox. facts = new + repeated ones + quarantined. `stopped`: for the journal, after the commit.

    `left`: bodies that go on waiting, because somebody else holds people of theirs.
    """

    bodies: int = 0
    facts: int = 0
    new: int = 0
    quarantined: int = 0
    stopped: tuple[OptOutRequested, ...] = ()
    left: int = 0

    def __add__(self, other: "Applied") -> "Applied":
        return Applied(
            self.bodies + other.bodies,
            self.facts + other.facts,
            self.new + other.new,
            self.quarantined + other.quarantined,
            (*self.stopped, *other.stopped),
            self.left + other.left,
        )


# ------------------------------------------------------------------ before the 200


def look_at(body: bytes, *, at: datetime, words: frozenset[str] = NO_WORDS) -> Delivery:
    """A delivery that has just come in. Reads it only as far as it may have to act at once; odd content never raises."""
    urgent = () if is_calm(body) else tuple(event for event in _decode(body, received_at=at, words=words) if is_urgent(event))
    return Delivery(body, at, hashlib.sha256(body).digest(), urgent)


async def receive(conn: Connection, body: bytes, *, at: datetime, seal: Seal) -> Receipt:
    """`receive_all` for one body."""
    (receipt,) = await receive_all(conn, [look_at(body, at=at)], at=at, seal=seal)
    return receipt


async def receive_all(conn: Connection, deliveries: Sequence[Delivery], *, at: datetime, seal: Seal) -> list[Receipt]:
    """Store webhook bodies, and act at once on requests to stop, sure or not, and on what stops a number. The same bytes again do nothing.

    Call it in one transaction, answer each 200 only after its commit and after `await_calls`.
    """
    sealed = [NewBody(one.at, one.digest, seal.close(one.body, use=BODY_USE)) for one in deliveries]
    kept = await inbox.keep_bodies(conn, sealed)
    new = [one for one, row in zip(deliveries, kept, strict=True) if not row.repeated and one.urgent]
    if not new:
        return [Receipt(row.id, row.repeated) for row in kept]
    stops = await _stop(conn, [event for one in new for event in one.urgent], at=at)
    asked = [(one.digest, event) for one in new for event in one.urgent if isinstance(event, OptOutRequested)]
    doubted = [(one.digest, event) for one in new for event in one.urgent if isinstance(event, OptOutDoubted)]
    if asked and doubted:
        await _lock_people(conn, [event for _, event in (*asked, *doubted)])
    done = await _opt_out(conn, [event for _, event in asked], seal=seal, at=at)
    doubts = await _doubt(conn, [event for _, event in doubted], seal=seal, at=at)
    outcomes = [(digest, event, what) for (digest, event), what in zip((*asked, *doubted), (*done, *doubts), strict=True)]
    return [_receipt(one, row, outcomes, stops) for one, row in zip(deliveries, kept, strict=True)]


def _receipt(one: Delivery, kept: Kept, outcomes: Sequence[tuple[bytes, OptOutRequested | OptOutDoubted, OptedOut]], stops: int) -> Receipt:
    if kept.repeated or not one.urgent:
        return Receipt(kept.id, kept.repeated, stops=stops)
    mine = [(event, what) for digest, event, what in outcomes if digest == one.digest]
    stopped = tuple(event for event, what in mine if isinstance(event, OptOutRequested) and what.is_new)
    calling = {send_id for _, what in mine for send_id in what.calling}
    return Receipt(kept.id, False, len(stopped), stops, tuple(sorted(calling)), stopped)


async def _lock_people(conn: Connection, events: Sequence[OptOutRequested | OptOutDoubted]) -> None:
    """All the people at once, for they are locked in the order of their ids."""
    found = await people_store.find_people(conn, [names for event in events if (names := names_in(event))])
    await people_store.lock_people(conn, sorted({contact_id for fitting in found for contact_id in fitting}))


async def await_calls(pool: Pool, receipt: Receipt, *, wait_s: float = CALLS_WAIT_S) -> bool:
    """Wait until the requests to people who asked to stop have their answer; False when some have none after `wait_s`.

    After the commit of `receive_all`, for it holds the people whom the answers have to be written to. Nothing new can begin by then.
    """
    if not receipt.calling:
        return True
    for _ in range(max(1, int(wait_s / CALLS_STEP_S))):
        async with transaction_within(pool, CALLS_ASK_S) as conn:
            if not await people_store.count_calling(conn, receipt.calling):
                return True
        await asyncio.sleep(CALLS_STEP_S)
    return False


async def keep_group(
    pool: Pool, deliveries: Sequence[Delivery], *, at: datetime, seal: Seal, journal: Journal | None = None
) -> list[Receipt]:
    """`receive_all` in a transaction of its own, which also wakes the intake when there is something new. Then the journal knows too."""
    async with transaction_within(pool, GROUP_S) as conn:
        receipts = await receive_all(conn, deliveries, at=at, seal=seal)
        if not all(receipt.repeated for receipt in receipts):
            await wake(conn, Step.INTAKE)
    remember_stops(journal, [stop for receipt in receipts for stop in receipt.stopped], at=at)
    return receipts


async def take_delivery(pool: Pool, body: bytes, *, at: datetime, seal: Seal) -> Receipt:
    """The whole road to the 200 of one delivery by itself. The applications gather deliveries: `engine/door`."""
    (receipt,) = await keep_group(pool, [look_at(body, at=at)], at=at, seal=seal)
    await await_calls(pool, receipt)
    return receipt


async def _stop(conn: Connection, events: Sequence[Event], *, at: datetime) -> int:
    """Carry out stops, one by one if the database refuses them together."""
    try:
        async with conn.transaction():
            return await apply_stops(conn, events, at=at)
    except REFUSALS:
        return sum([await _stop(conn, [event], at=at) for event in events]) if len(events) > 1 else 0


async def _opt_out(conn: Connection, requests: Sequence[OptOutRequested], *, seal: Seal, at: datetime) -> list[OptedOut]:
    """Carry out opt-outs, one by one if the database refuses them together."""
    if not requests:
        return []
    try:
        async with conn.transaction():
            return await stop_people(conn, requests, seal=seal, at=at)
    except REFUSALS:
        if len(requests) == 1:
            return [OptedOut(False)]
        return [done for request in requests for done in await _opt_out(conn, [request], seal=seal, at=at)]


async def _doubt(conn: Connection, doubts: Sequence[OptOutDoubted], *, seal: Seal, at: datetime) -> list[OptedOut]:
    """Put what may be opt-outs before a person, one by one if the database refuses them together."""
    if not doubts:
        return []
    try:
        async with conn.transaction():
            return [OptedOut(False, calling) for calling in await doubt_people(conn, doubts, seal=seal, at=at)]
    except REFUSALS:
        if len(doubts) == 1:
            return [OptedOut(False)]
        return [done for doubt in doubts for done in await _doubt(conn, [doubt], seal=seal, at=at)]


# ------------------------------------------------------------------ after it


async def work_off(pool: Pool, *, clock: Clock, seal: Seal, journal: Journal | None = None, hearing: Hearing = AS_SHIPPED) -> Applied:
    """Apply what waits, each batch in a transaction that also wakes whoever answers. The lanes are to each other as workers are.

    Ends when nothing waits, or after some turns; `bodies` says whether there may be more.
    """
    async with asyncio.TaskGroup() as group:
        lanes = [group.create_task(_work_off(pool, clock=clock, seal=seal, journal=journal, hearing=hearing)) for _ in range(LANES)]
    return sum((lane.result() for lane in lanes), start=Applied())


async def _work_off(pool: Pool, *, clock: Clock, seal: Seal, journal: Journal | None, hearing: Hearing) -> Applied:
    done, patient = Applied(), False
    for _ in range(TURNS_MAX):
        batch = await _work_off_batch(pool, clock=clock, seal=seal, hearing=hearing, patient=patient)
        remember_stops(journal, batch.stopped, at=clock.now())
        if not batch.bodies and not batch.left:
            break
        done += batch
        patient = not batch.bodies  # the people of all that waits are held: now they are waited for
    return done


async def _work_off_batch(pool: Pool, *, clock: Clock, seal: Seal, hearing: Hearing, patient: bool) -> Applied:
    """One batch; another try when the database undid it for a deadlock with another writer of the same counts."""
    for tries_left in reversed(range(TRIES_MAX)):
        try:
            async with transaction(pool) as conn:
                applied = await apply_inbox(conn, at=clock.now(), seal=seal, hearing=hearing, patient=patient)
                if applied.new:
                    await wake(conn, Step.ROUTE)
                return applied
        except UNDONE:
            if not tries_left:
                raise
    raise AssertionError("unreachable")


async def apply_inbox(
    conn: Connection, *, at: datetime, seal: Seal, limit: int = 500, hearing: Hearing = AS_SHIPPED, patient: bool = True
) -> Applied:
    """Take waiting bodies, oldest first, write their facts once and let the new ones have their effects. Any number of workers may.

    A fact that the database refuses costs only itself: it goes to the quarantine, as does what could not be read or is too old.
    If not `patient`, a body about people whom somebody else holds goes on waiting; what it says of others is applied, and once.
    """
    bodies = await inbox.take_waiting(conn, limit=limit, bytes_max=BYTES_MAX)
    arrivals, refused = await _open(bodies, seal, hearing.words)
    total = len(arrivals) + len(refused)  # what is refused later is among the arrivals
    await ensure_months(conn, [arrival.event.at for arrival in arrivals])
    new = Written(0)
    for start in range(0, max(len(arrivals), 1), FACTS_MAX):
        added, bad = await _apply(conn, arrivals[start : start + FACTS_MAX], at=at, seal=seal, hearing=hearing, patient=patient)
        new, refused = new + added, refused + bad
    left = {arrival.inbox_id for arrival in new.left}
    bad = [one for one in refused if one.inbox_id not in left]  # what is left is read again, and refused again
    if bad:
        await inbox.add_quarantined(conn, bad, at=at)
        await add_alerts(conn, [Alert(rule="quarantine", level="warning", text=QUARANTINED, open_key="quarantine", at=at)])
    if done := [body.id for body in bodies if body.id not in left]:
        await inbox.mark_applied(conn, done, at=at)
    facts = total - len(new.left) - (len(refused) - len(bad))
    return Applied(len(done), facts, new.new, len(bad), new.stopped, len(left))


async def _apply(
    conn: Connection, arrivals: Sequence[Arrival], *, at: datetime, seal: Seal, hearing: Hearing, patient: bool
) -> tuple[Written, list[Quarantined]]:
    """Apply facts together; when the database refuses, halve until the one at fault is alone. Returns what is new, and the bad."""
    try:
        async with conn.transaction():
            written = await apply_facts(conn, arrivals, at=at, seal=seal, confirmation=hearing.confirmation, patient=patient)
        return written, [_refused(stray, "a message to a number that is not ours", seal) for stray in written.strays]
    except REFUSALS as error:
        if not arrivals:
            raise
        if len(arrivals) == 1:
            return Written(0), [_refused(arrival, f"refused by the database: {error}", seal) for arrival in arrivals]
    middle = len(arrivals) // 2
    first, first_bad = await _apply(conn, arrivals[:middle], at=at, seal=seal, hearing=hearing, patient=patient)
    second, second_bad = await _apply(conn, arrivals[middle:], at=at, seal=seal, hearing=hearing, patient=patient)
    return first + second, first_bad + second_bad


async def _open(bodies: Sequence[Body], seal: Seal, words: frozenset[str]) -> tuple[list[Arrival], list[Quarantined]]:
    """The facts of these bodies, and what cannot be used of them. Lets others on the loop have their turn now and then."""
    arrivals: list[Arrival] = []
    refused: list[Quarantined] = []
    for nth, body in enumerate(bodies):
        if nth % OPENED_AT_ONCE == 0:
            await asyncio.sleep(0)
        try:
            raw = seal.open(body.body, use=BODY_USE)
        except SealBroken as error:
            refused.append(Quarantined(inbox_id=body.id, kind="unrecognised", path="", reason=str(error), item=None))
            continue
        for event in _decode(raw, received_at=body.received_at, words=words):
            arrival = Arrival(event, kind_of(event), natural_key(event), body.id, body.received_at)
            if reason := _why_not(event, body.received_at):
                refused.append(_refused(arrival, reason, seal))
            else:
                arrivals.append(arrival)
    return arrivals, refused


def _why_not(event: Event, received_at: datetime) -> str | None:
    """Why a fact cannot be used, if it cannot."""
    match event:
        case Unrecognised(reason=reason):
            return reason
        case _ if event.at < received_at - LATE_MAX:
            return f"came {(received_at - event.at).days} days late"
        case _ if event.at > received_at + EARLY_MAX:
            return "lies in the future"
        case MessageReceived(group_id=str()):
            return "a group's message: groups are not in our scope"
        case MessageReceived(phone=None, user_id=None):
            return "names neither phone nor user id"
        case _:
            return None


def _refused(arrival: Arrival, reason: str, seal: Seal) -> Quarantined:
    item = arrival.event.item if isinstance(arrival.event, Unrecognised) else repr(arrival.event)
    return Quarantined(
        inbox_id=arrival.inbox_id,
        kind=arrival.kind,
        path=arrival.event.path,
        reason=reason[:REASON_MAX],
        item=seal.close(item.encode("utf-8", "replace"), use=ITEM_USE),
    )


def _decode(body: bytes, *, received_at: datetime, words: frozenset[str]) -> list[Event]:
    """The facts of a body; a body that breaks the reader is one fact that says so. The inbox keeps its bytes."""
    try:
        return decode(body, received_at=received_at, words=words)
    except Exception as error:  # what is stored must never keep others from being applied
        return [Unrecognised(at=received_at, reason=f"the reader failed: {type(error).__name__}")]
