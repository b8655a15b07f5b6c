"""R7 opt-out coverage: every road on which a person may ask to stop cancels what was planned before its 200, and nothing goes to them.

False friends go on being written to; a plain message later opts nobody in again. Judged by the ledger.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tests.faults.fleet import Chip, Fleet, found_fleet, phone_of
from tests.faults.outside import drained, out, plan_again
from tests.faults.platform import SandboxProcess
from tests.faults.post import Sender, body, change, stamp, status, text
from tests.faults.process import until
from tests.faults.row import Draw, Findings, Row, p50_p99_ms
from tests.faults.stage import Stage

NAME = "R7"
LIMIT_S = (900.0, 180.0)
WORDS = """
    sair, parar, pare, parem, cancelar, descadastrar, remover, stop, unsubscribe, quit, opt out, salir, baja
    quero sair da lista, não quero mais receber mensagens, pare de me mandar mensagem, por favor me descadastrem, me tirem daqui
    não me incomode mais, remova meu contato, revogo meu consentimento, não autorizo o uso dos meus dados, me deixa em paz
    please stop, stop texting me, do not message me again, remove me from your list, I no longer wish to receive messages
    no quiero recibir más mensajes, darme de baja, dejen de escribirme, no me molesten, borren mi número
"""
FALSE_FRIENDS = """
    vou parar aqui pra almoçar, sair do plantão às 19h, posso sair mais cedo?, não quero parar, pode continuar mandando, quero sim
    não posso hoje, quero receber mais mensagens, não pare de mandar, estou saindo do hospital, what time does my shift stop?
    I can stop by at 3, baja frecuencia cardiaca, salir a comer, cancelar o plantão de sábado, obrigado
