"""S3 personal data: INFO logs of a real run hold no number, name or word of anybody; of one who is erased a full dump holds a hash only.

And nothing goes to that number again, whatever file, webhook or plan brings it. Every person has names and words that nobody else has.
"""

import asyncio
import csv
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.dump import dump_of, forms_of, traces
from tests.faults.fleet import Fleet, found_fleet, phone_of
from tests.faults.outside import drained, plan_again
from tests.faults.platform import SandboxProcess
from tests.faults.post import Sender, body, change, stamp, status
from tests.faults.process import until
from tests.faults.row import Draw, Findings, Row, p50_p99_ms
from tests.faults.stage import Api, Stage

NAME = "S3"
LIMIT_S = (300.0, 120.0)
ERASED = 0  # the person who is


@dataclass(frozen=True, slots=True)
class Canary:
    """What only this person would leave behind."""

    phone: str
    name: str
    words: str
    user_id: str

    def all(self) -> list[str]:
        return [self.phone, self.phone[:4] + self.phone[5:], self.name, self.words, self.user_id]


async def run(stage: Stage, draw: Draw) -> Row:
    people = draw.size(240, 24)
    found = Findings()
    fleet = await found_fleet(
        stage.db.owner, stage.seal, at=stage.clock.now(), chips=2, people=people, purpose="utility", due_in=timedelta(hours=1)
    )
    canaries = await _mark(stage, fleet, draw)
    sandbox = await stage.sandbox()
    await sandbox.put(fleet.world(seed=draw.seed, secret=stage.secret))
    api = await stage.api(log_level="INFO")
    await stage.worker(log_level="INFO")
    async with Sender(api.webhook, stage.secret, connections=8) as sender:
        given_up = await _live(stage, fleet, canaries, api, sender)
        erased = await _erase(stage, fleet, canaries[ERASED], found)
        await _bring_back(stage, fleet, canaries[ERASED], sandbox, sender, erased, found)
        found.lose("deliveries", given_up)
        seconds = sender.seconds
    lines = await _judge_logs(stage, canaries, found)
    done = (
        f"{people} people, {len(sandbox.sent())} messages out, {len(seconds)} webhooks, {lines} lines of log; 1 erased, brought back 3 ways"
    )
    return found.row(NAME, done, **p50_p99_ms(seconds))


async def _mark(stage: Stage, fleet: Fleet, draw: Draw) -> list[Canary]:
    """Names that nobody else has, for everybody."""
    found = [
        Canary(
            phone_of(n), f"Zuleica{draw.random.randrange(10**9):09d}", f"palavra{draw.random.randrange(10**9):09d}", f"BR.{7 * 10**14 + n}"
        )
        for n in range(len(fleet.people))
    ]
    await stage.db.owner.execute(
        """update contacts set name = t.name, user_id = t.user_id
           from unnest($1::bigint[], $2::text[], $3::text[]) as t (id, name, user_id) where contacts.id = t.id""",
        list(fleet.people), [one.name for one in found], [one.user_id for one in found],
    )  # fmt: skip
    return found


# ------------------------------------------------------------------ what they live through


async def _live(stage: Stage, fleet: Fleet, canaries: list[Canary], api: Api, sender: Sender) -> int:
    """Messages out, answers in, requests to stop, odd things, cut connections; a person of ours looks and answers. Deliveries given up."""
    await stage.db.owner.execute("update sends set due_at = $1 where state = 'planned'", stage.clock.now())
    await _judged(stage)
    at = stage.clock.now()
    said = [_said(fleet, one, f"wamid.in.{n}", one.words, at) for n, one in enumerate(canaries)]
    stops = [_said(fleet, one, f"wamid.stop.{n}", f"{one.words} parem de mandar mensagem", at) for n, one in enumerate(canaries[-4:])]
    odd = [_odd(fleet, one, n) for n, one in enumerate(canaries[:6])]
    given_up, _ = await asyncio.gather(sender.deliver_all([*said, *stops, *odd]), _cut(stage, 2))
    await drained(stage.db.pool)
    chip, one = fleet.chips[0], canaries[1]
    contact = fleet.people[1]
    await stage.call(api, "GET", f"/warmer/contacts/+{one.phone}")
    await stage.call(
        api, "POST", f"/warmer/conversations/{chip.id}/{contact}/reply", {"type": "text", "text": f"Oi, {one.name}! {one.words}"}
    )
    await _refused(stage, api, one)
    await _judged(stage)
    return given_up


async def _cut(stage: Stage, times: int) -> None:
    """End every connection of the program, in whatever it does: it logs what broke."""
    for _ in range(times):
        await stage.db.owner.execute(
            """select pg_catalog.pg_terminate_backend(pid) from pg_catalog.pg_stat_activity
               where datname = current_database() and application_name like 'warmer%'"""
        )
        await asyncio.sleep(0.3)


async def _refused(stage: Stage, api: Api, one: Canary) -> None:
    """What a caller gets wrong, with somebody's number and words in it."""
    for method, path, form in (
        ("GET", f"/warmer/contacts/+{one.phone}0000", None),
        ("POST", f"/warmer/conversations/999999/{one.phone}/reply", {"text": one.words}),
        ("POST", f"/warmer/contacts/import?source={one.name}", {"text": one.words}),
    ):
        try:
            await stage.call(api, method, path, form)
        except RuntimeError:
            continue


