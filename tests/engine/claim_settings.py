"""What may be done before a claim is tried: each a change of one fleet, one person and one send, named as the tables read it."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

from tests.engine import outgoing as given
from tests.engine.outgoing import AT, Fleet

SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
Setting = Callable[[Any, Fleet, int, int], Awaitable[object]]  # connection, fleet, contact, send


def sql(text: str, *values: Any) -> Setting:
    """A change made before the claim; {contact}, {chip} and so on stand for ids."""

    async def change(conn: Any, fleet: Fleet, contact: int, send: int) -> object:
        ids = {"contact": contact, "send": send, "chip": fleet.chips[0], "portfolio": fleet.portfolio}
        return await conn.execute(text.format(**ids, account=fleet.account, campaign=fleet.campaign, template=fleet.template), *values)

    return change


def stop(scope: str, target: str) -> Setting:
    return sql(f"insert into stops (scope, target_id, reason, by, at) values ('{scope}', {target}, 'test', 'ana', $1)", AT)


def suppress(what: str, purpose: str = "all") -> Setting:
    return sql(
        f"insert into suppressions ({what}, purpose, source, at) "
        f"select {what}, '{purpose}', 'word', $1 from contacts where id = {{contact}}",
        AT,
    )


def past(*ago: timedelta, **more: Any) -> Setting:
    async def change(conn: Any, fleet: Fleet, contact: int, send: int) -> object:
        return [await given.add_past(conn, fleet, contact, AT - span, **more) for span in ago]

    return change


async def nothing(conn: Any, fleet: Fleet, contact: int, send: int) -> object:
    return None


async def withdrawn(conn: Any, fleet: Fleet, contact: int, send: int) -> object:
    return await given.add_consent(conn, contact, act="withdrawn", at=AT - HOUR)


async def withdrawn_and_granted_again(conn: Any, fleet: Fleet, contact: int, send: int) -> object:
    await given.add_consent(conn, contact, act="withdrawn", at=AT - 2 * HOUR)
    return await given.add_consent(conn, contact, at=AT - HOUR)


async def another_chip_wrote_first(conn: Any, fleet: Fleet, contact: int, send: int) -> object:
    return await conn.execute("update contacts set chip_id = $1 where id = $2", fleet.chips[1], contact)


def throttle(scope: str, target: str, until: datetime) -> Setting:
    return sql(f"insert into throttles (scope, target_id, until_at, code, since) values ('{scope}', {target}, $1, 4, $2)", until, AT - HOUR)
