"""`warmer policy`."""

from typing import Annotated

import typer

from julia_warmer import policies
from julia_warmer.cli.errors import Misused
from julia_warmer.cli.forms import AsJson, group
from julia_warmer.cli.opening import Act, do
from julia_warmer.cli.output import exact, print_json, print_table, say
from julia_warmer.cli.policy_apply import apply, list_, withdraw
from julia_warmer.cli.policy_curve import draw_curve
from julia_warmer.cli.policy_diff import diff_policies
from julia_warmer.cli.policy_replay import replay_decisions
from julia_warmer.cli.policy_shadow import show_shadow
from julia_warmer.config import load_settings
from julia_warmer.core.policy import Policy
from julia_warmer.core.policy_rules import differences, rules_of
from julia_warmer.engine.rule_changes import CHANGES_MAX
from julia_warmer.store.policies import list_changes

Layers = tuple[tuple[str, str], ...]

app = group("The rules that an owner may change.")
app.command("apply")(apply)
app.command("list")(list_)
app.command("withdraw")(withdraw)
app.command("curve")(draw_curve)
app.command("diff")(diff_policies)
app.command("replay")(replay_decisions)
app.command("shadow")(show_shadow)

STANDARD = "standard"


@app.command()
def check(
    file: Annotated[str, typer.Argument(help="A policy of your own, or the name of one that comes with the program.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Check a policy, and show what it changes. What is wrong is said with file, table, key and what is allowed."""
    policy, standard = policies.load(file), policies.load(STANDARD)
    changes = [(key, was, now) for key, was, now in differences(standard, policy)]
    if as_json:
        rows = [{"key": key, "standard": was, "here": now} for key, was, now in changes]
        print_json({"name": policy.name, "version": policy.version, "sha256": policy.sha256, "differs": rows})
        return
    say(f"{file} is fine: {policy.version}")
    values = [(key, exact(was), exact(now)) for key, was, now in changes]
    print_table(f"What differs from {STANDARD}", ["rule", STANDARD, policy.name], values, empty="nothing")


@app.command()
def show(
    name: Annotated[str | None, typer.Argument(help="Name or file. Default: WARMER_POLICY.", show_default=False)] = None,
    applied: Annotated[bool, typer.Option("--applied", help="The one that is in force in the database.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print a policy, each rule with its why: the layers that make it, bottom first."""
    if applied and name is not None:
        raise Misused("--applied shows what is in force: leave the name out")
    policy, layers = do(_read_applied) if applied else _read(name or load_settings().policy)
    if as_json:
        print_json({"name": policy.name, "version": policy.version, "sha256": policy.sha256, "rules": dict(rules_of(policy))})
        return
    for file, text in layers:
        say(f"# ---- {file}\n{text.rstrip()}\n")
    say(f"# {policy.version}; there are {', '.join(policies.shipped())}")


def _read(name: str) -> tuple[Policy, Layers]:
    return policies.load(name), policies.layers(name)


async def _read_applied(act: Act) -> tuple[Policy, Layers]:
    """What was applied, in the words of that day; the settings' policy while nothing was."""
    policy = await act.policy()
    changes = await list_changes(act.conn, limit=CHANGES_MAX)
    change = next((one for one in changes if one.withdrawn_at is None and one.valid_from <= act.at), None)
    return policy, policies.layers(act.settings.policy) if change is None else tuple((file, text) for file, text in change.layers)
