"""`warmer campaigns`."""

from typing import Annotated

import typer

from julia_warmer.cli.forms import AsJson, Portfolio, Why, group
from julia_warmer.cli.naming import LIST_MAX, find_campaign, find_chip, find_portfolio
from julia_warmer.cli.opening import Act, do
from julia_warmer.cli.output import print_rows, tell
from julia_warmer.core.model import Purpose
from julia_warmer.engine import setup
from julia_warmer.engine.setup import CampaignStatus
from julia_warmer.store import views
from julia_warmer.store.setup import NewCampaign

app = group("Templates for audiences: what warm-up draws from.")

Name = Annotated[str, typer.Argument(metavar="CAMPAIGN", help="A campaign's name or id.", show_default=False)]


@app.command()
def add(
    template: Annotated[str, typer.Option("--template", help="Name of an approved template.", show_default=False)],
    purpose: Annotated[Purpose, typer.Option("--purpose", help="What people must have agreed to.", show_default=False)],
    audience: Annotated[str, typer.Option("--audience", help="Label of the contacts to write to, as imported.")] = "all",
    name: Annotated[str | None, typer.Option("--name", help="Default: template and audience.")] = None,
    portfolio: Portfolio = None,
    chip: Annotated[str | None, typer.Option("--chip", help="Only this chip draws from it. Default: every chip of the portfolio.")] = None,
    language: Annotated[str, typer.Option("--language", help="The template's language.")] = "pt_BR",
    parameter: Annotated[
        list[str] | None,
        typer.Option("--parameter", help="One for each place of the template's body, in order; {name} is the person's name."),
    ] = None,
    priority: Annotated[int, typer.Option("--priority", min=0, max=1_000_000, help="Lower goes first.")] = 100,
    ttl_h: Annotated[int, typer.Option("--ttl-h", min=1, max=720, help="Hours after which Meta no longer delivers a message.")] = 12,
    repeat_after_d: Annotated[
        int | None, typer.Option("--repeat-after-d", min=1, help="Days after which a person may get it again. Default: each person once.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Add a campaign. Warming chips draw from it as far as their budgets go."""
    name = name or (template if audience == "all" else f"{template}-{audience}")

    async def work(act: Act) -> int:
        found = await find_portfolio(act.conn, portfolio, at=act.at)
        campaign = NewCampaign(
            name=name,
            portfolio_id=found.id,
            template=template,
            purpose=purpose,
            chip_id=await find_chip(act.conn, chip) if chip else None,
            language=language,
            audience=audience,
            parameters=tuple(parameter or ()),
            priority=priority,
            ttl_h=ttl_h,
            repeat_after_d=repeat_after_d,
        )
        return await setup.add_campaign(act.conn, campaign, at=act.at, by=act.by)

    campaign_id = do(work)
    tell({"id": campaign_id, "name": name}, f"campaign {name} added; `warmer plan` shows what it would send", as_json=as_json)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Show campaigns."""

    async def work(act: Act) -> list[views.Campaign]:
        return await views.list_campaigns(act.conn, limit=LIST_MAX)

    columns = {
        "id": lambda row: row.id,
        "name": lambda row: row.name,
        "status": lambda row: row.status,
        "template": lambda row: f"{row.template}/{row.language}",
        "purpose": lambda row: row.purpose,
        "audience": lambda row: row.audience,
        "priority": lambda row: row.priority,
        "added": lambda row: row.created_at,
    }
    print_rows(do(work), columns, title="Campaigns", as_json=as_json)


@app.command()
def pause(campaign: Name, why: Why, as_json: AsJson = False) -> None:
    """Send nothing more of a campaign, until it is resumed."""
    _set(campaign, CampaignStatus.PAUSED, why, as_json)


@app.command()
def resume(campaign: Name, why: Why, as_json: AsJson = False) -> None:
    """Send a paused campaign again."""
    _set(campaign, CampaignStatus.ACTIVE, why, as_json)


@app.command()
def end(campaign: Name, why: Why, as_json: AsJson = False) -> None:
    """End a campaign for good."""
    _set(campaign, CampaignStatus.ENDED, why, as_json)


def _set(name: str, status: CampaignStatus, why: str, as_json: bool) -> None:
    async def work(act: Act) -> None:
        found = await find_campaign(act.conn, name)
        await setup.set_campaign_status(act.conn, found.id, status, why=why, at=act.at, by=act.by)

    do(work)
    tell({"campaign": name, "status": status}, f"campaign {name} is {status}", as_json=as_json)
