"""What acts before the webhook's 200: requests to stop, under every name a person has, and what stops numbers, accounts and templates."""

import copy
import json
import random
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from julia_warmer.store.contacts import list_consents
from tests.conftest import Database
from tests.engine import scratch
from tests.engine.incoming import (
    AT,
    NOW,
    SEAL,
    account_webhook,
    add_fleet,
    add_out,
    add_person,
    add_send,
    apply,
    change,
    deliver,
    message,
    messages,
    phone_of,
    row,
    status,
    statuses,
    webhook,
)

db = scratch.db

MINUTE = timedelta(minutes=1)


def preference(value: str, at: Any = AT, *, nth: int = 0, **more: Any) -> bytes:
    item = {
        "wa_id": phone_of(nth),
        "detail": "",
        "category": "marketing_messages",
        "value": value,
        "timestamp": int(at.timestamp()),
        **more,
    }
    return webhook(change(field="user_preferences", user_preferences=[item]), at=at)


async def standing(db: Database, person: int) -> str:
    """What may be sent to a person now, as the claim would see it."""
    found = await row(db, "contacts", person)
    held = await db.pool.fetch(
        """select purpose from suppressions where lifted_at is null and (phone_key = $1 or user_id = $2)""",
        found["phone_key"],
        found["user_id"],
    )
    ledger = await db.pool.fetch(
        "select distinct on (purpose) purpose, act from consents where contact_id = $1 order by purpose, at desc, id desc", person
    )
    granted = {entry["purpose"] for entry in ledger if entry["act"] == "granted"}
    blocked = {entry["purpose"] for entry in held}
    free = [
        purpose
        for purpose in ("marketing", "utility")
        if purpose in granted and found[f"may_{purpose}"] and not blocked & {purpose, "all"} and found["stopped_at"] is None
    ]
    return " ".join(free) or "nothing"


# ------------------------------------------------------------------ requests to stop


REQUESTS = [
    ("a word", messages(message("wamid.i", "Pare de me mandar mensagem")), "nothing"),
    ("a button", messages(message("wamid.i", kind="button", content={"text": "Sair", "payload": "STOP"})), "nothing"),
    (
        "a list",
        messages(
            message("wamid.i", kind="interactive", content={"type": "list_reply", "list_reply": {"id": "stop", "title": "Parar mensagens"}})
        ),
        "nothing",
    ),
    ("the ninth digit", webhook(change(messages=[message("wamid.i", "SAIR") | {"from": "5531988000000"}])), "nothing"),
    ("only the user id", webhook(change(messages=[message("wamid.i", "STOP") | {"from": "", "from_user_id": "BR.1"}])), "nothing"),
    ("WhatsApp's switch", preference("stop"), "utility"),
    ("WhatsApp's switch, by user id", preference("stop", wa_id=None, user_id="BR.1"), "utility"),
    ("131050", statuses(status("failed", "wamid.0", code=131050)), "utility"),
    ("a plain message", messages(message("wamid.i", "Pode parar o carro na garagem?")), "marketing utility"),
    ("another person", messages(message("wamid.i", "SAIR", nth=5)), "marketing utility"),
]


@pytest.mark.parametrize(("name", "body", "left"), REQUESTS, ids=[name for name, _, _ in REQUESTS])
async def test_a_request_to_stop_holds_before_the_200(db: Database, name: str, body: bytes, left: str):
    fleet = await add_fleet(db.pool)
    person = await add_person(db.pool, user_id="BR.1")
    await add_out(db.pool, fleet, person, message_id="wamid.0")
    planned = await add_send(db.pool, fleet, person)
    (receipt,) = await deliver(db, body)
    assert await standing(db, person) == left
    assert (await row(db, "sends", planned))["state"] == ("planned" if "marketing" in left else "cancelled")
    assert receipt.opt_outs == (name not in ("a plain message",))
    before = await db.pool.fetchval("select count(*) from consents where contact_id = $1", person)
    assert (await apply(db)).quarantined == 0  # the fact itself adds nothing to what was done
    assert await db.pool.fetchval("select count(*) from consents where contact_id = $1", person) == before
    assert await standing(db, person) == left


