"""The door of webhooks: every delivery goes through here to its 200, many together in one transaction. It must not know HTTP.

Two kinds never share a transaction. Calm ones, most of all, are only stored: they take no lock that anybody holds for long. Urgent ones
stop people and numbers, and wait for their rows (docs/decisions/0005-intake.md). While the database is away they go to the spool (0010).
"""

from collections.abc import Sequence
from datetime import datetime

from julia_warmer.core.opt_out import NO_WORDS
from julia_warmer.engine.group import Groups, Limits
from julia_warmer.engine.intake import Delivery, Receipt, await_calls, keep_group, look_at
from julia_warmer.engine.journal import Journal
from julia_warmer.engine.spool import Spool
from julia_warmer.store.db import AWAY, FAILED, Pool
from julia_warmer.store.seal import Seal

CALM = Limits(at_once=2, group_max=128, group_bytes_max=4 * 1024**2, waiting_bytes_max=32 * 1024**2)
URGENT = Limits(at_once=2, group_max=32, group_bytes_max=4 * 1024**2, waiting_bytes_max=32 * 1024**2)


class Door:
    """Takes deliveries for one process."""

    def __init__(
        self, pool: Pool, seal: Seal, spool: Spool | None = None, journal: Journal | None = None, *, words: frozenset[str] = NO_WORDS
    ) -> None:
        """Without a spool nothing is kept while the database is away; without a journal a restored backup forgets who asked to stop.

        `words` are the owner's own requests to stop.
        """
        self._pool = pool
        self._seal = seal
        self._spool = spool
        self._journal = journal
        self._words = words
        self._calm = Groups[Delivery, Receipt](self._keep, CALM, is_common=_is_away)
        self._urgent = Groups[Delivery, Receipt](self._keep, URGENT, is_common=_is_away)

    async def take(self, body: bytes, *, at: datetime) -> Receipt | None:
        """The whole road to the 200: stored, requests to stop carried out, requests on their way to these people answered.

        None: it is in the spool, as durable. Raises what the database or the spool says when neither keeps it: then there is no 200.
        """
        if self._spool and self._spool.is_open:
            return await self._spool.keep(body, at=at)
        delivery = look_at(body, at=at, words=self._words)
        try:
            receipt = await (self._urgent if delivery.urgent else self._calm).add(delivery, size=len(body))
        except FAILED:  # the spool takes it only when its own lease has failed too
            if self._spool is None:
                raise
            return await self._spool.keep(body, at=at)
        if receipt.calling:
            await await_calls(self._pool, receipt)
        return receipt

    async def _keep(self, group: Sequence[Delivery]) -> list[Receipt]:
        return await keep_group(self._pool, group, at=group[-1].at, seal=self._seal, journal=self._journal)


def _is_away(error: Exception) -> bool:
    """Whether the database cannot be used by anybody at this moment."""
    return isinstance(error, AWAY)
