"""While anything is held, nothing is claimed and no request begins; then all of it goes out, once."""

import pytest

from julia_warmer.store import attempts, claims, holds
from julia_warmer.store.db import transaction
from julia_warmer.store.holds import HoldKind
from tests.conftest import Database
from tests.engine.outgoing import AT, claimer
from tests.engine.sending import Line, opened


async def hold(line: Line, kind: HoldKind = HoldKind.RESTORE, holder: str = "api-1") -> None:
    async with transaction(line.db.pool) as conn:
        assert await holds.put_hold(conn, kind, holder, reason="because", at=AT)


async def release(line: Line, kind: HoldKind = HoldKind.RESTORE, holder: str | None = None) -> list[str]:
    async with transaction(line.db.pool) as conn:
        return await holds.end_holds(conn, kind, holder)


@pytest.mark.parametrize("kind", list(HoldKind))
async def test_nothing_goes_out_while_a_hold_stands(db: Database, kind: HoldKind):
    async with opened(db, sends=5) as line:
        await hold(line, kind)
        async with transaction(db.pool) as conn:
            assert await claims.find_due_portfolios(conn, at=AT) == []
            claim = await claimer().claim(conn, line.fleet.portfolio, limit=5, at=AT)
        assert (claim.taken, (await line.dispatch()).claimed, line.ledger()) == ((), 0, [])
        assert await release(line, kind) == ["because"]
        assert ((await line.dispatch()).accepted, len(line.ledger())) == (5, 5)


async def test_what_was_claimed_before_the_hold_is_given_back(db: Database):
    async with opened(db, sends=3) as line:
        async with transaction(db.pool) as conn:
            claim = await claimer().claim(conn, line.fleet.portfolio, limit=5, at=AT)
        await hold(line)
        async with transaction(db.pool) as conn:
            assert not await attempts.begin_calls(conn, claim.taken, worker="one", lease_until=AT.replace(hour=15), at=AT)
        assert await line.states() == {"planned": 3}


async def test_each_holder_ends_its_own_hold_and_the_others_stand(db: Database):
    async with opened(db, sends=1) as line:
        await hold(line, holder="api-1")
        await hold(line, holder="api-2")
        await release(line, holder="api-1")
        assert (await line.dispatch()).claimed == 0
        await release(line, holder="api-2")
        assert (await line.dispatch()).accepted == 1
