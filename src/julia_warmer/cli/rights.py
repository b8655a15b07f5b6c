"""`warmer contacts show | export | erase | request | requests | answer | engagement`: what a person may ask of whoever holds their data."""

import os
import sys
from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from julia_warmer.cli.errors import CommandError, Misused
from julia_warmer.cli.forms import AsJson, Phone, Why, phone_of
from julia_warmer.cli.opening import Act, do, with_parts
from julia_warmer.cli.output import plain, plural, print_facts, print_json, print_rows, print_table, say, tell
from julia_warmer.clock import Clock
from julia_warmer.engine.dossier import Dossier, Score, gather, read_score, set_scored
from julia_warmer.engine.dossier import export as export_dossier
from julia_warmer.engine.dossier import plain as as_given
from julia_warmer.engine.erasure import Erased, erase_person, remember_erasure
from julia_warmer.engine.parts import Parts
from julia_warmer.engine.requests import Asked, Outcome, Request, close_request, list_requests, open_request
from julia_warmer.engine.suppressions import name_of
from julia_warmer.store.db import transaction

ROWS_SHOWN = 50
REQUESTS_MAX = 500


def show(phone: Phone, as_json: AsJson = False) -> None:
    """Show all that is held about a person: what they agreed to with the proof, what stands against writing, what was said."""
    number = phone_of(phone)

    async def work(act: Act) -> Dossier:
        return await gather(act.conn, number, seal=act.seal(), settings=act.settings, at=act.at)

    found = do(work)
    if as_json:
        print_json(as_given(found))
    else:
        _show(found)


def export(
    phone: Phone,
    out: Annotated[Path | None, typer.Option("--out", help="File to write; only its owner may read it. Default: standard output.")] = None,
) -> None:
    """Export all that is held about a person as JSON, to be handed over; the act is written down."""
    number = phone_of(phone)

    async def work(act: Act) -> Dossier:
        return await export_dossier(act.conn, number, seal=act.seal(), settings=act.settings, at=act.at, by=act.by)

    found = as_given(do(work))
    if out is None:
        print_json(found)
        return
    try:
        handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(orjson.dumps(plain(found), option=orjson.OPT_INDENT_2) + b"\n")
    except OSError as error:
        raise CommandError(f"{out} cannot be written: {error.strerror or error}") from None
    say(f"written to {out}")