async def test_what_a_request_cancels(db: Database):
    fleet = await add_fleet(db.pool)
    people = [await add_person(db.pool, nth) for nth in range(5)]
    claimed = await add_out(db.pool, fleet, people[0], message_id=None, state="claimed", accepted_at=None)
    answer = await add_send(db.pool, fleet, people[0], kind="reply", purpose="utility", campaign_id=None, template_row=None)
    reminder = await add_send(db.pool, fleet, people[1], purpose="utility")
    sent = await add_out(db.pool, fleet, people[2], message_id="wamid.2")
    await deliver(db, messages(message("wamid.i", "sair")), preference("stop", nth=1), messages(message("wamid.j", "stop", nth=2)))
    found = {
        name: await row(db, "sends", send)
        for name, send in {"claimed": claimed, "answer": answer, "reminder": reminder, "sent": sent}.items()
    }
    assert {name: send["state"] for name, send in found.items()} == {
        "claimed": "cancelled",
        "answer": "cancelled",
        "reminder": "planned",  # the switch covers marketing only
        "sent": "accepted",
    }
    assert (found["claimed"]["reason"], found["claimed"]["cap_day"]) == ("asked to stop", None)
    assert await db.pool.fetchval("select until_at from budget_uses where send_id = $1", claimed) == NOW  # its slot is free again


async def test_people_we_do_not_know_are_remembered(db: Database):
    await add_fleet(db.pool)
    await deliver(db, messages(message("wamid.i", "PARE", nth=3)))
    found = await db.pool.fetchrow("select phone_key, purpose, source, at from suppressions")
    assert tuple(found) == ("m:553188000003", "all", "word", AT)
    assert (await apply(db)).quarantined == 0
    stranger = await db.pool.fetchrow("select stopped_at, may_marketing from contacts")  # who wrote may be read, not written to
    assert tuple(stranger) == (AT, False)


async def test_the_switch_never_cancels_a_persons_own_word(db: Database):
    await add_fleet(db.pool)
    person = await add_person(db.pool)
    await apply(db, preference("stop"), at=NOW)
    assert await standing(db, person) == "utility"
    await apply(db, preference("resume", AT + MINUTE), at=NOW + MINUTE)
    assert await standing(db, person) == "marketing utility"
    await apply(db, messages(message("wamid.i", "não quero mais", AT + 2 * MINUTE)), at=NOW + 2 * MINUTE)
    await apply(db, preference("stop", AT + 3 * MINUTE), preference("resume", AT + 4 * MINUTE), at=NOW + 4 * MINUTE)
    assert await standing(db, person) == "nothing"
    assert (await row(db, "contacts", person))["platform_stopped_at"] is None
    await apply(db, messages(message("wamid.k", "Oi, tudo bem?", AT + 5 * MINUTE)), at=NOW + 5 * MINUTE)
    assert await standing(db, person) == "nothing"  # a later plain message is no consent


@pytest.mark.parametrize("turn", ["stop first", "resume first", "together"])
async def test_the_last_position_of_the_switch_holds_in_any_order(db: Database, turn: str):
    await add_fleet(db.pool)
    person = await add_person(db.pool)
    stop, resume = preference("stop", AT), preference("resume", AT + MINUTE)
    match turn:
        case "stop first":
            await apply(db, stop)
            await apply(db, resume)
        case "resume first":
            await apply(db, resume)
            await apply(db, stop)
        case _:
            await apply(db, resume, stop)
    assert await standing(db, person) == "marketing utility"


async def test_an_old_request_that_comes_again_does_not_undo_a_new_grant(db: Database):
    await add_fleet(db.pool)
    person = await add_person(db.pool)
    word = message("wamid.i", "SAIR")
    await apply(db, messages(word))
    signup = preference("signup", AT + timedelta(days=1), signup_id="s-1")
    await apply(db, signup, at=NOW + timedelta(days=1))
    assert await standing(db, person) == "marketing"
    async with db.pool.acquire() as conn:
        grant = (await list_consents(conn, person, seal=SEAL, limit=1))[0]
    assert (grant.act, grant.source, grant.evidence) == ("granted", "signup", {"signup_id": "s-1"})
    await apply(db, messages(word), at=NOW + timedelta(days=2))
    assert await standing(db, person) == "marketing"


