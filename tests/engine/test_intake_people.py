"""What people write: messages kept and sealed, windows, answers credited to what they follow, names learned, numbers that change."""

import json
from datetime import timedelta
from typing import Any

import pytest

from tests.conftest import Database
from tests.engine import scratch
from tests.engine.incoming import (
    AT,
    NOW,
    SEAL,
    add_fleet,
    add_out,
    add_person,
    add_send,
    apply,
    change,
    cohorts,
    hours,
    message,
    messages,
    phone_of,
    quarantined,
    row,
    stamp,
    status,
    statuses,
    webhook,
)

db = scratch.db

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


async def conversation(db: Database, person: int) -> dict[str, Any]:
    return dict(await db.pool.fetchrow("select * from conversations where contact_id = $1", person))


async def test_a_message_is_kept_sealed_and_waits_for_an_answer(db: Database):
    fleet = await add_fleet(db.pool)
    person = await add_person(db.pool)
    contact = {"contacts": [{"wa_id": phone_of(0), "profile": {"name": "Ana"}, "user_id": "BR.1"}]}
    done = await apply(db, webhook(change(**contact, messages=[message("wamid.i", "Quero o plantão")])))
    assert (done.new, done.quarantined) == (1, 0)
    kept = await db.pool.fetchrow("select * from received")
    assert (kept["chip_id"], kept["contact_id"], kept["at"], kept["type"], kept["route_next_at"]) == (
        fleet.chips[0],
        person,
        AT,
        "text",
        None,
    )
    assert SEAL.open(kept["text"], use="received.text") == b"Quero o plant\xc3\xa3o"
    assert json.loads(SEAL.open(kept["details"], use="received.details")) == {"name": "Ana"}
    talk = await conversation(db, person)
    assert (talk["window_until"], talk["last_received_at"], talk["waiting"], talk["counted_at"]) == (AT + DAY, AT, True, None)
    found = await row(db, "contacts", person)
    assert (found["last_received_at"], found["user_id"], found["wa_id"]) == (AT, "BR.1", phone_of(0))
    assert [await hours(db, fleet.chips[0], name) for name in ("received", "media", "conversations")] == [1, 1, 0]
    body = await db.pool.fetchval("select body::text from events")
    assert "plant" not in body
    assert phone_of(0) not in body


async def test_the_same_message_in_other_bytes_counts_once(db: Database):
    fleet = await add_fleet(db.pool)
    person = await add_person(db.pool)
    await add_out(db.pool, fleet, person, message_id="wamid.0")
    one, later = message("wamid.i", at=AT + MINUTE), message("wamid.i", at=AT + 2 * MINUTE)
    await apply(db, messages(one), messages(one, one), messages(later))
    assert [await hours(db, fleet.chips[0], name) for name in ("received", "conversations", "replied")] == [1, 1, 1]
    assert await db.pool.fetchval("select count(*) from received") == 1


async def test_a_group_or_a_foreign_number_is_set_aside(db: Database):
    await add_fleet(db.pool)
    group = message("wamid.g") | {"group_id": "G1"}
    foreign = webhook(change("foreign", messages=[message("wamid.f")]))
    done = await apply(db, messages(group), foreign)
    assert (done.new, done.quarantined) == (0, 2)
    assert [reason for _, _, reason in await quarantined(db)] == [
        "a group's message: groups are not in our scope",
        "a message to a number that is not ours",
    ]


async def test_somebody_who_writes_first_becomes_a_contact_that_allows_nothing(db: Database):
    fleet = await add_fleet(db.pool)
    contact = {"contacts": [{"wa_id": "556892000001", "profile": {"name": "Bia"}}]}
    await apply(db, webhook(change(**contact, messages=[message("wamid.i") | {"from": "556892000001"}])))
    found = await db.pool.fetchrow("select * from contacts")
    assert (found["phone"], found["phone_key"], found["name"], found["zone"]) == (
        "+5568992000001",
        "m:556892000001",
        "Bia",
        "America/Rio_Branco",
    )
    assert (found["may_marketing"], found["may_utility"], found["chip_id"]) == (False, False, None)
    assert (await conversation(db, found["id"]))["waiting"]
    assert await hours(db, fleet.chips[0], "received") == 1


async def test_somebody_without_a_phone_is_heard_all_the_same(db: Database):
    fleet = await add_fleet(db.pool)
    await apply(db, messages(message("wamid.i") | {"from": "", "from_user_id": "BR.9"}))
    assert await db.pool.fetchval("select contact_id from received") is None
    assert await hours(db, fleet.chips[0], "received") == 1


# ------------------------------------------------------------------ credit

