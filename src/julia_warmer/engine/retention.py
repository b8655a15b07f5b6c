"""Retention: what is kept for so many days, and forgotten after, a batch at a time. A rule is a row; the days are settings."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from julia_warmer.config import Settings
from julia_warmer.store import retention
from julia_warmer.store.db import Pool, transaction

BATCH_MAX = 5000  # rows of one transaction
BATCHES_MAX = 20  # of one rule in one run; the rest waits for the next


@dataclass(frozen=True, slots=True)
class Rule:
    """What is forgotten, by a query of store/retention.sql, and after how many days."""

    query: str
    days: Callable[[Settings], int]


RULES = (
    Rule("forget_decisions", lambda settings: settings.keep_decisions_d),
    Rule("forget_shadows", lambda settings: settings.keep_decisions_d),
    Rule("forget_forecasts", lambda settings: settings.keep_scores_d),
    Rule("forget_scores", lambda settings: settings.keep_scores_d),
    Rule("forget_deliveries", lambda settings: settings.keep_deliveries_d),
    Rule("forget_quarantined", lambda settings: settings.keep_deliveries_d),
    Rule("forget_received", lambda settings: settings.keep_messages_d),
    Rule("forget_said", lambda settings: settings.keep_messages_d),
    Rule("forget_requests", lambda settings: settings.keep_requests_d),
    Rule("forget_alerts", lambda settings: settings.keep_alerts_d),
    Rule("forget_imports", lambda settings: settings.keep_deliveries_d),
    Rule("forget_attempts", lambda settings: settings.keep_attempts_d),
    Rule("forget_slots", lambda settings: settings.keep_slots_d),
    Rule("forget_days", lambda settings: settings.keep_days_d),
    Rule("forget_hours", lambda settings: settings.keep_days_d),
)


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many rows of each rule are gone, how many months of events, and whether there is more to forget."""

    rows: dict[str, int]
    months: int
    more: bool


async def forget_old(pool: Pool, *, at: datetime, settings: Settings) -> Forgotten:
    """Apply every rule, a transaction for each batch; then drop the months of events that are too old."""
    rows = {rule.query: await _apply(pool, rule, before=at - timedelta(days=rule.days(settings))) for rule in RULES}
    async with transaction(pool) as conn:
        months = await retention.drop_months(conn, before=at - timedelta(days=settings.keep_events_d))
    return Forgotten(rows, months, more=any(gone == BATCH_MAX * BATCHES_MAX for gone in rows.values()))


async def _apply(pool: Pool, rule: Rule, *, before: datetime) -> int:
    gone = 0
    for _ in range(BATCHES_MAX):
        async with transaction(pool) as conn:
            batch = await retention.forget(conn, rule.query, before=before, limit=BATCH_MAX)
        gone += batch
        if batch < BATCH_MAX:
            break
    return gone
