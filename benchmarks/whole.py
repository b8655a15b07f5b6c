"""What a whole message writes to the disk, from its plan to its last status: added up from the rows of its steps."""

from collections.abc import Iterable

from benchmarks.rows import Row
from benchmarks.webhooks import BODIES_EACH, FACTS_EACH

STEPS = {"plan": 1.0, "dispatch": 1.0, "intake": BODIES_EACH, "apply": FACTS_EACH}
SUFFIX = ": written to disk"


def whole_message(rows: Iterable[Row]) -> list[Row]:
    """One row more, if every step was measured."""
    written = {row.name.removesuffix(SUFFIX): row.ours for row in rows if row.name.endswith(SUFFIX)}
    if not STEPS.keys() <= written.keys():
        return []
    total = sum(times * written[step] for step, times in STEPS.items())
    note = ", ".join(f"{times:.2f} x {step}" if times != 1 else step for step, times in STEPS.items())
    return [Row(name="a whole message" + SUFFIX, ours=total, unit="kB per 1,000 messages", note=note)]
