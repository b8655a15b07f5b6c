"""`warmer suppressions`: whom not to write to; a person puts somebody on the list, or lets a number back with a reason."""

from typing import Annotated, Any

import typer

from julia_warmer.cli.errors import Misused
from julia_warmer.cli.forms import AsJson, Phone, Why, group, phone_of
from julia_warmer.cli.opening import Act, do, with_parts
from julia_warmer.cli.output import plural, print_rows, tell
from julia_warmer.clock import Clock
from julia_warmer.engine.journal import remember_stops
from julia_warmer.engine.parts import Parts
from julia_warmer.engine.suppressions import LAST_ID, Lifted, Suppressed, lift, list_of, name_of, suppress
from julia_warmer.store import suppressions as store
from julia_warmer.store.db import transaction

app = group("Whom not to write to: every claim and every import asks this list.")

PURPOSES = ("marketing", "all")


@app.command("list")
def list_(
    phone: Annotated[str | None, typer.Option("--phone", help="Only what stands or stood against this number.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Lifted ones too.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="Most rows to show.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Who is on the list, newest first. Whoever was erased stands on it without a name."""
    number = phone_of(phone) if phone else None

    async def work(act: Act) -> list[store.Suppression]:
        if number:
            return await list_of(act.conn, number, seal=act.seal(), limit=limit)
        return await store.list_suppressions(act.conn, open_only=not everything, before=LAST_ID, limit=limit)

    columns: dict[str, Any] = {
        "id": lambda row: row.id,
        "who": name_of,
        "of": lambda row: row.purpose,
        "by": lambda row: row.source,
        "since (UTC)": lambda row: row.at,
        "lifted (UTC)": lambda row: row.lifted_at,
        "lifted by": lambda row: row.lifted_by,
        "why": lambda row: row.lifted_why,
    }
    print_rows(do(work), columns, title="Suppressions", as_json=as_json, empty="nobody is on the list")


@app.command()
def add(
    phone: Phone,
    why: Why,
    purpose: Annotated[str, typer.Option("--purpose", help="marketing, or all.")] = "all",
    as_json: AsJson = False,
) -> None:
    """Write to somebody no more, who asked by another way than WhatsApp: planned messages are cancelled at once."""
    number = phone_of(phone)
    if purpose not in PURPOSES:
        raise Misused(f"--purpose {purpose} is none: use marketing or all")

    async def work(parts: Parts, clock: Clock) -> Suppressed:
        at = clock.now()
        async with transaction(parts.pool) as conn:
            done = await suppress(conn, number, purpose, seal=parts.seal, at=at, by=parts.settings.operator, why=why)
        remember_stops(parts.journal, [done.request], at=at)
        return done

    done = with_parts(work, journals=True)
    tell({"contact_id": done.contact_id, "purpose": purpose}, f"{phone} gets no more messages ({purpose}).", as_json=as_json)


@app.command("lift")
def lift_(phone: Phone, why: Why, as_json: AsJson = False) -> None:
    """Let a number back, with a reason. Nothing is allowed by it: only a consent given since then counts."""
    number = phone_of(phone)

    async def work(act: Act) -> Lifted:
        return await lift(act.conn, number, seal=act.seal(), at=act.at, by=act.by, why=why)

    done = do(work)
    left = f" {plural(done.left, 'suppression')} of WhatsApp's own switch stay: only the person ends those." if done.left else ""
    tell(
        done, f"{plural(len(done.ids), 'suppression')} lifted (contact {done.contact_id}); import their new consent.{left}", as_json=as_json
    )
