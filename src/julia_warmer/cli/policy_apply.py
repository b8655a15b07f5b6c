"""`warmer policy apply`, `list` and `withdraw`: which policy is in force from which moment on, by whom and why."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from julia_warmer import policies
from julia_warmer.cli.forms import AsJson, Why
from julia_warmer.cli.opening import Act, do
from julia_warmer.cli.output import exact, print_json, print_table, say, tell
from julia_warmer.cli.policy_diff import compare, print_compared
from julia_warmer.cli.policy_replay import DAYS
from julia_warmer.core.policy import Policy
from julia_warmer.core.policy_rules import differences
from julia_warmer.engine.rule_changes import Applied, apply_policy, withdraw_policy
from julia_warmer.store import policies as store
from julia_warmer.store.policies import PolicyChange

LIST_MAX = 50

File = Annotated[str, typer.Argument(help="A policy of your own, or the name of one that comes with the program.", show_default=False)]
At = Annotated[
    datetime | None, typer.Option("--at", formats=DAYS, help="From this moment on (UTC). Default: in a minute.", show_default=False)
]
Simulate = Annotated[int, typer.Option("--simulate", min=0, max=1000, metavar="N", help="Paired runs that say what it leads to; 0: none.")]


def apply(file: File, why: Why, at: At = None, simulate: Simulate = 8, as_json: AsJson = False) -> None:
    """Put a policy in force, from a moment on.

    Shows what differs from the policy that is in force and, by simulation, what that leads to; both are kept with the change. Workers take
    the policy that is valid at the moment of each decision, and each decision names its version. Chips' own rules must fit it.
    """
    policy, layers = policies.load(file), policies.layers(file)
    before = do(_in_force)
    differs = list(differences(before, policy))
    compared = compare(before, policy, runs=simulate, seed=1, shown=not as_json) if simulate and differs else []
    effect: dict[str, Any] = {"runs": simulate, "seed": 1, "simulated": [asdict(one) for one in compared]} if compared else {}

    async def work(act: Act) -> Applied:
        return await apply_policy(
            act.conn,
            policy,
            layers=layers,
            valid_from=at.replace(tzinfo=UTC) if at else None,
            effect=effect,
            otherwise=act.settings_policy(),
            by=act.by,
            why=why,
            at=act.at,
        )

    applied = do(work)
    if as_json:
        print_json({**asdict(applied), "differs": [_row(*one) for one in differs], "effect": effect})
        return
    _show_differs(differs, before, policy)
    if compared:
        print_compared(compared, before.name, policy.name, runs=simulate)
    since = f"{applied.valid_from:%Y-%m-%d %H:%M:%S} UTC"
    say(f"{applied.version} is in force from {since} on (change {applied.change_id}); until then {applied.before}.")


async def _in_force(act: Act) -> Policy:
    return await act.policy()


def _row(key: str, before: object, now: object) -> dict[str, object]:
    return {"key": key, "before": before, "now": now}


def _show_differs(differs: list[tuple[str, Any, Any]], before: Policy, policy: Policy) -> None:
    values = [(key, exact(was), exact(now)) for key, was, now in differs]
    print_table("Rules that differ", ["rule", before.version, policy.version], values, empty="none")


def list_(as_json: AsJson = False) -> None:
    """Show which policy is in force since when, by whom and why, and what was in force before or will be."""

    async def work(act: Act) -> tuple[str, datetime, list[PolicyChange]]:
        return (await act.policy()).version, act.at, await store.list_changes(act.conn, limit=LIST_MAX)

    version, now, changes = do(work)
    if as_json:
        print_json({"in_force": version, "changes": changes})
        return
    rows = [(one.id, one.version, one.valid_from, _stands(one, version, now), one.made_by, one.why, len(one.differs)) for one in changes]
    titles = ["change", "policy", "from (UTC)", "stands", "by", "why", "rules changed"]
    print_table("Policies applied", titles, rows, empty="none: the policy of the settings is in force")
    say(f"In force: {version}.")


def _stands(change: PolicyChange, version: str, now: datetime) -> str:
    if change.withdrawn_at is not None:
        return f"withdrawn by {change.withdrawn_by}: {change.withdrawn_why}"
    if change.valid_from > now:
        return "to come"
    return "in force" if change.version == version else "over"


def withdraw(
    change: Annotated[int, typer.Argument(help="Number of a change that is to come: `warmer policy list`.", show_default=False)],
    why: Why,
    as_json: AsJson = False,
) -> None:
    """Take back a change of policy before it is in force."""

    async def work(act: Act) -> str:
        return await withdraw_policy(act.conn, change, by=act.by, why=why, at=act.at)

    version = do(work)
    tell({"change_id": change, "version": version}, f"{version} will not come into force", as_json=as_json)