def erase(
    phone: Phone,
    why: Why = "the person asked for it",
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask again, as no script is asked: what is erased cannot be brought back.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Erase a person: only a keyed hash stays, and nothing is ever sent to that number again. Cannot be undone."""
    number = phone_of(phone)
    if not yes and sys.stdin.isatty() and not typer.confirm(f"Erase everything about {phone}, for good?"):
        raise Misused("nothing was erased; --yes does not ask")

    async def work(parts: Parts, clock: Clock) -> Erased:
        at = clock.now()
        async with transaction(parts.pool) as conn:
            done = await erase_person(conn, number, seal=parts.seal, at=at, by=parts.settings.operator, why=why)
        remember_erasure(parts.journal, done, at=at)
        return done

    done = with_parts(work, journals=True)
    if done.before:
        tell(done, "This person was erased before; nothing is held.", as_json=as_json)
        return
    told = f"Erased: {plural(done.messages, 'message')}, {plural(done.facts, 'fact')}, {plural(done.deliveries, 'delivery')} emptied."
    calling = f" {plural(done.calling, 'message')} had begun to go out and may still arrive." if done.calling else ""
    tell(done, f"{told}{calling} What stays is the hash {done.person}.", as_json=as_json)


# ------------------------------------------------------------------ requests


def request(
    phone: Phone,
    kind: Annotated[Asked, typer.Argument(help="What the person asks.", show_default=False)],
    said: Annotated[str, typer.Option("--said", help="Their words, and how to answer them. Kept sealed.", show_default=False)],
    received: Annotated[datetime | None, typer.Option("--received", help="When it came in, UTC. Default: now.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write down what a person asks about their data; 15 days are left from the day it came in."""
    number = phone_of(phone)

    async def work(act: Act) -> dict[str, Any]:
        at = received.replace(tzinfo=act.at.tzinfo) if received else act.at
        made = await open_request(act.conn, number, kind, said=said, received_at=at, seal=act.seal(), at=act.at, by=act.by)
        return {"id": made, "person_in_charge": act.settings.person_in_charge}

    made = do(work)
    tell(made, f"Request {made['id']} is written down. In charge: {made['person_in_charge'] or 'nobody yet'}.", as_json=as_json)


def requests(
    everything: Annotated[bool, typer.Option("--all", help="Closed ones too.")] = False,
    phone: Annotated[str | None, typer.Option("--phone", help="Only those of this number.")] = None,
    as_json: AsJson = False,
) -> None:
    """What people ask about their data, by the day it must be answered."""
    number = phone_of(phone) if phone else None

    async def work(act: Act) -> tuple[datetime, str | None, list[Request]]:
        rows = await list_requests(act.conn, seal=act.seal(), phone=number, open_only=not everything, limit=REQUESTS_MAX)
        return act.at, act.settings.person_in_charge, rows

    at, in_charge, rows = do(work)
    columns: dict[str, Any] = {
        "id": lambda row: row.id,
        "asks": lambda row: row.kind,
        "who": lambda row: row.phone or "erased",
        "said": lambda row: row.said,
        "received (UTC)": lambda row: row.received_at,
        "due (UTC)": lambda row: row.due_at,
        "late": lambda row: row.is_late(at),
        "outcome": lambda row: row.outcome,
        "closed by": lambda row: row.closed_by,
    }
    print_rows(rows, columns, title=f"Requests (in charge: {in_charge or 'nobody yet'})", as_json=as_json, empty="none wait")


def answer(
    request_id: Annotated[int, typer.Argument(metavar="ID", help="Of the request.", show_default=False)],
    said: Annotated[str, typer.Option("--said", help="What the person was answered. Kept sealed.", show_default=False)],
    refused: Annotated[bool, typer.Option("--refused", help="It was not met; the answer says why.")] = False,
    as_json: AsJson = False,
) -> None:
    """Close a request: say what the person was answered."""
    outcome = Outcome.REFUSED if refused else Outcome.DONE

    async def work(act: Act) -> None:
        await close_request(act.conn, request_id, outcome, answer=said, seal=act.seal(), at=act.at, by=act.by)

    do(work)
    tell({"id": request_id, "outcome": outcome}, f"Request {request_id} is closed: {outcome}.", as_json=as_json)


def engagement(
    phone: Phone,
    on: Annotated[bool | None, typer.Option("--on/--off", help="Score this person from now on, or no more.", show_default=False)] = None,
    why: Why = "the person asked for it",
    as_json: AsJson = False,
) -> None:
    """Explain how a person's engagement is scored and what for, or switch it off for them."""
    number = phone_of(phone)

    async def work(act: Act) -> Score:
        if on is None:
            return await read_score(act.conn, number, act.seal())
        return await set_scored(act.conn, number, on, seal=act.seal(), at=act.at, by=act.by, why=why)

    score = do(work)
    tell(score, score.sentence, as_json=as_json)


# ------------------------------------------------------------------ what is shown


def _show(found: Dossier) -> None:
    if found.contact is None:
        say(f"{found.phone} is no contact; this is held all the same:")
    else:
        facts = {field.name.replace("_", " "): getattr(found.contact, field.name) for field in fields(found.contact)}
        print_facts("Contact (moments are UTC)", {name: value for name, value in facts.items() if value is not None})
    if found.engagement:
        say(f"Engagement: {found.engagement.sentence}")
    _list("Consents", ["at", "act", "purpose", "source", "text", "evidence", "recorded by"], [_consent(proof) for proof in found.consents])
    rows = [(row.at, name_of(row), row.purpose, row.source, row.lifted_at) for row in found.suppressions]
    _list("Suppressions", ["since", "who", "of", "by", "lifted"], rows)
    sent = [(row.due_at, row.chip, row.campaign or row.kind, row.state, row.reason or row.code, row.replied_at) for row in found.sent]
    _list("Sends", ["due", "chip", "campaign", "state", "why", "replied"], sent)
    _list("They wrote", ["at", "chip", "type", "text"], [(row.at, row.chip, row.type, row.text) for row in found.written])
    _list("Requests", ["id", "asks", "due", "outcome"], [(row.id, row.kind, row.due_at, row.outcome) for row in found.requests])
    if found.rest:
        told = {"facts": len(found.facts), "conversations": len(found.conversations), "webhook bodies, sealed": found.rest.deliveries}
        print_facts("Beside", {**told, "requests to the platform": found.rest.attempts, "places in the moving day": found.rest.slots})
    say(f"In charge of people's data: {found.person_in_charge}. --json shows everything.")


def _consent(proof: Any) -> Sequence[Any]:
    row = proof.row
    evidence = "erased with the person" if proof.erased else proof.evidence or None
    return (row.at, row.act, row.purpose, row.source, row.text_version, evidence, row.recorded_by)


def _list(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    more = f" (the newest {ROWS_SHOWN} of {len(rows)})" if len(rows) > ROWS_SHOWN else ""
    print_table(title + more, columns, rows[:ROWS_SHOWN], empty="none")
