"""What may be added, as tables: addresses of routes, their secrets, tokens, names of chips."""

import pytest

from julia_warmer.core.model import ChipStatus
from julia_warmer.engine import setup
from julia_warmer.engine.errors import Conflict, Wrong
from julia_warmer.engine.setup import Number, RouteKind, check_token, check_url
from julia_warmer.engine.zones import is_zone
from julia_warmer.store.db import transaction
from tests.conftest import Database
from tests.engine import outgoing as given
from tests.engine.outgoing import AT, SEAL

URLS = """
    https://julia.example/whatsapp            yes
    https://julia.example:8443/whatsapp?a=1   yes
    https://203.0.113.9.example.org/          yes
    https://8.8.8.8/                          yes
    https://[2606:4700::1111]/                yes
    http://julia.example/                     encrypted
    ftp://julia.example/                      encrypted
    https://                                  not the address
    https://ana:pw@julia.example/             not the address
    https://julia.example:99999/              not the address
    https://[::1/                             not the address
    https://localhost/                        inside
    https://127.0.0.1/                        inside
    https://10.0.0.1/                         inside
    https://192.168.1.10:9000/                inside
    https://169.254.169.254/latest/           inside
    https://[::1]/                            inside
    https://[fd00::1]/                        inside
    https://[::ffff:10.0.0.1]/                inside
    https://0x7f.1/                           inside
    https://2130706433/                       inside
    https://metadata.google.internal/         inside
    https://intranet/                         inside
    https://julia.internal./                  inside
"""


@pytest.mark.parametrize("line", [line.strip() for line in URLS.strip().splitlines()])
def test_a_route_leads_to_the_internet_only(line: str):
    url, answer = line.split(maxsplit=1)
    if answer == "yes":
        check_url(url, local=False)
        return
    with pytest.raises(Wrong, match=answer):
        check_url(url, local=False)


@pytest.mark.parametrize(("url", "is_fine"), [("http://127.0.0.1:9000/x", True), ("http://localhost/", True), ("http://10.0.0.1/", False)])
def test_with_the_sandbox_of_this_machine_a_route_may_lead_to_it_and_to_no_other(url: str, is_fine: bool):
    if is_fine:
        check_url(url, local=True)
        return
    with pytest.raises(Wrong):
        check_url(url, local=True)


TOKENS = [
    ("sandbox-1", True, None),
    ("EAAGabc", False, None),
    ("EAAGabc", True, "only `sandbox-` tokens"),
    ("sandbox-1", False, "set WARMER_SANDBOX_URL"),
    ("EAAG abc", False, "without spaces"),
    ("EAAGábc", False, "without spaces"),
    ("", False, "without spaces"),
]


@pytest.mark.parametrize(("token", "sandbox", "mend"), TOKENS)
def test_a_token_of_the_sandbox_never_meets_meta_nor_one_of_metas_the_sandbox(token: str, sandbox: bool, mend: str | None):
    if mend is None:
        check_token(token, sandbox=sandbox)
        return
    with pytest.raises(Wrong) as refused:
        check_token(token, sandbox=sandbox)
    assert mend in refused.value.mend
    assert not token or token not in str(refused.value)


ZONES = [("America/Sao_Paulo", True), ("UTC", True), ("America/Argentina/Buenos_Aires", True), ("Etc/GMT+3", True)]
NO_ZONES = [
    "",
    "localtime",
    "posix/America/Sao_Paulo",
    "America/Nowhere",
    "../etc/passwd",
    "EST5EDT",
    "america/sao_paulo",
    "A/" + "b" * 300,
]


def test_only_zones_that_python_and_postgresql_both_know_are_stored():
    assert [(name, is_zone(name)) for name, _ in ZONES] == ZONES
    assert [name for name in NO_ZONES if is_zone(name)] == []


async def test_a_routes_secret_is_made_told_once_and_stored_sealed(db: Database):
    async with transaction(db.pool) as conn:
        added = await setup.add_route(conn, SEAL, name="julia", kind=RouteKind.WEBHOOK, url="https://julia.example/", at=AT, by="ana")
    row = await db.pool.fetchrow("select secret, url from routes")
    assert added.secret is not None
    assert SEAL.open(row["secret"], use=setup.ROUTE_SECRET).decode() == added.secret
    assert added.secret not in repr(added)
    assert added.secret not in str(await db.pool.fetch("select body from audit_log"))


@pytest.mark.parametrize("secret", ["whsec_", "whsec_short", "whsec_" + "A" * 33, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_" + "é" * 40])
async def test_a_secret_that_signs_nothing_is_refused(db: Database, secret: str):
    async with db.pool.acquire() as conn:
        with pytest.raises(Wrong, match="no secret of a signed webhook"):
            await setup.add_route(
                conn, SEAL, name="x", kind=RouteKind.WEBHOOK, url="https://julia.example/", secret=secret, at=AT, by="ana"
            )


async def test_numbers_get_names_that_a_person_recognises_and_no_name_twice(db: Database):
    numbers = [
        Number(phone_number_id="1", display_phone="+55 31 99000-1234", verified_name="Júlia Plantões"),
        Number(phone_number_id="2", display_phone="+55 68 99000-5678"),
    ]
    async with transaction(db.pool) as conn:
        fleet = await given.add_fleet(conn, chips=0)
        added = await setup.add_chips(conn, fleet.account, numbers, at=AT, by="ana")
        same = [Number(phone_number_id="3", display_phone="+55 31 98000-1234", verified_name="Júlia Plantões")]
        with pytest.raises(Conflict, match="is taken"):
            await setup.add_chips(conn, fleet.account, same, at=AT, by="ana")
        again = await setup.add_chips(conn, fleet.account, numbers, at=AT, by="ana")
    assert [chip.name for chip in added.added] == ["julia-plantoes-1234", "chip-5678"]
    assert (again.added, again.known) == ((), ("1", "2"))
    rows = await db.pool.fetch("select zone, status, look_again_at from chips order by id")
    assert [row["zone"] for row in rows] == ["America/Sao_Paulo", "America/Rio_Branco"]
    assert {(row["status"], row["look_again_at"]) for row in rows} == {(ChipStatus.PENDING, None)}