CREDIT = """
    what            after            counts
    answer          1 minute         reached=1 delivered=1 replied=1
    answer          72 hours         reached=1 delivered=1 replied=1
    answer          73 hours         -
    request         1 minute         reached=1 delivered=1 replied=1 opted_out=1
    request         6 days           opted_out=1
    request         8 days           -
"""


@pytest.mark.parametrize("line", [" ".join(line.split()) for line in CREDIT.strip().splitlines()[1:]])
async def test_what_a_person_does_is_credited_to_the_message_before_it(db: Database, line: str):
    what, number, unit, *counts = line.split()
    after = timedelta(**{unit if unit.endswith("s") else f"{unit}s": int(number)})
    fleet = await add_fleet(db.pool, chips=2)
    person = await add_person(db.pool)
    await add_out(db.pool, fleet, person, message_id="wamid.old", at=AT - 9 * DAY)
    send = await add_out(db.pool, fleet, person, message_id="wamid.0", chip=0)
    await add_out(db.pool, fleet, person, message_id="wamid.other", at=AT + MINUTE, chip=1)
    text = "SAIR" if what == "request" else "Sim!"
    await apply(db, messages(message("wamid.i", text, AT + after)), at=NOW + after)
    wanted = {name: int(value) for name, value in (part.split("=") for part in counts if "=" in part)}
    assert await cohorts(db, fleet.chips[0]) == {"accepted": 2, **wanted}
    assert await cohorts(db, fleet.chips[1]) == {"accepted": 1}
    found = await row(db, "sends", send)
    assert (found["replied_at"] is not None, found["opted_out_at"] is not None) == ("replied" in wanted, "opted_out" in wanted)


async def test_an_answer_implies_delivery_only_while_nothing_else_is_known(db: Database):
    fleet = await add_fleet(db.pool)
    person = await add_person(db.pool)
    send = await add_out(db.pool, fleet, person, message_id="wamid.0")
    await apply(db, messages(message("wamid.i", at=AT + MINUTE)))
    assert (await row(db, "sends", send))["state"] == "delivered"
    await apply(db, statuses(status("failed", "wamid.0", AT + MINUTE, code=131047)))
    assert (await row(db, "sends", send))["state"] == "failed"
    assert await cohorts(db, fleet.chips[0]) == {"accepted": 1, "failed": 1}
    await apply(db, statuses(status("delivered", "wamid.0", AT + 2 * MINUTE)))
    assert await cohorts(db, fleet.chips[0]) == {"accepted": 1, "delivered": 1, "reached": 1, "replied": 1}


async def test_a_conversation_counts_once_in_seven_days(db: Database):
    fleet = await add_fleet(db.pool)
    person = await add_person(db.pool)
    await add_out(db.pool, fleet, person, message_id="wamid.0")
    for nth, after in enumerate((-HOUR, HOUR, 2 * HOUR, 6 * DAY, 7 * DAY + HOUR)):
        await apply(db, messages(message(f"wamid.{nth}", at=AT + after)), at=NOW + after)
    assert [await hours(db, fleet.chips[0], name) for name in ("received", "conversations")] == [5, 2]


@pytest.mark.pg15
async def test_answers_raise_engagement_and_silence_lowers_it_in_any_order(db: Database):
    fleet = await add_fleet(db.pool)
    ends: list[float] = []
    for nth, turn in enumerate(("delivered first", "answer first", "together")):
        person = await add_person(db.pool, nth, engagement=0.5)
        await add_out(db.pool, fleet, person, message_id=f"wamid.{nth}")
        delivered = statuses(status("delivered", f"wamid.{nth}", AT + MINUTE, nth=nth))
        answer = messages(message(f"wamid.i{nth}", at=AT + 2 * MINUTE, nth=nth))
        match turn:
            case "delivered first":
                await apply(db, delivered)
                assert (await row(db, "contacts", person))["engagement"] == pytest.approx(0.4)
                await apply(db, answer)
            case "answer first":
                await apply(db, answer)
                await apply(db, delivered)
            case _:
                await apply(db, answer, delivered)
        ends.append((await row(db, "contacts", person))["engagement"])
    assert ends == pytest.approx([0.6] * 3)


async def test_who_writes_can_be_reached(db: Database):
    fleet = await add_fleet(db.pool)
    person = await add_person(db.pool)
    await add_out(db.pool, fleet, person, message_id="wamid.0")
    await apply(db, statuses(status("failed", "wamid.0", AT + MINUTE, code=131026)))
    assert (await row(db, "contacts", person))["undeliverable_at"] == AT + MINUTE
    await apply(db, messages(message("wamid.i", at=AT + 2 * MINUTE)))
    assert (await row(db, "contacts", person))["undeliverable_at"] is None


# ------------------------------------------------------------------ calls and other signs


