"""Answers to people who wrote, by a person or by Julia's agent: planned for now, claimed while the service window is open."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from julia_warmer.cloud.encode import CAPTION_MAX, TEXT_MAX, MediaKind
from julia_warmer.core.days import local_day
from julia_warmer.engine.errors import Conflict, NotFound, Wrong
from julia_warmer.store import inbound
from julia_warmer.store.db import Connection

KINDS = frozenset({"text", *MediaKind})


async def queue_reply(conn: Connection, chip_id: int, contact_id: int, content: Mapping[str, Any], *, at: datetime) -> int:
    """Plan an answer from the chip that the person wrote to; returns the send.

    `content`: `type` text with `text`, or a media type with `id` or `link` (and `caption`, `filename`); `reply_to` quotes a message.
    Raises NotFound, Wrong, and Conflict when the person may not be written to freely.
    """
    check_content(content)
    talk = await inbound.find_conversation(conn, chip_id, contact_id)
    if talk is None:
        raise NotFound("there is no such chip or contact")
    if talk.window_until is None or talk.window_until <= at:
        raise Conflict(
            "the service window is closed: 24 hours have passed since the person last wrote", mend="write by a campaign's template"
        )
    if talk.stopped_at is not None:
        raise Conflict("the person asked to stop", mend="wait until they give a new consent")
    return await inbound.add_reply(conn, talk, content, day=local_day(at, talk.zone), expires_at=talk.window_until, at=at)


def check_content(content: Mapping[str, Any]) -> None:
    """Raise Wrong for an answer that the platform would not take."""
    kind, text = content.get("type", "text"), content.get("text")
    if kind not in KINDS:
        raise Wrong(f"an answer of the type {kind!r} is not known", mend=f"use one of {', '.join(sorted(KINDS))}")
    if kind == "text":
        if not isinstance(text, str) or not text.strip() or len(text) > TEXT_MAX:
            raise Wrong("the answer says nothing, or too much", mend=f"write 1 to {TEXT_MAX} characters")
        return
    if bool(content.get("id")) == bool(content.get("link")):
        raise Wrong(f"an answer of the type {kind} needs a file", mend="give the id of an upload, or an https link")
    if len(str(content.get("caption") or "")) > CAPTION_MAX:
        raise Wrong("the caption is too long", mend=f"write at most {CAPTION_MAX} characters")