def _said(fleet: Fleet, one: Canary, message_id: str, words: str, at: Any, **more: Any) -> bytes:
    who = {"wa_id": one.phone, "user_id": one.user_id, "profile": {"name": one.name, "username": one.name}}
    item = {"from": one.phone, "id": message_id, "timestamp": stamp(at), "type": "text", "text": {"body": words}, **more}
    return body(change(fleet.chips[0], contacts=[who], messages=[item]), waba=fleet.chips[0].waba)


def _odd(fleet: Fleet, one: Canary, nth: int) -> bytes:
    """What cannot be used, or not at once: it goes to the quarantine, with whom it is about."""
    chip, at = fleet.chips[0], fleet.at
    item = {"from": one.phone, "id": f"wamid.else.{nth}", "timestamp": stamp(at), "type": "text", "text": {"body": one.words}}
    bodies = (
        body(change(chip, statuses=[status("sent", f"wamid.strange.{one.words}", at, to=one.phone, ours=one.words)]), waba=chip.waba),
        _said(fleet, one, f"wamid.old.{nth}", one.words, at - timedelta(days=30)),
        _said(fleet, one, f"wamid.group.{nth}", one.words, at, group_id="g1"),
        body({"field": "messages", "value": {"metadata": {"phone_number_id": "not-ours"}, "messages": [item]}}, waba=chip.waba),
        body({"field": "messages", "value": {"messages": [one.all()]}}, waba=chip.waba),
        body(change(chip, messages=[{**item, "timestamp": "x", "type": one.words}]), waba=chip.waba),
    )
    return bodies[nth % len(bodies)]


async def _judged(stage: Stage) -> None:
    async def is_judged() -> bool:
        return not await stage.db.pool.fetchval("select exists (select from sends where state in ('planned', 'claimed', 'calling'))")

    await until("everything planned is judged", is_judged, within_s=60)


# ------------------------------------------------------------------ one is erased


async def _erase(stage: Stage, fleet: Fleet, one: Canary, found: Findings) -> str:
    """Erase the first person with the command, while a worker runs; then look at everything that is stored. Gives the hash that stays."""
    await drained(stage.db.pool)
    said = json.loads(await stage.command("contacts", "erase", f"+{one.phone}", "--yes", "--json"))
    found.expect(said["contact_ids"] == [fleet.people[ERASED]], f"it erased {said['contact_ids']}")
    await _judge_dump(stage, one, found, "after the erasure")
    return said["person"]


async def _judge_dump(stage: Stage, one: Canary, found: Findings, when: str) -> None:
    left = traces(await dump_of(stage.db.owner), one.all())
    found.violate(f"{when} the dump still holds {left}", len(left))
    files = await asyncio.to_thread(_files_with, stage.folder / "data", one.all())
    found.violate(f"{when} files still hold it: {files}", len(files))


def _files_with(folder: Path, words: Iterable[str]) -> list[str]:
    forms = [form.encode() for word in words for form in forms_of(word)]
    return [path.name for path in folder.rglob("*") if path.is_file() and any(form in path.read_bytes() for form in forms)]


async def _bring_back(
    stage: Stage, fleet: Fleet, one: Canary, sandbox: SandboxProcess, sender: Sender, person: str, found: Findings
) -> None:
    """By a file, by webhooks, by a plan: nothing goes out to it."""
    before = len(sandbox.sent())
    file = stage.folder / "people.csv"
    await asyncio.to_thread(_write_file, file, one)
    proof = ("--source", "form", "--purpose", "utility", "--text-version", "v1", "--evidence", "again")
    report = json.loads(await stage.command("contacts", "import", str(file), *proof, "--json"))
    found.expect((report["imported"], report["suppressed"]) == (0, 1), f"a file brought it back: {report}")
    at = stage.clock.now()
    again = [_said(fleet, one, f"wamid.again.{n}", words, at) for n, words in enumerate((one.words, "quero receber mensagens", "SAIR"))]
    await sender.deliver_all(again)
    await drained(stage.db.pool)
    kept = await stage.db.pool.fetchval("select count(*)::int from received where contact_id = $1", fleet.people[ERASED])
    found.lose("messages of somebody who was erased", max(0, 4 - kept))
    await plan_again(stage.db.owner, [fleet.sends[ERASED], fleet.sends[1]], due_at=at)
    await _judged(stage)
    after = [row["person"] for row in sandbox.sent()[before:]]
    found.violate("it was written to after its erasure", after.count(one.phone))
    found.expect(phone_of(1) in after, "the other one was not written to: the judge is blind")
    hashes = await stage.db.pool.fetchval("select count(*)::int from suppressions where phone_key = $1 and lifted_at is null", person)
    found.expect(hashes >= 1, "its hash is not in the list")
    await _judge_dump(stage, one, found, "after all that")


def _write_file(path: Path, one: Canary) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("phone", "name", "consent_at"), (f"+{one.phone}", one.name, "2026-01-01 10:00")])


# ------------------------------------------------------------------ the logs


async def _judge_logs(stage: Stage, canaries: list[Canary], found: Findings) -> int:
    """Every line of every process but the sandbox, which is the platform; tracebacks of cut connections too."""
    logs = {
        process.name: process.log.read_text("utf-8", "replace") for process in stage.processes if not process.name.startswith("sandbox")
    }
    for name, log in logs.items():
        seen = sorted({word for one in canaries for word in one.all() if word in log})
        found.violate(f"the log of {name} holds {seen[:3]}", len(seen))
    found.expect(any(log.strip() for log in logs.values()), "the logs are empty: nothing was looked at")
    return sum(log.count("\n") for log in logs.values())
