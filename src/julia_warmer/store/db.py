"""Connections, and the queries of a `.sql` file as values with a name. It must not know any table.

A query file lies beside its module. Each query opens with `-- name: verb_noun -> Row`, then at least one comment line that says in a
sentence what it does, then the statement with `$name` parameters. `Row` is a dataclass of the module, a scalar type, or `none`.
"""

import asyncio
import enum
import re
import types
import typing
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import asyncpg
import orjson
from asyncpg.pool import PoolConnectionProxy

from julia_warmer.store.errors import QueryFileError, StoreError

Connection: TypeAlias = asyncpg.Connection | PoolConnectionProxy
Pool: TypeAlias = asyncpg.Pool
Record: TypeAlias = asyncpg.Record
T = TypeVar("T")

FOLDER = Path(__file__).parent
SCHEMA = "warmer"
CONNECT_TIMEOUT_S = 10
STATEMENT_TIMEOUT_S = 60.0
# A process that stops inside a transaction (a paused machine, a cut network) keeps its locks, and others wait: the server ends it.
IDLE_IN_TRANSACTION_S = 30
# Its other transactions that wait for the first one's locks would get them then, and keep their own as long again, one after another. So
# nobody waits for a lock for long: whatever of it still waits lets go meanwhile, and all is over after both times together.
LOCK_WAIT_S = 15
LIMITS = {"idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_S}s", "lock_timeout": f"{LOCK_WAIT_S}s"}
PARTING_S = 1.0  # for a transaction that took too long to be ended in order
STATEMENTS_KEPT_MAX = 500  # prepared statements of one connection: more than we have queries
JSONB_VERSION = b"\x01"

# What the driver raises when the database cannot be used by anybody at this moment: away, shutting down, a connection that broke midway.
AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.exceptions.OperatorInterventionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)
FAILED = (*AWAY, asyncpg.PostgresError)  # and what it says to a statement
# It undid a transaction for the sake of another, or would not wait for it any longer: the same may well succeed in a moment.
UNDONE = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError, asyncpg.LockNotAvailableError)

_HEAD = re.compile(r"^-- name: *(?P<name>\S+) *-> *(?P<row>\S+) *$")
_QUERY_NAME = re.compile(r"[a-z]+(_[a-z0-9]+)+")
_SPAN = re.compile(
    r"""
      --[^\n]*                                      # comments,
    | /\*.*?\*/
    | (?<!\w)[eE]'(?:[^'\\]|\\.|'')*'               # strings,
    | '(?:[^']|'')*'
    | "(?:[^"]|"")*"                                # quoted names
    | (?<![\w$])\$(?P<tag>(?:[a-zA-Z_]\w*)?)\$.*?\$(?P=tag)\$   # and dollar-quoted bodies are left alone
    | (?<![\w$])\$(?P<param>[a-z_][a-z0-9_]*)       # our parameters
    """,
    re.VERBOSE | re.DOTALL,
)


# ------------------------------------------------------------------ connections


async def open_pool(dsn: str, *, application_name: str, min_size: int = 1, max_size: int = 10) -> Pool:
    """A pool whose connections speak UTC and JSON and look into our schema. The caller closes it. Raises StoreError."""
    with _plain_errors(dsn):
        return await asyncpg.create_pool(
            dsn,
            min_size=min_size,
            max_size=max_size,
            init=_teach_json,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=STATEMENT_TIMEOUT_S,
            statement_cache_size=STATEMENTS_KEPT_MAX,
            max_cached_statement_lifetime=0,
            server_settings=_server_settings(application_name) | LIMITS,
        )


async def connect(dsn: str, *, application_name: str) -> asyncpg.Connection:
    """One connection of the same kind, for migrations and tools. The caller closes it. Raises StoreError."""
    with _plain_errors(dsn):
        connection = await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S, server_settings=_server_settings(application_name))
    await _teach_json(connection)
    return connection


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncGenerator[PoolConnectionProxy]:
    """A connection inside a transaction: one for each step, opened at the edge; nobody below commits."""
    async with pool.acquire() as connection, connection.transaction():
        yield connection


