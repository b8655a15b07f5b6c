"""The two applications on their ports, inside whoever runs them. It must not know which command that is."""

import socket
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from julia_warmer.cli.errors import CommandError
from julia_warmer.clock import Clock
from julia_warmer.config import Settings

if TYPE_CHECKING:
    from julia_warmer.engine.parts import Parts

PUBLIC, INTERNAL = "--port or WARMER_PUBLIC_PORT", "--internal-port or WARMER_INTERNAL_PORT"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the two applications listen."""

    webhook: str
    api: str


@asynccontextmanager
async def served(parts: "Parts", clock: Clock) -> AsyncGenerator[Addresses]:
    """Both applications, each on its port. Imported here, so that a missing secret is said at once."""
    from julia_warmer.api.internal import internal_app
    from julia_warmer.api.public import public_app
    from julia_warmer.api.serve import serving, settle_memory
    from julia_warmer.engine.spool import opened_spool

    settings = parts.settings
    async with AsyncExitStack() as stack:
        spool = await stack.enter_async_context(opened_spool(parts, clock))
        public = serving(public_app(parts, clock, spool), host=settings.host, port=settings.public_port, setting=PUBLIC)
        webhook = await stack.enter_async_context(public)
        internal = internal_app(parts, clock)
        inside = serving(internal, host=settings.host, port=settings.internal_port, setting=INTERNAL)
        address = await stack.enter_async_context(inside)
        settle_memory()
        yield Addresses(f"{webhook}/webhooks/meta", address)


def check_ports(settings: Settings) -> None:
    """Raise CommandError for a taken port before anything is started; who takes it in between is met by `serving`."""
    for port, setting in ((settings.public_port, PUBLIC), (settings.internal_port, INTERNAL)):
        try:
            socket.create_server((settings.host, port)).close()
        except OSError as error:
            mend = f"stop what uses it, or choose another with {setting}"
            raise CommandError(f"port {port} of {settings.host} cannot be used ({error.strerror or error}): {mend}") from None
