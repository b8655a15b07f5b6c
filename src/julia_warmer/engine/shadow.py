"""A shadow policy: it decides on the same live snapshots beside the policy in force, keeps states of its own, and only reports.

It must touch no chip. The portfolio's share in a snapshot is the live one; so are the windows of evidence.
"""

from collections.abc import Sequence

from julia_warmer.core.beside import Beside, decide_beside
from julia_warmer.core.model import Decision, Snapshot
from julia_warmer.core.policy import Policy
from julia_warmer.store import shadows
from julia_warmer.store.db import Connection
from julia_warmer.store.shadows import Shadowed


async def follow(conn: Connection, decided: Sequence[tuple[Snapshot, Decision]], *, policy: Policy) -> list[Shadowed]:
    """What the shadow policy decides on these snapshots, written down beside what was decided. Runs in the review's transaction."""
    before = await shadows.read_states(conn, [snapshot.chip_id for snapshot, _ in decided], policy=policy.version)
    found = [_beside(snapshot, decision, policy, before.get(snapshot.chip_id)) for snapshot, decision in decided]
    await shadows.write(conn, found, policy=policy.version)
    return found


def _beside(snapshot: Snapshot, decision: Decision, policy: Policy, before: Beside | None) -> Shadowed:
    other, after = decide_beside(snapshot, decision, policy, before)
    return Shadowed(decision, other, after)
