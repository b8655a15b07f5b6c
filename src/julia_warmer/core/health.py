"""The health score of a chip, 0-100: 40 plus terms, each kept with its value, its points and a sentence.

Every number is the policy's. Only outside facts feed it, never our own alarms, phases or pauses: a score fed by its own
alarms falls for ever. Terms are made once per value and kept, since values are small whole numbers.
"""

from functools import lru_cache, partial

from julia_warmer.core.evidence import Prior, p_at_least, percent
from julia_warmer.core.kept import Kept
from julia_warmer.core.model import Health, Quality, Snapshot, Term
from julia_warmer.core.policy import EvidenceRules, HealthRules, Policy

SCALES_MAX = 256  # policies, those of single chips included
UNBOUNDED = float("-inf")  # the platform's signs have no least


class _Scale:
    """A policy's terms, each made once for each value that was seen."""

    def __init__(self, rules: HealthRules, evidence: EvidenceRules) -> None:
        grades = rules.harm_raised, rules.harm_high, evidence.pass_at, Prior.skeptical(evidence.harm_prior_rate, evidence.harm_prior_people)
        opt_outs, undeliverable = (rules.opt_outs_raised, rules.opt_outs_high), (rules.undeliverable_raised, rules.undeliverable_high)
        self.age = _each("age", rules.age_each, rules.age_max, "registered {} days ago")
        self.sent = _per("sent", rules.sent_per, rules.sent_max, "{} messages sent in 30 days")
        self.received = _per("received", rules.received_per, rules.received_max, "{} messages received in 30 days")
        self.conversations = _each(
            "conversations", rules.conversation_each, rules.conversation_max, "{} people wrote and were written to in 7 days"
        )
        self.media = _each("media", rules.media_each, rules.media_max, "{} kinds of media in 7 days")
        self.templates = _each("templates", rules.template_each, rules.template_max, "templates in use rated GREEN: {}")
        self.profile = Kept(partial(_profile, rules.profile_each))
        self.response = Kept(partial(_response, rules, evidence))
        self.quality = Kept(partial(_quality, rules.quality_yellow, rules.quality_red))
        self.calls = _each("calls", rules.call, rules.call, "a call was answered in 7 days")
        self.spam = _each("spam", rules.spam_each, UNBOUNDED, "spam errors (131048) in 7 days: {}")
        self.warnings = _each("warnings", rules.warning_each, UNBOUNDED, "warnings of the platform in 7 days: {}")
        self.idle = _each("idle", rules.idle_each, rules.idle_max, "idle for {} days with people to write to")
        self.paused_templates = _each(
            "paused_templates", rules.template_paused_each, rules.template_paused_max, "templates in use that are paused: {}"
        )
        self.opt_outs = Kept(partial(_graded, "opt_outs", opt_outs, *grades))
        self.undeliverable = Kept(partial(_graded, "undeliverable", undeliverable, *grades))
        self.reads = Kept(partial(_reads, rules.reads_low, rules.reads, evidence.pass_at))


def score(snapshot: Snapshot, policy: Policy) -> Health:
    """The chip's score and every term of it; terms of rare facts are left out while there is nothing to say."""
    scale, done, matured = _scale_of(policy), snapshot.checklist, snapshot.recent_matured
    terms = (
        scale.age[(snapshot.at - snapshot.registered_at).days],
        scale.sent[snapshot.accepted_30d],
        scale.received[snapshot.received_30d],
        scale.conversations[snapshot.conversations_7d],
        scale.media[snapshot.media_7d.bit_count()],
        scale.templates[snapshot.templates_green],
        scale.profile[done.name_approved, done.profile_filled, done.pin_set],
        scale.response[matured.replied, matured.reached],
        scale.quality[snapshot.quality],
        *_rare(snapshot, scale),
        *_harm(snapshot, scale, policy.evidence.people_min),
    )
    total = policy.health.base + sum([term.points for term in terms])
    return Health(int(min(100.0, max(0.0, total)) + 0.5), terms)


_scales: dict[str, _Scale] = {}


def _scale_of(policy: Policy) -> _Scale:
    """Found by the policy's hash, which is known; a chip's own policy shares the scale of the one it lies on."""
    found = _scales.get(policy.sha256)
    if found is None:
        if len(_scales) >= SCALES_MAX:
            _scales.clear()
        found = _scales[policy.sha256] = _scale(policy.health, policy.evidence)
    return found


@lru_cache(64)
def _scale(rules: HealthRules, evidence: EvidenceRules) -> _Scale:
    return _Scale(rules, evidence)


