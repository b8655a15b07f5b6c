"""Everything that a database holds, as text; and every form in which a word could stand in it."""

import base64
from typing import Any

TABLES = r"""
    select format('%I.%I', schemaname, tablename) as name
    from pg_catalog.pg_tables
    where schemaname not in ('pg_catalog', 'information_schema') and schemaname not like 'pg\_temp%'  -- another connection's, gone with it
    order by 1
"""


async def dump_of(conn: Any) -> dict[str, str]:
    """Each table's rows, as PostgreSQL writes them."""
    names = [row["name"] for row in await conn.fetch(TABLES)]
    return {name: await conn.fetchval(f"select coalesce(string_agg(t::text, chr(10)), '') from {name} as t") for name in names}


def forms_of(word: str) -> set[str]:
    """As it is, in other cases, as hex, and as base64 at each of its three places."""
    raw = word.encode()
    found = {word, word.lower(), word.upper(), raw.hex()}
    for shift in range(3):
        code = base64.b64encode(bytes(shift) + raw).decode()
        first = -(-8 * shift // 6)
        whole = code[first : len(code) - (4 if (shift + len(raw)) % 3 else 0)]
        if len(whole) >= 8:
            found |= {whole, whole.encode().hex()}
    return found


def traces(dump: dict[str, str], words: list[str]) -> list[str]:
    """Where any of these words stands, in any form: `table: word`."""
    return sorted(f"{name}: {word}" for name, text in dump.items() for word in words if any(form in text for form in forms_of(word)))
