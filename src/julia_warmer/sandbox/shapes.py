"""Shapes that more than one kind of node shows: `health_status`, and numbers as Meta spells them."""

from collections.abc import Sequence
from typing import Any

from julia_warmer.sim.views import Health

WORST = ("AVAILABLE", "LIMITED", "BLOCKED")
APP_ID = "634974000000000"


def spelt(digits: str) -> str:
    """A number as Meta shows it: `+55 11 98765-4321`."""
    if not digits.startswith("55") or len(digits) < 12:
        return f"+{digits}"
    return f"+55 {digits[2:4]} {digits[4:-4]}-{digits[-4:]}"


def health_status(entities: Sequence[Health]) -> dict[str, Any]:
    """`health_status`: every entity, and the worst of them."""
    rows: list[dict[str, Any]] = []
    for e in entities:
        row: dict[str, Any] = {"entity_type": e.entity, "id": e.id, "can_send_message": e.can_send}
        if e.error:
            code, description, solution = e.error
            row["errors"] = [{"error_code": code, "error_description": description, "possible_solution": solution}]
        if e.info:
            row["additional_info"] = [e.info]
        rows.append(row)
    rows.append({"entity_type": "APP", "id": APP_ID, "can_send_message": "AVAILABLE"})
    worst = max((row["can_send_message"] for row in rows), key=WORST.index)
    return {"can_send_message": worst, "entities": rows}