def call(event: str, at: Any = AT, **more: Any) -> bytes:
    item = {
        "id": "wacid.1",
        "from": phone_of(0),
        "to": "5511900000000",
        "event": event,
        "timestamp": stamp(at),
        "direction": "USER_INITIATED",
    }
    return webhook(change(field="calls", calls=[{**item, **more}]))


async def test_a_call_opens_the_window_and_counts_once(db: Database):
    fleet = await add_fleet(db.pool)
    person = await add_person(db.pool)
    await apply(db, call("connect"))
    await apply(db, call("terminate", AT + MINUTE, status="COMPLETED", duration=30))
    await apply(db, call("terminate", AT + 2 * MINUTE, status="COMPLETED", duration=30))
    talk = await conversation(db, person)
    assert (talk["window_until"], talk["waiting"]) == (AT + 2 * MINUTE + DAY, False)
    assert [await hours(db, fleet.chips[0], name) for name in ("calls", "received")] == [1, 0]


async def test_a_missed_call_waits_for_an_answer(db: Database):
    await add_fleet(db.pool)
    person = await add_person(db.pool)
    await apply(db, call("terminate", status="FAILED"))
    assert (await conversation(db, person))["waiting"]


WAITING = [
    ("a text", message("wamid.i"), True),
    ("an image", message("wamid.i", kind="image", content={"id": "1"}), True),
    ("a reaction", message("wamid.i", kind="reaction", content={"message_id": "wamid.0", "emoji": "👍"}), False),
    ("a request to stop", message("wamid.i", "SAIR"), False),
]


@pytest.mark.parametrize(("name", "item", "waits"), WAITING, ids=[name for name, _, _ in WAITING])
async def test_who_waits_for_an_answer(db: Database, name: str, item: dict[str, Any], waits: bool):
    await add_fleet(db.pool)
    person = await add_person(db.pool)
    await apply(db, messages(item))
    assert (await conversation(db, person))["waiting"] == waits


async def test_a_message_older_than_our_answer_does_not_wait(db: Database):
    fleet = await add_fleet(db.pool)
    person = await add_person(db.pool)
    await db.pool.execute(
        "insert into conversations (chip_id, contact_id, last_sent_at) values ($1, $2, $3)", fleet.chips[0], person, AT + MINUTE
    )
    await apply(db, messages(message("wamid.i")))
    assert not (await conversation(db, person))["waiting"]


# ------------------------------------------------------------------ names


def moved(new: str, **more: Any) -> bytes:
    return messages({"from": phone_of(0), "id": "wamid.s", "timestamp": stamp(AT), "type": "system", "system": {
        "type": "user_changed_number", "wa_id": new, **more}})  # fmt: skip


async def test_a_person_with_a_new_number_stays_the_same_contact(db: Database):
    fleet = await add_fleet(db.pool)
    person = await add_person(db.pool, user_id="BR.1")
    await apply(db, moved("553188000042", user_id="BR.2"))
    found = await row(db, "contacts", person)
    assert (found["phone"], found["phone_key"], found["wa_id"], found["user_id"]) == (
        "+5531988000042",
        "m:553188000042",
        "553188000042",
        "BR.2",
    )
    planned = await add_send(db.pool, fleet, person)
    await apply(db, messages(message("wamid.i", "SAIR") | {"from": "553188000042"}))
    assert (await row(db, "sends", planned))["state"] == "cancelled"


@pytest.mark.parametrize("is_taken", [False, True])
async def test_a_stop_goes_along_to_the_new_number(db: Database, is_taken: bool):
    fleet = await add_fleet(db.pool)
    old = await add_person(db.pool)
    other = await add_person(db.pool, 42) if is_taken else old
    await apply(db, messages(message("wamid.i", "SAIR", AT - HOUR)))
    planned = await add_send(db.pool, fleet, other) if is_taken else None
    await apply(db, moved("553188000042"))
    found = await row(db, "contacts", other)
    assert (found["phone_key"], found["stopped_at"], found["may_marketing"]) == ("m:553188000042", AT - HOUR, False)
    assert await db.pool.fetchval("select count(*) from suppressions where phone_key = 'm:553188000042'") == 1
    if planned:
        assert (await row(db, "sends", planned))["state"] == "cancelled"
        assert (await row(db, "contacts", old))["undeliverable_at"] == NOW


async def test_a_user_id_that_is_another_contacts_is_left_there(db: Database):
    fleet = await add_fleet(db.pool)
    one, other = await add_person(db.pool), await add_person(db.pool, 1, user_id="BR.1")
    await add_out(db.pool, fleet, one, message_id="wamid.0")
    done = await apply(db, statuses(status("sent", "wamid.0", recipient_user_id="BR.1")))
    assert done.quarantined == 0
    assert [(await row(db, "contacts", person))["user_id"] for person in (one, other)] == [None, "BR.1"]
