"""Templates on the wire: create, list, read, edit, delete, lift a pause; reviewed after a while by simple rules (platform.md 6.10)."""

import re
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from aiohttp import web

from julia_warmer.sandbox.bench import Bench, Content, bench_of, body_variables, quick_replies
from julia_warmer.sandbox.graph import GraphError, answer, body_of, page, picked, success
from julia_warmer.sandbox.shapes import health_status
from julia_warmer.sandbox.spec import TemplateSpec
from julia_warmer.sim.draws import between
from julia_warmer.sim.state import DAY, HOUR, Account, Template
from julia_warmer.sim.views import template_view

DEFAULT = ("id", "name", "language", "status", "category", "components", "parameter_format", "previous_category")
CATEGORIES = frozenset({"MARKETING", "UTILITY", "AUTHENTICATION"})
NAME = re.compile(r"[a-z0-9_]{1,512}")
LANGUAGE = re.compile(r"[a-z]{2,3}([_-][A-Za-z]{2,4})?")
BODY_MAX, HEADER_MAX, FOOTER_MAX, LABEL_MAX, BUTTONS_MAX = 1024, 60, 60, 25, 10
BUTTON_MAX = {"QUICK_REPLY": 10, "URL": 2, "PHONE_NUMBER": 1, "COPY_CODE": 1, "VOICE_CALL": 1}
EDGE = re.compile(r"^\s*\{\{[^}]*\}\}|\{\{[^}]*\}\}\s*$")
ANY_VARIABLE = re.compile(r"\{\{\s*([^}]*?)\s*\}\}")


def node(bench: Bench, template: Template) -> dict[str, Any]:
    """Every field of a template."""
    view, content = template_view(bench.world, template.id), bench.contents[template.id]
    return {
        "id": view.id,
        "name": view.name,
        "language": view.language,
        "status": view.status,
        "category": view.category,
        "components": list(content.components),
        "parameter_format": content.parameter_format,
        "previous_category": None,
        "rejected_reason": content.reason or "NONE",
        "quality_score": {"score": view.quality, "date": int(view.quality_at.timestamp())},
        "message_send_ttl_seconds": int(template.ttl_s) if template.ttl_s < 30 * DAY else None,
        "sub_category": None,
        "correct_category": None,
        "library_template_name": None,
        "cta_url_link_tracking_opted_out": False,
        "degrees_of_freedom_spec": None,
        "health_status": health_status(view.health),
    }


# --- lists -------------------------------------------------------------------------------------------------------------------


async def get_list(request: web.Request) -> web.Response:
    """The templates of an account, filtered, page by page."""
    bench = bench_of(request)
    bench.tick()
    account = bench.account(request, request.match_info["node"])
    query = request.query
    kept = [t for t in account.templates.values() if t.status != "DELETED" and _matches(bench, t, query)]
    rows = [picked(node(bench, t), query.get("fields"), default=DEFAULT) for t in kept]
    bench.usage(account.id)
    found = page(rows, query, str(request.url.with_query(None)))
    if "summary" in query:
        found["summary"] = {
            "total_count": len(rows),
            "message_template_count": len(account.templates),
            "message_template_limit": _templates_max(bench, account.id),
            "are_translations_complete": True,
        }
    return answer(found)


def _matches(bench: Bench, template: Template, query: Mapping[str, str]) -> bool:
    text = " ".join(str(c.get("text", "")) for c in bench.contents[template.id].components).lower()
    exact = {
        "status": template.status,
        "category": template.category.upper(),
        "language": template.language,
        "quality_score": template.rating,
    }
    for name, value in exact.items():
        if (asked := query.get(name)) and value not in re.findall(r"\w+", asked):
            return False
    name, content, either = query.get("name", ""), query.get("content", "").lower(), query.get("name_or_content", "").lower()
    return name in template.name and content in text and (either in template.name or either in text)


# --- writes ------------------------------------------------------------------------------------------------------------------


