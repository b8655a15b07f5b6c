"""Routes of the quality of consents: how people of each source take messages, and the sources that are held for it."""

from datetime import datetime
from typing import Annotated

from fastapi import Path
from pydantic import ConfigDict, Field

from julia_warmer.api.access import By
from julia_warmer.api.edge import At, Conn, InParts, Reason, View, example, new_router
from julia_warmer.core.model import Verdict
from julia_warmer.engine.quality import hold_by_hand, judge_sources
from julia_warmer.engine.quality import release_source as release
from julia_warmer.engine.rules import in_force

router = new_router("people")

Source = Annotated[str, Path(min_length=1, max_length=80, description="A source of consents.", examples=["form"])]


class CountsView(View):
    """What came of the messages to people of one source whose grants had one age; `age` all: the source as a whole."""

    source: str
    age: str
    accepted: int
    reached: int
    read: int
    replied: int
    opted_out: int
    undeliverable: int
    limited: int


class HeldView(View):
    """Why nobody of this source is planned for, and since when."""

    source: str
    reason: str
    at: datetime
    by: str


class QualityView(View):
    """One source at one age, judged by the policy's gates of harm."""

    counts: CountsView
    verdict: Verdict = Field(description="pass: it does well; fail: badly; inconclusive: not enough is known.")
    sentences: list[str]
    held: HeldView | None


class QualitiesView(View):
    """Every source of the last 90 days, the worst first; each as a whole and then by the age of the grant."""

    model_config = ConfigDict(
        json_schema_extra=example(
            items=[
                {
                    "counts": {
                        "source": "fair 2026",
                        "age": "all",
                        "accepted": 400,
                        "reached": 371,
                        "read": 240,
                        "replied": 40,
                        "opted_out": 31,
                        "undeliverable": 12,
                        "limited": 3,
                    },
                    "verdict": "fail",
                    "sentences": ["P(opt-outs <= 3 %) = 0.00"],
                    "held": {"source": "fair 2026", "reason": "P(opt-outs <= 3 %) = 0.00", "at": "2026-06-01T11:47:00Z", "by": "policy"},
                }
            ]
        )
    )

    items: list[QualityView]


class SourceView(View):
    """A source, and whether it is held."""

    model_config = ConfigDict(json_schema_extra=example(source="fair 2026", held=True))

    source: str
    held: bool


@router.get("/warmer/consents/quality", name="consent_quality")
async def consent_quality(conn: Conn, parts: InParts, at: At) -> QualitiesView:
    """How people take messages, by the source of their consent and its age."""
    rows = await judge_sources(conn, policy=await in_force(conn, parts.policy, at=at), at=at)
    return QualitiesView(items=[QualityView.model_validate(row) for row in rows])


@router.post("/warmer/consents/sources/{source}/hold", name="hold_source")
async def hold_source(source: Source, form: Reason, conn: Conn, at: At, by: By) -> SourceView:
    """Plan for nobody of this source any more."""
    await hold_by_hand(conn, source, by=by, why=form.why, at=at)
    return SourceView(source=source, held=True)


@router.post("/warmer/consents/sources/{source}/release", name="release_source")
async def release_source(source: Source, form: Reason, conn: Conn, at: At, by: By) -> SourceView:
    """Let a held source go on; what its people did until now does not count against it again."""
    await release(conn, source, by=by, why=form.why, at=at)
    return SourceView(source=source, held=False)
