"""The webhook fixtures of the tests, and small builders for bodies that no fixture holds."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "fixtures" / "webhooks"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
FIXTURES = {path.stem: path.read_bytes() for path in sorted(FOLDER.glob("*.json"))}
METADATA = {"display_phone_number": "5511900000001", "phone_number_id": "100000000000001"}


def change(field: str = "messages", **value: Any) -> dict[str, Any]:
    return {"field": field, "value": {"messaging_product": "whatsapp", "metadata": METADATA, **value}}


def body(*changes: Any, **entry: Any) -> bytes:
    return json.dumps(
        {"object": "whatsapp_business_account", "entry": [{"id": "200000000000001", **entry, "changes": list(changes)}]}
    ).encode()


def text(words: str = "Oi", message_id: str = "wamid.1", **more: Any) -> dict[str, Any]:
    return {"from": "5511987650001", "id": message_id, "timestamp": "1795000000", "type": "text", "text": {"body": words}, **more}


def status(name: str = "sent", message_id: str = "wamid.9", **more: Any) -> dict[str, Any]:
    return {"id": message_id, "status": name, "timestamp": "1795000000", "recipient_id": "5511987650001", **more}
