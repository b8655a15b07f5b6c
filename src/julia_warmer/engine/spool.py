"""The spool: webhooks that come while the database is away are kept in a folder, and go into the database when it is back.

No request to a person may begin after the 200 to their request to stop, also while that waits in a folder which no worker can see. So each
process holds a lease in the database, renewed only while its spool is empty; workers begin nothing once one has run out, and the process
keeps nothing in its spool before every worker must have seen that. docs/decisions/0010-spool.md.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg
import structlog

from julia_warmer.clock import Clock
from julia_warmer.core.errors import WarmerError
from julia_warmer.engine.confirm import hearing_of
from julia_warmer.engine.control import CALL_BEGINS_WITHIN_S
from julia_warmer.engine.errors import NotFound
from julia_warmer.engine.group import Groups, Limits
from julia_warmer.engine.intake import Delivery, keep_group, look_at
from julia_warmer.engine.parts import Parts
from julia_warmer.store import platform, spools
from julia_warmer.store.audit import record_act
from julia_warmer.store.db import AWAY, FAILED, Connection, transaction_within
from julia_warmer.store.platform import Alert
from julia_warmer.store.seal import SealBroken
from julia_warmer.store.spool import Spooled, SpoolFolder
from julia_warmer.store.spools import Overdue

STATEMENT_S = 2.0  # for one renewal
TOLD_AFTER_S = 15.0
DRAIN_MAX = 128  # bodies in one transaction
WRITING = Limits(at_once=1, group_max=128, group_bytes_max=8 * 1024**2, waiting_bytes_max=32 * 1024**2)
BODY_USE = "spool.body"

log = structlog.get_logger(__name__)


class NotYet(WarmerError):  # noqa: N818 - a fact, as the reader meets it
    """Requests may still begin that this delivery could forbid: it cannot be kept in the spool yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """In seconds. `clocks_apart_s`: how far a worker's clock may be behind ours: `warmer doctor` warns at 2 s off the database's."""

    renew_every_s: float = 2.0
    clear_for_s: float = 6.0  # two renewals in a row may fail
    clocks_apart_s: float = 4.0

    @property
    def held_after_s(self) -> float:
        """After a renewal, if none follows: from then on no request begins anywhere."""
        return self.clear_for_s + CALL_BEGINS_WITHIN_S + self.clocks_apart_s


@dataclass(frozen=True, slots=True)
class _Item:
    at: datetime
    sealed: bytes


