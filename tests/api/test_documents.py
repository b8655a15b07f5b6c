"""What is written about the API is true: docs/api.md, docs/openapi.json, the page at /docs, and every example in them."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, TypeAdapter
from tools.openapi import TARGET, dump

from julia_warmer.api.access import ROLES, Role
from julia_warmer.api.edge import Form, View
from julia_warmer.api.internal import bare_app
from julia_warmer.api.problems import ProblemDetails
from julia_warmer.api.public import public_app
from julia_warmer.api.reference import operations
from julia_warmer.clock import VirtualClock
from tests.api.site import AT, Site, parts_of
from tests.conftest import Database

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "api.md").read_text("utf-8")
DOCUMENT = bare_app().openapi()
ROW = re.compile(r"^\| `([A-Z]+) (\S+)` \| .+ \| (\w+) \|$", re.MULTILINE)
OPEN = {"live", "ready", "openapi", "docs"}


def test_the_guide_lists_every_route_with_its_role():
    told = {(method, path): role for method, path, role in ROW.findall(GUIDE)}
    live = {(method.upper(), path): operation["x-role"] for path, method, operation in operations(DOCUMENT)}
    assert told == {route: "none" if role == "nobody" else role for route, role in live.items()}


def test_the_committed_document_is_what_the_routes_say():
    assert TARGET.read_text("utf-8") == dump(), "docs/openapi.json is old: run make docs"


def test_only_the_probes_and_the_documentation_need_no_key():
    assert {name for name, role in ROLES.items() if role is Role.NOBODY} == OPEN


def test_every_route_has_a_sentence_and_an_example_of_what_it_takes_and_answers():
    for path, method, operation in operations(DOCUMENT):
        where = f"{method} {path}"
        assert operation["description"].rstrip().endswith("."), where
        taken = [*operation.get("requestBody", {}).get("content", {}).values()]
        answered = [content for status, answer in operation["responses"].items() if status < "3" for content in answer["content"].values()]
        assert answered, where
        assert all("example" in content for content in (*taken, *answered)), where


def models(base: type[BaseModel]) -> list[type[BaseModel]]:
    return [model for child in base.__subclasses__() for model in (child, *models(child))]


@pytest.mark.parametrize("model", [*models(Form), *models(View), ProblemDetails], ids=lambda model: model.__name__)
def test_every_example_fits_its_model(model: type[BaseModel]):
    extra: Any = model.model_config.get("json_schema_extra") or {}
    for example in extra.get("examples", ()):
        read = TypeAdapter(model).validate_json(json.dumps(example))
        assert set(example) <= set(type(read).model_fields)


def test_every_answer_says_which_problems_it_may_be():
    for path, _, operation in operations(DOCUMENT):
        if path.startswith("/warmer"):
            named = {status: answer["$ref"] for status, answer in operation["responses"].items() if "$ref" in answer}
            assert {"401", "403", "422"} <= set(named), path
            assert all(reference.rsplit("/", 1)[1] in DOCUMENT["components"]["responses"] for reference in named.values())


async def test_the_page_of_the_documentation_needs_nothing_from_outside(site: Site):
    async with site.http.get("/docs", headers={"Authorization": ""}) as answer:
        page = await answer.text()
    assert answer.status == 200
    assert "POST</b> /warmer/chips/{chip}/pause" in page
    assert not re.search(r"<script|<link|<img|<iframe|@import|url\(", page)
    async with site.http.get("/openapi.json", headers={"Authorization": ""}) as answer:
        assert (await answer.json())["paths"] == DOCUMENT["paths"]


def test_the_public_application_has_the_webhook_and_nothing_else(db: Database):
    app = public_app(parts_of(db), VirtualClock(AT))
    routes = {(method, context.path) for context in iter_route_contexts(app.routes) for method in context.methods or ()}
    assert routes == {("GET", "/healthz"), ("GET", "/webhooks/meta"), ("POST", "/webhooks/meta")}
