"""`warmer contacts merge`: two numbers that are one person's."""

from typing import Annotated

import typer

from julia_warmer.cli.forms import AsJson, Why, phone_of
from julia_warmer.cli.opening import Act, do
from julia_warmer.cli.output import plural, tell
from julia_warmer.core.phone import key_of
from julia_warmer.engine.merge import Merged, merge_by_hand

Old = Annotated[str, typer.Argument(metavar="PHONE", help="The number that is not written to any more.", show_default=False)]
New = Annotated[str, typer.Argument(metavar="INTO", help="The number that is.", show_default=False)]


def merge(phone: Old, into: New, why: Why, as_json: AsJson = False) -> None:
    """Make one person of two numbers: history and every withdrawal go along, a stop of either is a stop of both. It cannot be undone."""
    old, new = key_of(phone_of(phone)), key_of(phone_of(into))

    async def work(act: Act) -> Merged:
        return await merge_by_hand(act.conn, old, new, by=act.by, why=why, at=act.at)

    done = do(work)
    went = f"{plural(done.sends, 'send')} and {plural(done.consents, 'consent')} went along"
    tell(done, f"{phone} and {into} are one person, written to at {into}: {went}", as_json=as_json)
