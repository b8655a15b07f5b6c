"""The route that explains a chip: why it stands where it stands, what the score would be without each part, who is to blame, what to do."""

from datetime import datetime

from pydantic import ConfigDict

from julia_warmer.api.edge import At, ChipKey, Conn, InParts, View, example, find_chip, new_router
from julia_warmer.core.model import Action, Phase, Verdict
from julia_warmer.engine.errors import NotFound
from julia_warmer.engine.explain import explain_chip
from julia_warmer.engine.rules import in_force

router = new_router("chips")


class BarView(View):
    """A term of the score: its points, where the score stands after it, and what it would be without it."""

    name: str
    points: float
    stands_at: float
    without: int
    sentence: str


class StepView(View):
    """A gate on the way to the next phase, and what is still missing for it; `sends`: matured sends at the present rate."""

    gate: str
    verdict: Verdict
    sentence: str
    missing: str
    sends: int | None


class TodoView(View):
    """What a person can do now: a name that stays the same, and a sentence."""

    name: str
    sentence: str


class WithoutView(View):
    """What the score would be without the recent sends of one list, template or source."""

    kind: str
    name: str
    score: int
    sends: int
    opted_out: str
    replied: str
    sentence: str


class SuspectView(View):
    """One list, template, source or chip that does worse than the others of its kind."""

    kind: str
    name: str
    rate: str
    others: str
    sure: float
    share: float
    sentence: str


class SplitView(View):
    """How one signal splits, the surest suspect first, and what could not be compared."""

    signal: str
    suspects: list[SuspectView]
    unknown: list[str]


class OwnRuleView(View):
    """A rule that the chip has of its own, and what the policy in force says."""

    key: str
    own: float
    policy: float


class AlarmView(View):
    """An early warning that rang."""

    rule: str
    action: Action
    sentence: str


class PastChangeView(View):
    """What a decision changed, when, and why."""

    at: datetime
    changes: list[str]
    phase: str
    reasons: list[str]


class ExplainedView(View):
    """The last decision about a chip, explained by the rules that made it."""

    model_config = ConfigDict(
        json_schema_extra=example(
            chip="north-1",
            at="2026-06-01T11:30:00Z",
            policy="standard@1f0e9c4b7a22",
            score=68,
            base=40,
            waterfall=[
                {"name": "sent", "points": 8, "stands_at": 48, "without": 60, "sentence": "84 messages sent in 30 days"},
                {"name": "opt_outs", "points": -10, "stands_at": 68, "without": 78, "sentence": "opt-outs 8 of 90: above 3 %"},
            ],
            next_phase="pre_operation",
            path=[
                {
                    "gate": "replies",
                    "verdict": "inconclusive",
                    "sentence": "not sure yet: P(replies >= 18 %) = 0.61",
                    "missing": "needs 41 more matured sends at this rate: 9 of 46 replied: 19.6 % (11.9-31.0 %)",
                    "sends": 41,
                }
            ],
            todo={"name": "wait", "sentence": "wait: 41 more matured sends, about 2 sending days at 30 a day"},
            so_far=["24 of 100 replied so far; 81 % of such answers are in: 29.5 %"],
            without=[
                {
                    "kind": "template",
                    "name": "promo_7",
                    "score": 78,
                    "sends": 40,
                    "opted_out": "8 of 39 opted out: 20.5 % (12.3-33.2 %)",
                    "replied": "2 of 39 replied: 5.1 % (2.1-14.9 %)",
                    "sentence": "without template promo_7 it would be 78 (8 of 39 opted out: 20.5 % (12.3-33.2 %))",
                }
            ],
            splits=[{"signal": "opt-outs", "suspects": [], "unknown": ["chip: only north-1 was used, nothing to compare with"]}],
            own=[{"key": "phases.expansion.cap_day_max", "own": 20, "policy": 30}],
            budget=30,
            binding="phase",
            parts={"phase": 30, "growth": 56, "people": 410, "share": 90},
            alarms=[{"rule": "opt_outs_raised", "action": "slow", "sentence": "8 of 90 opted out: 8.9 %, above 3 %"}],
            changes=[{"at": "2026-05-30T12:00:00Z", "changes": ["advanced"], "phase": "expansion", "reasons": []}],
        )
    )

    chip: str
    at: datetime
    policy: str
    score: int
    base: int
    waterfall: list[BarView]
    next_phase: Phase | None
    path: list[StepView]
    todo: TodoView
    so_far: list[str]
    without: list[WithoutView]
    splits: list[SplitView]
    own: list[OwnRuleView]
    budget: int
    binding: str
    parts: dict[str, int]
    alarms: list[AlarmView]
    changes: list[PastChangeView]


@router.get("/warmer/chips/{chip}/explain", name="explain_chip")
async def explain(chip: ChipKey, conn: Conn, parts: InParts, at: At) -> ExplainedView:
    """Why it stands where it stands: the score with its counterfactuals, the way to the next phase, who is to blame, what to do now."""
    chip_id = await find_chip(conn, chip)
    found = await explain_chip(conn, chip_id, at=at, policy=await in_force(conn, parts.policy, at=at))
    if found is None:
        raise NotFound(f"nothing was decided about {chip} yet", mend="POST …/start begins its warm-up")
    decision, why = found.decision, found.why
    return ExplainedView(
        chip=found.snapshot.chip,
        at=decision.at,
        policy=decision.policy,
        score=why.score,
        base=why.base,
        waterfall=[BarView.model_validate(bar) for bar in why.waterfall],
        next_phase=why.next_phase,
        path=[StepView.model_validate(step) for step in why.path],
        todo=TodoView.model_validate(why.todo),
        so_far=list(why.so_far),
        without=[WithoutView.model_validate(one) for one in found.blamed.without],
        splits=[SplitView.model_validate(split) for split in found.blamed.splits],
        own=[OwnRuleView.model_validate(rule) for rule in found.own],
        budget=decision.budget.day_max,
        binding=decision.budget.binding,
        parts=dict(decision.budget.parts),
        alarms=[AlarmView.model_validate(alarm) for alarm in decision.alarms],
        changes=[PastChangeView.model_validate(change) for change in found.changes],
    )
