"""`/_sandbox/*`: what moves the world from outside. No token is asked for: the sandbox listens on loopback only."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from julia_warmer.sandbox import signups
from julia_warmer.sandbox.bench import SHELF, Bench, bench_of
from julia_warmer.sandbox.graph import answer, body_of
from julia_warmer.sandbox.spec import SpecError, read_spec
from julia_warmer.sim.constants import world_hash
from julia_warmer.sim.views import truth_of

LEDGER_PAGE = 50_000


async def put_world(request: web.Request) -> web.Response:
    """Begin a new world; the old one is closed."""
    try:
        spec = read_spec(await request.read())
        bench = await request.app[SHELF].put(spec)
    except (SpecError, KeyError, TypeError) as error:
        return answer({"error": f"the world cannot be read: {error}"}, http=422)
    return answer({**state(bench), "people": len(spec.people), "chips": len(spec.chips)})


async def advance(request: web.Request) -> web.Response:
    """Lockstep: play everything due up to `to`, and deliver the webhooks due by then, each answered before this answers."""
    bench = bench_of(request)
    try:
        to = _moment((await body_of(request)).get("to"))
        return answer(await step(bench, to))
    except ValueError as error:
        return answer({"error": str(error)}, http=422)


async def step(bench: Bench, to: datetime) -> dict[str, Any]:
    """One advance. What `POST /_sandbox/advance` answers: counts are of this advance."""
    counts = bench.mailer.counts
    async with bench.turn:
        before = (counts.posts, counts.duplicates, counts.refused)
        bench.play(to)
        delivered = await bench.mailer.deliver(to.timestamp())
    posts, duplicates, refused = counts.posts - before[0], counts.duplicates - before[1], counts.refused - before[2]
    return {**state(bench), "delivered": delivered, "posts": posts, "duplicates": duplicates, "refused": refused}


def state(bench: Bench) -> dict[str, Any]:
    """Where the world stands."""
    following = bench.next_at()
    return {"at": bench.at.isoformat(), "next_at": following.isoformat() if following else None, "world": world_hash()}


async def get_state(request: web.Request) -> web.Response:
    """Where the world stands, and every count since it began."""
    bench = bench_of(request)
    c = bench.mailer.counts
    webhooks = {"delivered": c.updates, "posts": c.posts, "duplicates": c.duplicates, "refused": c.refused, "given_up": c.given_up}
    now = bench.moment(ago_s=0).isoformat()
    return answer({**state(bench), "now": now, "ledger": bench.ledger.counts, "webhooks": webhooks, "holding": bench.faults.holding})


async def get_ledger(request: web.Request) -> web.Response:
    """Rows behind `after`, a JSON object a line, at most LEDGER_PAGE."""
    bench = bench_of(request)
    lines = bench.ledger.lines(after=int(request.query.get("after", "0")))[:LEDGER_PAGE]
    return web.Response(body=b"".join(line + b"\n" for line in lines), content_type="application/x-ndjson")


async def get_truth(request: web.Request) -> web.Response:
    """What nobody may know: true reply rates, quality and hidden negatives of each chip, and places over the limit of each portfolio."""
    bench = bench_of(request)
    chips: list[dict[str, Any]] = []
    for c in bench.spec.chips:
        truth = truth_of(bench.world, c.id)
        negatives = dict(sorted(truth.negatives.items()))
        known = {"id": c.id, "name": c.name, "list": c.list, "reply_rate": c.reply_rate}
        chips.append({**known, "quality": truth.quality, "delivered": truth.delivered, "negatives": negatives})
    portfolios = [{"id": p.id, "limit": p.limit, "over_limit": p.over_limit} for p in bench.world.portfolios.values()]
    return answer({"at": bench.at.isoformat(), "seed": bench.spec.seed, "chips": chips, "portfolios": portfolios})


async def get_faults(request: web.Request) -> web.Response:
    """The switches, with how often each was hit."""
    return answer({"faults": bench_of(request).faults.shown()})


async def post_faults(request: web.Request) -> web.Response:
    """Add switches."""
    bench = bench_of(request)
    try:
        bench.faults.set((await body_of(request)).get("faults", []))
    except ValueError as error:
        return answer({"error": str(error)}, http=422)
    return answer({"faults": bench.faults.shown()})


async def delete_faults(request: web.Request) -> web.Response:
    """Take every switch away and answer what is held."""
    bench_of(request).faults.clear()
    return answer({"faults": []})


async def post_release(request: web.Request) -> web.Response:
    """Answer what is held; the switches stay."""
    bench = bench_of(request)
    holding = bench.faults.holding
    bench.faults.release()
    return answer({"released": holding})


async def post_say(request: web.Request) -> web.Response:
    """A person writes to a chip now: {"chip", "phone", "text", "stop"?}; or uses the switch: {"chip", "phone", "switch": true}."""
    bench, body = bench_of(request), await body_of(request)
    at = bench.tick()
    chip, phone = str(body.get("chip")), str(body.get("phone")).lstrip("+")
    if chip not in bench.world.chips:
        return answer({"error": f"there is no chip {chip!r}"}, http=422)
    if body.get("switch"):
        bench.world.switch_off(chip, phone, at=at)
        message_id = None
    else:
        message_id = bench.world.say(chip, phone, str(body.get("text", "Oi")), at=at, stop=bool(body.get("stop")))
    bench.play(at)
    return answer({"at": at.isoformat(), "message_id": message_id})


async def post_signup(request: web.Request) -> web.Response:
    """A person opens a sign-up link and agrees now: {"chip", "phone", "signup"}."""
    bench, body = bench_of(request), await body_of(request)
    at = bench.tick()
    chip, phone, signup = str(body.get("chip")), str(body.get("phone")).lstrip("+"), str(body.get("signup"))
    if chip not in bench.world.chips or bench.signups.get(signup, {}).get("status") != signups.ACTIVE:
        return answer({"error": "there is no such chip, or no such sign-up link that is active"}, http=422)
    bench.sign_up(chip, phone, signup, at=at)
    return answer({"at": at.isoformat()})


async def post_platform(request: web.Request) -> web.Response:
    """Meta does something now: {"do": one of ORDERS, …}."""
    bench, body = bench_of(request), await body_of(request)
    order = ORDERS.get(str(body.get("do")))
    if order is None:
        return answer({"error": f"`do` is one of {', '.join(ORDERS)}"}, http=422)
    try:
        at = bench.tick()
        order(bench, body, at)
        bench.play(at)
    except (KeyError, ValueError, TypeError) as error:
        return answer({"error": f"{body.get('do')}: {error!r} is missing or unknown"}, http=422)
    return answer({"at": at.isoformat()})


async def post_handshake(request: web.Request) -> web.Response:
    """Ask the webhook's address to prove itself with the verify token."""
    bench = bench_of(request)
    return answer({"verified": await bench.mailer.handshake(bench.spec.verify_token, "1158201444")})