async def test_a_stop_under_a_user_id_finds_its_person_later(db: Database):
    fleet = await add_fleet(db.pool)
    person = await add_person(db.pool)
    await deliver(db, webhook(change(messages=[message("wamid.i", "STOP") | {"from": "", "from_user_id": "BR.7"}])))
    assert await standing(db, person) == "marketing utility"
    planned = await add_send(db.pool, fleet, person)
    await add_out(db.pool, fleet, person, message_id="wamid.0")
    await apply(db, statuses(status("delivered", "wamid.0", recipient_user_id="BR.7")))
    assert (await row(db, "contacts", person))["user_id"] == "BR.7"
    assert await standing(db, person) == "nothing"
    assert (await row(db, "sends", planned))["state"] == "cancelled"


# ------------------------------------------------------------------ bodies


ODD = [b"", b"{", b"[]", b"null", b'{"entry": 7}', b"\xff\xfe\x00", b'{"entry":' * 5000, b'{"object":"page","entry":[]}']


@pytest.mark.parametrize("body", ODD, ids=[str(body[:16]) for body in ODD])
async def test_odd_bodies_are_kept_and_set_aside(db: Database, body: bytes):
    (receipt,) = await deliver(db, body)
    assert not receipt.repeated
    done = await apply(db)
    assert (done.bodies, done.new, done.quarantined) == (1, 0, 1)
    sealed = await db.pool.fetchval("select body from inbox")
    assert SEAL.open(sealed, use="inbox.body") == body


# ------------------------------------------------------------------ stops


def template_status(event: str, at: Any = AT, **more: Any) -> bytes:
    value = {"event": event, "message_template_id": "t-one", "message_template_name": "shift_invite", "message_template_language": "pt_BR"}
    return account_webhook("message_template_status_update", {**value, **more}, at=at)


async def test_a_spam_error_pauses_its_number_and_no_other(db: Database):
    fleet = await add_fleet(db.pool, chips=2)
    (receipt, again) = await deliver(
        db, statuses(status("failed", "wamid.x", code=131048)), statuses(status("failed", "wamid.y", code=131048))
    )
    assert (receipt.stops, again.stops) == (1, 0)
    chip, other = [await row(db, "chips", chip) for chip in fleet.chips]
    assert (chip["status"], chip["paused_from"], chip["pauses_in_row"], chip["harm_at"], chip["look_again_at"]) == (
        "paused",
        "warming",
        1,
        NOW,
        NOW,
    )
    assert [(pause["reason"], pause["hard"], pause["source"]) for pause in chip["pauses"]] == [
        ("131048: spam rate limit on this number", True, "platform")
    ]
    assert other["status"] == "warming"
    assert tuple(await db.pool.fetchrow("select level, chip_id from alerts")) == ("critical", fleet.chips[0])
    assert tuple(await db.pool.fetchrow("select who, what, target from audit_log")) == ("platform", "stopped", f"chip:{fleet.chips[0]}")


async def test_a_number_that_does_not_send_is_not_paused(db: Database):
    fleet = await add_fleet(db.pool)
    await db.pool.execute("update chips set status = 'pending'")
    await deliver(db, statuses(status("failed", "wamid.x", code=131048)))
    assert (await row(db, "chips", fleet.chips[0]))["status"] == "pending"


def restriction(kind: str) -> bytes:
    return account_webhook("account_update", {"event": "ACCOUNT_RESTRICTION", "restriction_info": [{"restriction_type": kind}]})


ACCOUNT_STOPS = [
    ("a restriction", restriction("RESTRICTED_BIZ_INITIATED_MESSAGING"), "account"),
    ("a ban", account_webhook("account_update", {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "DISABLE"}}), "account"),
    ("a policy block of one message", statuses(status("failed", "wamid.0", code=368)), "account"),
    ("a payment problem", webhook(change(errors=[{"code": 131042, "title": "Payment"}])), "account"),
    ("a held message dropped", statuses(status("failed", "wamid.held", code=135000)), "portfolio"),
    ("a bad parameter", statuses(status("failed", "wamid.0", code=135000)), None),
    ("no more numbers", restriction("RESTRICTED_ADD_PHONE_NUMBER_ACTION"), None),
    ("somebody else's account", webhook({"field": "account_update", "value": {"event": "ACCOUNT_VIOLATION"}}, waba="other"), None),
]


