"""Numbers and accounts on the wire: reads, lists, registration, business profile, subscriptions (platform.md 2.3, 2.4, 3, 6.9)."""

from typing import Any

from aiohttp import web

from julia_warmer.sandbox import templates
from julia_warmer.sandbox.bench import Bench, bench_of
from julia_warmer.sandbox.graph import GraphError, answer, body_of, page, picked, success, unknown_object
from julia_warmer.sandbox.shapes import APP_ID, health_status, spelt
from julia_warmer.sim.state import HOUR, Chip
from julia_warmer.sim.views import account_view, phone_view

PHONE_DEFAULT = ("id", "display_phone_number", "verified_name", "quality_rating")
ACCOUNT_DEFAULT = ("id", "name", "timezone_id", "message_template_namespace")
PROFILE_FIELDS = ("about", "address", "description", "email", "profile_picture_url", "websites", "vertical")
PROFILE_MAX = {"about": 139, "address": 256, "description": 512, "email": 128}


async def get_node(request: web.Request) -> web.Response:
    """A number, an account or a template, by its id."""
    bench, node = bench_of(request), request.match_info["node"]
    bench.tick()
    fields = request.query.get("fields")
    if node in bench.world.chips:
        shown = picked(phone_node(bench, bench.chip(request, node)), fields, default=PHONE_DEFAULT)
    elif node in bench.world.accounts:
        account = bench.account(request, node)
        shown = picked(_account_node(bench, account.id), fields, default=ACCOUNT_DEFAULT)
    elif node in bench.world.templates:
        shown = picked(templates.node(bench, bench.template(request, node)), fields, default=templates.DEFAULT)
    else:
        bench.accounts_of(request)
        raise unknown_object(node)
    return _with_usage(bench, node, answer(shown))


async def post_node(request: web.Request) -> web.Response:
    """Edit a template, or set a number's two-step PIN."""
    bench, node = bench_of(request), request.match_info["node"]
    if node in bench.world.templates:
        return await templates.edit(request)
    chip = bench.chip(request, node)
    body = await body_of(request)
    _check_pin(body.get("pin"))
    bench.desks[chip.id].pin = True
    return success()


async def get_phone_numbers(request: web.Request) -> web.Response:
    """The numbers of an account."""
    bench = bench_of(request)
    bench.tick()
    account = bench.account(request, request.match_info["node"])
    fields = request.query.get("fields")
    rows = [picked(phone_node(bench, chip), fields, default=PHONE_DEFAULT) for chip in account.chips]
    return _with_usage(bench, account.id, answer(page(rows, request.query, str(request.url.with_query(None)))))


def phone_node(bench: Bench, chip: Chip) -> dict[str, Any]:
    """Every field of a number that is worth polling (platform.md 2.3)."""
    view = phone_view(bench.world, chip.id)
    desk = bench.desks[chip.id]
    return {
        "id": view.id,
        "display_phone_number": spelt(view.display_phone),
        "verified_name": view.name,
        "status": view.status,
        "quality_rating": view.quality,
        "quality_score": {"score": view.quality},
        "name_status": view.name_status,
        "new_display_name": None,
        "new_name_status": None,
        "code_verification_status": "VERIFIED",
        "account_mode": "LIVE",
        "platform_type": "CLOUD_API" if view.registered else "NOT_APPLICABLE",
        "throughput": {"level": "STANDARD"},
        "health_status": health_status(view.health),
        "is_official_business_account": False,
        "is_on_biz_app": False,
        "is_pin_enabled": desk.pin,
        "is_preverified_number": False,
        "last_onboarded_time": bench.spec.at.strftime("%Y-%m-%dT%H:%M:%S+0000"),
        "country_code": "BR" if view.display_phone.startswith("55") else "US",
        "country_dial_code": "55" if view.display_phone.startswith("55") else "1",
        "certificate": None,
        "new_certificate": None,
        "conversational_automation": None,
        "eligibility_for_api_business_global_search": "NON_ELIGIBLE",
        "whatsapp_business_manager_messaging_limit": view.tier,
        "messaging_limit_tier": view.tier,
        "webhook_configuration": {"application": bench.mailer.url},
        "search_visibility": "VISIBLE",
    }


