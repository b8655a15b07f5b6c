"""What a person decides: stops and releases, alerts, unknown sends; and what they look at: health, decisions, stats, pages."""

from datetime import timedelta
from typing import Any

from julia_warmer.store.records import deflated
from tests.api.site import AT, Site
from tests.conftest import Database
from tests.engine import outgoing as given
from tests.engine.outgoing import Fleet

WHY = {"why": "a test"}


async def add_fleet(db: Database, **more: Any) -> Fleet:
    async with db.pool.acquire() as conn:
        return await given.add_fleet(conn, **more)


async def test_a_stop_is_opened_once_listed_and_released_with_who_and_why(site: Site, db: Database):
    fleet = await add_fleet(db)
    stop = {"scope": "portfolio", "target_id": fleet.portfolio, "why": "the list was bought"}
    opened = await site.ok("POST", "/warmer/stops", stop)
    assert (opened["new"], opened["calls"]) == (True, 0)
    again = await site.ok("POST", "/warmer/stops", stop)
    assert (again["stop_id"], again["new"]) == (opened["stop_id"], False)
    (row,) = (await site.ok("GET", "/warmer/stops"))["items"]
    assert (row["scope"], row["reason"], row["by"], row["released_at"]) == ("portfolio", "the list was bought", "api", None)
    released = await site.ok("POST", f"/warmer/stops/{opened['stop_id']}/release", {"why": "it was not"})
    assert released["chips"] == list(fleet.chips)
    assert (await site.ok("GET", "/warmer/stops"))["items"] == []
    (past,) = (await site.ok("GET", "/warmer/stops?open=false"))["items"]
    assert (past["released_by"], past["released_why"]) == ("api", "it was not")
    assert [row["what"] for row in (await site.ok("GET", "/warmer/audit"))["items"]] == ["released", "stopped"]


async def test_a_stop_that_cannot_be_is_refused(site: Site):
    for body, status in (
        ({"scope": "portfolio", "why": "x"}, 422),
        ({"scope": "everything", "target_id": 1, "why": "x"}, 422),
        ({"scope": "chip", "target_id": 77, "why": "x"}, 404),
        ({"scope": "moon", "why": "x"}, 422),
        ({"scope": "everything"}, 422),
    ):
        assert (await site.refused("POST", "/warmer/stops", body))[0] == status
    assert (await site.refused("POST", "/warmer/stops/5/release", WHY))[0] == 404


async def test_an_alert_is_closed_once_by_name(site: Site, db: Database):
    fleet = await add_fleet(db)
    for rule in ("opt_outs", "errors"):
        await given.add(db.pool, "alerts", at=AT, chip_id=fleet.chips[0], rule=rule, level="warning", text=f"{rule} rise", open_key=rule)
    rows = (await site.ok("GET", "/warmer/alerts"))["items"]
    assert [(row["rule"], row["chip"]) for row in rows] == [("errors", "one-0"), ("opt_outs", "one-0")]
    for _ in range(2):
        await site.ok("POST", f"/warmer/alerts/{rows[0]['id']}/close")
    assert [row["rule"] for row in (await site.ok("GET", "/warmer/alerts"))["items"]] == ["opt_outs"]
    assert (await site.ok("GET", "/warmer/alerts?open=false"))["items"][0]["closed_by"] == "api"
    assert len((await site.ok("GET", "/warmer/audit"))["items"]) == 1
    assert (await site.refused("POST", "/warmer/alerts/999/close"))[0] == 404


async def test_unknown_sends_wait_for_a_person(site: Site, db: Database):
    fleet = await add_fleet(db)
    async with db.pool.acquire() as conn:
        for nth in range(2):
            person = await given.add_person(conn, nth)
            at = AT - timedelta(hours=1)
            await given.add_send(
                conn, fleet, person, due_at=at, state="unknown", called_at=at, unknown_at=at, attempts=1, reason="no answer"
            )
    first, second = (await site.ok("GET", "/warmer/unknown"))["items"]
    assert (first["chip"], first["reason"]) == ("one-0", "no answer")
    assert (await site.refused("POST", f"/warmer/unknown/{first['id']}/resolve", WHY))[0] == 422
    await site.ok("POST", f"/warmer/unknown/{first['id']}/resolve", {**WHY, "was_sent": True})
    await site.ok("POST", f"/warmer/unknown/{second['id']}/resolve", {**WHY, "was_sent": False})
    assert (await site.refused("POST", f"/warmer/unknown/{first['id']}/resolve", {**WHY, "was_sent": True}))[:2] == (409, "conflict")
    assert (await site.ok("GET", "/warmer/unknown"))["items"] == []
    assert [row["state"] for row in await db.pool.fetch("select state from sends order by id")] == ["accepted", "cancelled"]


