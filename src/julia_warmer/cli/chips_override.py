"""`warmer chips override`: rules that one chip has of its own, laid over the policy in force."""

from pathlib import Path
from typing import Annotated, Any

import typer

from julia_warmer.cli.errors import Misused
from julia_warmer.cli.forms import AsJson, Chip
from julia_warmer.cli.naming import find_chip
from julia_warmer.cli.opening import Act, do, read_text
from julia_warmer.cli.output import exact, print_json, print_table, say
from julia_warmer.core.policy import Policy
from julia_warmer.core.policy_rules import differences
from julia_warmer.engine.rule_changes import end_own_rules, set_own_rules
from julia_warmer.engine.rules import rules_of
from julia_warmer.store import policies
from julia_warmer.store.policies import Override

File = Annotated[Path | None, typer.Argument(help="TOML with the chip's own rules; `-` reads the standard input.", show_default=False)]
OptionalWhy = Annotated[str, typer.Option("--why", help="Why, for the history.", show_default=False)]


def override(
    chip: Chip,
    file: File = None,
    why: OptionalWhy = "",
    end: Annotated[bool, typer.Option("--end", help="Let the policy alone decide again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Give a chip rules of its own, end them, or show them.

    The file holds only what differs, of [phases.…], [gates] and [budget]; the rest is the same for every chip. A rule may be tighter
    without end, and looser as far as the policy's [limits] say. Each decision on the chip names the version of the rules that made it.
    """
    if (file is not None or end) != bool(why.strip()) or (file is not None and end):
        raise Misused("name a file and --why to set rules, --end and --why to end them, nothing to show them")
    text = read_text(file, "the file") if file else ""

    async def work(act: Act) -> tuple[Policy, Policy, Override | None]:
        chip_id = await find_chip(act.conn, chip)
        if end:
            await end_own_rules(act.conn, chip_id, by=act.by, why=why, at=act.at)
        elif file is not None:
            otherwise = act.settings_policy()
            await set_own_rules(act.conn, chip_id, text, chip=chip, otherwise=otherwise, by=act.by, why=why, at=act.at)
        policy = await act.policy()
        stands = await policies.list_overrides(act.conn, [chip_id])
        return policy, (await rules_of(act.conn, policy, [chip_id])).of(chip_id), stands[0] if stands else None

    policy, own, stands = do(work)
    rows: list[tuple[str, Any, Any]] = list(differences(policy, own))
    if as_json:
        rules = [{"key": key, "own": here, "policy": was} for key, was, here in rows]
        print_json({"chip": chip, "version": own.version, "policy": policy.version, "rules": rules, "set": stands})
        return
    print_table(f"Own rules of {chip}", ["rule", "here", policy.version], [(key, exact(here), exact(was)) for key, was, here in rows])
    if stands is not None:
        say(f"Set by {stands.set_by} on {stands.since:%Y-%m-%d %H:%M} UTC: {stands.why}. Decisions name {own.version}.")
