"""What only Meta can say: whether each account's token works, and whether the webhook can be reached under its public address."""

import asyncio
import secrets
from collections.abc import Sequence

import aiohttp

from julia_warmer.cli.checks import Finding, fail, ok, warn
from julia_warmer.cli.meta import refusal
from julia_warmer.cli.naming import LIST_MAX
from julia_warmer.cloud.answers import Refused, Unclear
from julia_warmer.cloud.client import GraphClient
from julia_warmer.config import Settings, data_keys
from julia_warmer.engine.setup import TOKEN, read_account
from julia_warmer.store import db, views
from julia_warmer.store.seal import Seal, SealBroken

ACCOUNTS_AT_ONCE = 8
WEBHOOK_TIMEOUT_S = 8.0
ANSWER_MAX_BYTES = 1024


async def check_credentials(conn: db.Connection, settings: Settings) -> Sequence[Finding]:
    """Read every account with its own token."""
    accounts = await views.list_accounts(conn, limit=LIST_MAX)
    if not accounts:
        return (warn("credentials", "there is no account yet", "`warmer portfolios add`, then `warmer accounts add`"),)
    seal = Seal(*data_keys(settings.config_dir))
    sealed = [(account, (await read_account(conn, account.id)).token) for account in accounts]
    gate = asyncio.Semaphore(ACCOUNTS_AT_ONCE)
    async with GraphClient(version=settings.graph_version, sandbox_url=settings.sandbox_url) as graph:
        return await asyncio.gather(*(_credential(graph, gate, account, seal, token) for account, token in sealed))


async def _credential(graph: GraphClient, gate: asyncio.Semaphore, account: views.AccountView, seal: Seal, token: bytes) -> Finding:
    check = f"credentials of {account.name}"
    try:
        opened = seal.open(token, use=TOKEN).decode()
    except SealBroken:
        mend = "restore data.key from your backup of the configuration folder, or give the token again: `warmer accounts token`"
        return fail(check, "its token was sealed with another data key", mend)
    async with gate:
        answer = await graph.read_account(account.waba_id, opened)
    match answer:
        case Refused():
            return fail(check, f"Meta refused: {answer.message}", refusal(answer).rsplit("; ", 1)[1])
        case Unclear():
            return warn(check, f"Meta could not be asked ({answer.reason})", "check the connection to graph.facebook.com")
        case _ if answer.health.can_send in ("LIMITED", "BLOCKED"):
            why = "; ".join(issue.sentence for issue in answer.health.issues) or "no reason given"
            state = fail if answer.health.can_send == "BLOCKED" else warn
            return state(check, f"the token works; Meta says {answer.health.can_send}: {why}", "see to it in WhatsApp Manager")
        case _:
            return ok(check, f"the token works; Meta says {answer.health.can_send}")


async def check_webhook(settings: Settings) -> Finding | None:
    """Do what Meta does when it verifies the address: a handshake with our verify token. No redirect is followed, little is read.

    The address is the owner's own setting; nothing of the answer is shown but its status.
    """
    check = "webhook reachable"
    if settings.public_url is None or settings.verify_token is None:
        return None
    challenge = secrets.token_hex(8)
    query = {"hub.mode": "subscribe", "hub.challenge": challenge, "hub.verify_token": settings.verify_token.get_secret_value()}
    timeout = aiohttp.ClientTimeout(total=WEBHOOK_TIMEOUT_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=False) as http,
            http.get(settings.public_url, params=query, allow_redirects=False) as answer,
        ):
            body = await answer.content.read(ANSWER_MAX_BYTES)
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        mend = "is `warmer up` or `warmer api` running, and does your proxy forward to the public port? Then run this again"
        return warn(check, f"{settings.public_url} was not reached from here ({type(error).__name__})", mend)
    if answer.status == 200 and body.strip() == challenge.encode():
        return ok(check, "the handshake is answered")
    mend = "does the proxy forward this path to the public port, and do both have the same WARMER_VERIFY_TOKEN?"
    return fail(check, f"{settings.public_url} answered {answer.status} to the handshake", mend)