async def create(request: web.Request) -> web.Response:
    """Hand in a template for review."""
    bench = bench_of(request)
    account = bench.account(request, request.match_info["node"])
    body = await body_of(request)
    name, language, category = body.get("name"), str(body.get("language", "")), str(body.get("category", "")).upper()
    if not isinstance(name, str) or not NAME.fullmatch(name) or not LANGUAGE.fullmatch(language) or category not in CATEGORIES:
        raise GraphError(100, "name (a-z, 0-9, _), language and category (MARKETING, UTILITY, AUTHENTICATION) are required.")
    language = language.replace("-", "_")
    if (old := account.templates.get((name, language))) is not None and old.status != "DELETED":
        raise GraphError(100, "Template exists.", subcode=2388024, user_message="There is already content for this language.")
    if len(account.templates) >= _templates_max(bench, account.id):
        raise GraphError(100, "Template limit exceeded.", subcode=2388019, user_message="The account has all the templates it may have.")
    components = _read_components(body.get("components"))
    at = bench.tick()
    _count_created(bench, account, at.timestamp())
    spec = TemplateSpec(
        id=bench.new_id(), account=account.id, name=name, language=language, category=category, status="PENDING", components=components
    )
    template = bench.add_template(spec, parameter_format=str(body.get("parameter_format", "POSITIONAL")).upper())
    if (ttl := body.get("message_send_ttl_seconds")) is not None:
        template.ttl_s = float(ttl)
    _plan_review(bench, template, at.timestamp())
    return answer({"id": template.id, "status": template.status, "category": category})


async def edit(request: web.Request) -> web.Response:
    """Change a template; it is reviewed again."""
    bench = bench_of(request)
    template = bench.template(request, request.match_info["node"])
    body = await body_of(request)
    t = bench.tick().timestamp()
    content = bench.contents[template.id]
    if template.status == "APPROVED":
        _count_edit(bench, content, t)
    if "components" in body:
        content.components = _read_components(body["components"])
        template.parameters, template.buttons = body_variables(content.components), quick_replies(content.components)
    if (ttl := body.get("message_send_ttl_seconds")) is not None:
        template.ttl_s = float(ttl)
    template.status = "PENDING"
    _plan_review(bench, template, t)
    return answer({"success": True, "id": template.id, "name": template.name, "category": template.category.upper()})


async def delete(request: web.Request) -> web.Response:
    """Delete a template by its name (every language), or by `hsm_id` and name (one)."""
    bench = bench_of(request)
    account = bench.account(request, request.match_info["node"])
    name, template_id = request.query.get("name"), request.query.get("hsm_id")
    gone = [t for t in account.templates.values() if t.name == name and template_id in {None, t.id} and t.status != "DELETED"]
    if not gone:
        raise GraphError(100, "The template does not exist.", subcode=2593002)
    for template in gone:
        template.status = "DELETED"
    return success()


async def unpause(request: web.Request) -> web.Response:
    """Lift by hand a pause that pacing made (platform.md 2.6)."""
    bench = bench_of(request)
    template = bench.template(request, request.match_info["node"])
    at = bench.tick()
    if template.status != "PAUSED":
        return answer({"success": False, "reason": "The template is not paused."})
    if not template.paused_by_hand:
        return answer({"success": False, "reason": "The template was paused for its quality; the pause ends by itself."})
    bench.world.unpause_template(template.id, at=at)
    return success()


def _count_created(bench: Bench, account: Account, t: float) -> None:
    """A hundred an hour, and none while the portfolio is under review (platform.md 3, 2.8)."""
    if t < account.portfolio.review_until:
        raise GraphError(bench.world.c.pacing.review_code, "The business portfolio is under review and cannot create templates.")
    created = bench.created.setdefault(account.id, deque())
    while created and created[0] <= t - HOUR:
        created.popleft()
    if len(created) >= bench.world.c.review.created_per_h:
        raise GraphError(80007, "Too many templates were created within an hour.", subcode=2446079)
    created.append(t)


def _count_edit(bench: Bench, content: Content, t: float) -> None:
    """One edit a day, ten in thirty days (platform.md 6.10)."""
    rules = bench.world.c.review
    recent = [e for e in content.edits if e > t - 30 * DAY]
    if sum(e > t - DAY for e in recent) >= rules.edits_per_day or len(recent) >= rules.edits_per_30d:
        raise GraphError(100, "The template was edited too often.", subcode=2388025, user_message="Wait before you edit it again.")
    content.edits.append(t)


def _templates_max(bench: Bench, account_id: str) -> int:
    rules = bench.world.c.review
    return rules.templates_max_verified if bench.world.accounts[account_id].portfolio.verified else rules.templates_max


# --- checks at once, and review later ----------------------------------------------------------------------------------------


