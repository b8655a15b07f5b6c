"""How long a request's body may be: nothing beyond it is kept, and the answer is a problem. It must not know the routes."""

from collections.abc import Mapping
from http import HTTPStatus

from fastapi import HTTPException
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from julia_warmer.api.problems import respond

TOO_LARGE = "the body is longer than it may be"


class BodyLimit:
    """ASGI middleware: `most` bytes for every path, but for those that `others` names."""

    def __init__(self, app: ASGIApp, *, most: int, others: Mapping[str, int]) -> None:
        self._app = app
        self._most = most
        self._others = others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = self._others.get(scope["path"], self._most)
        told = Headers(scope=scope).get("content-length", "")
        if told.isdecimal() and int(told) > most:
            refusal = respond(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, TOO_LARGE, mend=_mend(most), headers={"Connection": "close"})
            await refusal(scope, receive, send)
            return
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > most:  # of a body whose length was not told; FastAPI lets its own exception through
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, TOO_LARGE, headers={"Connection": "close"})
            return message

        await self._app(scope, counted, send)


def _mend(most: int) -> str:
    return f"send at most {most} bytes"
