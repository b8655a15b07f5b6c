"""The list of what is about people is the schema's: nothing personal is stored without a word of why, how long and what erasure leaves."""

from julia_warmer.config import Settings
from julia_warmer.store.personal import ABOUT_NOBODY, TABLES, Held
from tests.conftest import Database

COLUMNS = """
    select columns.table_name, columns.column_name, columns.data_type
    from information_schema.columns
    where columns.table_schema = 'warmer' and columns.table_name !~ '^events_[0-9]{6}$'
    order by 1, 2
"""
# Numbers, moments and switches name nobody by themselves; what hangs on a contact does.
HARMLESS = {
    *("bigint", "integer", "boolean", "timestamp with time zone", "double precision", "real", "numeric", "date", "interval"),
}


async def test_every_column_that_could_hold_something_personal_is_declared(db: Database):
    undeclared: list[str] = []
    for row in await db.owner.fetch(COLUMNS):
        table, column = row["table_name"], row["column_name"]
        about_somebody = column in ("contact_id", "secret") or row["data_type"] not in HARMLESS
        if not about_somebody or table in ABOUT_NOBODY:
            continue
        if table not in TABLES or column not in TABLES[table].columns:
            undeclared.append(f"{table}.{column}")
    assert undeclared == [], "say in store/personal.py what it holds, why, and what an erasure leaves of it"


async def test_nothing_is_declared_that_is_not_there(db: Database):
    there: dict[str, set[str]] = {}
    for row in await db.owner.fetch(COLUMNS):
        there.setdefault(row["table_name"], set()).add(row["column_name"])
    assert {*TABLES, *ABOUT_NOBODY} - set(there) == set()
    assert [f"{name}.{column}" for name, table in TABLES.items() for column in table.columns if column not in there[name]] == []


async def test_a_table_about_nobody_does_not_hang_on_a_contact(db: Database):
    hanging = {row["table_name"] for row in await db.owner.fetch(COLUMNS) if row["column_name"] == "contact_id"}
    assert hanging & ABOUT_NOBODY == {"campaign_hits"}  # a view of sends


def test_each_says_when_its_rows_end_and_what_an_erasure_leaves():
    names = Settings.model_fields
    for name, table in TABLES.items():
        assert (table.days in names) if table.days else table.ends, name
        assert all(column.erased for column in table.columns.values() if column.held is not Held.NOBODY), name
