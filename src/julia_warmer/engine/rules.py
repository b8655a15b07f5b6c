"""By which rules a chip is decided on: the policy in force at the moment, and what the chip has of its own laid over it.

Whoever asks passes the policy of the settings, which is in force until one is applied. It must not know what a rule means.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from julia_warmer.core.overrides import lay_over
from julia_warmer.core.policy import Policy, from_rules
from julia_warmer.core.tables import PolicyError
from julia_warmer.store import policies
from julia_warmer.store.db import Connection
from julia_warmer.store.policies import Version

K = TypeVar("K")
KEPT_MAX = 500  # versions, and own rules laid over them, that a process remembers

# Both by what they are made of, which never changes: another database may share them.
_read: dict[str, Policy] = {}
_laid: dict[tuple[str, str], Policy] = {}


@dataclass(frozen=True, slots=True)
class Rules:
    """The policy of a batch of chips, and of those chips that have rules of their own."""

    policy: Policy
    own: dict[int, Policy]

    def of(self, chip_id: int) -> Policy:
        return self.own.get(chip_id, self.policy)

    def all(self) -> tuple[Policy, ...]:
        """Each that may be decided by, once."""
        return tuple({one.version: one for one in (self.policy, *self.own.values())}.values())


async def in_force(conn: Connection, otherwise: Policy, *, at: datetime) -> Policy:
    """The policy that is in force at this moment; `otherwise` while nothing was ever applied. Raises PolicyError."""
    version = await policies.read_version_at(conn, at=at)
    if version is None or version == otherwise.version:
        return otherwise
    found = (await read_versions(conn, (version,))).get(version)
    if found is None:
        raise PolicyError(
            f"{version} is in force, and this version of the program cannot read it: apply a policy anew (`warmer policy apply`)"
        )
    return found


async def rules_of(conn: Connection, policy: Policy, chip_ids: Collection[int] | None = None) -> Rules:
    """What these chips (or all) are decided by under a policy. Raises PolicyError when a chip's own rules do not fit it."""
    found = await policies.list_overrides(conn, chip_ids)
    return Rules(policy, {one.chip_id: laid_over(policy, one.body, chip=one.chip) for one in found})


def laid_over(policy: Policy, body: str, *, chip: str) -> Policy:
    """A chip's own rules on a policy. Raises PolicyError naming the chip."""
    key = policy.version, body
    known = _laid.get(key)
    return known or _remember(_laid, key, lay_over(policy, body, file=f"own rules of {chip}"))


async def keep(conn: Connection, used: Iterable[Policy], *, at: datetime) -> None:
    """Keep what is decided by, so that every decision can be made again."""
    await policies.keep_versions(conn, [Version(one.version, one.rules_text()) for one in used], at=at)


async def read_versions(conn: Connection, versions: Collection[str] | None = None) -> dict[str, Policy]:
    """The policies of these versions (or of all that were ever used), without those that this version of the program cannot read."""
    found = {version: _read[version] for version in versions or () if version in _read}
    wanted = None if versions is None else [version for version in versions if version not in found]
    if wanted == []:
        return found
    for row in await policies.list_versions(conn, wanted):
        try:
            policy = from_rules(row.version, row.rules)
        except PolicyError:
            continue
        found[row.version] = _remember(_read, row.version, policy)
    return found


def _remember(kept: dict[K, Policy], key: K, policy: Policy) -> Policy:
    if len(kept) >= KEPT_MAX:
        kept.clear()
    kept[key] = policy
    return policy
