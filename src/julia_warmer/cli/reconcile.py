"""`warmer reconcile`: after a restore, what is known of what was sent. It must not release anything."""

from julia_warmer.cli.forms import AsJson
from julia_warmer.cli.opening import open_journal, run
from julia_warmer.cli.output import plural, tell
from julia_warmer.clock import SystemClock
from julia_warmer.config import data_keys, load_settings
from julia_warmer.engine.restore import Reconciled
from julia_warmer.store.seal import Seal


def reconcile(as_json: AsJson = False) -> None:
    """After a restore: put back what this machine sent and the database forgot.

    Run it on each machine that had a worker, then release. What stays unknown is settled by its status when that comes, or by a person.
    """
    found = run(_reconcile())
    tell(found, _told(found), as_json=as_json)


async def _reconcile() -> Reconciled:
    from julia_warmer.cli.opening import opened_pool
    from julia_warmer.engine import restore

    settings, clock = load_settings(), SystemClock()
    async with opened_pool(settings, clock=clock, pool_max=2) as pool:
        journal = await open_journal(pool, settings, Seal(*data_keys(settings.config_dir)))
        return await restore.reconcile(pool, journal, at=clock.now())


def _told(found: Reconciled) -> str:
    compared, asked = found.compared, plural(found.compared.forgotten, "request")
    lines = [
        f"journal   of this machine {f'since {found.journal_from}' if found.journal_from else 'is empty: other machines may have one'}",
        f"put back  {asked} that the database had forgotten: {compared.found} in sends that it had planned, "
        f"{compared.made} in sends that it did not have, {compared.left_out} left out (numbers that it does not have)",
        f"again     {plural(compared.stops, 'request')} to stop and {plural(compared.erased, 'erasure')} carried out that it had forgotten",
        f"unknown   {plural(found.unknown, 'send')} of which nobody knows whether Meta took them: `warmer unknown list`",
        *(f"held      {hold.reason}" for hold in found.held),
    ]
    return "\n".join([*lines, "`warmer release --restore --why …` lets sending go on" if found.held else "nothing is held"])
