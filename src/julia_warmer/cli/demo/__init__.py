"""The demo: the whole live stack, driven in lockstep through virtual days, with a sandbox in Meta's place.

Everything is real but Meta and the people: the embedded PostgreSQL, both applications over HTTP, signed webhooks, the engine's own steps.
"""

import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import orjson

from julia_warmer.cli.demo import show
from julia_warmer.cli.demo.drive import live_through
from julia_warmer.cli.demo.operator import Operator
from julia_warmer.cli.demo.results import Result, gather
from julia_warmer.cli.demo.stage import set_stage, wait_for_interrupt
from julia_warmer.cli.output import err, progress


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """What a person may choose."""

    chips: int = 12
    contacts: int = 6000
    days: int = 30
    seed: int = 7
    policy: str = "standard"
    leave: bool = False  # --exit: end after the table
    json_file: Path | None = None
    limit: int = 2000  # of each portfolio when the world begins
    verified: bool = True  # an unverified portfolio at 250 earns 2,000 by 2,000 people reached in 30 days (platform.md 1.3)


async def run(options: DemoOptions) -> Result:
    """Play the demo, print the chips' lives, and leave the API running until Ctrl-C unless told to exit."""
    started = time.perf_counter()
    with progress("setting the stage", total=options.days) as step:
        async with set_stage(options) as stage:
            operator = Operator(stage)

            async def after_day(day: int, sent: int) -> None:
                today = stage.begins_at + timedelta(days=day)
                step(1, f"day {day + 1:>2} of {options.days}, {today:%a %d %b}: {sent:,} messages")

            async with operator:
                await live_through(stage, operator, options.days, after_day)
                result = await gather(stage, wall_s=time.perf_counter() - started)
            show.print_result(result)
            if options.json_file is not None:
                options.json_file.write_bytes(orjson.dumps(result.to_json(), option=orjson.OPT_INDENT_2) + b"\n")
                err.print(f"written to {options.json_file}")
            if not options.leave:
                show.print_addresses(stage)
                await wait_for_interrupt()
    return result
