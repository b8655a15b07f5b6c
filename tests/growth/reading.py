"""What statements read: a connection that notes the rows that each one looked at, beside those that it gave. It must not know any."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from julia_warmer.store import db

NAMES = {query.sql: query.name for queries in db.scan() for query in queries}
PLANS = ("force_custom_plan", "force_generic_plan")  # in life PostgreSQL goes from the one to the other after five times
READS = ("select", "insert", "update", "delete", "with")
READ_SO_FAR = """
    select coalesce(sum(pg_stat_get_xact_tuples_returned(oid)), 0)::bigint
    from pg_class
    where relnamespace = 'warmer'::regnamespace and relkind in ('r', 'i')
"""


@dataclass(frozen=True, slots=True)
class Read:
    """One statement as it ran: rows that its scans looked at, pairs that its joins threw away, rows it gave or wrote, pages, plan."""

    name: str
    scanned: int
    compared: int
    given: int
    pages: int
    plan: str

    def __str__(self) -> str:
        looked = f"{self.scanned:,} rows looked at, {self.compared:,} pairs in vain"
        return f"{self.name}: {looked}, {self.given:,} given or written, {self.pages:,} pages\n{self.plan}"


@dataclass(slots=True)
class Reader:
    """Stands for a connection. Each statement is explained while it runs, undone, and then runs as it does in life."""

    conn: asyncpg.Connection
    reads: list[Read] = field(default_factory=list)

    async def plan_as(self, mode: str) -> None:
        """One of `PLANS`, for the rest of the transaction."""
        await self.conn.execute(f"set local plan_cache_mode = {mode}")

    def transaction(self) -> Any:
        return self.conn.transaction()

    async def fetch(self, sql: str, *args: Any) -> list[Any]:
        return await self._watch(sql, args, self.conn.fetch)

    async def fetchrow(self, sql: str, *args: Any) -> Any:
        return await self._watch(sql, args, self.conn.fetchrow)

    async def fetchval(self, sql: str, *args: Any) -> Any:
        return await self._watch(sql, args, self.conn.fetchval)

    async def execute(self, sql: str, *args: Any) -> str:
        return await self._watch(sql, args, self.conn.execute)

    async def _watch(self, sql: str, args: tuple[Any, ...], run: Any) -> Any:
        if not sql.lstrip().startswith(READS):
            return await run(sql, *args)
        explained = await self._explain(sql, args)
        before = await self.conn.fetchval(READ_SO_FAR)
        result = await run(sql, *args)
        really = await self.conn.fetchval(READ_SO_FAR) - before
        self.reads.append(_read(NAMES.get(sql, sql[:60]), explained, really))
        return result

    async def _explain(self, sql: str, args: tuple[Any, ...]) -> dict[str, Any]:
        undone = self.conn.transaction()
        await undone.start()
        (row,) = await self.conn.fetch(f"explain (analyze, buffers, timing off, format json) {sql}", *args)
        await undone.rollback()
        plan: dict[str, Any] = (json.loads(row[0]) if isinstance(row[0], str) else row[0])[0]["Plan"]
        return plan


def _read(name: str, plan: dict[str, Any], really: int) -> Read:
    """`really`: by the server's own counters, for the plan that was chosen in life may be another one."""
    nodes = list(_nodes(plan))
    pages = plan.get("Shared Hit Blocks", 0) + plan.get("Shared Read Blocks", 0)
    given = round(max((_rows(node) for node in nodes if node["Node Type"] == "ModifyTable"), default=0) or _rows(plan))
    compared = round(sum(node.get("Rows Removed by Join Filter", 0) * node.get("Actual Loops", 1) for node in nodes))
    return Read(name, max(really, round(sum(map(_scanned, nodes)))), compared, given, pages, "\n".join(_lines(plan)))


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from _nodes(part)


def _rows(node: dict[str, Any]) -> float:
    return node.get("Actual Rows", 0) * node.get("Actual Loops", 1)


def _scanned(node: dict[str, Any]) -> float:
    """The rows that a scan of a table looked at: those it gave, and those it threw away."""
    if "Relation Name" not in node or node["Node Type"] == "ModifyTable":
        return 0
    thrown = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    return (node.get("Actual Rows", 0) + thrown) * node.get("Actual Loops", 1)


def _lines(node: dict[str, Any], depth: int = 0) -> Iterable[str]:
    where = " ".join(str(node[name]) for name in ("Index Name", "Relation Name", "Subplan Name") if name in node)
    rows, loops, thrown = (node.get(name, 0) for name in ("Actual Rows", "Actual Loops", "Rows Removed by Filter"))
    yield f"{'  ' * depth}{node['Node Type']} {where}: {rows:g} x {loops:g}, {thrown:g} thrown away"
    for part in node.get("Plans", ()):
        yield from _lines(part, depth + 1)
