"""S1 signature: whatever is wrong with it is refused, with one short answer; no secret, no start; two secrets while one rotates."""

import hashlib
import hmac
import json

from tests.faults.fleet import Fleet, found_fleet, phone_of
from tests.faults.post import SIGNATURE, Sender, body, change, text
from tests.faults.process import Stuck
from tests.faults.row import Draw, Findings, Row, p50_p99_ms
from tests.faults.stage import Stage

NAME = "S1"
LIMIT_S = (300.0, 180.0)
OLD, NEW = "the-old-secret-of-the-rotation", "the-new-secret-of-the-rotation"


async def run(stage: Stage, draw: Draw) -> Row:
    found = Findings()
    fleet = await found_fleet(stage.db.owner, stage.seal, at=stage.clock.now(), chips=1, people=1, sends=False)
    rounds = draw.size(50, 5)
    refused = taken = 0
    seconds: list[float] = []
    single, both = await stage.api(), await stage.api(app_secrets=f"{OLD},{NEW}")
    for none in ("", " , "):
        found.expect(await _refuses_to_start(stage, app_secrets=none), f"it starts with the secrets {none!r}")
    async with Sender(single.webhook, stage.secret) as sender:
        for nth in range(rounds):
            for what, (sent, header) in _forged(_body(fleet, nth), stage.secret, draw).items():
                status = await sender.post(sent, headers={} if header is None else {SIGNATURE: header})
                found.expect(400 <= status < 500, f"{what} is answered {status}")
                refused += 1
        found.expect(len(sender.bodies) == 1 and len(min(sender.bodies)) < 40, f"refusals differ or are long: {sorted(sender.bodies)[:3]}")
        seconds += sender.seconds
        found.expect(await _rows(stage) == 0, "a forged delivery was kept")
        found.expect(await sender.post(_body(fleet, -1)) == 200, "the right signature is refused")
        found.expect(await _rows(stage) == 1, "the right one is not kept")
    for secret in (OLD, NEW, stage.secret):
        async with Sender(both.webhook, secret) as sender:
            status = await sender.post(_body(fleet, -3 - taken))
            found.expect(
                (status == 200) == (secret != stage.secret),
                f"during a rotation a {'third' if secret == stage.secret else 'known'} secret: {status}",
            )
            taken += status == 200
    found.expect(await _rows(stage) == 3, "not exactly three deliveries were kept")
    done = f"{refused} forged deliveries in {len(_forged(b'{}', 'x', draw))} ways; no start without a secret; two secrets"
    return found.row(NAME, done, **p50_p99_ms(seconds))


def _body(fleet: Fleet, nth: int) -> bytes:
    """With a slash and an accent, which Meta escapes: who serialises again gets other bytes."""
    words = text(f"wamid.{nth}", "Olá/oi", fleet.at, sender=phone_of(0))
    return body(change(fleet.chips[0], messages=[words]), waba=fleet.chips[0].waba).replace(b"/", b"\\/")


def _forged(right: bytes, secret: str, draw: Draw) -> dict[str, tuple[bytes, str | None]]:
    """(body, header) of each way to be wrong."""
    digest = hmac.new(secret.encode(), right, hashlib.sha256).hexdigest()
    good = f"sha256={digest}"
    nth = draw.random.randrange(len(digest))
    other = digest[:nth] + ("0" if digest[nth] != "0" else "1") + digest[nth + 1 :]
    return {
        "no header": (right, None),
        "an empty header": (right, ""),
        "only the prefix": (right, "sha256="),
        "no prefix": (right, digest),
        "sha1": (right, "sha1=" + hmac.new(secret.encode(), right, hashlib.sha1).hexdigest()),
        "sha1 named sha256": (right, "sha256=" + hmac.new(secret.encode(), right, hashlib.sha1).hexdigest()),
        "sha512": (right, "sha512=" + hmac.new(secret.encode(), right, hashlib.sha512).hexdigest()),
        "the prefix in capitals": (right, f"SHA256={digest}"),
        "the digest in capitals": (right, f"sha256={digest.upper()}"),
        "a space": (right, f"sha256= {digest}"),
        "two digests": (right, f"{good},{good}"),
        "a shorter digest": (right, good[:-2]),
        "a longer digest": (right, good + "00"),
        "one digit other": (right, f"sha256={other}"),
        "another secret": (right, "sha256=" + hmac.new(b"another", right, hashlib.sha256).hexdigest()),
        "the empty secret": (right, "sha256=" + hmac.new(b"", right, hashlib.sha256).hexdigest()),
        "the body's plain hash": (right, "sha256=" + hashlib.sha256(right).hexdigest()),
        "not ascii": (right, "sha256=" + "é" * 64),
        "very long": (right, "sha256=" + "a" * 6000),
        "serialised again": (json.dumps(json.loads(right)).encode(), good),
        "a space behind": (right + b" ", good),
        "a newline before": (b"\n" + right, good),
        "a byte less": (right[:-1], good),
        "one byte other": (right.replace(b"oi", b"01"), good),
        "nothing": (b"", good),
    }


async def _refuses_to_start(stage: Stage, **settings: str) -> bool:
    try:
        await stage.api(**settings)
    except Stuck:
        return True
    return False


async def _rows(stage: Stage) -> int:
    return await stage.db.pool.fetchval("select count(*)::int from inbox")
