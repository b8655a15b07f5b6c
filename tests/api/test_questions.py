"""Messages that may ask to stop, answered over the API."""

from julia_warmer.engine.intake import apply_inbox
from julia_warmer.store.db import transaction
from tests.api.site import SEAL, Site
from tests.conftest import Database
from tests.engine.incoming import NOW, add_fleet, add_person, message, messages, receive


async def test_questions_are_listed_with_their_text_and_answered_with_why(site: Site, db: Database):
    await add_fleet(db.pool)
    person = await add_person(db.pool)
    async with transaction(db.pool) as conn:
        await receive(conn, messages(message("wamid.q", "cancelar?")), at=NOW, seal=SEAL)
        await apply_inbox(conn, at=NOW, seal=SEAL)
    (row,) = (await site.ok("GET", "/warmer/questions"))["items"]
    assert (row["contact_id"], row["text"], row["purpose"], row["answer"]) == (person, "cancelar?", "all", None)
    path = f"/warmer/questions/{row['id']}/answer"
    assert (await site.refused("POST", path, {"answer": "perhaps", "why": "x"}))[0] == 422
    assert await site.ok("POST", path, {"answer": "stop", "why": "it is one"}) == {"id": row["id"], "answer": "stop", "calling": 0}
    assert (await site.refused("POST", path, {"answer": "go on", "why": "x"}))[0] == 409
    assert (await site.refused("POST", "/warmer/questions/99/answer", {"answer": "stop", "why": "x"}))[0] == 404
    assert (await site.ok("GET", "/warmer/questions"))["items"] == []
    (past,) = (await site.ok("GET", "/warmer/questions?open=false"))["items"]
    assert (past["answered_by"], past["answered_why"]) == ("api", "it is one")
    assert [act["what"] for act in (await site.ok("GET", "/warmer/audit"))["items"]] == ["question answered"]
