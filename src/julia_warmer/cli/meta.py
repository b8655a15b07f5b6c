"""What commands ask Meta, or the sandbox in its place, and how a refusal reads. It sends to nobody."""

from typing import TypeVar

from julia_warmer.cli.errors import CommandError
from julia_warmer.cloud.answers import Failure, Refused, Unclear
from julia_warmer.cloud.codes import Action

T = TypeVar("T")


def granted(answer: "T | Failure", what: str) -> T:
    """The answer, unless Meta refused or nobody knows. Raises CommandError with the code and the mend."""
    match answer:
        case Refused():
            raise CommandError(f"Meta refused {what}: {refusal(answer)}")
        case Unclear():
            raise CommandError(f"Meta could not be asked for {what} ({answer.reason}): check the connection, then try again")
        case _:
            return answer


def refusal(refused: Refused) -> str:
    """What Meta says, its code where it is Meta's, and what to do."""
    code = f" (code {refused.code})" if refused.code >= 0 else ""
    return f"{refused.message}{code}; {_mend(refused)}"


def _mend(refused: Refused) -> str:
    if refused.code in (0, 104, 190) or refused.code < 0:
        return "check the token and the address: `warmer accounts token`"
    match refused.meaning.action:
        case Action.RETRY:
            return "try again later"
        case Action.STOP_ACCOUNT:
            return f"{refused.meaning.meaning}: see to it in Meta's Business Manager"
        case _:
            return refused.meaning.meaning
