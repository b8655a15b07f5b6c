"""Wakes a step: a job that commits together with what there is to do. It must not know what the steps do, nor who runs them."""

from enum import StrEnum

from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment, QueryQueueBuilder, QuerySchedulerBuilder
from pgqueuer.domain.settings import DBSettings, Durability
from pgqueuer.domain.types import Channel
from pgqueuer.ports.driver import Driver
from pgqueuer.queries import Queries

from julia_warmer.store import jobs
from julia_warmer.store.db import SCHEMA, Connection

CHANNEL = Channel("warmer_jobs")  # of our own: channels belong to the whole database, and Julia may run a PgQueuer in it


class Step(StrEnum):
    """The engine's steps; also the names of their jobs."""

    INTAKE = "intake"
    DISPATCH = "dispatch"
    SWEEP = "sweep"
    ROUTE = "route"
    REVIEW = "review"
    PLAN = "plan"
    POLL = "poll"
    TEMPLATES = "templates"
    PARTITIONS = "partitions"
    FOLD = "fold"
    SEAL = "seal"
    RIGHTS = "rights"
    QUALITY = "quality"
    IMPORT = "import"
    TIDY = "tidy"
    FORECAST = "forecast"


# Every name is given, because PgQueuer would take the others from the environment.
NAMES = DBSettings(
    prefix="",
    db_schema=SCHEMA,
    channel=CHANNEL,
    function="fn_pgqueuer_changed",
    statistics_table="pgqueuer_statistics",
    queue_status_type="pgqueuer_status",
    queue_table="pgqueuer",
    queue_table_log="pgqueuer_log",
    trigger="tg_pgqueuer_changed",
    schedules_table="pgqueuer_schedules",
    durability=Durability.durable,
)


def queue(driver: Driver) -> Queries:
    """PgQueuer's queries under our names."""
    return Queries(driver, qbe=QueryBuilderEnvironment(NAMES), qbq=QueryQueueBuilder(NAMES), qbs=QuerySchedulerBuilder(NAMES))


async def wake(conn: Connection, step: Step) -> None:
    """Have a step run as soon as this transaction commits. One job of a step waits at most; a worker takes it within milliseconds."""
    if not await jobs.find_queued(conn, step):
        await queue(AsyncpgDriver(conn)).enqueue(step, None, dedupe_key=step, on_conflict="skip")  # pyright: ignore[reportArgumentType]
