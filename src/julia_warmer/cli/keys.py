"""`warmer keys`: a new data key beside the old ones. It must not know what is sealed."""

from datetime import timedelta

from julia_warmer.cli.forms import AsJson, Why, group
from julia_warmer.cli.opening import Act, do
from julia_warmer.cli.output import tell
from julia_warmer.config import rotate_data_key
from julia_warmer.engine.errors import Conflict
from julia_warmer.store import holds
from julia_warmer.store.audit import record_act

app = group("The key that seals what must not lie open.")

GONE_AFTER = timedelta(minutes=1)  # without a sign of a worker


@app.command()
def rotate(why: Why, as_json: AsJson = False) -> None:
    """Make a new data key: it seals from now on. Stop every process first, then give every machine the whole folder.

    The old keys stay: they open what they sealed, and the first makes the keyed hashes of erased people for ever.
    """

    async def work(act: Act) -> str:
        crew = await holds.read_crew(act.conn)
        if crew.seen_at is not None and act.at - crew.seen_at < GONE_AFTER:
            raise Conflict("a worker is running, and would not know the new key", mend="end every process, and try again after a minute")
        await record_act(act.conn, at=act.at, who=act.by, what="data key rotated", target="data.key", why=why)
        return str(rotate_data_key(act.settings.config_dir))

    kept = do(work)
    tell({"kept": kept}, f"a new data key seals from now on; the one so far is {kept}: back up the folder", as_json=as_json)
