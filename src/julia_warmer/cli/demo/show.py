"""Prints a run of the demo for a person: the chips' lives, the judgement, and what to try next."""

from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from julia_warmer.cli.demo.results import ChipLife, Result
from julia_warmer.cli.demo.stage import Stage
from julia_warmer.cli.output import out

COLOURS = {"ready": "green", "active": "green", "warming": "yellow", "paused": "red", "banned": "red"}
RULES = {
    "duplicates": "sent twice",
    "without_consent": "without consent",
    "after_opt_out": "after an opt-out",
    "outside_hours": "outside people's hours",
    "over_chip_cap": "over a chip's cap",
    "over_portfolio_limit": "over the portfolio's limit",
    "over_person_cap": "over a person's cap",
}
WIDE = 135  # columns of a terminal from which on the whole table fits

# heading, whether it is text, whether a narrow terminal shows it, and what it says of a life
COLUMNS: tuple[tuple[str, bool, bool, Callable[[ChipLife], str]], ...] = (
    ("chip", True, True, lambda life: life.name),
    ("list", True, True, lambda life: life.list.replace("_", " ")),
    ("true", False, True, lambda life: f"{life.true_rate:.0%}"),
    ("replied", False, True, lambda life: f"{life.replied / life.delivered:.0%}" if life.delivered else "-"),
    ("status", True, True, lambda life: f"[{COLOURS.get(life.status, 'white')}]{life.status}[/]"),
    ("phase", True, True, lambda life: life.phase.replace("_", " ")),
    ("health", False, False, lambda life: "-" if life.health is None else str(life.health)),
    ("ready day", False, True, lambda life: "-" if life.ready_on_day is None else str(life.ready_on_day)),
    ("sent", False, True, lambda life: str(life.sent)),
    ("delivered", False, False, lambda life: str(life.delivered)),
    ("read", False, False, lambda life: str(life.read)),
    ("opted out", False, False, lambda life: str(life.opted_out)),
    ("failed", False, False, lambda life: str(life.failed)),
    ("paused", False, True, lambda life: str(life.paused_times or "")),
    ("resumed", False, False, lambda life: str(life.resumed_times or "")),
    ("demoted", False, True, lambda life: str(life.demoted_times or "")),
)


def print_result(result: Result, to: Console = out) -> None:
    """Table and judgement."""
    to.print()
    to.print(lives_table(result, wide=to.width >= WIDE))
    to.print()
    violations = sum(count for rule, count in result.ledger.items() if rule in RULES)
    counts = " · ".join(f"{RULES[rule]} {count}" for rule, count in result.ledger.items() if rule in RULES)
    verdict = "[green]the auditor found nothing[/]" if not violations else f"[bold red]the auditor found {violations} violations[/]"
    to.print(f"The sandbox accepted [bold]{result.ledger['accepted']:,}[/] messages; {verdict}:\n  {counts}")
    for sentence in result.violations[:20]:
        to.print(f"  [red]{sentence}[/]")
    hooks = result.webhooks
    to.print(f"Webhooks: {hooks['delivered']:,} updates delivered, {hooks['duplicates_sent']:,} twice, {hooks['quarantined']} quarantined.")
    same = min(result.replayed_same, result.rebuilt_same)
    again = "all the same" if same == result.decisions else f"[bold red]{same:,} the same[/]"
    by = f"{result.decisions:,} decisions by {result.policy}, counted and made again {again}; sha256 {result.decisions_sha256[:16]}…"
    to.print(f"{by}; world {result.world[:12]}…; seed {result.seed}; {result.days} days in {result.wall_s:.0f} s.")


def lives_table(result: Result, *, wide: bool = True) -> Table:
    """One row a chip."""
    title = f"{len(result.chips)} chips, {result.days} days (the engine never sees the lists and their true reply rates)"
    table = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    shown = [column for column in COLUMNS if wide or column[2]]
    for heading, is_text, _, _ in shown:
        table.add_column(heading, justify="left" if is_text else "right", no_wrap=True)
    for life in result.chips:
        table.add_row(*(tell(life) for *_, tell in shown))
    return table


def print_addresses(stage: Stage) -> None:
    """The API is left running: where it is and what to ask it."""
    ask = f"curl -H 'Authorization: Bearer {stage.key}' {stage.internal}"
    out.print(f"\nThe API is at [bold]{stage.internal}[/] (its documentation: {stage.internal}/docs). Try:", soft_wrap=True)
    out.print(f"  {ask}/warmer/chips\n  {ask}/warmer/stats", soft_wrap=True)
    out.print("Ctrl-C ends it, and removes everything that the demo made.")
