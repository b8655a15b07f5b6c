"""What a step of the engine works with when it needs more than a connection. Built once, at an edge; it must not read settings itself."""

from dataclasses import dataclass, field, replace
from datetime import date, datetime

from julia_warmer.cloud.client import GraphClient
from julia_warmer.config import Settings
from julia_warmer.core.policy import Policy
from julia_warmer.engine.doubts import Doubts
from julia_warmer.engine.journal import Journal
from julia_warmer.engine.rules import in_force
from julia_warmer.store.db import Pool, transaction
from julia_warmer.store.seal import Seal


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of one process. Whoever built them closes them."""

    pool: Pool
    settings: Settings
    policy: Policy  # the settings', or what is in force where `parts_at` put it
    seal: Seal
    graph: GraphClient
    worker: str  # a name that no other process has: leases are written under it
    holidays: frozenset[date] = frozenset()
    shadow: Policy | None = None  # decides beside the policy, and only reports
    journal: Journal | None = None  # None: this process neither sends nor stops anything for real
    windows: dict[int, float] = field(default_factory=dict[int, float])  # requests at once of each chip, learnt by this process; see lanes
    doubts: Doubts = field(default_factory=Doubts)  # what this process has seen of the platform; it is lost with the process


async def parts_at(parts: Parts, *, at: datetime) -> Parts:
    """The parts with the policy that is in force at this moment."""
    async with transaction(parts.pool) as conn:
        policy = await in_force(conn, parts.policy, at=at)
    return parts if policy is parts.policy else replace(parts, policy=policy)