class Spool:
    """One process's spool and its lease. Made by `opened_spool`."""

    def __init__(self, folder: SpoolFolder, parts: Parts, clock: Clock, lease: Lease) -> None:
        self.folder = folder
        self._lease = lease
        self._parts = parts
        self._clock = clock
        self._writing = 0
        self._writes = Groups[_Item, None](self._write, WRITING, is_common=lambda error: isinstance(error, OSError))
        self._held_from = asyncio.get_running_loop().time() + lease.held_after_s  # as if the process before us had just renewed
        self._is_reached = False
        self.is_over = False  # a driver may swallow a cancellation

    @property
    def is_open(self) -> bool:
        """Whether deliveries go here: the database was not reached at the last look, and no request can begin any more."""
        return not self._is_reached and asyncio.get_running_loop().time() > self._held_from

    async def keep(self, body: bytes, *, at: datetime) -> None:
        """Keep a delivery; when this returns it is durable. Raises NotYet, SpoolFull, Crowded or OSError: then there is no 200."""
        if asyncio.get_running_loop().time() <= self._held_from:
            raise NotYet
        self._writing += 1
        try:
            await self._writes.add(_Item(at, self._parts.seal.close(body, use=BODY_USE)), size=len(body))
        finally:
            self._writing -= 1

    async def _write(self, items: Sequence[_Item]) -> list[None]:
        await asyncio.to_thread(self.folder.write, [(item.at, item.sealed) for item in items])
        return [None] * len(items)

    # -------------------------------------------------------------- the lease

    async def run(self) -> None:
        """Renew and drain, until cancelled."""
        while not self.is_over:
            await self.look()
            await asyncio.sleep(self._lease.renew_every_s)

    async def look(self) -> None:
        """One look at the database: renew the lease, or drain what waits and then renew it."""
        try:
            await self._renew()
            if not self._is_reached:
                log.warning("database_back", spool=self.folder.id, waiting=self.folder.count)
            self._is_reached = True
            while self.folder.count and await self._drain():
                await self._renew()
        except Exception as error:  # whatever it is, the next look comes
            if self._is_reached:
                log.warning("database_away", why=type(error).__name__, spool=self.folder.id)
            self._is_reached = False

    async def begin(self) -> None:
        """The first lease. What waits from before holds everything up until it is drained."""
        if self.folder.count:
            async with transaction_within(self._parts.pool, STATEMENT_S) as conn:
                await self._put(conn, self._clock.now())
        else:
            await self._renew()
        self._is_reached = True

    async def end(self) -> None:
        """Leave nothing that holds the others up, if nothing waits; else, and when the database is away, the lease runs out."""
        if self.folder.count or self._writing:
            return
        with suppress(*FAILED):
            async with transaction_within(self._parts.pool, STATEMENT_S) as conn:
                await spools.delete_spool(conn, self.folder.id)

    async def _renew(self) -> None:
        """Renew the lease, unless something waits. Once the statement may reach the database it counts, whatever becomes of it."""
        async with transaction_within(self._parts.pool, STATEMENT_S) as conn:
            if self.folder.count or self._writing:
                await spools.tell_waiting(conn, self.folder.id, waiting=self.folder.count)
                return
            self._held_from = asyncio.get_running_loop().time() + self._lease.held_after_s
            await self._put(conn, self._clock.now() + timedelta(seconds=self._lease.clear_for_s))

    async def _put(self, conn: Connection, clear_until: datetime) -> None:
        await spools.put_spool(conn, self.folder.id, holder=self._parts.worker, clear_until=clear_until, waiting=self.folder.count)

    # -------------------------------------------------------------- the drain

    async def _drain(self) -> int:
        """Take what waits into the database, oldest first; each file goes after its commit. Returns how many went."""
        waiting = self.folder.waiting()
        done = 0
        for start in range(0, len(waiting), DRAIN_MAX):
            done += await self._drain_some(waiting[start : start + DRAIN_MAX])
        return done

    async def _drain_some(self, some: Sequence[Spooled]) -> int:
        read = await asyncio.to_thread(self._read, some)
        try:
            await self._take([delivery for _, delivery in read])
            taken = [one for one, _ in read]
        except AWAY:
            raise
        except asyncpg.PostgresError:
            taken = [one for one, delivery in read if await self._try_one(delivery)]
        await asyncio.to_thread(self.folder.remove, taken)
        return len(taken)

    async def _try_one(self, delivery: Delivery) -> bool:
        try:
            await self._take([delivery])
        except AWAY:
            raise
        except asyncpg.PostgresError as error:
            log.warning("spooled_delivery_refused", spool=self.folder.id, why=type(error).__name__)
            return False
        return True

    async def _take(self, deliveries: Sequence[Delivery]) -> None:
        if deliveries:
            await keep_group(self._parts.pool, deliveries, at=self._clock.now(), seal=self._parts.seal, journal=self._parts.journal)

    def _read(self, some: Sequence[Spooled]) -> list[tuple[Spooled, Delivery]]:
        """What cannot be read stays, and holds everything up: it may be a request to stop, so a person has to look."""
        found: list[tuple[Spooled, Delivery]] = []
        words = hearing_of(self._parts.settings).words
        for one in some:
            try:
                body = self._parts.seal.open(self.folder.read(one), use=BODY_USE)
            except (OSError, SealBroken) as error:
                log.warning("spooled_delivery_unreadable", file=str(self.folder.folder / one.name), why=str(error))
                continue
            found.append((one, look_at(body, at=one.received_at, words=words)))
        return found


@asynccontextmanager
async def opened_spool(parts: Parts, clock: Clock, lease: Lease | None = None) -> AsyncGenerator[Spool]:
    """This process's spool, at work until the block ends. Raises SpoolUnusable, and what the database says to its first lease."""
    settings = parts.settings
    folder = await asyncio.to_thread(
        SpoolFolder.open, settings.spool_folder, bytes_max=settings.spool_bytes_max, count_max=settings.spool_count_max
    )
    spool = Spool(folder, parts, clock, lease or Lease())
    try:
        await spool.begin()
        work = asyncio.create_task(spool.run())
        try:
            yield spool
        finally:
            spool.is_over = True
            work.cancel()
            await asyncio.wait([work])
            await spool.end()
    finally:
        folder.close()


# ------------------------------------------------------------------ seen from outside


async def tell_overdue(conn: Connection, *, at: datetime) -> None:
    """Alert a person to spools that hold everything up; close what was told of the others."""
    overdue = await spools.list_overdue(conn, before=at - timedelta(seconds=TOLD_AFTER_S))
    alerts = [Alert(rule="spool", level="critical", text=sentence(one), open_key=f"spool:{one.id}", at=at) for one in overdue]
    await platform.add_alerts(conn, alerts)
    await spools.close_told(conn, at=at)


def sentence(one: Overdue) -> str:
    """Why nothing is sent, and the mend."""
    waits = f"{one.waiting} webhooks wait in its spool" if one.waiting else "it gave no sign"
    mend = f"start it again on its folder, or, if that is lost, `warmer release --spool {one.id} --why …`"
    return (
        f"Nothing is sent: the API {one.holder} may hold requests to stop ({waits} since {one.clear_until:%Y-%m-%d %H:%M:%S} UTC): {mend}"
    )


async def release_spool(conn: Connection, spool_id: str, *, by: str, why: str, at: datetime) -> None:
    """A person answers for it that no request to stop waits there. Raises NotFound."""
    holder = await spools.delete_spool(conn, spool_id)
    if holder is None:
        raise NotFound(f"there is no spool {spool_id}", mend="`warmer doctor` names those that hold")
    await record_act(conn, at=at, who=by, what="spool released", target=f"spool:{spool_id}", why=why, body={"holder": holder})
    await spools.close_told(conn, at=at)
