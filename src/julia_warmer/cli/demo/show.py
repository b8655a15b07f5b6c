"""Prints a run of the demo for a person: the chips' lives, the judgement, and what to try next."""

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
COLUMNS = (
    "chip",
    "list",
    "true rate",
    "replied",
    "status",
    "phase",
    "health",
    "ready on day",
    "sent",
    "delivered",
    "read",
    "opted out",
    "failed",
    "paused",
    "resumed",
    "demoted",
)
TEXT_COLUMNS = 2


def print_result(result: Result) -> None:
    """Table and judgement."""
    out.print()
    out.print(lives_table(result))
    out.print()
    violations = sum(count for rule, count in result.ledger.items() if rule in RULES)
    counts = " · ".join(f"{RULES[rule]} {count}" for rule, count in result.ledger.items() if rule in RULES)
    verdict = "[green]the auditor found nothing[/]" if not violations else f"[bold red]the auditor found {violations} violations[/]"
    out.print(f"The sandbox accepted [bold]{result.ledger['accepted']:,}[/] messages; {verdict}:\n  {counts}")
    for sentence in result.violations[:20]:
        out.print(f"  [red]{sentence}[/]")
    hooks = result.webhooks
    out.print(
        f"Webhooks: {hooks['delivered']:,} updates delivered, {hooks['duplicates_sent']:,} twice, {hooks['quarantined']} quarantined."
    )
    by = f"{result.decisions:,} decisions by {result.policy}, sha256 {result.decisions_sha256[:16]}…"
    out.print(f"{by}; world {result.world[:12]}…; seed {result.seed}; {result.days} days in {result.wall_s:.0f} s.")


def lives_table(result: Result) -> Table:
    """One row a chip, the best list first."""
    title = f"{len(result.chips)} chips, {result.days} days (the engine never sees `list` and `true rate`)"
    table = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for n, column in enumerate(COLUMNS):
        table.add_column(column, justify="left" if n < TEXT_COLUMNS or column in ("status", "phase") else "right")
    for life in result.chips:
        table.add_row(*_cells(life))
    return table


def _cells(life: ChipLife) -> tuple[str, ...]:
    replied = f"{life.replied / life.delivered:.0%}" if life.delivered else "-"
    colour = COLOURS.get(life.status, "white")
    turns = (str(times) if times else "" for times in (life.paused_times, life.resumed_times, life.demoted_times))
    return (
        life.name,
        life.list.replace("_", " "),
        f"{life.true_rate:.0%}",
        replied,
        f"[{colour}]{life.status}[/]",
        life.phase.replace("_", " "),
        "-" if life.health is None else str(life.health),
        "-" if life.ready_on_day is None else str(life.ready_on_day),
        str(life.sent),
        str(life.delivered),
        str(life.read),
        str(life.opted_out),
        str(life.failed),
        *turns,
    )


def print_addresses(stage: Stage) -> None:
    """The API is left running: where it is and what to ask it."""
    ask = f"curl -H 'Authorization: Bearer {stage.key}' {stage.internal}"
    out.print(f"\nThe API is at [bold]{stage.internal}[/] (its documentation: {stage.internal}/docs). Try:", soft_wrap=True)
    out.print(f"  {ask}/warmer/chips\n  {ask}/warmer/stats", soft_wrap=True)
    out.print("Ctrl-C ends it, and removes everything that the demo made.")