def _account_node(bench: Bench, account_id: str) -> dict[str, Any]:
    view = account_view(bench.world, account_id)
    return {
        "id": view.id,
        "name": view.name,
        "currency": "BRL",
        "timezone_id": "25",
        "message_template_namespace": f"sandbox_{view.id}",
        "account_review_status": "APPROVED",
        "business_verification_status": "verified" if view.verified else "not_verified",
        "country": "BR",
        "ownership_type": "SELF",
        "owner_business_info": {"id": view.portfolio_id, "name": view.portfolio_id},
        "marketing_messages_lite_api_status": "INELIGIBLE",
        "is_enabled_for_insights": False,
        "health_status": health_status(view.health),
        "whatsapp_business_manager_messaging_limit": view.tier,
    }


# --- registration ------------------------------------------------------------------------------------------------------------


async def register(request: web.Request) -> web.Response:
    """Register a number with its PIN."""
    bench = bench_of(request)
    chip = bench.chip(request, request.match_info["node"])
    body = await body_of(request)
    if body.get("messaging_product") != "whatsapp":
        raise GraphError(100, "The parameter messaging_product is required.")
    _check_pin(body.get("pin"))
    _count_registration(bench, chip)
    chip.registered, bench.desks[chip.id].pin = True, True
    return success()


async def deregister(request: web.Request) -> web.Response:
    """Take a number off the platform; it keeps its history."""
    bench = bench_of(request)
    chip = bench.chip(request, request.match_info["node"])
    _count_registration(bench, chip)
    chip.registered = False
    return success()


def _check_pin(pin: object) -> None:
    if not (isinstance(pin, str) and len(pin) == 6 and pin.isdigit()):
        raise GraphError(100, "The parameter pin must be a string of six digits.")


def _count_registration(bench: Bench, chip: Chip) -> None:
    """Ten tries in 72 hours (platform.md 3)."""
    now, rules = bench.tick().timestamp(), bench.world.c.registering
    while chip.registrations and chip.registrations[0] <= now - rules.window_h * HOUR:
        chip.registrations.popleft()
    if len(chip.registrations) >= rules.tries:
        raise GraphError(133016, "Too many registration attempts for this phone number.")
    chip.registrations.append(now)


# --- profile and subscription ------------------------------------------------------------------------------------------------


async def get_profile(request: web.Request) -> web.Response:
    """The business profile of a number."""
    bench = bench_of(request)
    chip = bench.chip(request, request.match_info["node"])
    names = [n for n in request.query.get("fields", "about").split(",") if n in PROFILE_FIELDS]
    profile = bench.desks[chip.id].profile
    shown = {name: profile[name] for name in names if name in profile}
    return answer({"data": [{**shown, "messaging_product": "whatsapp"}]})


async def post_profile(request: web.Request) -> web.Response:
    """Change the business profile of a number."""
    bench = bench_of(request)
    chip = bench.chip(request, request.match_info["node"])
    body = await body_of(request)
    if body.get("messaging_product") != "whatsapp":
        raise GraphError(100, "The parameter messaging_product is required.")
    for name, most in PROFILE_MAX.items():
        if len(str(body.get(name, ""))) > most:
            raise GraphError(100, f"Param {name} must be at most {most} characters long.")
    bench.desks[chip.id].profile |= {name: body[name] for name in PROFILE_FIELDS if name in body}
    return success()


async def get_subscriptions(request: web.Request) -> web.Response:
    """The apps that hear of an account."""
    bench = bench_of(request)
    account = bench.account(request, request.match_info["node"])
    app = {"whatsapp_business_api_data": {"id": APP_ID, "name": "Sandbox", "link": "https://example.com"}}
    return answer({"data": [app] if account.id in bench.subscribed else []})


async def post_subscription(request: web.Request) -> web.Response:
    """Hear of an account; without it no webhook arrives."""
    bench = bench_of(request)
    bench.subscribed.add(bench.account(request, request.match_info["node"]).id)
    return success()


async def delete_subscription(request: web.Request) -> web.Response:
    """Hear no more of an account."""
    bench = bench_of(request)
    bench.subscribed.discard(bench.account(request, request.match_info["node"]).id)
    return success()


def _with_usage(bench: Bench, node: str, response: web.Response) -> web.Response:
    """The usage headers of a management call (platform.md 3)."""
    chip, template = bench.world.chips.get(node), bench.world.templates.get(node)
    account_id = chip.account.id if chip else template.account.id if template else node
    percent = bench.usage(account_id)
    usage = f'{{"{account_id}":[{{"type":"whatsapp_business_management","call_count":{percent},"total_cputime":1,"total_time":1'
    response.headers["X-Business-Use-Case-Usage"] = usage + ',"estimated_time_to_regain_access":0}]}'
    response.headers["X-App-Usage"] = '{"call_count":0,"total_cputime":0,"total_time":0}'
    return response
