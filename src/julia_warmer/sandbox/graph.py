"""Graph's manners: the JSON of errors, picking of fields, paging with cursors. It knows nothing of messages."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

import orjson
from aiohttp import web

PAGE_DEFAULT = 25
PAGE_MAX = 100  # of ours: Graph does not publish its own
BODY_MAX = 1_048_576

TITLES = {
    4: "Application request limit reached",
    100: "(#100) Invalid parameter",
    104: "An access token is required to request this resource",
    190: "Error validating access token: The session is invalid",
    200: "Requires whatsapp_business_messaging or whatsapp_business_management permission",
    368: "(#368) Temporarily blocked for policies violations",
    80007: "Business request limit reached for WhatsApp Business Account",
    130429: "(#130429) Rate limit hit",
    131000: "(#131000) Something went wrong",
    131008: "(#131008) Required parameter is missing",
    131009: "(#131009) Parameter value is not valid",
    131021: "(#131021) Recipient cannot be sender",
    131031: "(#131031) Business Account locked",
    131047: "(#131047) Re-engagement message",
    131051: "(#131051) Unsupported message type",
    131055: "(#131055) Method not allowed",
    131056: "(#131056) (Business Account, Consumer Account) pair rate limit hit",
    131057: "(#131057) Account in maintenance mode",
    132000: "(#132000) Number of parameters does not match the expected number of params",
    132001: "(#132001) Template name does not exist in the translation",
    132012: "(#132012) Parameter format does not match format in the created template",
    132015: "(#132015) Template is paused",
    132016: "(#132016) Template is disabled",
    133010: "(#133010) Phone number not registered",
    133016: "(#133016) Account register deregister rate limit exceeded",
    134100: "(#134100) Only marketing messages supported",
}
HTTP = {2: 503, 4: 400, 100: 400, 104: 401, 190: 401, 200: 403, 368: 403, 131000: 500, 131016: 500, 131031: 403, 131057: 500, 132001: 404}
TRANSIENT = frozenset({2, 4, 80007})


class GraphError(Exception):
    """An answer that is an error in Graph's shape (platform.md 5)."""

    def __init__(
        self, code: int, details: str = "", *, http: int | None = None, subcode: int | None = None, user_message: str = ""
    ) -> None:
        super().__init__(f"{code}: {details}")
        self.code = code
        self.details = details
        self.http = http or HTTP.get(code, 400)
        self.subcode = subcode
        self.user_message = user_message

    def answer(self) -> web.Response:
        """The HTTP response."""
        trace = blake2b(f"{self.code}{self.details}".encode(), digest_size=12).digest()
        error: dict[str, Any] = {"message": TITLES.get(self.code, f"(#{self.code}) Error"), "type": "OAuthException", "code": self.code}
        if self.details and self.code not in {104, 190}:
            error["error_data"] = {"messaging_product": "whatsapp", "details": self.details}
        if self.subcode is not None:
            error["error_subcode"] = self.subcode
        if self.user_message:
            error["error_user_title"], error["error_user_msg"] = "Invalid parameter", self.user_message
        if self.code in TRANSIENT:
            error["is_transient"] = True
        error["fbtrace_id"] = "A" + urlsafe_b64encode(trace).decode()
        return answer({"error": error}, http=self.http)


def answer(body: Any, *, http: int = 200) -> web.Response:
    """A JSON response."""
    return web.Response(body=orjson.dumps(body), status=http, content_type="application/json")


def success() -> web.Response:
    """What most writes answer."""
    return answer({"success": True})


def unknown_object(object_id: str) -> GraphError:
    """The id names nothing, or nothing that this token may see; Graph does not say which."""
    details = f"Unsupported request. Object with ID '{object_id}' does not exist, cannot be loaded due to missing permissions."
    return GraphError(100, details, subcode=33)


async def body_of(request: web.Request) -> dict[str, Any]:
    """The request's JSON object. Raises GraphError 100 for anything else."""
    raw = await request.read()
    if len(raw) > BODY_MAX:
        raise GraphError(100, "The request body is too large.", http=413)
    if not raw:
        return {}
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise GraphError(100, "The request body is not valid JSON.") from None
    if not isinstance(body, dict):
        raise GraphError(100, "The request body must be an object.")
    return body


def picked(node: Mapping[str, Any], fields: str | None, *, default: Sequence[str]) -> dict[str, Any]:
    """The fields that were asked for and are not null, and always the id. Raises GraphError 100 for a field that does not exist."""
    names = list(_split_fields(fields)) if fields else list(default)
    for name in names:
        if name not in node:
            raise GraphError(100, f"Tried accessing nonexisting field ({name})")
    return {**{name: node[name] for name in names if node[name] is not None}, "id": node["id"]}


def _split_fields(fields: str) -> Iterable[str]:
    """The names in `fields=a,b{c,d},e.limit(1)`: what stands in brackets belongs to the field before it."""
    name, depth = "", 0
    for letter in fields + ",":
        depth += letter in "({"
        depth -= letter in ")}"
        if letter == "," and depth == 0:
            yield name.strip().split("{")[0].split("(")[0].split(".")[0]
            name = ""
        else:
            name += letter


def page(rows: Sequence[Any], query: Mapping[str, str], url: str) -> dict[str, Any]:
    """One page of rows with its cursors (`limit`, `after`); `next` only where more follows. Raises GraphError 131059 for a bad cursor."""
    limit = min(_whole(query.get("limit"), PAGE_DEFAULT), PAGE_MAX)
    first = _position(query["after"]) + 1 if query.get("after") else 0
    shown = rows[first : first + limit]
    found: dict[str, Any] = {"data": list(shown)}
    if shown:
        last = first + len(shown) - 1
        following = {"next": f"{url}?limit={limit}&after={_cursor(last)}"} if last + 1 < len(rows) else {}
        found["paging"] = {"cursors": {"before": _cursor(first), "after": _cursor(last)}, **following}
    return found


def _whole(text: str | None, default: int) -> int:
    if text is None:
        return default
    if not text.isdigit() or int(text) < 1:
        raise GraphError(100, "Param limit must be a positive integer")
    return int(text)


def _cursor(position: int) -> str:
    return urlsafe_b64encode(f"row{position}".encode()).decode()


def _position(cursor: str) -> int:
    try:
        return int(urlsafe_b64decode(cursor.encode()).decode().removeprefix("row"))
    except ValueError:
        raise GraphError(131059, "The pagination cursor is not valid.") from None