"""


def _item(kind: str, *, sender: str | None = "{phone}", **content: Any) -> dict[str, Any]:
    return {**({"from": sender} if sender else {}), "type": kind, **content}


def _tap(kind: str, id_: str, title: str) -> dict[str, Any]:
    return _item("interactive", interactive={"type": kind, kind: {"id": id_, "title": title}})


def _edit(words: str) -> dict[str, Any]:
    return _item("edit", edit={"original_message_id": "wamid.0", "message": {"type": "text", "text": {"body": words}}})


def _change(kind: str, **more: str) -> dict[str, Any]:
    return _item("system", system={"body": "mudou", "type": kind, **more})


# What a person sends; each in a body of its own, the last one the request to stop. Names stand in braces.
ROADS: dict[str, list[dict[str, Any]]] = {
    "a template's button": [_item("button", button={"text": "Parar mensagens", "payload": "Parar mensagens"})],
    "a button by its payload": [_item("button", button={"text": "Sair da lista", "payload": "OPT_OUT"})],
    "a list reply": [_tap("list_reply", "sair", "Não quero mais mensagens")],
    "a reply button": [_tap("button_reply", "x", "Parar")],
    "an edit": [_edit("parem de mandar mensagem")],
    "a caption": [_item("image", image={"id": "1", "caption": "pare de me mandar mensagem"})],
    "without the ninth digit": [_item("text", text={"body": "SAIR"}, sender="{without_ninth}")],
    "by user id only": [_item("text", text={"body": "Pare"}, sender=None, from_user_id="{user}")],
    "user id in `from`": [_item("text", text={"body": "Pare"}, sender="{user}")],
    "a new number, then a stop": [_change("user_changed_number", wa_id="{new}"), _item("text", text={"body": "SAIR"}, sender="{new}")],
    "a new user id, then a stop": [
        {**_change("user_changed_user_id", wa_id="{phone}", user_id="{user}N"), "from_user_id": "{user}"},
        _item("text", text={"body": "SAIR"}, sender=None, from_user_id="{user}N"),
    ],
}


@dataclass(frozen=True, slots=True)
class Case:
    """What one person does, as the changes of one body or of several, in order."""

    what: str
    bodies: tuple[bytes, ...]
    stops: bool = True


async def run(stage: Stage, draw: Draw) -> Row:
    cases_max = draw.size(10_000, 120)
    found = Findings()
    wanted = [*_spoken(WORDS, True), *_spoken(FALSE_FRIENDS, False)]
    size = len(wanted) + 40
    fleet = await found_fleet(
        stage.db.owner, stage.seal, at=stage.clock.now(), chips=4, people=size, purpose="marketing", due_in=timedelta(hours=1)
    )
    draw.random.shuffle(wanted)
    cases = _cases(fleet, wanted[:cases_max])
    await _prepare(stage, fleet, cases)
    sandbox = await stage.sandbox()
    await sandbox.put(fleet.world(seed=draw.seed, secret=stage.secret))
    api = await stage.api()
    async with Sender(api.webhook, stage.secret, connections=8) as sender:
        for case in cases.values():
            for one in case.bodies[:-1]:
                await sender.deliver(one)
        await stage.worker()
        await drained(stage.db.pool)  # numbers that changed are known by now
        await sender.deliver_all(case.bodies[-1] for case in cases.values())
        await _judge_plans(stage, fleet, cases, found)
        await drained(stage.db.pool)
        await _judge_ledger(stage, fleet, cases, sandbox, found)
        await sender.deliver_all(_plain(fleet, n) for n, case in cases.items() if case.stops)
        await drained(stage.db.pool)
    again = await _judge_later(stage, fleet, cases, sandbox, found)
    found.violate(f"answers other than 200: {dict(sender.codes)}", sum(n for code, n in sender.codes.items() if code != 200))
    stops = sum(case.stops for case in cases.values())
    done = f"{stops} requests to stop, {len(cases) - stops} false friends; {again} plain messages and new plans afterwards"
    return found.row(NAME, done, **p50_p99_ms(sender.seconds))


# ------------------------------------------------------------------ what people do


def _spoken(table: str, stops: bool) -> list[tuple[str, bool]]:
    """Each line of the table in every writing: as it is, in capitals, without accents, with a greeting, with signs."""
    said: list[tuple[str, bool]] = []
    for line in table.strip().splitlines():
        for words in line.strip().split(", "):
            plain = unicodedata.normalize("NFD", words).encode("ascii", "ignore").decode()
            forms = {words, words.upper(), words.capitalize(), plain, f"  {words} !!", f"{words}."}
            said += [(form, stops) for form in sorted(forms)]
    return said


def _cases(fleet: Fleet, spoken: Iterable[tuple[str, bool]]) -> dict[int, Case]:
    """By the number of the person."""
    at = fleet.at - timedelta(minutes=1)
    chip = fleet.chips[0]
    cases = {n: Case(f"wrote {words!r}", (_said(chip, _text(n, words, at)),), stops) for n, (words, stops) in enumerate(spoken)}
    first = len(cases)
    for nth, (what, bodies) in enumerate(_other_roads(chip, first, at).items()):
        cases[first + nth] = Case(what, bodies)
    return cases


def _other_roads(chip: Chip, first: int, at: datetime) -> dict[str, tuple[bytes, ...]]:
    """One person each, from number `first` on; the order is that of the keys."""
    built: dict[str, tuple[bytes, ...]] = {}
    for nth, (what, items) in enumerate(ROADS.items()):
        built[what] = tuple(_said(chip, _fill(item, first + nth, f"{first + nth}.{part}", at)) for part, item in enumerate(items))
    n = first + len(built)
    built["131050"] = (body(change(chip, statuses=[status("failed", f"wamid.out.{n}", at, to=phone_of(n), code=131050)]), waba=chip.waba),)
    for what, who in (("WhatsApp's switch", {"wa_id": phone_of(n + 1)}), ("the switch, phone hidden", {"user_id": _user(n + 2)})):
        one = {**who, "detail": "stop", "category": "marketing_messages", "value": "stop", "timestamp": int(at.timestamp())}
        built[what] = (body(change(chip, field="user_preferences", contacts=[who], user_preferences=[one]), waba=chip.waba),)
    return built


def _fill(item: Any, n: int, nth: str, at: datetime) -> Any:
    """The item with this person's names in its places."""
    phone = phone_of(n)
    places = {"{phone}": phone, "{without_ninth}": phone[:4] + phone[5:], "{user}": _user(n), "{new}": f"55219{70000000 + n}"}

    def put(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: put(one) for key, one in value.items()}
        if isinstance(value, str):
            for place, name in places.items():
                value = value.replace(place, name)
        return value

    return {**put(item), "id": f"wamid.in.{nth}", "timestamp": stamp(at)}


