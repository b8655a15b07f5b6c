"""The claim's guards, each as a row of a table: what was done before, what becomes of the send, and why."""

from datetime import timedelta
from typing import Any

import pytest

from tests.conftest import Database
from tests.engine import outgoing as given
from tests.engine.claim_settings import (
    DAY,
    HOUR,
    Setting,
    another_chip_wrote_first,
    nothing,
    past,
    sql,
    stop,
    suppress,
    throttle,
    withdrawn,
    withdrawn_and_granted_again,
)
from tests.engine.outgoing import AT

pytestmark = pytest.mark.pg15

# what was done before the claim: what becomes of the send, and why
GUARDS: dict[str, tuple[Setting, str, str | None]] = {
    "nothing is in the way": (nothing, "claimed", None),
    # the person
    "asked to stop": (sql("update contacts set stopped_at = $1 where id = {contact}", AT), "cancelled", "asked to stop"),
    "switched marketing off": (
        sql("update contacts set platform_stopped_at = $1 where id = {contact}", AT),
        "cancelled",
        "switched marketing off",
    ),
    "undeliverable": (sql("update contacts set undeliverable_at = $1 where id = {contact}", AT), "cancelled", "undeliverable"),
    "suppressed by phone": (suppress("phone_key"), "cancelled", "suppressed"),
    "suppressed by user id": (suppress("user_id"), "cancelled", "suppressed"),
    "suppressed for marketing": (suppress("phone_key", "marketing"), "cancelled", "suppressed"),
    "a suppression was lifted": (
        sql(
            "insert into suppressions (phone_key, purpose, source, at, lifted_at) "
            "select phone_key, 'all', 'word', $1, $2 from contacts where id = {contact}",
            AT - DAY,
            AT - HOUR,
        ),
        "claimed",
        None,
    ),
    "the consent was withdrawn": (withdrawn, "cancelled", "no consent for marketing"),
    "withdrawn and granted again": (withdrawn_and_granted_again, "claimed", None),
    "the consent is for utility only": (
        sql("update sends set purpose = 'utility' where id = {send}"),
        "planned",
        None,  # the template is a marketing one: nothing goes out under another purpose
    ),
    "the template needs a name": (
        sql("update contacts set name = ' ' where id = {contact}"),
        "cancelled",
        "has no name, and the template asks for one",
    ),
    "the template has a word for those without a name": (
        sql("with nameless as (update contacts set name = null) update campaigns set parameters = $1", ["{name|colega}"]),
        "claimed",
        None,
    ),
    "belongs to another chip": (another_chip_wrote_first, "cancelled", "belongs to another chip"),
    "cooling down after 131049": (
        sql("update contacts set cooldown_until = $1 where id = {contact}", AT + 5 * HOUR),
        "planned",
        "per-user marketing limit",
    ),
    "cooled down": (sql("update contacts set cooldown_until = $1 where id = {contact}", AT), "claimed", None),
    "written to 6 days ago": (past(6 * DAY), "planned", "written to lately"),
    "written to 6 days ago, and it failed later": (past(6 * DAY, state="failed"), "planned", "written to lately"),
    "written to 7 days ago": (past(7 * DAY), "claimed", None),
    "written to 4 times in 30 days": (past(8 * DAY, 15 * DAY, 22 * DAY, 29 * DAY), "planned", "written to lately"),
    "written to 4 times in 31 days": (past(8 * DAY, 15 * DAY, 22 * DAY, 30 * DAY), "claimed", None),
    "written to a minute ago for another purpose": (past(timedelta(minutes=1), purpose="utility"), "claimed", None),
    # the chip
    "the chip is paused": (sql("update chips set status = 'paused', paused_from = 'warming'"), "planned", None),
    "the chip is pending": (sql("update chips set status = 'pending'"), "planned", None),
    "the chip is ready": (sql("update chips set status = 'ready'"), "claimed", None),
    "the number is not connected": (sql("update chips set phone_status = 'FLAGGED'"), "planned", None),
    "the day's budget is 0": (sql("update chips set budget_day_max = 0"), "planned", None),
    # stops
    "everything is stopped": (stop("everything", "null"), "planned", None),
    "the portfolio is stopped": (stop("portfolio", "{portfolio}"), "planned", None),
    "the account is stopped": (stop("account", "{account}"), "planned", None),
    "the chip is stopped": (stop("chip", "{chip}"), "planned", None),
    "the campaign is stopped": (stop("campaign", "{campaign}"), "planned", None),
    "the template is stopped": (stop("template", "{template}"), "planned", None),
    "a stop was released": (
        sql("insert into stops (scope, reason, by, at, released_at) values ('everything', 'test', 'ana', $1, $1)", AT - HOUR),
        "claimed",
        None,
    ),
    "another account is stopped": (stop("account", "{account} + 1"), "claimed", None),
    # the platform asked to wait
    "the app is throttled": (throttle("app", "0", AT + HOUR), "planned", None),
    "the account is throttled": (throttle("account", "{account}", AT + HOUR), "planned", None),
    "the chip is throttled": (throttle("chip", "{chip}", AT + HOUR), "planned", None),
    "a throttle has ended": (throttle("chip", "{chip}", AT), "claimed", None),
    # campaign and template
    "the campaign is paused": (sql("update campaigns set status = 'paused'"), "planned", None),
    "the template is paused": (sql("update templates set status = 'PAUSED'"), "planned", None),
    "the template became utility": (sql("update templates set category = 'UTILITY'"), "planned", None),
    # money
    "the spend limit is used up": (sql("update portfolios set spend_day_max = 0.05"), "planned", None),
    "the spend limit pays for one more": (sql("update portfolios set spend_day_max = 0.07"), "claimed", None),
    "a spend limit, and no price is known": (
        sql("with gone as (delete from prices) update portfolios set spend_day_max = 9"),
        "planned",
        None,
    ),
    # time
    "not due yet": (sql("update sends set due_at = $1 where id = {send}", AT + timedelta(seconds=1)), "planned", None),
    "its time is over": (sql("update sends set expires_at = $1 where id = {send}", AT), "planned", None),
}


async def judge(conn: Any, name: str) -> tuple[str, str | None]:
    """One row of the table in a fleet of its own: what became of the send, and why."""
    fleet = await given.add_fleet(conn, chips=2)
    await conn.execute("insert into prices (category, amount, currency, since) values ('marketing', 0.0625, 'USD', '2026-01-01')")
    contact = await given.add_person(conn, 1, user_id="BR.1")
    send = await given.add_send(conn, fleet, contact)
    await GUARDS[name][0](conn, fleet, contact, send)
    await given.claimer().claim(conn, fleet.portfolio, limit=50, at=AT)
    row = await conn.fetchrow("select state, reason, cap_day, lease_until from sends where id = $1", send)
    slots = await conn.fetchval("select count(*) from budget_uses where until_at > $1", AT)
    is_claimed = row["state"] == "claimed"
    assert ((row["cap_day"] is not None), (row["lease_until"] is not None), slots) == (is_claimed, is_claimed, is_claimed), name
    return row["state"], row["reason"]


async def test_every_guard_decides(db: Database):
    found: dict[str, tuple[str, str | None]] = {}
    async with db.pool.acquire() as conn:
        for name in GUARDS:
            tried = conn.transaction()
            await tried.start()
            found[name] = await judge(conn, name)
            await tried.rollback()
    assert found == {name: (state, reason) for name, (_, state, reason) in GUARDS.items()}
