"""Which facts stop what at once, as a table."""

from datetime import datetime

import pytest

from julia_warmer.core.events import AccountRestricted, Event, MessageFailed, MessageRead, QualityChanged, TemplateStatusChanged
from julia_warmer.core.hard import stops_for, stops_for_phone_status
from tests.core.some import AT, rows

IDS = {"at": AT, "account_id": "waba", "phone_number_id": "phone"}


def failed(code: int | None) -> Event:
    return MessageFailed(message_id="wamid", code=code, **IDS)


def template(value: str) -> Event:
    return TemplateStatusChanged(template_id="77", template="promo", language="pt_BR", value=value, **IDS)


def restricted(value: str, *restrictions: str) -> Event:
    return AccountRestricted(value=value, restrictions=restrictions, **IDS)


FACTS: dict[str, Event] = {
    "131048": failed(131048),
    "368": failed(368),
    "131031": failed(131031),
    "131042": failed(131042),
    "131064": failed(131064),
    "190": failed(190),
    "131026": failed(131026),
    "no code": failed(None),
    "132015": failed(132015),
    "132016": failed(132016),
    "RED": QualityChanged(value="RED", **IDS),
    "YELLOW": QualityChanged(value="YELLOW", **IDS),
    "restricted": restricted("ACCOUNT_RESTRICTION", "RESTRICTED_BIZ_INITIATED_MESSAGING"),
    "may not add numbers": restricted("ACCOUNT_RESTRICTION", "RESTRICTED_ADD_PHONE_NUMBER_ACTION"),
    "violation": restricted("ACCOUNT_VIOLATION"),
    "paused in lower case": template("paused"),
    "disabled": template("DISABLED"),
    "approved": template("APPROVED"),
    "131048 in value.errors": AccountRestricted(value="ERROR", code=131048, **IDS),
    "131031 in value.errors": AccountRestricted(value="ERROR", code=131031, **IDS),
    "read": MessageRead(message_id="wamid", **IDS),
}
STOPS = """
    fact                  ->  scope     target  by a person only
    131048                ->  chip      phone   yes
    368                   ->  account   waba    yes
    131031                ->  account   waba    yes
    131042                ->  account   waba    yes
    131064                ->  account   waba    yes
    190                   ->  account   waba    yes
    131026                ->  -
    no code               ->  -
    132015                ->  template  promo   no
    132016                ->  template  promo   yes
    RED                   ->  chip      phone   yes
    YELLOW                ->  -
    restricted            ->  account   waba    yes
    may not add numbers   ->  -
    violation             ->  account   waba    yes
    paused in lower case  ->  template  77      no
    disabled              ->  template  77      yes
    approved              ->  -
    131048 in value.errors  ->  chip     phone  yes
    131031 in value.errors  ->  account  waba   yes
    read                  ->  -
"""


@pytest.mark.parametrize("row", rows(STOPS), ids=lambda row: row[0])
def test_a_hard_event_stops_its_scope(row: list[str]) -> None:
    stops = stops_for(FACTS[row[0]], template="promo")
    assert [[stop.scope, stop.target, "yes" if stop.hard else "no"] for stop in stops] == ([] if row[1] == "-" else [row[1:]])
    assert all(stop.reason for stop in stops)


def test_135000_stops_the_portfolio_only_when_the_message_had_been_held() -> None:
    assert stops_for(failed(135000)) == ()
    (stop,) = stops_for(failed(135000), held=True)
    assert (stop.scope, stop.target, stop.hard) == ("portfolio", "waba", True)


def test_any_phone_status_but_connected_stops_the_chip() -> None:
    assert stops_for_phone_status("CONNECTED", chip="phone") == ()
    assert [stop.reason for stop in stops_for_phone_status("SOMETHING_NEW", chip="phone")] == ["phone status SOMETHING_NEW"]


def test_moments_of_facts_do_not_matter() -> None:
    old = MessageFailed(message_id="wamid", code=131048, **{**IDS, "at": datetime(2020, 1, 1, tzinfo=AT.tzinfo)})
    assert stops_for(old) == stops_for(FACTS["131048"])