def _text(n: int, words: str, at: datetime) -> dict[str, Any]:
    return text(f"wamid.in.{n}", words, at, sender=phone_of(n))


def _said(chip: Chip, item: dict[str, Any]) -> bytes:
    return body(change(chip, messages=[item]), waba=chip.waba)


def _plain(fleet: Fleet, n: int) -> bytes:
    return _said(fleet.chips[0], text(f"wamid.later.{n}", "Oi, bom dia! Tudo bem?", fleet.at, sender=phone_of(n)))


def _user(n: int) -> str:
    return f"BR.{10**15 + n}"


# ------------------------------------------------------------------ what became of it


async def _prepare(stage: Stage, fleet: Fleet, cases: dict[int, Case]) -> None:
    """Everybody has a user id; the last message of whoever answers with 131050 is out, and another is planned."""
    people = list(fleet.people)
    await stage.db.owner.execute(
        "update contacts set user_id = t.user_id from unnest($1::bigint[], $2::text[]) as t (id, user_id) where contacts.id = t.id",
        people, [_user(n) for n in range(len(people))],
    )  # fmt: skip
    failing = [fleet.sends[n] for n, case in cases.items() if case.what == "131050"]
    first = fleet.sends.index(failing[0])
    await out(stage.db.owner, fleet, accepted_at=fleet.at - timedelta(days=9), sends=failing, first=first)
    await plan_again(stage.db.owner, failing, due_at=fleet.at + timedelta(hours=1))


async def _judge_plans(stage: Stage, fleet: Fleet, cases: dict[int, Case], found: Findings) -> None:
    """Right after the 200s."""
    rows = await stage.db.pool.fetch("select contact_id, state from sends where state in ('planned', 'cancelled')")
    state = {row["contact_id"]: row["state"] for row in rows}
    for n, case in cases.items():
        wanted = "cancelled" if case.stops else "planned"
        found.expect(state[fleet.people[n]] == wanted, f"{case.what}: the message is {state[fleet.people[n]]} at the 200")


async def _judge_ledger(stage: Stage, fleet: Fleet, cases: dict[int, Case], sandbox: SandboxProcess, found: Findings) -> None:
    """Let everything be due: only those who did not ask to stop are written to."""
    free = {phone_of(n) for n in range(len(fleet.people)) if not (n in cases and cases[n].stops)}
    await stage.db.owner.execute("update sends set due_at = $1 where state = 'planned'", stage.clock.now())

    async def is_done() -> bool:
        return not await stage.db.pool.fetchval("select exists (select from sends where state in ('planned', 'claimed', 'calling'))")

    await until("everything planned went out", is_done, within_s=60)
    reached = {row["person"] for row in sandbox.sent()}
    found.violate(f"written to after a request to stop: {_whats(cases, reached - free)}", len(reached - free))
    found.lose(f"not written to, though they did not ask to stop: {_whats(cases, free - reached)}", len(free - reached))


async def _judge_later(stage: Stage, fleet: Fleet, cases: dict[int, Case], sandbox: SandboxProcess, found: Findings) -> int:
    """Plan a new message for each who stopped and has said hello since: none goes out."""
    stopped = [n for n, case in cases.items() if case.stops]
    before = len(sandbox.sent())
    await plan_again(stage.db.owner, [fleet.sends[n] for n in stopped], due_at=stage.clock.now())

    async def is_judged() -> bool:
        return not await stage.db.pool.fetchval("select exists (select from sends where state in ('planned', 'claimed', 'calling'))")

    await until("the new plans are judged", is_judged, within_s=60)
    after = sandbox.sent()[before:]
    found.violate(f"a plain message opted in: {_whats(cases, {row['person'] for row in after})}", len(after))
    return len(stopped)


def _whats(cases: dict[int, Case], phones: set[str]) -> list[str]:
    return sorted(case.what for n, case in cases.items() if phone_of(n) in phones)[:5]
