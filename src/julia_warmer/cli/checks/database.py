"""The database: whether it can be used, as what, with how much room, and what its rows say is still missing."""

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from julia_warmer.cli.checks import Finding, fail, ok, warn
from julia_warmer.cli.naming import LIST_MAX
from julia_warmer.cli.opening import Addresses, opened_database
from julia_warmer.clock import Clock
from julia_warmer.config import Settings, data_keys
from julia_warmer.core.model import ChipStatus
from julia_warmer.store import checks as store
from julia_warmer.store import db, erasure, holds, migrate, spools, views
from julia_warmer.store.errors import SchemaOlderError, StoreError
from julia_warmer.store.seal import Seal

VERSION_MIN = 150000
CLOCK_OFF_MAX = timedelta(seconds=2)
WORKER_QUIET_MAX = timedelta(minutes=5)
TEMPLATES_OLD = timedelta(hours=24)
MENDS = {
    holds.HoldKind.RESTORE: "`warmer reconcile`, then `warmer release --restore --why …`",
}
SENDING = (ChipStatus.WARMING, ChipStatus.READY, ChipStatus.ACTIVE)


@dataclass(frozen=True, slots=True)
class Patient:
    """A database that can be asked: its findings so far, and connections to ask further; None where its schema is not ours yet."""

    findings: tuple[Finding, ...]
    conn: db.Connection | None


@asynccontextmanager
async def examined(settings: Settings, clock: Clock) -> AsyncGenerator[Patient]:
    """Open the database and look at it. Starts the embedded one, and nothing else; migrates nothing."""
    try:
        async with opened_database(settings) as addresses:
            first = await db.connect(addresses.app, application_name="warmer doctor")
            try:
                schema = await _schema(first, addresses)
                findings = [*await _server(first, settings, addresses, clock), schema]
                yield Patient(tuple(findings), None if schema.mend else first)
            finally:
                await first.close()
    except StoreError as error:
        message, _, mend = str(error).splitlines()[0].rpartition(": ")
        yield Patient((fail("database", message or str(error), mend if message else "see the message"),), None)


async def _schema(conn: db.Connection, addresses: Addresses) -> Finding:
    try:
        await migrate.check_schema(conn)
    except SchemaOlderError as error:
        if addresses.embedded:
            return warn("schema", "not made yet", "nothing to do: the embedded database migrates itself at the first start")
        return fail("schema", str(error), "run `warmer migrate`")
    except StoreError as error:
        return fail("schema", str(error), "see the message")
    return ok("schema", f"at {len(migrate.read_migrations())}, as this program needs it")


async def _server(conn: asyncpg.Connection, settings: Settings, addresses: Addresses, clock: Clock) -> Sequence[Finding]:
    asked_at = clock.now()
    server = await store.read_server(conn)
    return (
        _version(server, addresses),
        _role(server),
        await _direct(addresses),
        _room(server, settings),
        _clock(server, asked_at),
    )


def _version(server: store.Server, addresses: Addresses) -> Finding:
    kind = "embedded" if addresses.embedded else "yours"
    found = f"PostgreSQL {server.version // 10000}.{server.version % 10000} ({kind})"
    return ok("database", found) if server.version >= VERSION_MIN else fail("database", found, "use PostgreSQL 15 or newer")


def _role(server: store.Server) -> Finding:
    if not server.tables_owned:
        return ok("database role", f"{server.role} owns no table")
    mend = "use a role that owns nothing in WARMER_DATABASE_URL, the owner in WARMER_OWNER_DATABASE_URL, and run `warmer migrate`"
    return warn("database role", f"{server.role} owns {server.tables_owned} tables: it could change what only grows", mend)


async def _direct(addresses: Addresses) -> Finding:
    """A transaction pooler breaks LISTEN, prepared statements and what is set for a session."""
    pooler = None if addresses.embedded else await store.find_pooler(addresses.app, application_name="warmer doctor")
    return fail("direct connection", pooler, store.POOLER_MEND) if pooler else ok("direct connection", "no transaction pooler between")


def _room(server: store.Server, settings: Settings) -> Finding:
    room = store.room_of(server)
    found = f"{room.free} of {room.limit} free ({room.setting}), WARMER_POOL_MAX is {settings.pool_max} for each process"
    if room.free >= settings.pool_max:
        return ok("connections", found)
    return warn("connections", found, f"lower WARMER_POOL_MAX, or raise the {room.setting}")


def _clock(server: store.Server, asked_at: datetime) -> Finding:
    off = abs((server.at or asked_at) - asked_at)
    found = f"{off.total_seconds():.1f} s apart from the database's"
    return ok("clock", found) if off <= CLOCK_OFF_MAX else warn("clock", found, "set both by NTP: hours and days are counted by ours")


