"""The properties, one module each: `NAME`, `LIMIT_S` (full, short) and `async def run(stage, draw) -> Row`."""

from collections.abc import Awaitable
from typing import Protocol

from tests.faults.properties import (
    r01_kill,
    r02_ambiguous_answers,
    r03_replay,
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
    s01_signature,
)
from tests.faults.row import Draw, Row
from tests.faults.stage import Stage


class Property(Protocol):
    """What a module of a property offers."""

    NAME: str
    LIMIT_S: tuple[float, float]  # for the full size and the short draw: what takes longer hangs

    def run(self, stage: Stage, draw: Draw) -> Awaitable[Row]: ...


_MODULES: tuple[Property, ...] = (
    r01_kill,
    r02_ambiguous_answers,
    r03_replay,
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
    s01_signature,
)
BUILT: dict[str, Property] = {module.NAME: module for module in _MODULES}
NOT_YET = ("R4", "R5", "R17", "R18", "R20", "S2", "S3", "S4", "S5")
