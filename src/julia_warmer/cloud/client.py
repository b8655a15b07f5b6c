"""The only module that talks to Meta. It asks, and says how it ended; it never tries again, waits, stores or decides.

No redirects, no environment proxies, no cookies; the host is Meta's unless the sandbox is chosen, and then only `sandbox-` tokens are
taken. Trouble on the net is a value, never an exception: what surely never began is `Refused`, all else `Unclear`.
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar
from urllib.parse import urlsplit

import aiohttp
import orjson

from julia_warmer import __version__
from julia_warmer.cloud import encode, nodes, wire
from julia_warmer.cloud.answers import (
    Accepted,
    Answer,
    Done,
    Failure,
    Refused,
    Unclear,
    read_accepted,
    read_answer,
    read_done,
    unreachable,
)
from julia_warmer.cloud.codes import TOKEN_UNFIT
from julia_warmer.cloud.encode import Body
from julia_warmer.cloud.nodes import Account, BusinessProfile, Created, PhoneNumber, SignupNode, Template, Usage
from julia_warmer.core.errors import WarmerError

if TYPE_CHECKING:
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

GRAPH = "https://graph.facebook.com"
META_HOSTS = ("facebook.com", "whatsapp.com", "fbcdn.net")
SANDBOX_TOKEN = "sandbox-"  # noqa: S105 - how such a token begins
PAGE = 100
BAD_CURSOR = 131059

_VERSION = re.compile(r"v\d{1,3}\.\d")
_NODE = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_TOKEN = re.compile(r"[!-~]{8,2000}")
_BEGIN_BY: ContextVar[float | None] = ContextVar("begin_by", default=None)
_NEVER_BEGAN = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
_LOST = (aiohttp.ClientError, TimeoutError, OSError)
T = TypeVar("T")


class WrongHost(WarmerError, ValueError):  # noqa: N818
    """This is no sandbox: give its address, such as http://127.0.0.1:8090."""


class WrongNode(WarmerError, ValueError):  # noqa: N818
    """This is no id of the platform."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long and how much, at most. A slow answer is cut at `total_s`, whatever it is doing."""

    connect_s: float = 5.0  # a place in the pool, the name, the connection and TLS
    read_s: float = 20.0  # between two pieces of the answer
    total_s: float = 30.0
    keepalive_s: float = 5.0  # short: a connection closed under a request makes its outcome unclear
    connections: int = 100
    answer_bytes: int = 4_194_304
    pages: int = 100
    accounts_remembered: int = 1000


class TooLate(Exception):  # noqa: N818 - what happened, and no fault
    """The request would have begun after the moment that was set for it, so it did not."""


class _Punctual(aiohttp.TCPConnector):
    """Looks at the clock when a connection is there, right before the request is written: waiting for one may have taken long."""

    async def connect(self, req: aiohttp.ClientRequest, traces: "list[Trace]", timeout: aiohttp.ClientTimeout) -> "Connection":  # noqa: ASYNC109 - aiohttp's own
        connection = await super().connect(req, traces, timeout)
        begin_by = _BEGIN_BY.get()
        if begin_by is not None and asyncio.get_running_loop().time() > begin_by:
            connection.release()
            raise TooLate
        return connection


