"""`warmer policy`."""

from typing import Annotated

import typer

from julia_warmer import policies
from julia_warmer.cli.forms import AsJson, group
from julia_warmer.cli.output import print_json, print_table, say
from julia_warmer.cli.policy_curve import draw_curve
from julia_warmer.cli.policy_diff import diff_policies, exact
from julia_warmer.cli.policy_replay import replay_decisions
from julia_warmer.cli.policy_rules import differences, rules_of
from julia_warmer.cli.policy_shadow import show_shadow
from julia_warmer.config import load_settings

app = group("The rules that an owner may change.")
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
    as_json: AsJson = False,
) -> None:
    """Print a policy, each rule with its why: the layers that make it, bottom first."""
    name = name or load_settings().policy
    policy = policies.load(name)
    if as_json:
        print_json({"name": policy.name, "version": policy.version, "sha256": policy.sha256, "rules": dict(rules_of(policy))})
        return
    for file, text in policies.layers(name):
        say(f"# ---- {file}\n{text.rstrip()}\n")
    say(f"# in force: {policy.version}; there are {', '.join(policies.shipped())}")