def _read_components(given: object) -> tuple[dict[str, Any], ...]:
    """The components, their types in upper case. Raises GraphError 100 with the subcode of what is wrong."""
    if not isinstance(given, list) or not given or not all(isinstance(c, dict) for c in given):
        raise GraphError(100, "components must be a list of objects.")
    components = tuple({**c, "type": str(c.get("type", "")).upper()} for c in given)
    bodies = [c for c in components if c["type"] == "BODY"]
    if len(bodies) != 1:
        raise GraphError(100, "A template has exactly one body.", subcode=2388047)
    _check_body(bodies[0])
    for component in components:
        _check_part(component)
    return components


def _check_body(body: Mapping[str, Any]) -> None:
    text = str(body.get("text", ""))
    if not 1 <= len(text) <= BODY_MAX:
        raise GraphError(100, f"The body must have 1 to {BODY_MAX} characters.", subcode=2388040)
    if EDGE.search(text):
        raise GraphError(100, "Variables can't be at the start or end of the template.", subcode=2388299)
    names = ANY_VARIABLE.findall(text)
    if any(not re.fullmatch(r"\d+|[a-z][a-z0-9_]*", name) for name in names):
        raise GraphError(100, "A variable is {{1}} or {{snake_case}}.", subcode=2388047)
    if names and not body.get("example"):
        raise GraphError(100, "A body with variables needs an example.", subcode=2388043)


def _check_part(component: Mapping[str, Any]) -> None:
    text = str(component.get("text", ""))
    match component["type"]:
        case "HEADER" if len(text) > HEADER_MAX or len(ANY_VARIABLE.findall(text)) > 1:
            raise GraphError(100, f"A header has at most {HEADER_MAX} characters and one variable.", subcode=2388047)
        case "FOOTER" if len(text) > FOOTER_MAX or ANY_VARIABLE.search(text):
            raise GraphError(100, f"A footer has at most {FOOTER_MAX} characters and no variable.", subcode=2388073)
        case "BUTTONS":
            _check_buttons(component.get("buttons", []))
        case "HEADER" | "BODY" | "FOOTER" | "CAROUSEL" | "LIMITED_TIME_OFFER" | "CALL_PERMISSION_REQUEST":
            pass
        case other:
            raise GraphError(100, f"Unknown component {other!r}.")


def _check_buttons(buttons: Sequence[Mapping[str, Any]]) -> None:
    kinds = [str(b.get("type", "")).upper() for b in buttons]
    if len(kinds) > BUTTONS_MAX or any(kinds.count(kind) > most for kind, most in BUTTON_MAX.items()):
        raise GraphError(100, "Too many buttons.", subcode=2388047)
    if any(len(str(b.get("text", ""))) > LABEL_MAX for b in buttons):
        raise GraphError(100, f"A button's label has at most {LABEL_MAX} characters.", subcode=2388047)
    quick = [kind == "QUICK_REPLY" for kind in kinds]
    if sum(a != b for a, b in pairwise(quick)) > 1:
        raise GraphError(100, "Quick replies must be grouped apart from the other buttons.", subcode=2388047)


def _plan_review(bench: Bench, template: Template, t: float) -> None:
    rules = bench.world.c.review
    u = bench.draws.one(f"review|{template.id}|{t}")
    reason = _fault_of(bench, template)
    bench.world.plan_review(template.id, at=t + between(u, rules.low_h, rules.high_h) * HOUR, reason=reason)


def _fault_of(bench: Bench, template: Template) -> str | None:
    """Why a reviewer would reject the template, or None."""
    content = bench.contents[template.id]
    body = next(str(c.get("text", "")) for c in content.components if c["type"] == "BODY")
    names = ANY_VARIABLE.findall(body)
    plain = ANY_VARIABLE.sub("", body)
    numbers = [int(name) for name in names if name.isdigit()]
    too_many = bool(names) and len(plain) < bench.world.c.review.letters_per_variable * len(names)
    if too_many or re.search(r"\}\}\s*\{\{", body) or sorted(set(numbers)) != list(range(1, len(set(numbers)) + 1)):
        content.reason = "INVALID_FORMAT"
    elif plain.isupper() and len(plain) > 40:
        content.reason = "PROMOTIONAL" if template.category == "utility" else "SCAM"
    else:
        content.reason = ""
    return content.reason or None
