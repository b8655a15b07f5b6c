"""Typed calls for what a person looks up: how many people there are, and their numbers. It must not know why."""

from collections.abc import Sequence
from dataclasses import dataclass

from julia_warmer.store.db import Connection, load

queries = load(__file__)


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """The people of one audience."""

    audience: str
    people: int
    marketing: int
    utility: int
    free: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    id: int
    phone: str


async def count_people(conn: Connection, *, limit: int) -> list[People]:
    return await queries.count_people.fetch_as(People, conn, limit=limit)


async def list_phones(conn: Connection, ids: Sequence[int]) -> dict[int, str]:
    """The numbers of contacts, by their ids."""
    return {row.id: row.phone for row in await queries.list_phones.fetch_as(Phone, conn, ids=ids)}
