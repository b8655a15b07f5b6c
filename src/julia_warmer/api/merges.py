"""The route that makes one person of two numbers, by a person's word."""

from typing import Annotated

from pydantic import ConfigDict, StringConstraints

from julia_warmer.api.access import By
from julia_warmer.api.edge import PRINTABLE, At, Conn, Form, View, Why, example, new_router
from julia_warmer.api.people import Phone, number_of
from julia_warmer.core.phone import key_of
from julia_warmer.engine.merge import merge_by_hand

router = new_router("people")


class NewMerge(Form):
    """Into which number, and why."""

    model_config = ConfigDict(json_schema_extra=example(into="+5531987654322", why="she told us her new number"))

    into: Annotated[str, StringConstraints(min_length=6, max_length=25, pattern=r"^[+(0-9][0-9 ().-]+$"), PRINTABLE]
    why: Why


class MergedView(View):
    """Who stays, who points to them from now on, and what went along."""

    model_config = ConfigDict(json_schema_extra=example(contact_id=121, others=[120], consents=1, sends=4))

    contact_id: int
    others: list[int]
    consents: int
    sends: int


@router.post("/warmer/contacts/{phone}/merge", name="merge_contacts")
async def merge_contacts(phone: Phone, form: NewMerge, conn: Conn, at: At, by: By) -> MergedView:
    """Make one person of two numbers; the second is written to. A stop of either is a stop of both. It cannot be undone."""
    keys = key_of(number_of(phone)), key_of(number_of(form.into))
    return MergedView.model_validate(await merge_by_hand(conn, *keys, by=by, why=form.why, at=at))
