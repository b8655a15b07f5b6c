"""Upkeep: asks the platform by the clock what it does not push reliably, and keeps the house: templates, partitions, old rows.

It decides nothing: a bad change is reviewed at once, by the same decision as ever. No transaction is open while the platform answers.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

import structlog

from julia_warmer.cloud.answers import Failure, Refused, Unclear
from julia_warmer.cloud.nodes import PhoneNumber, Template
from julia_warmer.core import hard
from julia_warmer.core.days import hour_of
from julia_warmer.core.month import DAYS_BACK, hour_number
from julia_warmer.engine.parts import Parts
from julia_warmer.engine.review import review
from julia_warmer.engine.setup import TOKEN
from julia_warmer.store import months, platform, upkeep
from julia_warmer.store.audit import record_act
from julia_warmer.store.db import Connection, transaction
from julia_warmer.store.facts import ensure_months
from julia_warmer.store.platform import Alert
from julia_warmer.store.seal import SealBroken
from julia_warmer.store.upkeep import Number, Reading, StaleAccount, TemplateChange, TemplateRow

POLL_AGE_S = 120.0  # quality of high-traffic numbers changes within minutes (platform.md 2.1)
SYNC_AGE_S = 900.0
ACCOUNTS_MAX = 500  # of one call
AT_ONCE = 8  # accounts that are asked at the same time
PROFILES_MAX = 20  # of one account and one poll: each costs a request of its own
PROFILE_AGE = timedelta(hours=24)
EMPTY_PROFILE_AGE = timedelta(hours=1)  # somebody is about to fill it: setup waits for it
FOLD_AGE = timedelta(hours=24)  # by then most of what happens to an hour's messages has happened
FOLD_EVERY = timedelta(hours=12)
FOLD_MAX = 200  # chips of one transaction
JOBS_KEPT = timedelta(days=7)
MISSING = "MISSING"  # our word for a number that its account does not list any more
BAD_STATUSES = frozenset({"PAUSED", "DISABLED", "REJECTED", "DELETED"})
HEALTHS = ("AVAILABLE", "LIMITED", "BLOCKED")  # from best to worst

log = structlog.get_logger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Polled:
    """What one poll did. `paused`: chips that a bad change paused at once."""

    accounts: int = 0
    failed: int = 0
    changed: int = 0
    paused: int = 0


@dataclass(frozen=True, slots=True)
class Synced:
    """What one sync of templates did."""

    accounts: int = 0
    failed: int = 0
    changed: int = 0


# ------------------------------------------------------------------ numbers


async def poll(parts: Parts, *, at: datetime, max_age_s: float = POLL_AGE_S) -> Polled:
    """Read the numbers of every account that was not read for `max_age_s`: quality, status, name, limit, health, PIN; profiles more rarely.

    Quality RED, or a status other than CONNECTED, pauses the chip in the same transaction.
    """
    async with transaction(parts.pool) as conn:
        accounts = await upkeep.list_stale_accounts(conn, before=at - timedelta(seconds=max_age_s), limit=ACCOUNTS_MAX)
    results = await _each(accounts, lambda account: _poll_account(parts, account, at=at))
    return Polled(len(accounts), sum(r.failed for r in results), sum(r.changed for r in results), sum(r.paused for r in results))


async def _poll_account(parts: Parts, account: StaleAccount, *, at: datetime) -> Polled:
    token = await _token(parts, account, at=at)
    if token is None:
        return Polled(failed=1)
    numbers = await parts.graph.read_phone_numbers(account.waba_id, token)
    if isinstance(numbers, Refused | Unclear):
        await _tell_failure(parts, account, numbers, at=at)
        return Polled(failed=1)
    async with transaction(parts.pool) as conn:
        polled = await _put_numbers(conn, parts, account, numbers, at=at)
    await _read_profiles(parts, account, token, at=at)
    return polled


async def _put_numbers(conn: Connection, parts: Parts, account: StaleAccount, numbers: Sequence[PhoneNumber], *, at: datetime) -> Polled:
    await platform.lock_portfolios(conn, [account.portfolio_id])
    chips = await upkeep.lock_numbers(conn, account.id)
    listed = {number.id: number for number in numbers}
    readings = [_reading(chip, listed.get(chip.phone_number_id)) for chip in chips]
    await upkeep.put_numbers(conn, readings, at=at)
    limits = [number.limit for number in numbers if number.limit is not None]
    if limits:
        await platform.set_limits(conn, {account.portfolio_id: (limits[0], at)})
    await _put_health(conn, account, numbers, at=at)
    await _close(conn, account, "poll", at=at)
    changed = [reading.chip_id for reading in readings if reading.changed]
    bad = [reading.chip_id for reading in readings if reading.changed and _is_bad(reading)]
    reviewed = await review(conn, at=at, policy=parts.policy, shadow=parts.shadow, only=bad) if bad else None
    paused = sum(bool(decision.changes) for decision in reviewed.decisions) if reviewed else 0
    return Polled(changed=len(changed), paused=paused)


def _reading(chip: Number, number: PhoneNumber | None) -> Reading:
    """What a number says now, beside what was known. One that is not listed any more says nothing but that."""
    if number is None:
        return Reading(
            chip_id=chip.chip_id,
            quality=chip.quality,
            phone_status=MISSING,
            name_status=chip.name_status,
            verified_name=None,
            pin_set=None,
            changed=chip.phone_status != MISSING,
        )
    pin_set = chip.pin_set if number.is_pin_enabled is None else number.is_pin_enabled
    now = (number.quality, number.status, number.name_status, pin_set)
    return Reading(
        chip_id=chip.chip_id,
        quality=number.quality,
        phone_status=number.status,
        name_status=number.name_status,
        verified_name=number.verified_name,
        pin_set=pin_set,
        changed=now != (chip.quality, chip.phone_status, chip.name_status, chip.pin_set),
    )


def _is_bad(reading: Reading) -> bool:
    return reading.quality == "RED" or reading.phone_status != "CONNECTED"


async def _put_health(conn: Connection, account: StaleAccount, numbers: Sequence[PhoneNumber], *, at: datetime) -> None:
    """An account is as healthy as its best number; where that is blocked, a person is told why."""
    told = [number.health.can_send for number in numbers if number.health.can_send in HEALTHS]
    health = min(told, key=HEALTHS.index, default="UNKNOWN")
    await upkeep.put_polled(conn, account.id, health=health, at=at)
    if health != "BLOCKED":
        await _close(conn, account, "blocked", at=at)
        return
    why = "; ".join(dict.fromkeys(issue.sentence for number in numbers for issue in number.health.issues)) or "no reason given"
    await _tell(conn, account, "blocked", "critical", f"Meta lets account {account.name} send nothing: {why}", at=at)


async def _read_profiles(parts: Parts, account: StaleAccount, token: str, *, at: datetime) -> None:
    """Read the business profiles that are due, one by one; what cannot be read now is due again at the next poll."""
    async with transaction(parts.pool) as conn:
        due = await upkeep.list_unread_profiles(
            conn, account.id, before=at - PROFILE_AGE, empty_before=at - EMPTY_PROFILE_AGE, limit=PROFILES_MAX
        )
    filled: dict[int, bool] = {}
    for number in due:
        profile = await parts.graph.read_business_profile(number.phone_number_id, token)
        if not isinstance(profile, Refused | Unclear):
            filled[number.chip_id] = not profile.missing
    if filled:
        async with transaction(parts.pool) as conn:
            await upkeep.put_profiles(conn, dict(sorted(filled.items())), at=at)


# ------------------------------------------------------------------ templates


async def sync_templates(parts: Parts, *, at: datetime, max_age_s: float = 0.0) -> Synced:
    """Read the templates, over all pages, of every account whose last sync is at least `max_age_s` old: new, gone, paused, quality."""
    async with transaction(parts.pool) as conn:
        accounts = await upkeep.list_unsynced_accounts(conn, before=at - timedelta(seconds=max_age_s), limit=ACCOUNTS_MAX)
    results = await _each(accounts, lambda account: _sync_account(parts, account, at=at))
    return Synced(len(accounts), sum(r.failed for r in results), sum(r.changed for r in results))


async def _sync_account(parts: Parts, account: StaleAccount, *, at: datetime) -> Synced:
    token = await _token(parts, account, at=at)
    if token is None:
        return Synced(failed=1)
    templates = await parts.graph.read_templates(account.waba_id, token)
    if isinstance(templates, Refused | Unclear):
        await _tell_failure(parts, account, templates, at=at)
        return Synced(failed=1)
    async with transaction(parts.pool) as conn:
        changes = await upkeep.put_templates(conn, account.id, [_row(template) for template in templates], at=at)
        await upkeep.put_synced(conn, account.id, changed=bool(changes), at=at)
        await _tell_templates(conn, changes, at=at)
    return Synced(changed=len(changes))


def _row(template: Template) -> TemplateRow:
    return TemplateRow(
        template_id=template.id,
        name=template.name,
        language=template.language,
        category=template.category,
        status=template.status,
        quality=template.quality,
        parameter_format=template.parameter_format,
        components=template.components,
    )


async def _tell_templates(conn: Connection, changes: Sequence[TemplateChange], *, at: datetime) -> None:
    """One alert for each template that may not be sent any more; it closes when the template is approved again."""
    bad = [change for change in changes if change.was is not None and change.status in BAD_STATUSES]
    alerts = [
        Alert(
            rule="template",
            level="critical",
            text=f"Template {change.name} ({change.language}) is not sent: {change.status}",
            open_key=f"template:{change.template_row}:sync",
            at=at,
        )
        for change in bad
    ]
    await platform.add_alerts(conn, alerts)
    well = [f"template:{change.template_row}:sync" for change in changes if change.status == "APPROVED"]
    await platform.close_alerts(conn, well, by="sync", at=at)


# ------------------------------------------------------------------ the house


async def ensure_partitions(conn: Connection, *, at: datetime) -> None:
    """The months of `events` around a moment: the one before (late webhooks), this one and the next."""
    month = at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    await ensure_months(conn, (month - timedelta(days=1), month, month + timedelta(days=32)))


async def fold_counts(conn: Connection, *, at: datetime) -> int:
    """Pack the hours that have grown old, of chips that were not folded for a while. How many chips; `FOLD_MAX`: there may be more."""
    folded = await months.fold_months(
        conn,
        at=at,
        before=hour_of(at - FOLD_AGE),
        folded_before=at - FOLD_EVERY,
        since=hour_number(at) - DAYS_BACK * 24,
        limit=FOLD_MAX,
    )
    return folded if folded or not await months.add_months(conn) else FOLD_MAX


async def tidy_up(conn: Connection, *, at: datetime) -> None:
    """Forget what PgQueuer logged of old jobs. Live only: its rows carry the database's own time."""
    await upkeep.delete_old_jobs(conn, before=at - JOBS_KEPT)