async def test_health_shows_every_term_and_pages_through_the_past(site: Site, db: Database):
    fleet = await add_fleet(db)
    empty = await site.ok("GET", "/warmer/chips/one-0/health")
    assert (empty["score"], empty["terms"], empty["history"], empty["next"]) == (None, [], [], None)
    term = {"name": "sent", "value": 84.0, "points": 8.0, "sentence": "84 messages sent in 30 days: +8"}
    for hours in range(5):
        await db.pool.execute(
            "insert into health_log (chip_id, at, score) values ($1, $2, $3)", fleet.chips[0], AT - timedelta(hours=hours), 80 - hours
        )
    record = deflated({"snapshot": {}, "decision": {"health": {"score": 80, "terms": [term]}}})
    await given.add(db.pool, "decisions", chip_id=fleet.chips[0], at=AT, policy="standard@1", status="warming", record=record)
    first = await site.ok("GET", "/warmer/chips/one-0/health?limit=3")
    assert (first["score"], first["terms"], [row["score"] for row in first["history"]]) == (80, [term], [80, 79, 78])
    rest = await site.ok("GET", f"/warmer/chips/one-0/health?limit=3&cursor={first['next']}")
    assert ([row["score"] for row in rest["history"]], rest["next"]) == ([77, 76], None)
    assert (await site.refused("GET", "/warmer/chips/nobody/health"))[0] == 404


async def test_decisions_are_shown_newest_first_with_their_reasons(site: Site, db: Database):
    fleet = await add_fleet(db)
    for nth in range(3):
        record = deflated({"snapshot": {}, "decision": {"reasons": [f"reason {nth}"]}})
        values = {"policy": "standard@1", "status": "warming", "changes": ["advanced"], "record": record}
        await given.add(db.pool, "decisions", chip_id=fleet.chips[0], at=AT, **values)
    first = await site.ok("GET", f"/warmer/chips/{fleet.chips[0]}/decisions?limit=2")
    assert [row["decision"]["reasons"] for row in first["items"]] == [["reason 2"], ["reason 1"]]
    rest = await site.ok("GET", f"/warmer/chips/{fleet.chips[0]}/decisions?limit=2&cursor={first['next']}")
    assert [row["changes"] for row in rest["items"]] == [["advanced"]]


async def test_a_list_is_paged_to_its_end_without_gap_or_repeat(site: Site, db: Database):
    await add_fleet(db, chips=7)
    seen: list[str] = []
    path = "/warmer/chips?limit=3"
    for _ in range(3):
        page = await site.ok("GET", path)
        seen += [row["name"] for row in page["items"]]
        path = f"/warmer/chips?limit=3&cursor={page['next']}"
    assert seen == [f"one-{n}" for n in range(7)]
    assert page["next"] is None
    for cursor in ("x", "AAAA", "WyJhIl0", "W10", "WzEsMl0", "WzE4NDQ2NzQ0MDczNzA5NTUxNjE2XQ", "Wy0xXQ", "W3RydWVd"):
        assert (await site.refused("GET", f"/warmer/chips?cursor={cursor}"))[0] == 422


async def test_stats_add_up_what_there_is(site: Site, db: Database):
    fleet = await add_fleet(db, chips=2)
    for chip, hours in ((0, 1), (1, 30)):
        await db.pool.execute(
            "insert into chip_counts (chip_id, hour, accepted, replied) values ($1, $2, 10, 4)",
            fleet.chips[chip],
            AT - timedelta(hours=hours),
        )
    await given.add(db.pool, "stops", scope="everything", reason="x", by="ana", at=AT)
    stats = await site.ok("GET", "/warmer/stats")
    assert stats["chips"] == [{"status": "warming", "phase": "expansion", "chips": 2}]
    assert (stats["last_24h"]["accepted"], stats["last_7d"]["accepted"], stats["last_7d"]["replied"]) == (10, 20, 8)
    assert stats["waiting"]["stops"] == 1


async def test_readiness_says_what_is_missing(site: Site, db: Database):
    found = await site.ok("GET", "/readyz", headers={"Authorization": ""})
    assert (found["ready"], found["database"], found["worker"]) == (True, "ok", "never")
    await db.owner.execute("insert into warmer.holds values ('restore', 'journal', 'it was restored', $1)", AT)
    held = await site.ok("GET", "/readyz", headers={"Authorization": ""})
    assert any("it was restored" in problem and "warmer release --restore" in problem for problem in held["problems"])
    await db.owner.execute("update warmer.migrations set sha256 = 'other' where number = 1")
    async with site.http.get("/readyz") as answer:
        said = await answer.json()
        assert (answer.status, said["ready"]) == (503, False)
    assert said["problems"]


async def test_while_the_database_is_away_it_lives_and_says_so(site: Site, db: Database):
    await db.pool.close()
    assert (await site.ok("GET", "/healthz"))["status"] == "ok"
    async with site.http.get("/readyz") as answer:
        assert (answer.status, (await answer.json())["database"]) == (503, "unusable")
    assert (await site.refused("GET", "/warmer/chips"))[:2] == (503, "service-unavailable")