class GraphClient:
    """Meta's Graph API, or the sandbox at `sandbox_url`. Open it with `async with`; it keeps no token.

    `version` is the Graph version, such as v25.0. Raises WrongHost for a sandbox address that is none, or is Meta's.
    """

    def __init__(self, *, version: str = "v25.0", sandbox_url: str | None = None, limits: Limits | None = None) -> None:
        if not _VERSION.fullmatch(version):
            raise WarmerError(f"{version!r} is no Graph version: write it like v25.0")
        self._is_sandbox = sandbox_url is not None
        self._base = f"{GRAPH if sandbox_url is None else _sandbox(sandbox_url)}/{version}"
        self._limits = limits or Limits()
        self._session: aiohttp.ClientSession | None = None
        self._usages: dict[str, Usage] = {}
        self.app_usage: Usage | None = None

    def __repr__(self) -> str:
        return f"GraphClient({self._base})"

    async def __aenter__(self) -> Self:
        limits = self._limits
        self._session = aiohttp.ClientSession(
            connector=_Punctual(limit=limits.connections, keepalive_timeout=limits.keepalive_s),
            timeout=aiohttp.ClientTimeout(total=limits.total_s, connect=limits.connect_s, sock_read=limits.read_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            headers={"User-Agent": f"julia-warmer/{__version__}"},
        )
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections. Requests in flight end as Unclear."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def usage_of(self, account_id: str) -> Usage | None:
        """How much of an account's call quota was used, by the last answer that said so."""
        return self._usages.get(account_id)

    # ---------------------------------------------------------------- messages

    async def send(self, phone_number_id: str, body: Body, token: str, *, begin_by: float | None = None) -> Accepted | Refused | Unclear:
        """Send one message, once. There is no idempotency key: only `Refused` with accepted NO may be sent again by itself.

        Raises TooLate, and has asked nothing, when there is no connection by `begin_by`, in the event loop's seconds.
        """
        before = _BEGIN_BY.set(begin_by)
        try:
            answer = await self._ask("POST", _node(phone_number_id, "messages"), token, body=body)
        finally:
            _BEGIN_BY.reset(before)
        return read_accepted(answer) if isinstance(answer, Answer) else answer

    async def mark_read(self, phone_number_id: str, message_id: str, token: str) -> Done | Failure:
        """Mark a received message, and those before it, as read."""
        return await self._do("POST", _node(phone_number_id, "messages"), token, body=encode.mark_read(message_id))

    async def typing(self, phone_number_id: str, message_id: str, token: str) -> Done | Failure:
        """Mark as read and show the typing indicator, until the answer or for 25 seconds."""
        return await self._do("POST", _node(phone_number_id, "messages"), token, body=encode.mark_read(message_id, typing=True))

    # ---------------------------------------------------------------- numbers and accounts

    async def read_phone_numbers(self, account_id: str, token: str) -> tuple[PhoneNumber, ...] | Failure:
        """All numbers of an account, over all pages."""
        return await self._list(_node(account_id, "phone_numbers"), token, nodes.NUMBER_FIELDS, nodes.read_number)

    async def read_phone_number(self, phone_number_id: str, token: str) -> PhoneNumber | Failure:
        """One number."""
        return await self._read("GET", _node(phone_number_id), token, nodes.read_number, params={"fields": nodes.NUMBER_FIELDS})

    async def read_account(self, account_id: str, token: str) -> Account | Failure:
        """An account with its health."""
        return await self._read("GET", _node(account_id), token, nodes.read_account, params={"fields": nodes.ACCOUNT_FIELDS})

    async def read_business_profile(self, phone_number_id: str, token: str) -> BusinessProfile | Failure:
        """What people see of the business at this number."""
        path = _node(phone_number_id, "whatsapp_business_profile")
        return await self._read("GET", path, token, nodes.read_profile, params={"fields": nodes.PROFILE_FIELDS})

    async def register(self, phone_number_id: str, pin: str, token: str) -> Done | Failure:
        """Register a number with its six-digit two-step PIN; at most 10 tries in 72 h."""
        body = {"messaging_product": "whatsapp", "pin": pin}
        return await self._do("POST", _node(phone_number_id, "register"), token, body=body)

    async def subscribe_app(self, account_id: str, token: str) -> Done | Failure:
        """Have the account's webhooks sent to our app; without it nothing arrives."""
        return await self._do("POST", _node(account_id, "subscribed_apps"), token)

    # ---------------------------------------------------------------- templates

    async def read_templates(self, account_id: str, token: str) -> tuple[Template, ...] | Failure:
        """All templates of an account, over all pages."""
        return await self._list(_node(account_id, "message_templates"), token, nodes.TEMPLATE_FIELDS, nodes.read_template)

    async def create_template(self, account_id: str, body: Body, token: str) -> Created | Failure:
        """Hand in a template (`encode.new_template`) for review."""
        return await self._read("POST", _node(account_id, "message_templates"), token, nodes.read_created, body=body)

    async def delete_template(self, account_id: str, name: str, token: str, *, template_id: str | None = None) -> Done | Failure:
        """Delete a template in all its languages, or only the one with that id."""
        params = {"name": name} if template_id is None else {"name": name, "hsm_id": template_id}
        return await self._do("DELETE", _node(account_id, "message_templates"), token, params=params)

    async def unpause_template(self, template_id: str, token: str) -> Done | Failure:
        """Lift a pause that pacing caused; other pauses lift themselves."""
        return await self._do("POST", _node(template_id, "unpause"), token)

    # ---------------------------------------------------------------- sign-up links

    async def create_signup(self, account_id: str, body: Body, token: str) -> SignupNode | Failure:
        """Make an In-App Signup link (`encode.new_signup`); the answer tells its id."""
        return await self._read("POST", _node(account_id, "signups"), token, nodes.read_signup, body=body)

    async def read_signups(self, account_id: str, token: str) -> tuple[SignupNode, ...] | Failure:
        """All sign-up links of an account, over all pages."""
        return await self._list(_node(account_id, "signups"), token, nodes.SIGNUP_FIELDS, nodes.read_signup)

    async def read_signup(self, signup_id: str, token: str) -> SignupNode | Failure:
        """One sign-up link."""
        return await self._read("GET", f"signups/{_node(signup_id)}", token, nodes.read_signup, params={"fields": nodes.SIGNUP_FIELDS})

    async def update_signup(self, signup_id: str, body: Body, token: str) -> Done | Failure:
        """Change what a sign-up link says."""
        return await self._do("POST", f"signups/{_node(signup_id)}", token, body=body)

    # ---------------------------------------------------------------- asking

    async def _do(
        self, method: str, path: str, token: str, *, body: Body | None = None, params: Mapping[str, str] | None = None
    ) -> Done | Failure:
        answer = await self._ask(method, path, token, body=body, params=params)
        return read_done(answer) if isinstance(answer, Answer) else answer

    async def _read(
        self,
        method: str,
        path: str,
        token: str,
        read: Callable[[wire.Json], T],
        *,
        body: Body | None = None,
        params: Mapping[str, str] | None = None,
    ) -> T | Failure:
        answer = await self._ask(method, path, token, body=body, params=params)
        if not isinstance(answer, Answer):
            return answer
        try:
            return read(answer.document)
        except wire.Unreadable as error:
            return Unclear(reason=f"the answer cannot be read: {error}", http=answer.http)

    async def _list(self, path: str, token: str, fields: str, read: Callable[[wire.Json], T]) -> tuple[T, ...] | Failure:
        """All rows of all pages. A cursor that Meta does not take any more restarts the listing, once."""
        found = await self._pages(path, token, fields, read)
        if isinstance(found, Refused) and found.code == BAD_CURSOR:
            return await self._pages(path, token, fields, read)
        return found

    async def _pages(self, path: str, token: str, fields: str, read: Callable[[wire.Json], T]) -> tuple[T, ...] | Failure:
        rows: list[T] = []
        params = {"fields": fields, "limit": str(PAGE)}
        for _ in range(self._limits.pages):
            page = await self._read("GET", path, token, lambda node: ([read(row) for row in _rows(node)], _after(node)), params=params)
            if isinstance(page, Refused | Unclear):
                return page
            rows += page[0]
            if page[1] is None or page[1] == params.get("after"):
                return tuple(rows)
            params["after"] = page[1]
        return Unclear(reason=f"more than {self._limits.pages} pages")

    async def _ask(
        self, method: str, path: str, token: str, *, body: Body | None = None, params: Mapping[str, str] | None = None
    ) -> Answer | Failure:
        if self._session is None:
            raise RuntimeError("GraphClient is not open: use it with `async with`")
        if (unfit := self._unfit(token)) is not None:
            return unfit
        headers = {"Authorization": f"Bearer {token}"} | ({"Content-Type": "application/json"} if body is not None else {})
        data = orjson.dumps(body) if body is not None else None
        url = f"{self._base}/{path}"
        try:
            async with self._session.request(method, url, params=params, data=data, headers=headers, allow_redirects=False) as response:
                regain_s = self._remember(response.headers)
                raw = await self._whole(response)
        except _NEVER_BEGAN as error:
            return unreachable(type(error).__name__)
        except _LOST as error:
            return Unclear(reason=type(error).__name__)
        if raw is None:
            return Unclear(reason=f"the answer is longer than {self._limits.answer_bytes} bytes", http=response.status)
        return read_answer(response.status, raw, token=token, regain_s=regain_s, headers=response.headers)

    async def _whole(self, response: aiohttp.ClientResponse) -> bytes | None:
        """The answer's body; None when it is too long."""
        raw = bytearray()
        async for piece in response.content.iter_chunked(65_536):
            raw += piece
            if len(raw) > self._limits.answer_bytes:
                response.close()
                return None
        return bytes(raw)

    def _remember(self, headers: Mapping[str, str]) -> float:
        """Keep what the usage headers say; gives the longest wait that they ask for, in seconds."""
        accounts, app = nodes.read_usages(headers.get("X-Business-Use-Case-Usage"), headers.get("X-App-Usage"))
        for account, usage in accounts.items():
            self._usages.pop(account, None)
            self._usages[account] = usage
        while len(self._usages) > self._limits.accounts_remembered:
            del self._usages[next(iter(self._usages))]
        self.app_usage = app or self.app_usage
        return max((usage.regain_s for usage in (*accounts.values(), app) if usage), default=0.0)

    def _unfit(self, token: str) -> Refused | None:
        """Refuse a token before anything is sent: a real one must not reach the sandbox, nor a sandbox one Meta."""
        if not _TOKEN.fullmatch(token):
            return Refused(code=TOKEN_UNFIT, http=None, message="the token is empty or has characters that no token has")
        if token.startswith(SANDBOX_TOKEN) != self._is_sandbox:
            wanted = "begins with sandbox-" if self._is_sandbox else "does not begin with sandbox-"
            return Refused(code=TOKEN_UNFIT, http=None, message=f"this host takes only a token that {wanted}")
        return None


def _sandbox(address: str) -> str:
    """The origin of a sandbox's address. Raises WrongHost when it is none, or Meta's own."""
    try:
        parts = urlsplit(address)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        raise WrongHost from None
    if parts.scheme not in ("http", "https") or not host or parts.username is not None:
        raise WrongHost
    if any(host == meta or host.endswith(f".{meta}") for meta in META_HOSTS):
        raise WrongHost("the sandbox cannot be a host of Meta: unset WARMER_SANDBOX_URL to talk to Meta")
    named = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{named}" + (f":{port}" if port else "")


def _node(node_id: str, edge: str | None = None) -> str:
    if not _NODE.fullmatch(node_id) or node_id.strip(".") == "":
        raise WrongNode(f"{node_id!r} is no id of the platform")
    return f"{node_id}/{edge}" if edge else node_id


def _rows(node: wire.Json) -> list[wire.Json]:
    rows = node.get("data")
    if not isinstance(rows, list):
        raise wire.Unreadable("no list of data")
    return wire.records(rows)


def _after(node: wire.Json) -> str | None:
    """The cursor of the next page. Its address in `next` is never followed: it holds the token."""
    paging = wire.record(node.get("paging"))
    return wire.text(wire.record(paging.get("cursors")).get("after")) if paging.get("next") else None
