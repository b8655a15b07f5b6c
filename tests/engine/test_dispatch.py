"""Dispatch against the sandbox: what it sends, how every answer is settled, and what it never does twice."""

from datetime import timedelta

from tests.conftest import Database
from tests.engine import outgoing as given
from tests.engine.outgoing import AT
from tests.engine.sending import opened

HOUR = timedelta(hours=1)


async def test_what_is_due_is_sent_once_and_counted(db: Database):
    async with opened(db, chips=2, sends=30) as line:
        done = await line.dispatch()
        assert (done.claimed, done.accepted, done.unknown, done.failed) == (30, 30, 0, 0)
        assert len({row["ours"] for row in line.ledger()}) == len(line.ledger()) == 30
        assert (await line.dispatch()).claimed == 0
        print(await line.states(), await given.counts(db.pool))