# ------------------------------------------------------------------ what the rows say


async def check_rows(conn: db.Connection, *, at: datetime) -> Sequence[Finding]:
    """What is still missing before numbers can be warmed, and what waits."""
    chips = await views.list_chips(conn, at=at, limit=LIST_MAX)
    accounts = await views.list_accounts(conn, limit=LIST_MAX)
    ready = await views.read_ready(conn)
    return (
        *_routes(chips),
        *_templates(accounts, await views.list_templates(conn, limit=LIST_MAX), at),
        *_money(await views.list_portfolios(conn, at=at, limit=LIST_MAX), await views.list_prices(conn, limit=LIST_MAX)),
        *_worker(ready, chips, at),
        *(fail("held", f"nothing is sent: {hold.reason}", MENDS[hold.kind]) for hold in await holds.list_holds(conn)),
        *_spools(await spools.list_overdue(conn, before=at)),
    )


async def check_hashes(conn: db.Connection, settings: Settings) -> Sequence[Finding]:
    """Whether the key at hand makes the keyed hashes that are stored: else who was erased is unknown, and a file brings them back."""
    made_by = await erasure.read_hash_key(conn)
    if made_by is None:
        return ()
    if made_by == Seal(*data_keys(settings.config_dir)).hash_check:
        return (ok("keyed hashes", "made by the key at hand: erased people are recognised"),)
    mend = "restore data.key, and data.key.1 if there was one, from your backup of the configuration folder; import nobody until then"
    return (fail("keyed hashes", "made by another data key: people who were erased are not recognised", mend),)


def _spools(overdue: Sequence[spools.Overdue]) -> Iterator[Finding]:
    for one in overdue:
        why = f"{one.waiting} webhooks wait in its spool" if one.waiting else "it ended without a word"
        mend = f"start it again on its folder; if that is lost: `warmer release --spool {one.id} --why …`"
        yield fail("spool", f"nothing is sent: the API {one.holder} may hold requests to stop ({why})", mend)


def _routes(chips: Sequence[views.Chip]) -> Iterator[Finding]:
    lacking = [chip.name for chip in chips if chip.route_id is None and chip.status in (*SENDING, ChipStatus.PENDING, ChipStatus.PAUSED)]
    if lacking:
        yield warn("routes", f"nobody would answer people who write to {_names(lacking)}", "`warmer routes add`, `warmer routes set`")
    elif chips:
        yield ok("routes", "every chip has one")


def _templates(accounts: Sequence[views.AccountView], templates: Sequence[views.Template], at: datetime) -> Iterator[Finding]:
    old = [row.name for row in accounts if row.templates_synced_at is None or at - row.templates_synced_at > TEMPLATES_OLD]
    if old:
        yield warn("templates", f"not synced within a day: {_names(old)}", "`warmer templates sync`; a running worker does it by itself")
    elif accounts:
        approved = sum(1 for row in templates if row.status == "APPROVED")
        mend = "hand one in at Meta's WhatsApp Manager, with an opt-out button"
        yield ok("templates", f"{approved} approved") if approved else warn("templates", "none is approved", mend)


def _money(portfolios: Sequence[views.Portfolio], prices: Sequence[views.Price]) -> Iterator[Finding]:
    limited = [row.name for row in portfolios if row.spend_day_max is not None]
    if limited and not prices:
        yield fail("prices", f"{_names(limited)} has a spend limit, and no price is set", "`warmer prices set CATEGORY AMOUNT`")
    elif limited:
        yield ok("prices", f"{len(prices)} set, for the spend limits")


def _worker(ready: views.Ready, chips: Sequence[views.Chip], at: datetime) -> Iterator[Finding]:
    sending = [chip for chip in chips if chip.status in SENDING]
    quiet = ready.worker_at is None or at - ready.worker_at > WORKER_QUIET_MAX
    if sending and quiet:
        yield warn(
            "worker", f"none was active in the last {WORKER_QUIET_MAX.seconds // 60} minutes", "start one: `warmer worker`, or `warmer up`"
        )
    elif sending:
        yield ok("worker", f"active at {ready.worker_at:%H:%M} UTC")
    if ready.inbox_since is not None and at - ready.inbox_since > WORKER_QUIET_MAX:
        yield warn("inbox", f"a webhook waits since {ready.inbox_since:%Y-%m-%d %H:%M} UTC", "is a worker running? See its log")
    if ready.stopped:
        yield warn("stops", "everything is stopped", "`warmer stop --list`, `warmer release everything --why …`")


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"
