"""`warmer demo`: its options. What is played is in `demo`."""

from pathlib import Path
from typing import Annotated

import typer

from julia_warmer import policies
from julia_warmer.cli.running import last


def demo(
    chips: Annotated[int, typer.Option("--chips", min=1, max=200, help="Numbers to warm.")] = 12,
    contacts: Annotated[int, typer.Option("--contacts", min=0, max=200_000, help="People who opted in, shared out among chips.")] = 6000,
    days: Annotated[int, typer.Option("--days", min=1, max=120, help="Virtual days to play.")] = 30,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same decisions, to the byte.")] = 7,
    policy: Annotated[str, typer.Option("--policy", help="standard, cautious, sprint, or a file of your own.")] = "standard",
    leave: Annotated[bool, typer.Option("--exit", help="End after the table, in place of leaving the API running.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the result into this file.")] = None,
) -> None:
    """Warm chips through virtual days, all parts real but Meta.

    PostgreSQL, both applications over HTTP, signed webhooks, the engine's own steps; a sandbox stands for Meta and for the people. At the
    end the chips' lives are printed beside their true reply rates, and an auditor judges what was sent.
    """
    from julia_warmer.cli.demo import DemoOptions, run

    policies.load(policy)
    options = DemoOptions(chips=chips, contacts=contacts, days=days, seed=seed, policy=policy, leave=leave, json_file=json_file)
    last(run(options), told=130)