# ------------------------------------------------------------------ trouble


async def _each(accounts: Sequence[StaleAccount], ask: Callable[[StaleAccount], Awaitable[T]]) -> list[T]:
    """Ask for each account, some at a time; the answers are in the accounts' order."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(account: StaleAccount) -> T:
        async with places:
            return await ask(account)

    return list(await asyncio.gather(*(one(account) for account in accounts)))


async def _token(parts: Parts, account: StaleAccount, *, at: datetime) -> str | None:
    """The account's token, or None after telling a person that it cannot be read."""
    try:
        return parts.seal.open(account.token, use=TOKEN).decode()
    except SealBroken:
        async with transaction(parts.pool) as conn:
            text = f"The token of account {account.name} cannot be opened: restore the configuration folder's key, or set the token anew"
            await _tell(conn, account, "poll", "critical", text, at=at)
        return None


async def _tell_failure(parts: Parts, account: StaleAccount, failure: Failure, *, at: datetime) -> None:
    """An account that cannot be read: a refusal that concerns all of it stops it, as the same code would anywhere else."""
    why = f"{failure.code}: {failure.message}" if isinstance(failure, Refused) else failure.reason
    log.warning("account not read", account_id=account.id, waba_id=account.waba_id, why=why)
    async with transaction(parts.pool) as conn:
        await _tell(conn, account, "poll", "warning", f"Account {account.name} cannot be read: {why}", at=at)
        if not isinstance(failure, Refused):
            return
        for stop in hard.stops_for_code(failure.code, account=account.waba_id):
            await platform.lock_portfolios(conn, [account.portfolio_id])
            if await platform.add_stop(conn, scope=stop.scope, target_id=account.id, reason=stop.reason, at=at) is not None:
                await _tell(conn, account, "stopped", "critical", f"Everything of account {account.name} is stopped: {stop.reason}", at=at)
                await record_act(conn, at=at, who="platform", what="stopped", target=f"account:{account.id}", why=stop.reason)


async def _tell(conn: Connection, account: StaleAccount, rule: str, level: str, text: str, *, at: datetime) -> None:
    alert = Alert(rule=f"account {rule}", level=level, text=text, open_key=f"account:{account.id}:{rule}", at=at)
    await platform.add_alerts(conn, [alert])


async def _close(conn: Connection, account: StaleAccount, rule: str, *, at: datetime) -> None:
    await platform.close_alerts(conn, [f"account:{account.id}:{rule}"], by="poll", at=at)
