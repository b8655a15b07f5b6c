"""Takes what people wrote to whoever answers: a signed webhook (standardwebhooks.com) to the chip's route, until taken or given up.

A route that is a page needs nothing: its conversations wait for a person. The address was given by a user, so it is looked at here once
more, and again what its name resolves to: nothing of the inside is ever connected to, and no redirect is followed.
"""

import asyncio
import hashlib
import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import aiohttp
import orjson
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from standardwebhooks import Webhook

from julia_warmer.engine.errors import Wrong
from julia_warmer.engine.parts import Parts
from julia_warmer.engine.setup import ROUTE_SECRET, check_url
from julia_warmer.store import inbound
from julia_warmer.store.db import transaction
from julia_warmer.store.inbound import DETAILS_USE, TEXT_USE, Due, RouteResult
from julia_warmer.store.platform import Alert, add_alerts, close_alerts
from julia_warmer.store.seal import Seal, SealBroken

KIND = "message.received"
TRIES_MAX = 24  # about 20 hours: the window in which an answer helps is 24
TRIES_TOLD = 5  # about eight minutes: then a person is told
WAIT_S, WAIT_S_MAX = 30.0, 3600.0  # after the first try; twice as long each time
LEASE = timedelta(minutes=10)
TIMEOUT = aiohttp.ClientTimeout(total=15, connect=5)
CONNECTIONS = 16
NAT64 = ipaddress.ip_network("64:ff9b::/96")
ERROR_MAX = 200  # characters


@dataclass(frozen=True, slots=True)
class Routed:
    """What one round did: taken by their webhook, put off, given up."""

    taken: int = 0
    put_off: int = 0
    given_up: int = 0


async def route_received(parts: Parts, *, at: datetime, limit: int = 100) -> Routed:
    """Send the messages that are due to their webhooks. A conversation's messages go one after the other; conversations side by side."""
    async with transaction(parts.pool) as conn:
        due = await inbound.take_due_routes(conn, at=at, lease_until=at + LEASE, limit=limit)
    if not due:
        return Routed()
    local = is_local(parts.settings.sandbox_url)
    connector = aiohttp.TCPConnector(limit=CONNECTIONS, resolver=OutsideOnly(local=local), use_dns_cache=False)
    async with aiohttp.ClientSession(connector=connector, timeout=TIMEOUT, trust_env=False, cookie_jar=aiohttp.DummyCookieJar()) as session:
        talks: dict[tuple[int, int | None], list[Due]] = {}
        for one in due:
            talks.setdefault((one.chip_id, one.contact_id), []).append(one)
        told = await asyncio.gather(*(_tell(session, talk, parts.seal, local=local, at=at) for talk in talks.values()))
    results = [result for some in told for result in some]
    async with transaction(parts.pool) as conn:
        await inbound.settle_routes(conn, results)
        by_id = {one.message_id: one for one in due}
        await add_alerts(conn, [_alert(by_id[one.message_id], one.error, at=at) for one in results if _is_told(by_id[one.message_id], one)])
        await close_alerts(conn, [_key(by_id[one.message_id]) for one in results if one.routed_at], by="the route", at=at)
    taken, waiting = sum(one.routed_at is not None for one in results), sum(one.next_at is not None for one in results)
    return Routed(taken, waiting, len(results) - taken - waiting)


async def _tell(session: aiohttp.ClientSession, talk: Sequence[Due], seal: Seal, *, local: bool, at: datetime) -> list[RouteResult]:
    """Send one conversation's messages in order. Behind one that was not taken the others wait."""
    results: list[RouteResult] = []
    for nth, one in enumerate(talk):
        error = await _post(session, one, seal, local=local, at=at)
        if error is None:
            results.append(RouteResult(message_id=one.message_id, routed_at=at))
            continue
        next_at = at + timedelta(seconds=min(WAIT_S * 2 ** (one.tries - 1), WAIT_S_MAX))
        results.append(RouteResult(message_id=one.message_id, next_at=next_at if one.tries < TRIES_MAX else None, error=error))
        results += [
            RouteResult(message_id=later.message_id, next_at=next_at, error="waits for an earlier one") for later in talk[nth + 1 :]
        ]
        break
    return results


