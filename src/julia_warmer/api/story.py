"""The route that tells a person's story: everything that happened with them, in order. Texts are unsealed for whoever may answer them."""

from datetime import datetime

from pydantic import ConfigDict, Field

from julia_warmer.api.edge import At, Conn, InParts, View, example, new_router
from julia_warmer.api.people import Phone, number_of
from julia_warmer.engine.dossier import gather
from julia_warmer.engine.story import tell_story

router = new_router("people")


class LineView(View):
    """One thing that happened."""

    at: datetime
    what: str = Field(description="known, consent, sent, not sent, planned, wrote, fact, question, stopped, lifted, act")
    sentence: str


class StoryView(View):
    """A person's story, oldest first. `same_as`: other contacts of the same person; `whole` false: older lines were left out."""

    model_config = ConfigDict(
        json_schema_extra=example(
            contact_id=120,
            same_as=[],
            lines=[
                {"at": "2026-05-31T17:05:00Z", "what": "consent", "sentence": "granted marketing by form; row 7, recorded by api"},
                {"at": "2026-06-01T13:00:00Z", "what": "sent", "sentence": "invitations (marketing) of north-1: delivered 06-01 13:01"},
            ],
            whole=True,
        )
    )

    contact_id: int | None
    same_as: list[int]
    lines: list[LineView]
    whole: bool


@router.get("/warmer/contacts/{phone}/story", name="tell_story")
async def read_story(phone: Phone, conn: Conn, parts: InParts, at: At) -> StoryView:
    """Everything that happened with this person, in order: consents, messages and why not, stops, questions, acts."""
    held = await gather(conn, number_of(phone), seal=parts.seal, settings=parts.settings, at=at)
    return StoryView.model_validate(await tell_story(conn, held))