def _rare(snapshot: Snapshot, scale: _Scale) -> list[Term]:
    """Facts that most chips never see; each is a term only when it happened."""
    terms: list[Term] = []
    if snapshot.calls_answered_7d:
        terms.append(scale.calls[min(1, snapshot.calls_answered_7d)])
    if snapshot.spam_errors_7d:
        terms.append(scale.spam[snapshot.spam_errors_7d])
    if snapshot.platform_warnings_7d:
        terms.append(scale.warnings[snapshot.platform_warnings_7d])
    if snapshot.idle_days:
        terms.append(scale.idle[snapshot.idle_days])
    if snapshot.templates_paused:
        terms.append(scale.paused_templates[snapshot.templates_paused])
    return terms


def _harm(snapshot: Snapshot, scale: _Scale, people_min: int) -> list[Term]:
    """Graded harm, with evidence: only what is surely above its bound costs points."""
    fresh, matured = snapshot.recent_fresh, snapshot.recent_matured
    terms: list[Term] = []
    if fresh.opted_out:
        terms.append(scale.opt_outs[fresh.opted_out, fresh.reached])
    if fresh.undeliverable:
        terms.append(scale.undeliverable[fresh.undeliverable, fresh.accepted])
    if matured.delivered and matured.delivered >= people_min:
        terms.append(scale.reads[matured.read, matured.delivered])
    return terms


def _each(name: str, each: float, most: float, sentence: str) -> Kept[int, Term]:
    """Points per unit, up to `most` (down to it when it is negative)."""

    def term(value: int) -> Term:
        points = max(value, 0) * each
        return Term(name, float(value), min(points, most) if most >= 0 else max(points, most), sentence.format(value))

    return Kept(term)


def _per(name: str, per: int, most: float, sentence: str) -> Kept[int, Term]:
    """One point for each `per` units, up to `most`."""
    return Kept(lambda value: Term(name, float(value), min(float(value // per), most), sentence.format(value)))


def _profile(each: float, done: tuple[bool, bool, bool]) -> Term:
    rows = zip(("display name approved", "profile filled", "two-step PIN set"), done, strict=True)
    missing = [what for what, is_done in rows if not is_done]
    value = float(len(done) - len(missing))
    return Term("profile", value, value * each, "profile complete" if not missing else "profile lacks: " + ", ".join(missing))


def _response(rules: HealthRules, evidence: EvidenceRules, seen: tuple[int, int]) -> Term:
    """Good when surely above the target, poor when surely below weak, bad when surely below the floor; else 0."""
    replied, reached = seen
    target, weak, floor = rules.response_target, rules.response_weak, rules.response_floor
    if not reached or reached < evidence.people_min:
        return Term("response", 0.0, 0.0, f"not enough evidence of replies: {reached} of {evidence.people_min} people")
    rate = replied / reached
    told = f"{replied} of {reached} people replied ({percent(rate)})"
    if p_at_least(replied, reached, target) >= evidence.pass_at:
        return Term("response", rate, rules.response_good, f"{told}: above {percent(target)}")
    if p_at_least(replied, reached, floor) <= evidence.fail_at:
        return Term("response", rate, rules.response_bad, f"{told}: below {percent(floor)}")
    if p_at_least(replied, reached, weak) <= evidence.fail_at:
        return Term("response", rate, rules.response_poor, f"{told}: below {percent(weak)}")
    return Term("response", rate, 0.0, told)


def _quality(yellow: float, red: float, quality: Quality) -> Term:
    points = {Quality.YELLOW: yellow, Quality.RED: red}.get(quality, 0.0)
    return Term("quality", 0.0, points, f"platform quality {quality.value}")


def _graded(
    name: str,
    bounds: tuple[float, float],
    raised_points: float,
    high_points: float,
    sure: float,
    prior: Prior,
    seen: tuple[int, int],
) -> Term:
    (events, people), (raised, high) = seen, bounds
    value = events / max(people, events)
    told = f"{name.replace('_', '-')} {events} of {people}"
    for bound, points in ((high, high_points), (raised, raised_points)):
        if p_at_least(events, people, bound, prior.events, prior.others) >= sure:
            return Term(name, value, points, f"{told}: above {percent(bound)}")
    return Term(name, value, 0.0, told)


def _reads(low: float, points: float, sure: float, seen: tuple[int, int]) -> Term:
    read, delivered = seen
    is_low = 1 - p_at_least(read, delivered, low) >= sure
    sentence = f"{read} of {delivered} messages read"
    return Term("reads", read / delivered, points if is_low else 0.0, f"{sentence}: below {percent(low)}" if is_low else sentence)