async def _post(session: aiohttp.ClientSession, one: Due, seal: Seal, *, local: bool, at: datetime) -> str | None:
    """Send one message; None when it was taken, or when its chip's answers go to the page by now. Else what went wrong."""
    if one.url is None:
        return None
    try:
        check_url(one.url, local=local)
        if one.secret is None:
            return "the route has no secret to sign with"
        data = orjson.dumps(payload_of(one, seal)).decode()
        signer = Webhook(seal.open(one.secret, use=ROUTE_SECRET).decode())
        name = f"msg_{hashlib.sha256(one.message_id.encode()).hexdigest()[:32]}"  # the same in every try: the other side counts it once
        headers = {
            "content-type": "application/json",
            "webhook-id": name,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": signer.sign(name, at, data),
        }
        async with session.post(one.url, data=data, headers=headers, allow_redirects=False) as answer:
            return None if 200 <= answer.status < 300 else f"answered {answer.status}"
    except (Wrong, SealBroken) as error:
        return str(error)[:ERROR_MAX]
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        return f"{type(error).__name__}: {error}"[:ERROR_MAX]


def payload_of(one: Due, seal: Seal) -> dict[str, object]:
    """What the webhook says. Raises SealBroken."""
    details = orjson.loads(seal.open(one.details, use=DETAILS_USE)) if one.details else {}
    data = {
        "message_id": one.message_id,
        "received_at": one.at,
        "message_type": one.type,
        "text": seal.open(one.text, use=TEXT_USE).decode() if one.text else None,
        "payload": details.get("payload"),
        "reply_to": details.get("reply_to"),
        "chip_id": one.chip_id,
        "chip": one.chip,
        "phone_number_id": one.phone_number_id,
        "contact_id": one.contact_id,
        "phone": one.phone or None,  # erased: there is none to give
        "user_id": one.user_id,
        "name": one.name or details.get("name"),
        "answer_until": one.window_until,
    }
    return {"type": KIND, "timestamp": one.at, "data": data}


def _is_told(one: Due, result: RouteResult) -> bool:
    return result.routed_at is None and (one.tries >= TRIES_TOLD or result.next_at is None)


def _alert(one: Due, error: str | None, *, at: datetime) -> Alert:
    text = f"The route of {one.chip} does not take messages ({error}): people wait for an answer"
    return Alert(rule="route", level="critical", text=text, chip_id=one.chip_id, open_key=_key(one), at=at)


def _key(one: Due) -> str:
    return f"route:{one.route_id}:chip:{one.chip_id}"


# ------------------------------------------------------------------ where it may go


class OutsideOnly(AbstractResolver):
    """Resolves names, and refuses those of which any address is of the inside. The connection is made to what was looked at here."""

    def __init__(self, *, local: bool) -> None:
        self._names = ThreadedResolver()
        self._local = local

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        found = await self._names.resolve(host, port, family)
        for result in found:
            address = ipaddress.ip_address(result["host"].partition("%")[0])
            if not is_outside(address) and not (self._local and address.is_loopback):
                raise OSError(f"{host} leads to the inside")
        return found

    async def close(self) -> None:
        await self._names.close()


def is_outside(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether an address is one of the internet, also the IPv4 address that an IPv6 one may carry."""
    if not address.is_global or address.is_multicast:
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return True
    carried = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in NAT64:
        carried.append(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
    return all(inner.is_global and not inner.is_multicast for inner in carried if inner is not None)


def is_local(sandbox_url: str | None) -> bool:
    """Whether we play on this machine only: then a route may lead to it."""
    host = urlsplit(sandbox_url or "").hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