@pytest.mark.parametrize(("name", "body", "scope"), ACCOUNT_STOPS, ids=[name for name, _, _ in ACCOUNT_STOPS])
async def test_what_stops_an_account_or_a_portfolio(db: Database, name: str, body: bytes, scope: str | None):
    fleet = await add_fleet(db.pool)
    person = await add_person(db.pool)
    await add_out(db.pool, fleet, person, message_id="wamid.0")
    await add_out(db.pool, fleet, person, message_id="wamid.held", state="held", was_held=True)
    (receipt,) = await deliver(db, body)
    await deliver(db, body + b" ")  # the same in other bytes: the stop that is open stays the one
    stops = await db.pool.fetch("select scope, target_id, by from stops where released_at is null")
    target = {"account": fleet.account, "portfolio": fleet.portfolio}.get(scope or "")
    assert [tuple(stop) for stop in stops] == ([(scope, target, "platform")] if scope else [])
    assert receipt.stops == len(stops)
    assert await db.pool.fetchval("select count(*) from alerts where level = 'critical'") == len(stops)


TEMPLATES = [
    ("paused", template_status("PAUSED"), "PAUSED"),
    ("paused, in lower case", template_status("paused"), "PAUSED"),
    ("disabled", template_status("DISABLED"), "DISABLED"),
    ("a held message dropped", statuses(status("failed", "wamid.0", code=132015)), "PAUSED"),
    ("flagged", template_status("FLAGGED"), "APPROVED"),
    ("by name only", template_status("PAUSED", message_template_id=None), "PAUSED"),
    ("another template", template_status("PAUSED", message_template_id="t-other"), "APPROVED"),
]


@pytest.mark.parametrize(("name", "body", "left"), TEMPLATES, ids=[name for name, _, _ in TEMPLATES])
async def test_what_stops_a_template(db: Database, name: str, body: bytes, left: str):
    fleet = await add_fleet(db.pool)
    person = await add_person(db.pool)
    await add_out(db.pool, fleet, person, message_id="wamid.0")
    await deliver(db, body)
    assert (await row(db, "templates", fleet.template))["status"] == left
    await apply(db)
    assert (await row(db, "templates", fleet.template))["status"] == left


async def test_an_older_word_about_a_template_does_not_replace_a_newer_one(db: Database):
    fleet = await add_fleet(db.pool)
    await apply(db, template_status("APPROVED", AT + MINUTE, other_info={"title": "UNPAUSE"}))
    await apply(db, template_status("PAUSED", AT))
    assert (await row(db, "templates", fleet.template))["status"] == "APPROVED"


# ------------------------------------------------------------------ whatever comes

ODD_VALUES = [None, 0, -1, 2**31, 2**63, 1e308, "", "x" * 3000, "\x00", "\ud800", [], {}, [[]], True, "2026-06-01", "9" * 400, {"a": 1}]


async def test_whatever_comes_is_taken_and_never_refused(db: Database):
    """R16 in small: good webhooks with a few values changed at random. Nothing raises; the database is given nothing that it refuses."""
    fleet = await add_fleet(db.pool)
    person = await add_person(db.pool)
    await add_out(db.pool, fleet, person, message_id="wamid.0")
    bodies = [body for _, body, _ in (*REQUESTS, *ACCOUNT_STOPS, *TEMPLATES)]
    draw = random.Random(5)
    for _ in range(300):
        document = json.loads(draw.choice(bodies))
        for _ in range(draw.randint(1, 3)):
            holder, key = draw.choice(list(places_in(document)))
            holder[key] = copy.deepcopy(draw.choice(ODD_VALUES))
        await deliver(db, json.dumps(document).encode())
    await apply(db)
    assert await db.pool.fetchval("select count(*) from inbox where applied_at is null") == 0
    assert await db.pool.fetch("select reason from quarantine where reason like 'refused%'") == []


def places_in(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a document that holds something."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield value, key
        yield from places_in(inner)
