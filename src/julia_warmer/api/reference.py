"""The reference: OpenAPI with an example for every request and answer, and a page of it that needs nothing from the net."""

from collections.abc import Iterator
from html import escape
from typing import Any

import orjson
from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from starlette.responses import HTMLResponse, JSONResponse, Response

from julia_warmer import __version__
from julia_warmer.api.access import ROLES, Role
from julia_warmer.api.problems import MEDIA_TYPE, ProblemDetails

router = APIRouter(include_in_schema=False)  # no key: the program is public, and its reference holds nothing of its owner's

ABOUT = """Warms WhatsApp Business numbers on the official Cloud API. This is the internal application: keep its port private.

Every route but the probes takes `Authorization: Bearer KEY`. Lists take `limit` and `cursor`; an answer's `next` is the cursor of the page
after it. Errors are problem details (RFC 9457) with a `mend`. Moments are UTC. docs/api.md says more.
"""
METHODS = ("get", "post", "put", "patch", "delete")
JSON = "application/json"
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24; background: #fff }
h1, h2 { font-weight: 600 } h2 { margin-top: 2.5rem; border-bottom: 1px solid #d0d7de }
details { border: 1px solid #d0d7de; border-radius: 6px; margin: .5rem 0; padding: .4rem .8rem } summary { cursor: pointer }
code, pre { font: 13px/1.45 ui-monospace, monospace } pre { background: #f6f8fa; padding: .8rem; overflow-x: auto; border-radius: 6px }
b { display: inline-block; min-width: 3.2rem; font: 600 13px ui-monospace, monospace }
.role { float: right; color: #57606a; font-size: 13px }
@media (prefers-color-scheme: dark) {
  body { color: #e6edf3; background: #0d1117 } pre { background: #161b22 } details, h2 { border-color: #30363d } a { color: #58a6ff }
}
"""


@router.get("/openapi.json", name="openapi")
async def openapi(request: Request) -> Response:
    """The OpenAPI document."""
    return JSONResponse(request.app.openapi())


@router.get("/docs", name="docs")
async def docs(request: Request) -> Response:
    """The document as a page."""
    return HTMLResponse(render(request.app.openapi()))


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of an application."""
    document = get_openapi(title="Julia Warmer", version=__version__, description=ABOUT, routes=app.routes)
    schemas = document["components"]["schemas"]
    document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    for _, _, operation in operations(document):
        role = ROLES[operation["operationId"]]
        operation["x-role"] = role.name.lower()
        if role is not Role.NOBODY:
            operation["security"] = [{"key": []}]
        _share_problems(operation, document["components"].setdefault("responses", {}))
        for content in _contents(operation):
            found = _example(content["schema"], schemas)
            if found is not None:
                content.setdefault("example", found)
    return document


def _share_problems(operation: dict[str, Any], shared: dict[str, Any]) -> None:
    """Each kind of problem is described once, as what it is (`application/problem+json`), and only named by the routes."""
    for status, answer in operation["responses"].items():
        schema = answer.get("content", {}).get(JSON, {}).get("schema", {})
        if schema.get("$ref", "").endswith(f"/{ProblemDetails.__name__}"):
            name = f"Problem{status}"
            shared[name] = {"description": answer["description"], "content": {MEDIA_TYPE: {"schema": schema}}}
            operation["responses"][status] = {"$ref": f"#/components/responses/{name}"}


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, method and operation of each route of a document."""
    for path, methods in document["paths"].items():
        for method in METHODS:
            if method in methods:
                yield path, method, methods[method]


def _contents(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The JSON of a request and of every answer, problems too."""
    for place in (operation.get("requestBody", {}), *operation["responses"].values()):
        content = place.get("content", {}).get(JSON)
        if content is not None:
            yield content


def _example(schema: dict[str, Any], schemas: dict[str, Any]) -> Any:
    """The example of a schema: its own, or put together from those of its parts."""
    if "$ref" in schema:
        return _example(schemas[schema["$ref"].rsplit("/", 1)[1]], schemas)
    if schema.get("examples"):
        return schema["examples"][0]
    if "anyOf" in schema:
        return next((found for part in schema["anyOf"] if (found := _example(part, schemas)) is not None), None)
    if schema.get("type") == "array":
        return [_example(schema["items"], schemas)]
    items = schema.get("properties", {}).get("items")
    return None if items is None else {"items": _example(items, schemas), "next": None}


def render(document: dict[str, Any]) -> str:
    """The document as one page of plain HTML."""
    parts = [f"<h1>{escape(document['info']['title'])} <small>{escape(document['info']['version'])}</small></h1>"]
    parts += [f"<p>{escape(text)}</p>" for text in document["info"]["description"].strip().split("\n\n")]
    parts.append('<p><a href="openapi.json">openapi.json</a></p>')
    tag = None
    for path, method, operation in operations(document):
        if operation["tags"][0] != tag:
            tag = operation["tags"][0]
            parts.append(f"<h2>{escape(tag)}</h2>")
        parts.append(_render_one(path, method, operation))
    body = "\n".join(parts)
    head = f'<meta charset="utf-8"><title>Julia Warmer API</title><style>{STYLE}</style>'
    return f'<!doctype html><html lang="en">{head}<body>{body}</body></html>'


def _render_one(path: str, method: str, operation: dict[str, Any]) -> str:
    shown = [f"<p>{escape(operation.get('description', ''))} <small>role: {escape(operation['x-role'])}</small></p>"]
    for parameter in operation.get("parameters", []):
        about = parameter.get("description", "")
        shown.append(f"<p><code>{escape(parameter['name'])}</code> <small>{escape(parameter['in'])}</small> {escape(about)}</p>")
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        shown.append(_render_example(f"Request, {kind}", content.get("example")))
    for status, answer in operation["responses"].items():
        if status.startswith("2") and (content := answer.get("content", {}).get(JSON)):
            shown.append(_render_example(f"Answer {status}", content.get("example")))
    return f"<details><summary><code><b>{method.upper()}</b> {escape(path)}</code></summary>{''.join(shown)}</details>"


def _render_example(title: str, value: Any) -> str:
    text = value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    return f"<p>{escape(title)}</p><pre>{escape(text)}</pre>"
