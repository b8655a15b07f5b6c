"""How jobs hear that there is work: PgQueuer's driver, with one race of its start taken out. It must not know any step."""

import asyncio

from pgqueuer.adapters.drivers.asyncpg import AsyncpgPoolDriver
from pgqueuer.ports.driver import NotifyCallback

from julia_warmer.store.db import Pool


class ListensFirst(AsyncpgPoolDriver):
    """PgQueuer's driver, whose probes do not overtake its LISTEN.

    PgQueuer 1.6 begins to probe its listener before it listens; a busy machine then loses the first probe, and the loop breaks off ten
    seconds later for a listener that is well.
    """

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool)
        self._listens = asyncio.Event()

    async def add_listener(self, channel: str, callback: NotifyCallback) -> None:
        await super().add_listener(channel, callback)
        self._listens.set()

    async def notify(self, channel: str, payload: str) -> None:
        await self._listens.wait()
        await super().notify(channel, payload)