@asynccontextmanager
async def transaction_within(pool: Pool, most_s: float, *, parting_s: float = PARTING_S) -> AsyncGenerator[PoolConnectionProxy]:
    """A transaction that is over within so long, the wait for a connection included, also when the server says nothing any more.

    Then it is ended in order, for which it has `parting_s`: the driver waits for the server's word, so the connection is broken off.
    Raises TimeoutError, or what a broken connection raises: all of them AWAY.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + most_s
    connection = await pool.acquire(timeout=most_s)
    breaking = loop.call_at(end + parting_s, connection.terminate)
    try:
        async with asyncio.timeout_at(end), connection.transaction():
            yield connection
    finally:
        breaking.cancel()
        await pool.release(connection, timeout=parting_s)


def _server_settings(application_name: str) -> dict[str, str]:
    return {"search_path": f"{SCHEMA}, pg_catalog", "timezone": "UTC", "application_name": application_name}


async def _teach_json(connection: Connection) -> None:
    """jsonb and json to and from Python values. Binary, because COPY takes no other codec."""
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        format="binary",
        encoder=lambda value: JSONB_VERSION + orjson.dumps(value),
        decoder=lambda data: orjson.loads(data[1:]),
    )
    await connection.set_type_codec("json", schema="pg_catalog", format="binary", encoder=orjson.dumps, decoder=orjson.loads)


@contextmanager
def _plain_errors(dsn: str) -> Generator[None]:
    """What a connection attempt may raise, as one line with the mend; the address is said without its password."""
    try:
        yield
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        where = re.sub(r"(?<=//)([^:@/]*):[^@]*@", r"\1:***@", dsn)
        cause = str(error) or type(error).__name__
        raise StoreError(f"the database {where} cannot be used: {cause}; check WARMER_DATABASE_URL and that it runs") from error


# ------------------------------------------------------------------ queries


@dataclass(frozen=True, slots=True)
class Query:
    """One named statement. Its methods take the parameters by name, and say which are missing or unknown (TypeError)."""

    name: str
    row: str
    about: str
    sql: str  # with positions
    params: tuple[str, ...]  # in the order of their positions
    path: Path

    async def fetch(self, conn: Connection, /, **params: Any) -> list[Record]:
        return await conn.fetch(self.sql, *self.bind(params))

    async def fetchrow(self, conn: Connection, /, **params: Any) -> Record | None:
        return await conn.fetchrow(self.sql, *self.bind(params))

    async def fetchval(self, conn: Connection, /, **params: Any) -> Any:
        return await conn.fetchval(self.sql, *self.bind(params))

    async def fetch_as(self, cls: type[T], conn: Connection, /, **params: Any) -> list[T]:
        """The rows as values of a dataclass whose fields are named like the columns."""
        return [to_value(cls, record) for record in await conn.fetch(self.sql, *self.bind(params))]

    async def fetchrow_as(self, cls: type[T], conn: Connection, /, **params: Any) -> T | None:
        record = await conn.fetchrow(self.sql, *self.bind(params))
        return None if record is None else to_value(cls, record)

    async def execute(self, conn: Connection, /, **params: Any) -> int:
        """Run it. Returns how many rows it touched."""
        tag = await conn.execute(self.sql, *self.bind(params))
        last = tag.rsplit(" ", 1)[-1]
        return int(last) if last.isdigit() else 0

    async def many(self, conn: Connection, rows: Iterable[Mapping[str, Any]]) -> None:
        """Run it once for each row, all or none, in few round trips."""
        await conn.executemany(self.sql, [self.bind(row) for row in rows])

    def bind(self, values: Mapping[str, Any]) -> list[Any]:
        """The values in the order of their positions. Raises TypeError."""
        if len(values) == len(self.params):
            try:
                return [values[param] for param in self.params]
            except KeyError:
                pass
        missing = ", ".join(param for param in self.params if param not in values)
        unknown = ", ".join(name for name in values if name not in self.params)
        parts = (f"lacks {missing}" if missing else "", f"does not know {unknown}" if unknown else "")
        raise TypeError(f"query {self.name} of {self.path.name} {' and '.join(part for part in parts if part)}")


@dataclass(frozen=True, slots=True)
class Queries:
    """The queries of one file, as attributes."""

    path: Path
    by_name: Mapping[str, Query] = field(repr=False)

    def __getattr__(self, name: str) -> Query:
        try:
            return self.by_name[name]
        except KeyError:
            raise AttributeError(f"{self.path.name} has no query {name!r}") from None

    def __iter__(self) -> Iterator[Query]:
        return iter(self.by_name.values())


def load(module_file: str) -> Queries:
    """The queries beside a module: `queries = load(__file__)`, once, at import. Raises QueryFileError."""
    path = Path(module_file).with_suffix(".sql")
    return Queries(path, {query.name: query for query in parse(path.read_text("utf-8"), path)})


def scan(folder: Path = FOLDER) -> tuple[Queries, ...]:
    """The queries of every `.sql` file of a folder, found without importing anything."""
    return tuple(load(str(path)) for path in sorted(folder.glob("*.sql")))


def parse(text: str, path: Path) -> list[Query]:
    """Read a query file. Raises QueryFileError with the file and the line."""
    queries: list[Query] = []
    lines = text.splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith("-- name:")]
    for number, line in enumerate(lines[: starts[0] if starts else len(lines)], start=1):
        if line.strip() and not line.startswith("--"):
            raise QueryFileError(f"{path.name}:{number}: a statement stands before the first `-- name: verb_noun -> Row`")
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        query = _parse_one(lines[start:end], path, start + 1)
        if any(query.name == other.name for other in queries):
            raise QueryFileError(f"{path.name}:{start + 1}: a second query is named {query.name}")
        queries.append(query)
    return queries


def _parse_one(lines: list[str], path: Path, number: int) -> Query:
    where = f"{path.name}:{number}"
    head = _HEAD.match(lines[0])
    if head is None or not _QUERY_NAME.fullmatch(head["name"]):
        raise QueryFileError(f"{where}: write `-- name: verb_noun -> Row`, not `{lines[0]}`")
    length = next((at for at, line in enumerate(lines[1:]) if not line.startswith("--")), len(lines) - 1)
    about = " ".join(line.removeprefix("--").strip() for line in lines[1 : 1 + length]).strip()
    if not about:
        raise QueryFileError(f"{where}: say in a sentence what {head['name']} does, in a comment under its name")
    statement = "\n".join(lines[1 + length :]).strip().removesuffix(";").rstrip()
    if not statement:
        raise QueryFileError(f"{where}: {head['name']} has no statement")
    sql, params = number_params(statement)
    return Query(head["name"], head["row"], about, sql, params, path)


def number_params(statement: str) -> tuple[str, tuple[str, ...]]:
    """Turn `$name` into `$1`, the same name always into the same number. Returns the names in the order of their numbers."""
    numbers: dict[str, int] = {}

    def numbered(span: re.Match[str]) -> str:
        param = span["param"]
        return span[0] if param is None else f"${numbers.setdefault(param, len(numbers) + 1)}"

    return _SPAN.sub(numbered, statement), tuple(numbers)


def to_value(cls: type[T], record: Record) -> T:
    """A record as a value of the dataclass. Text becomes the field's enum, an array the field's tuple, and a class with `from_stored` says
    itself what a stored value means. Raises TypeError."""
    conversions = _conversions(cls)
    if not conversions:
        return cls(**record)
    values = dict(record.items())
    for name, convert in conversions.items():
        if (value := values.get(name)) is not None:
            values[name] = convert(value)
    return cls(**values)


@cache
def _conversions(cls: type) -> dict[str, Callable[[Any], Any]]:
    """For each field that asyncpg's own value does not fit: what makes it fit."""
    hints = typing.get_type_hints(cls)
    found = {item.name: _conversion(hints[item.name]) for item in fields(cls)}
    return {name: convert for name, convert in found.items() if convert}


def _conversion(hint: Any) -> Callable[[Any], Any] | None:
    origin, parts = typing.get_origin(hint), [part for part in typing.get_args(hint) if part is not type(None)]
    if origin in (typing.Union, types.UnionType):
        return _conversion(parts[0]) if len(parts) == 1 else None
    if origin in (tuple, frozenset):
        inner = _conversion(parts[0]) if parts else None
        return (lambda values: origin(inner(value) for value in values)) if inner else origin
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return hint
    return getattr(hint, "from_stored", None)
