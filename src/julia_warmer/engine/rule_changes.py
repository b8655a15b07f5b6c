"""The owner's hand on the rules: a policy applied from a moment on or withdrawn before it, and a chip's own rules. Each with who and why.

Everything is checked before anything is written: a chip's own rules must fit the policy in force and every one to come.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from julia_warmer.core.overrides import lay_over
from julia_warmer.core.policy import Policy
from julia_warmer.core.policy_rules import differences
from julia_warmer.core.tables import PolicyError
from julia_warmer.engine.errors import Conflict, NotFound, Wrong
from julia_warmer.engine.rules import in_force, keep, read_versions, rules_of
from julia_warmer.store import chips, policies
from julia_warmer.store.audit import record_act
from julia_warmer.store.db import Connection
from julia_warmer.store.policies import NewChange, PolicyChange

LEAD = timedelta(minutes=1)  # before it is valid: by then every worker sees it, whatever its clock says
CHANGES_MAX = 1000


@dataclass(frozen=True, slots=True)
class Applied:
    """A change that was written down, and the version that it ends."""

    change_id: int
    version: str
    before: str
    valid_from: datetime


async def apply_policy(
    conn: Connection,
    policy: Policy,
    *,
    layers: Sequence[tuple[str, str]],
    valid_from: datetime | None,
    effect: dict[str, Any],
    otherwise: Policy,
    by: str,
    why: str,
    at: datetime,
) -> Applied:
    """Put a policy in force from a moment on; None: as soon as may be. `effect` is what a simulation said.

    `otherwise` is the settings' policy. Raises Wrong for a moment that is too soon, Conflict where another change lies in the way or
    a chip's own rules do not fit.
    """
    await policies.lock_changes(conn)
    before, last_at = await _last(conn, otherwise, at=at)
    moment = max(at + LEAD, last_at + LEAD if last_at else at) if valid_from is None else valid_from
    if moment < at + LEAD:
        raise Wrong(f"{moment:%Y-%m-%d %H:%M:%S} UTC is too soon", mend=f"name a moment from {at + LEAD:%Y-%m-%d %H:%M:%S} UTC on, or none")
    if last_at is not None and moment <= last_at:
        raise Conflict(
            f"{before.version} was applied from {last_at:%Y-%m-%d %H:%M:%S} UTC on", mend="name a later moment, or withdraw it first"
        )
    if policy.version == before.version:
        raise Conflict(f"{policy.version} is in force then already", mend="change a rule, or its name")
    await _check_own_rules(conn, policy)
    await keep(conn, (before, policy), at=at)
    differs = [{"key": key, "before": was, "now": now} for key, was, now in differences(before, policy)]
    change = NewChange(
        version=policy.version,
        before=before.version,
        valid_from=moment,
        made_at=at,
        made_by=by,
        why=why,
        layers=layers,
        differs=differs,
        effect=effect,
    )
    change_id = await policies.add_change(conn, change)
    body = {"version": policy.version, "before": before.version, "valid_from": moment.isoformat()}
    await record_act(conn, at=at, who=by, what="policy applied", target=f"policy:{change_id}", why=why, body=body)
    return Applied(change_id, policy.version, before.version, moment)


async def withdraw_policy(conn: Connection, change_id: int, *, by: str, why: str, at: datetime) -> str:
    """Take back a change before it is valid. Returns its version. Raises NotFound."""
    await policies.lock_changes(conn)
    version = await policies.withdraw_change(conn, change_id, by=by, why=why, at=at)
    if version is None:
        raise NotFound(f"there is no change {change_id} to come", mend="what is in force already is ended by applying another policy")
    await record_act(conn, at=at, who=by, what="policy withdrawn", target=f"policy:{change_id}", why=why, body={"version": version})
    return version


async def set_own_rules(
    conn: Connection, chip_id: int, text: str, *, chip: str, otherwise: Policy, by: str, why: str, at: datetime
) -> Policy:
    """Give a chip rules of its own, in the place of those that it has. Returns what it is decided by now. Raises PolicyError, Wrong."""
    await policies.lock_changes(conn)
    now = await in_force(conn, otherwise, at=at)
    own, *_ = [lay_over(policy, text, file=f"own rules of {chip}") for policy in (now, *await _to_come(conn, at=at))]
    changes = [{"key": key, "policy": was, "own": value} for key, was, value in differences(now, own)]
    if not changes:
        raise Wrong("these rules change nothing", mend="`warmer policy show` prints the rules that stand")
    await policies.end_override(conn, chip_id, by=by, why=why, at=at)
    await policies.add_override(conn, chip_id, text, by=by, why=why, at=at)
    await chips.look_again(conn, [chip_id], at=at)
    await record_act(conn, at=at, who=by, what="own rules set", target=f"chip:{chip_id}", why=why, body={"differs": changes, "body": text})
    return own


async def end_own_rules(conn: Connection, chip_id: int, *, by: str, why: str, at: datetime) -> None:
    """From now on the chip is decided by the policy alone. Raises Conflict when it is already."""
    await policies.lock_changes(conn)
    if await policies.end_override(conn, chip_id, by=by, why=why, at=at) is None:
        raise Conflict("the chip has no rules of its own")
    await chips.look_again(conn, [chip_id], at=at)
    await record_act(conn, at=at, who=by, what="own rules ended", target=f"chip:{chip_id}", why=why)


async def _last(conn: Connection, otherwise: Policy, *, at: datetime) -> tuple[Policy, datetime | None]:
    """The policy that is in force after every change that stands, and since when."""
    standing = [change for change in await policies.list_changes(conn, limit=CHANGES_MAX) if change.withdrawn_at is None]
    if not standing:
        return otherwise, None
    last = max(standing, key=_valid_from)
    return await in_force(conn, otherwise, at=max(at, last.valid_from)), last.valid_from


async def _to_come(conn: Connection, *, at: datetime) -> list[Policy]:
    changes = await policies.list_changes(conn, limit=CHANGES_MAX)
    versions = [change.version for change in changes if change.withdrawn_at is None and change.valid_from > at]
    return list((await read_versions(conn, versions)).values())


async def _check_own_rules(conn: Connection, policy: Policy) -> None:
    try:
        await rules_of(conn, policy)
    except PolicyError as error:
        raise Conflict(
            f"own rules do not fit {policy.version}: {error}", mend="change or end them first (`warmer chips override`)"
        ) from error


def _valid_from(change: PolicyChange) -> datetime:
    return change.valid_from
