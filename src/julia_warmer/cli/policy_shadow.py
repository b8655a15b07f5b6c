"""`warmer policy shadow`: where a second policy differs from the one in force, on live data."""

from datetime import UTC

from julia_warmer.cli.forms import AsJson
from julia_warmer.cli.opening import Act, do
from julia_warmer.cli.output import print_json, print_table, say
from julia_warmer.cli.policy_replay import Since, pair
from julia_warmer.engine.replay import BEGINNING
from julia_warmer.store import shadows
from julia_warmer.store.shadows import ShadowCourse, ShadowParting

SHOWN, LISTED = 40, 10_000


def show_shadow(since: Since = None, as_json: AsJson = False) -> None:
    """Show where the shadow policy would have decided otherwise.

    Set WARMER_SHADOW_POLICY to a policy: workers then let it decide beside the first on every live snapshot. It changes no chip.
    """
    begins_at = since.replace(tzinfo=UTC) if since else BEGINNING

    async def work(act: Act) -> tuple[list[ShadowCourse], list[ShadowParting], str | None]:
        limit = LISTED if as_json else SHOWN
        courses = await shadows.list_courses(act.conn, since=begins_at)
        return courses, await shadows.list_partings(act.conn, since=begins_at, limit=limit), act.settings.shadow_policy

    courses, partings, policy = do(work)
    if as_json:
        print_json({"shadow_policy": policy, "chips": courses, "partings": partings})
        return
    if policy is None:
        say("No shadow policy is set now: WARMER_SHADOW_POLICY names one.")
    rows = [
        (
            one.chip,
            one.policy,
            f"{one.differ} of {one.decisions}",
            one.first_differs_at,
            one.held_back,
            one.granted_more,
            pair(one.pauses_live, one.pauses_shadow),
        )
        for one in courses
    ]
    titles = ["chip", "policy", "decisions differ", "first (UTC)", "held back", "granted more", "pauses"]
    print_table("In the shadow", titles, rows, empty="nothing was decided in the shadow yet")
    if partings:
        told = [
            (
                one.at,
                one.chip,
                pair(one.live_budget, one.budget),
                one.binding,
                pair(one.live_phase, one.phase),
                pair(one.live_status, one.status),
            )
            for one in partings
        ]
        print_table(
            "Where the policies part, newest first: live > shadow", ["at (UTC)", "chip", "budget", "bound by", "phase", "status"], told
        )
