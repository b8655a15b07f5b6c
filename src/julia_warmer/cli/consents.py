"""`warmer consents`: the ledger verified, a person's consents proved, the anchor to keep elsewhere."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from julia_warmer.cli.errors import Misused
from julia_warmer.cli.forms import AsJson, Why, group, phone_of
from julia_warmer.cli.opening import Act, do
from julia_warmer.cli.output import fail, plural, print_facts, print_json, print_rows, print_table, progress, say, tell
from julia_warmer.core.evidence import percent
from julia_warmer.core.model import Verdict
from julia_warmer.core.phone import key_of
from julia_warmer.engine.consents import LEAVES_MAX, Proof, Verified, prove_person, seal_consents, verify_ledger
from julia_warmer.engine.errors import NotFound
from julia_warmer.engine.quality import ALL_AGES, SourceQuality, hold_by_hand, judge_sources, release_source
from julia_warmer.store import contacts
from julia_warmer.store.consents import read_last_seal
from julia_warmer.store.quality import SourceCounts

app = group("The ledger of consents: is it whole, and what proves one.")
Source = Annotated[str, typer.Argument(help="A source of consents, as `quality` lists it.", show_default=False)]
DOES = {Verdict.PASS: "well", Verdict.FAIL: "badly", Verdict.INCONCLUSIVE: "not sure yet"}

HOW = """How to check it without us: sha256 of a zero byte and the line is the leaf; with each step, sha256 of a one byte, the left hash
and the right hash; the last one is the seal's root. The seal's chain is sha256 of `seal 1|CHAIN BEFORE|LEAVES|ROOT|MOMENT`."""


@app.command()
def verify(
    anchor: Annotated[str | None, typer.Option("--anchor", help="A chain value that was kept elsewhere; it must still be there.")] = None,
    as_json: AsJson = False,
) -> None:
    """Hash the whole ledger again, and name the first row that is not what was sealed. Exits with 1 when there is one."""
    expected = _anchor(anchor)
    with progress("hashing", None, shown=not as_json):
        found = do(lambda act: verify_ledger(act.conn, anchor=expected))
    if as_json:
        print_json(_told(found))
    else:
        print_facts(
            "Ledger",
            {
                "sealed rows that fit": f"{found.rows:,}",
                "seals": f"{found.seals:,}",
                "rows for the next seal": f"{found.open:,}",
                "anchor": found.chain.hex(),
            },
        )
    if found.broken is not None:
        where = f"row {found.broken.consent_id}" if found.broken.consent_id else f"seal {found.broken.seal_id}"
        fail(f"the ledger is broken, first at {where}: {found.broken.reason}")
    if not as_json:
        say("Nothing that is sealed was changed. Keep the anchor where this database's owner cannot write; `--anchor` compares it later.")


@app.command()
def seal(as_json: AsJson = False) -> None:
    """Seal what waits for a seal now, and print the newest anchor. A running worker does it every minute."""

    async def work(act: Act) -> dict[str, Any]:
        sealed = 0
        while count := await seal_consents(act.conn, at=act.at):
            sealed += count
            if count < LEAVES_MAX:
                break
        last = await read_last_seal(act.conn)
        return {
            "sealed": sealed,
            "seal": last.id if last else None,
            "anchor": last.chain.hex() if last else None,
            "at": last.sealed_at if last else None,
        }

    told = do(work)
    if as_json:
        print_json(told)
    else:
        say(f"{plural(told['sealed'], 'row')} sealed." + (f" Anchor of seal {told['seal']}: {told['anchor']}" if told["seal"] else ""))


@app.command()
def prove(
    phone: Annotated[str, typer.Argument(metavar="PHONE", help="A number in any notation, such as +55 11 98765-4321.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Print all that proves what a person agreed to: words, moment, evidence, and each row's way to its seal."""
    key = key_of(phone_of(phone))

    async def work(act: Act) -> list[Proof]:
        contact = await contacts.read_contact(act.conn, key)
        if contact is None:
            raise NotFound(f"nobody here has the number {phone}", mend="`warmer contacts import FILE` brings people")
        return await prove_person(act.conn, contact.id, act.seal())

    proofs = do(work)
    if as_json:
        print_json([_proof(proof) for proof in proofs])
    else:
        _show(phone, proofs)
    if any(not proof.holds for proof in proofs):
        fail("a row is not what was sealed; `warmer consents verify` names the first one")


