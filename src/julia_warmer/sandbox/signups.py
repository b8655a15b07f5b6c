"""In-App Signup links on the wire: make, list, read, change (Meta: In-App Signup, 2026-07-03). `/_sandbox/signup` has somebody sign up."""

from typing import Any

from aiohttp import web

from julia_warmer.sandbox.bench import Bench, bench_of
from julia_warmer.sandbox.graph import GraphError, answer, body_of, page, picked, success, unknown_object

FIELDS = ("signup_message", "confirmation_message", "privacy_policy_url", "website_url", "promo_code", "display_name")
ACTIVE, DISABLED = "ACTIVE", "DISABLED"
NEEDED = ("signup_message", "confirmation_message", "privacy_policy_url")
TEXT_MAX = 300
TOO_LONG, MISSING, BAD_URL, IS_OFF = 2494165, 2494166, 2494167, 2494168  # of the range that Meta gives it; which is which is ours


async def create(request: web.Request) -> web.Response:
    """A new link of an account."""
    bench = bench_of(request)
    account = bench.account(request, request.match_info["node"])
    body = await body_of(request)
    _check(body, NEEDED)
    signup_id = bench.new_id()
    bench.signups[signup_id] = {"id": signup_id, "account": account.id, "status": ACTIVE, **{name: body.get(name) for name in FIELDS}}
    return answer({"id": signup_id})


async def get_list(request: web.Request) -> web.Response:
    """The links of an account, page by page."""
    bench = bench_of(request)
    account = bench.account(request, request.match_info["node"])
    rows = [_shown(one, request) for one in bench.signups.values() if one["account"] == account.id]
    return answer(page(rows, request.query, str(request.url.with_query(None))))


async def get_one(request: web.Request) -> web.Response:
    """One link."""
    return answer(_shown(_of(bench_of(request), request), request))


async def update(request: web.Request) -> web.Response:
    """Another wording for a link, or its end: `{"status": "DISABLED"}`, after which nobody signs up by it."""
    found = _of(bench_of(request), request)
    body = await body_of(request)
    if found["status"] == DISABLED:
        raise GraphError(IS_OFF, "the signup is disabled")
    if body.get("status") == DISABLED:
        found["status"] = DISABLED
        return success()
    _check(body, ())
    found |= {name: body[name] for name in FIELDS if name in body}
    return success()


def _of(bench: Bench, request: web.Request) -> dict[str, Any]:
    signup_id = request.match_info["node"]
    found = bench.signups.get(signup_id)
    if found is None or found["account"] not in bench.accounts_of(request):
        raise unknown_object(signup_id)
    return found


def _shown(signup: dict[str, Any], request: web.Request) -> dict[str, Any]:
    node = {name: value for name, value in signup.items() if name != "account"}
    return picked(node, request.query.get("fields"), default=("id", *FIELDS))


def _check(body: dict[str, Any], needed: tuple[str, ...]) -> None:
    for name in needed:
        if not body.get(name):
            raise GraphError(MISSING, f"{name} is required")
    for name in ("signup_message", "confirmation_message"):
        if name in body and not 1 <= len(str(body[name])) <= TEXT_MAX:
            raise GraphError(TOO_LONG, f"{name} must be 1 to {TEXT_MAX} characters")
    for name in ("privacy_policy_url", "website_url"):
        if body.get(name) and not str(body[name]).startswith("https://"):
            raise GraphError(BAD_URL, f"{name} must be an https address")
