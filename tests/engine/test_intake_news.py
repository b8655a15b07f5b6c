"""What the platform says about portfolios, numbers and templates: written, never replaced by an older word, told to a person."""

from datetime import timedelta
from typing import Any

import pytest

from tests.conftest import Database
from tests.engine import scratch
from tests.engine.incoming import AT, NOW, account_webhook, add_fleet, apply, hours, row

db = scratch.db

MINUTE = timedelta(minutes=1)
NUMBER = {"display_phone_number": "5511900000000"}
TEMPLATE = {"message_template_id": "t-one", "message_template_name": "shift_invite", "message_template_language": "pt_BR"}


Said = tuple[str, dict[str, Any]]


def quality(event: str) -> Said:
    return "phone_number_quality_update", {**NUMBER, "event": event}


def name(decision: str) -> Said:
    return "phone_number_name_update", {**NUMBER, "decision": decision, "requested_verified_name": "Julia"}


def template(**more: Any) -> Said:
    return "message_template_status_update", {**TEMPLATE, **more}


def category(**more: Any) -> Said:
    return "template_category_update", {**TEMPLATE, **more}


def security(event: str) -> Said:
    return "security", {**NUMBER, "event": event}


def limit(value: Any) -> Said:
    return "business_capability_update", {"max_daily_conversations_per_business": value}


SOON = int((NOW + timedelta(days=1)).timestamp())
NEWS = [
    (limit("TIER_2K"), "portfolios", "messaging_limit", 2000, None),
    (limit(10000), "portfolios", "messaging_limit", 10000, None),
    (limit("TIER_UNLIMITED"), "portfolios", "messaging_limit", -1, None),
    (limit("TIER_NOT_SET"), "portfolios", "messaging_limit", None, None),
    (quality("FLAGGED"), "chips", "quality", "UNKNOWN", "warning"),
    (name("APPROVED"), "chips", "name_status", "APPROVED", None),
    (name("REJECTED"), "chips", "name_status", "DECLINED", "warning"),
    (template(event="REJECTED", reason="SCAM"), "templates", "status", "REJECTED", "warning"),
    (template(event="REINSTATED"), "templates", "status", "APPROVED", None),
    (template(event="FLAGGED"), "templates", "status", "APPROVED", "warning"),
    (template(new_quality_score="GREEN"), "templates", "quality", "GREEN", None),
    (template(new_quality_score="RED"), "templates", "quality", "RED", "warning"),
    (category(new_category="UTILITY", previous_category="MARKETING"), "templates", "category", "UTILITY", "warning"),
    (category(correct_category="UTILITY", category_update_timestamp=SOON), "templates", "category", "MARKETING", "warning"),
    (security("PIN_CHANGED"), "chips", "status", "warming", "critical"),
    (("account_alerts", {"alert_type": "INCREASED_CAPABILITIES_ELIGIBILITY_FAILED"}), "chips", "status", "warming", "info"),
]  # fmt: skip


@pytest.mark.parametrize(("said", "table", "column", "value", "level"), NEWS, ids=[str(said[1])[-60:] for said, *_ in NEWS])
async def test_the_platforms_word_is_written(
    db: Database, said: tuple[str, dict[str, Any]], table: str, column: str, value: Any, level: Any
):
    fleet = await add_fleet(db.pool)
    done = await apply(db, account_webhook(*said))
    assert done.quarantined == 0
    ids = {"portfolios": fleet.portfolio, "chips": fleet.chips[0], "templates": fleet.template}
    assert (await row(db, table, ids[table]))[column] == value
    assert [found["level"] for found in await db.pool.fetch("select level from alerts")] == ([level] if level else [])


async def test_an_older_limit_does_not_replace_a_newer_one(db: Database):
    fleet = await add_fleet(db.pool)
    await apply(db, account_webhook(*limit(10000), at=AT + MINUTE))
    await apply(db, account_webhook(*limit(2000), at=AT))
    found = await row(db, "portfolios", fleet.portfolio)
    assert (found["messaging_limit"], found["limit_read_at"]) == (10000, AT + MINUTE)


async def test_a_warning_to_an_account_is_one_to_each_of_its_chips(db: Database):
    fleet = await add_fleet(db.pool, chips=2)
    restriction = account_webhook("account_update", {"event": "ACCOUNT_VIOLATION", "violation_info": {"violation_type": "SCAM"}})
    await apply(db, restriction, restriction + b" ", account_webhook(*quality("FLAGGED")))
    assert [await hours(db, chip, "warnings") for chip in fleet.chips] == [2, 1]


async def test_the_same_alert_is_open_once(db: Database):
    await add_fleet(db.pool)
    await apply(db, account_webhook(*security("PIN_CHANGED")), account_webhook(*security("PIN_CHANGED"), at=AT + MINUTE))
    assert await db.pool.fetchval("select count(*) from alerts") == 1
