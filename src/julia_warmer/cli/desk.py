"""`warmer desk`: messages that may ask to stop, and a person's answer."""

from typing import Annotated, Any

import typer

from julia_warmer.cli.forms import AsJson, Why, group
from julia_warmer.cli.naming import LIST_MAX
from julia_warmer.cli.opening import Act, do, with_parts
from julia_warmer.cli.output import print_rows, tell
from julia_warmer.clock import Clock
from julia_warmer.engine import questions
from julia_warmer.engine.journal import remember_stops
from julia_warmer.engine.parts import Parts
from julia_warmer.engine.questions import Answer, Answered
from julia_warmer.store.db import transaction
from julia_warmer.store.inbound import TEXT_USE
from julia_warmer.store.questions import list_questions

app = group("Messages that may ask to stop, and your answer.")


@app.command("questions")
def questions_(
    everything: Annotated[bool, typer.Option("--all", help="Answered ones too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show them, oldest first. Their writers get no marketing until you answer."""

    async def work(act: Act) -> list[dict[str, Any]]:
        seal = act.seal()
        return [
            {
                "id": row.id,
                "at": row.at,
                "contact_id": row.contact_id,
                "phone": row.phone,
                "name": row.name,
                "chip": row.chip,
                "text": seal.open(row.sealed, use=TEXT_USE).decode("utf-8", "replace") if row.sealed else None,
                "rule": row.rule,
                "would_stop": row.purpose,
                "answer": row.answer,
                "answered_at": row.answered_at,
                "answered_by": row.answered_by,
                "why": row.answered_why,
            }
            for row in await list_questions(act.conn, open_only=not everything, limit=LIST_MAX)
        ]

    names = ["id", "at", "phone", "chip", "text", "rule", "would_stop", *(["answer", "answered_by", "why"] if everything else [])]
    columns = {("at (UTC)" if name == "at" else name.replace("_", " ")): lambda row, name=name: row[name] for name in names}
    print_rows(do(work), columns, title="Questions", as_json=as_json, empty="none wait")


@app.command()
def answer(
    question: Annotated[int, typer.Argument(help="A question's id.", show_default=False)],
    said: Annotated[
        bool, typer.Option("--stop/--go-on", help="It asks to stop; or it does not, and marketing may go on.", show_default=False)
    ],
    why: Why,
    as_json: AsJson = False,
) -> None:
    """Say what a message meant. --stop stops its writer from the moment it was written."""
    meant = Answer.STOP if said else Answer.GO_ON

    async def work(parts: Parts, clock: Clock) -> Answered:
        at, by = clock.now(), parts.settings.operator
        async with transaction(parts.pool) as conn:
            done = await questions.answer(conn, question, meant, by=by, why=why, seal=parts.seal, at=at)
        if done.request is not None:
            remember_stops(parts.journal, [done.request], at=at)
        return done

    calling = with_parts(work, journals=True).calling
    on_way = f"; {len(calling)} on the way may still reach the person" if calling else ""
    sentence = "its writer is stopped" if said else "its writer may be written to again, as far as the rest allows"
    tell({"question": question, "answer": meant, "calling": calling}, f"question {question}: {sentence}{on_way}", as_json=as_json)