@app.command()
def quality(as_json: AsJson = False) -> None:
    """Show how people take messages by the source of their consent and its age, over 90 days; the worst source first."""

    async def work(act: Act) -> list[SourceQuality]:
        return await judge_sources(act.conn, policy=await act.policy(), at=act.at)

    def share(count: Callable[[SourceCounts], int], of: Callable[[SourceCounts], int]) -> Callable[[SourceQuality], str]:
        return lambda row: percent(count(row.counts) / of(row.counts)) if of(row.counts) else "-"

    columns: dict[str, Callable[[SourceQuality], object]] = {
        "source": lambda row: row.counts.source,
        "consent's age": lambda row: row.counts.age,
        "sent": lambda row: row.counts.accepted,
        "reached": lambda row: row.counts.reached,
        "answered": share(lambda one: one.replied, lambda one: one.reached),
        "asked to stop": share(lambda one: one.opted_out, lambda one: one.reached),
        "undeliverable": share(lambda one: one.undeliverable, lambda one: one.accepted),
        "limited": share(lambda one: one.limited, lambda one: one.accepted),
        "does": lambda row: DOES[row.verdict],
        "held": lambda row: row.held.reason if row.held and row.counts.age == ALL_AGES else None,
    }
    print_rows(do(work), columns, title="Consents by source", as_json=as_json, empty="nothing was sent in 90 days")


@app.command()
def hold(source: Source, why: Why, as_json: AsJson = False) -> None:
    """Plan for nobody of this source any more, until it is released."""
    do(lambda act: hold_by_hand(act.conn, source, by=act.by, why=why, at=act.at))
    tell({"source": source, "held": True}, f"nobody of the source {source} is planned for any more", as_json=as_json)


@app.command()
def release(source: Source, why: Why, as_json: AsJson = False) -> None:
    """Let a held source go on; what its people did until now does not count against it again."""
    people = do(lambda act: release_source(act.conn, source, by=act.by, why=why, at=act.at))
    tell({"source": source, "people": people}, f"the source {source} goes on: {plural(people, 'contact')}", as_json=as_json)


def _show(phone: str, proofs: Sequence[Proof]) -> None:
    if not proofs:
        say(f"{phone}: the ledger holds nothing; nobody may write to this person first.")
        return
    for proof in proofs:
        row = proof.row
        facts: dict[str, Any] = {
            "said (UTC)": f"{row.at:%Y-%m-%d %H:%M:%S}" + (f", zone {row.zone}" if row.zone else ""),
            "by way of": row.source,
            "read": f"{row.text_version or ''} {row.text_shown or ''}".strip() or None,
            "evidence": "erased with the person" if proof.erased else proof.evidence or None,
            "stands again by row": row.refers_to,
            "recorded": f"{row.recorded_at:%Y-%m-%d %H:%M:%S} by {row.recorded_by}",
            "line": row.line,
            "seal": f"{proof.seal.id} of {proof.seal.sealed_at:%Y-%m-%d %H:%M:%S}, root {proof.seal.root.hex()}"
            if proof.seal
            else "the next one",
            "chain": proof.seal.chain.hex() if proof.seal else None,
            "holds": "yes" if proof.holds else "NO",
        }
        print_facts(f"Row {row.id}: {row.act}, {row.purpose}", {name: value for name, value in facts.items() if value is not None})
        if proof.steps:
            print_table("Way to the root", ["side", "hash"], proof.steps)
    say(HOW)


def _proof(proof: Proof) -> dict[str, Any]:
    row, sealed = proof.row, proof.seal
    return {
        "id": row.id,
        "act": row.act,
        "purpose": row.purpose,
        "source": row.source,
        "at": row.at,
        "zone": row.zone,
        "text_version": row.text_version,
        "text_shown": row.text_shown,
        "evidence": proof.evidence,
        "erased": proof.erased,
        "refers_to": row.refers_to,
        "recorded_at": row.recorded_at,
        "recorded_by": row.recorded_by,
        "line": row.line,
        "seal": None
        if sealed is None
        else {
            "id": sealed.id,
            "root": sealed.root.hex(),
            "chain": sealed.chain.hex(),
            "leaves": sealed.leaves,
            "sealed_at": sealed.sealed_at,
        },
        "steps": [{"side": side, "hash": value} for side, value in proof.steps],
        "holds": proof.holds,
    }


def _told(found: Verified) -> dict[str, Any]:
    broken = found.broken
    return {
        "ok": broken is None,
        "rows": found.rows,
        "seals": found.seals,
        "open": found.open,
        "anchor": found.chain.hex(),
        "broken": None if broken is None else {"seal": broken.seal_id, "row": broken.consent_id, "reason": broken.reason},
    }


def _anchor(text: str | None) -> bytes | None:
    try:
        return bytes.fromhex(text) if text else None
    except ValueError:
        raise Misused("--anchor is not a hash: give the 64 hex digits that `warmer consents verify` printed") from None