# --- orders ------------------------------------------------------------------------------------------------------------------

Order = Callable[[Bench, Mapping[str, Any], datetime], None]


def _quality(bench: Bench, body: Mapping[str, Any], at: datetime) -> None:
    bench.world.set_quality(body["chip"], body["value"], at=at)


def _status(bench: Bench, body: Mapping[str, Any], _at: datetime) -> None:
    bench.world.chips[body["chip"]].status = body["value"]


def _name_status(bench: Bench, body: Mapping[str, Any], _at: datetime) -> None:
    bench.world.chips[body["chip"]].name_status = body["value"]


def _limit(bench: Bench, body: Mapping[str, Any], at: datetime) -> None:
    bench.world.set_limit(body["portfolio"], int(body["value"]), at=at)


def _spam(bench: Bench, body: Mapping[str, Any], at: datetime) -> None:
    bench.world.restrict_spam(body["chip"], until=at + timedelta(hours=float(body.get("hours", 24))))


def _restrict(bench: Bench, body: Mapping[str, Any], at: datetime) -> None:
    bench.world.restrict_account(body["account"], at=at, until=at + timedelta(hours=float(body.get("hours", 24))))


def _lock(bench: Bench, body: Mapping[str, Any], at: datetime) -> None:
    bench.world.lock_account(body["account"], at=at, locked=bool(body.get("value", True)))


def _paid(bench: Bench, body: Mapping[str, Any], _at: datetime) -> None:
    bench.world.accounts[body["account"]].paid = bool(body["value"])


def _pause_template(bench: Bench, body: Mapping[str, Any], at: datetime) -> None:
    until = at + timedelta(hours=float(body["hours"])) if body.get("hours") else None
    bench.world.pause_template(body["template"], at=at, until=until)


def _effects(bench: Bench, body: Mapping[str, Any], _at: datetime) -> None:
    bench.world.templates[body["template"]].effects = bench.world.c.templates[body["value"]]


def _revoke(bench: Bench, body: Mapping[str, Any], _at: datetime) -> None:
    bench.tokens.pop(body["token"], None)


ORDERS: dict[str, Order] = {
    "set_quality": _quality,
    "set_status": _status,
    "set_name_status": _name_status,
    "set_limit": _limit,
    "restrict_spam": _spam,
    "restrict_account": _restrict,
    "lock_account": _lock,
    "set_paid": _paid,
    "pause_template": _pause_template,
    "set_effects": _effects,
    "revoke_token": _revoke,
}


def _moment(text: object) -> datetime:
    moment = datetime.fromisoformat(str(text))
    if moment.tzinfo is None:
        raise ValueError("`to` needs its time zone")
    return moment
