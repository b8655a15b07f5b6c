"""One request of one send, and how it ended. It must not know the database, nor whom to write to."""

import asyncio
from dataclasses import dataclass, field

import structlog

from julia_warmer.cloud.answers import Refused, Unclear
from julia_warmer.cloud.client import GraphClient, TooLate
from julia_warmer.cloud.codes import TOKEN_UNFIT
from julia_warmer.core.errors import WarmerError
from julia_warmer.engine.control import CALL_BEGINS_WITHIN_S
from julia_warmer.engine.doubts import Doubts
from julia_warmer.engine.message import body_of
from julia_warmer.engine.settle import Answer, NotAsked, Result
from julia_warmer.store.attempts import Call
from julia_warmer.store.seal import Seal, SealBroken

ASKED_WITHIN_S = 0.75 * CALL_BEGINS_WITHIN_S  # what is left is for its way to the wire, which we cannot see
TOKEN_USE = "accounts.token"  # noqa: S105 - what a sealed token is bound to
LATE = NotAsked("it did not begin in time", again=True)
UNREMEMBERED = NotAsked("the journal could not be written", again=True)
SICK = NotAsked("the platform gives no clear answer", again=True)

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Begun:
    """A call whose request may begin, and the event loop's time right before it was written down."""

    call: Call
    written_s: float


@dataclass(slots=True)
class Asker:
    """Asks for one round of one worker. Tokens are open for that long."""

    graph: GraphClient
    seal: Seal
    doubts: Doubts
    tokens: dict[bytes, str] = field(default_factory=dict, repr=False)  # by the sealed form

    async def ask(self, begun: Begun) -> Answer:
        """The request, unless it is too late to begin: whoever stops us waits no longer than that for what he cannot see."""
        call, begin_by = begun.call, begun.written_s + ASKED_WITHIN_S
        if asyncio.get_running_loop().time() > begin_by:
            return Answer(call, LATE)
        if self.doubts.forbid(call.account_id, since_s=begun.written_s):
            return Answer(call, SICK)
        return Answer(call, await self._request(call, begin_by=begin_by))

    async def _request(self, call: Call, *, begin_by: float) -> Result:
        try:
            body, token = body_of(call), self._token(call)
            return await self.graph.send(call.phone_number_id, body, token, begin_by=begin_by)
        except TooLate:
            return LATE
        except SealBroken as error:
            return Refused(code=TOKEN_UNFIT, http=None, message=str(error))
        except WarmerError as error:  # the message, or the number's id, is not one that the platform takes
            return NotAsked(str(error), again=False)
        except Exception as error:  # whatever it was, it may have come after the request
            log.exception("a call broke", send_id=call.send_id)
            return Unclear(reason=f"broke: {type(error).__name__}")

    def _token(self, call: Call) -> str:
        if call.token not in self.tokens:
            self.tokens[call.token] = self.seal.open(call.token, use=TOKEN_USE).decode()
        return self.tokens[call.token]
