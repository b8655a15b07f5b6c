"""Posts webhooks as Meta does (platform.md 6.7, 6.8): signed over the raw bytes, again until a 200, and measured. And what it posts.

It must not know what is made of them.
"""

import asyncio
import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import aiohttp

from tests.faults.fleet import Chip

SIGNATURE = "X-Hub-Signature-256"
RETRY_FIRST_S = 0.05  # Meta's own is some seconds; the waits are shorter here, their growth is not
RETRY_MOST_S = 2.0
RETRY_FOR_S = 60.0
TIMEOUT_S = 60.0


class Sender:
    """Posts to one address over at most so many connections. `codes` counts answers (0: none came), `seconds` holds how long each took."""

    def __init__(self, url: str, secret: str, *, connections: int = 64) -> None:
        self.url = url
        self.codes: Counter[int] = Counter()
        self.seconds: list[float] = []
        self.bodies: set[bytes] = set()  # what the answers said, short ones only
        self._secret = secret.encode()
        self._limit = asyncio.Semaphore(connections)
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
            trust_env=False,
        )

    async def __aenter__(self) -> "Sender":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    def sign(self, body: bytes) -> dict[str, str]:
        digest = hmac.new(self._secret, body, hashlib.sha256).hexdigest()
        return {"Content-Type": "application/json", SIGNATURE: f"sha256={digest}", "User-Agent": "facebookexternalua"}

    async def post(self, body: bytes, headers: dict[str, str] | None = None) -> int:
        """One POST; the status, 0 when there was no answer."""
        loop = asyncio.get_running_loop()
        async with self._limit:
            began = loop.time()
            try:
                async with self._http.post(self.url, data=body, headers=self.sign(body) if headers is None else headers) as answer:
                    self.bodies.add((await answer.read())[:200])
                    status = answer.status
            except (aiohttp.ClientError, TimeoutError, OSError):
                status = 0
            self.seconds.append(loop.time() - began)
        self.codes[status] += 1
        return status

    async def deliver(self, body: bytes) -> bool:
        """Until a 200: again at once, then with growing waits. False when given up."""
        wait_s, waited_s = 0.0, 0.0
        while await self.post(body) != 200:
            if waited_s > RETRY_FOR_S:
                return False
            await asyncio.sleep(wait_s)
            waited_s += wait_s
            wait_s = min(max(RETRY_FIRST_S, wait_s * 2), RETRY_MOST_S)
        return True

    async def deliver_all(self, bodies: Iterable[bytes]) -> int:
        """Side by side. How many were given up."""
        return sum(not done for done in await asyncio.gather(*(self.deliver(body) for body in bodies)))

    @property
    def fives(self) -> int:
        """How many answers were 5xx."""
        return sum(n for status, n in self.codes.items() if status >= 500)


# ------------------------------------------------------------------ bodies


def stamp(at: datetime) -> str:
    return str(int(at.timestamp()))


def status(what: str, message_id: str, at: datetime, *, to: str, ours: str | None = None, code: int | None = None) -> dict[str, Any]:
    item: dict[str, Any] = {"id": message_id, "status": what, "timestamp": stamp(at), "recipient_id": to}
    if ours is not None:
        item["biz_opaque_callback_data"] = ours
    if code is not None:
        item["errors"] = [{"code": code, "title": "no"}]
    return item


def text(message_id: str, words: str, at: datetime, *, sender: str) -> dict[str, Any]:
    return {"from": sender, "id": message_id, "timestamp": stamp(at), "type": "text", "text": {"body": words}}


def change(chip: Chip, *, field: str = "messages", **value: Any) -> dict[str, Any]:
    """One change of one number."""
    metadata = {"display_phone_number": chip.display_phone, "phone_number_id": chip.phone_number_id}
    return {"field": field, "value": {"messaging_product": "whatsapp", "metadata": metadata, **value}}


def body(*changes: dict[str, Any], waba: str, at: datetime | None = None) -> bytes:
    """One POST of one account."""
    entry = {"id": waba, "changes": list(changes), **({"time": int(at.timestamp())} if at else {})}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}, ensure_ascii=True).encode()


def batches(chip: Chip, kind: str, items: Sequence[Any], *, most: int = 1000) -> list[bytes]:
    """Bodies of at most so many items of one number, in order."""
    return [body(change(chip, **{kind: list(items[at : at + most])}), waba=chip.waba) for at in range(0, len(items), most)]
