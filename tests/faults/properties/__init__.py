"""The properties, one module each: `NAME`, `LIMIT_S` (full, short) and `async def run(stage, draw) -> Row`. Here stands what each costs."""

from collections.abc import Awaitable
from typing import Protocol

from tests.faults.plan import Cost, Quiet
from tests.faults.properties import (
    r01_kill,
    r02_ambiguous_answers,
    r03_replay,
    r04_database_down,
    r05_spool_trouble,
    r06_opt_out_race,
    r07_opt_out_coverage,
    r08_jobs,
    r09_zombie,
    r10_caps,
    r11_throttles,
    r12_stop,
    r13_status_algebra,
    r14_early_statuses,
    r15_batch_isolation,
    r16_foreign_payloads,
    r17_fuzz,
    r18_load,
    r19_sick_provider,
    r20_deploy,
    s01_signature,
    s03_personal_data,
    s04_consent_ledger,
)
from tests.faults.row import Draw, Row
from tests.faults.stage import Stage


class Property(Protocol):
    """What a module of a property offers."""

    NAME: str
    LIMIT_S: tuple[float, float]  # for the full size and the short draw: what takes longer hangs

    def run(self, stage: Stage, draw: Draw) -> Awaitable[Row]: ...


_TABLE: tuple[tuple[Property, Cost], ...] = (
    (r01_kill, Cost(full_s=450, short_s=100)),
    (r02_ambiguous_answers, Cost(full_s=720, short_s=30)),
    (r03_replay, Cost(full_s=15, short_s=5)),
    (r04_database_down, Cost(full_s=110, short_s=35)),
    (r05_spool_trouble, Cost(full_s=50, short_s=30)),
    (r06_opt_out_race, Cost(full_s=250, short_s=45)),
    (r07_opt_out_coverage, Cost(full_s=20, short_s=10)),
    (r08_jobs, Cost(full_s=190, short_s=35)),
    (r09_zombie, Cost(full_s=320, short_s=25)),
    (r10_caps, Cost(full_s=230, short_s=20)),
    (r11_throttles, Cost(full_s=330, short_s=40, quiet=Quiet.IN_FULL)),
    (r12_stop, Cost(full_s=80, short_s=40, quiet=Quiet.IN_FULL)),
    (r13_status_algebra, Cost(full_s=60, short_s=10)),
    (r14_early_statuses, Cost(full_s=40, short_s=10)),
    (r15_batch_isolation, Cost(full_s=30, short_s=10)),
    (r16_foreign_payloads, Cost(full_s=60, short_s=8)),
    (r17_fuzz, Cost(full_s=200, short_s=8, quiet=Quiet.ALWAYS)),
    (r18_load, Cost(full_s=615, short_s=25, quiet=Quiet.ALWAYS)),
    (r19_sick_provider, Cost(full_s=780, short_s=80)),
    (r20_deploy, Cost(full_s=150, short_s=30)),
    (s01_signature, Cost(full_s=15, short_s=8)),
    (s03_personal_data, Cost(full_s=60, short_s=27)),
    (s04_consent_ledger, Cost(full_s=60, short_s=10)),
)
BUILT: dict[str, Property] = {module.NAME: module for module, _ in _TABLE}
COSTS: dict[str, Cost] = {module.NAME: cost for module, cost in _TABLE}
