"""`warmer policy`."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Annotated, Any

import typer

from julia_warmer import policies
from julia_warmer.cli.forms import AsJson, group
from julia_warmer.cli.output import print_json, print_table, say
from julia_warmer.cli.policy_curve import draw_curve
from julia_warmer.cli.policy_replay import replay_decisions
from julia_warmer.cli.policy_shadow import show_shadow
from julia_warmer.config import load_settings
from julia_warmer.core.policy import Policy

app = group("The rules that an owner may change.")
app.command("curve")(draw_curve)
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
    changes = [(key, was, now) for key, was, now in _differences(standard, policy)]
    if as_json:
        rows = [{"key": key, "standard": was, "here": now} for key, was, now in changes]
        print_json({"name": policy.name, "version": policy.version, "sha256": policy.sha256, "differs": rows})
        return
    say(f"{file} is fine: {policy.version}")
    print_table(f"What differs from {STANDARD}", ["rule", STANDARD, policy.name], changes, empty="nothing")


@app.command()
def show(
    name: Annotated[str | None, typer.Argument(help="Name or file. Default: WARMER_POLICY.", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """Print a policy, each rule with its why: the layers that make it, bottom first."""
    name = name or load_settings().policy
    policy = policies.load(name)
    if as_json:
        print_json({"name": policy.name, "version": policy.version, "sha256": policy.sha256, "rules": dict(_rules(policy))})
        return
    for file, text in policies.layers(name):
        say(f"# ---- {file}\n{text.rstrip()}\n")
    say(f"# in force: {policy.version}; there are {', '.join(policies.shipped())}")


def _differences(standard: Policy, policy: Policy) -> Iterator[tuple[str, Any, Any]]:
    before, after = dict(_rules(standard)), dict(_rules(policy))
    for key in dict.fromkeys([*before, *after]):
        if before.get(key) != after.get(key):
            yield key, before.get(key), after.get(key)


def _rules(policy: Policy) -> Iterator[tuple[str, Any]]:
    """Every rule as (table.key, value)."""
    for part in fields(policy):
        if part.init and part.name != "name":
            yield from _flat(part.name, getattr(policy, part.name))


def _flat(where: str, value: Any) -> Iterator[tuple[str, Any]]:
    if is_dataclass(value):
        for part in fields(value):
            yield from _flat(f"{where}.{part.name}", getattr(value, part.name))
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(f"{where}.{key}", inner)
    elif isinstance(value, tuple):  # rows with a name: the alarms
        for row in value:
            yield from _flat(f"{where}.{row.name}", row)
    else:
        yield where, value
