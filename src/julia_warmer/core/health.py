"""The health score of a chip, 0-100: 40 plus terms, each kept with its value, its points and a sentence.

Every number is the policy's. Only outside facts feed it, never our own alarms, phases or pauses: a score fed by its own
alarms falls for ever. Terms are made once per value and kept, since values are small whole numbers.
"""

from functools import lru_cache

from julia_warmer.core.evidence import Prior, p_at_least, percent
from julia_warmer.core.model import Counts, Health, Quality, Snapshot, Term
from julia_warmer.core.policy import EvidenceRules, HealthRules, Policy

CACHED = 1 << 14
UNBOUNDED = float("-inf")  # the platform's signs have no least


def score(snapshot: Snapshot, policy: Policy) -> Health:
    """The chip's score and every term of it; terms of rare facts are left out while there is nothing to say."""
    rules, evidence = policy.health, policy.evidence
    terms = (
        _each("age", (snapshot.at - snapshot.registered_at).days, rules.age_each, rules.age_max, "registered {} days ago"),
        _per("sent", snapshot.accepted_30d, rules.sent_per, rules.sent_max, "{} messages sent in 30 days"),
        _per("received", snapshot.received_30d, rules.received_per, rules.received_max, "{} messages received in 30 days"),
        _each(
            "conversations",
            snapshot.conversations_7d,
            rules.conversation_each,
            rules.conversation_max,
            "{} people wrote and were written to in 7 days",
        ),
        _each("media", int(snapshot.media_7d).bit_count(), rules.media_each, rules.media_max, "{} kinds of media in 7 days"),
        _each("templates", snapshot.templates_green, rules.template_each, rules.template_max, "templates in use rated GREEN: {}"),
        _profile(snapshot, rules),
        _response(snapshot.recent_matured, rules, evidence),
        _quality(snapshot.quality, rules.quality_yellow, rules.quality_red),
        *_rare(snapshot, rules),
        *_harm(snapshot, rules, evidence),
    )
    total = rules.base + sum([term.points for term in terms])
    return Health(int(min(100.0, max(0.0, total)) + 0.5), terms)


def _rare(snapshot: Snapshot, rules: HealthRules) -> list[Term]:
    """Facts that most chips never see; each is a term only when it happened."""
    rows = (
        ("calls", min(1, snapshot.calls_answered_7d), rules.call, rules.call, "a call was answered in 7 days"),
        ("spam", snapshot.spam_errors_7d, rules.spam_each, UNBOUNDED, "spam errors (131048) in 7 days: {}"),
        ("warnings", snapshot.platform_warnings_7d, rules.warning_each, UNBOUNDED, "warnings of the platform in 7 days: {}"),
        ("idle", snapshot.idle_days, rules.idle_each, rules.idle_max, "idle for {} days with people to write to"),
        (
            "paused_templates",
            snapshot.templates_paused,
            rules.template_paused_each,
            rules.template_paused_max,
            "templates in use that are paused: {}",
        ),
    )
    return [_each(*row) for row in rows if row[1]]


def _harm(snapshot: Snapshot, rules: HealthRules, evidence: EvidenceRules) -> list[Term]:
    """Graded harm, with evidence: only what is surely above its bound costs points."""
    fresh, matured = snapshot.recent_fresh, snapshot.recent_matured
    terms: list[Term] = []
    if fresh.opted_out:
        terms.append(
            _graded("opt_outs", fresh.opted_out, fresh.reached, rules.opt_outs_raised, rules.opt_outs_high, *_grades(rules, evidence))
        )
    if fresh.undeliverable:
        bounds = rules.undeliverable_raised, rules.undeliverable_high
        terms.append(_graded("undeliverable", fresh.undeliverable, fresh.accepted, *bounds, *_grades(rules, evidence)))
    if matured.delivered and matured.delivered >= evidence.people_min:
        terms.append(_reads(matured.read, matured.delivered, rules.reads_low, rules.reads, evidence.pass_at))
    return terms


def _grades(rules: HealthRules, evidence: EvidenceRules) -> tuple[float, float, float, float, float]:
    return rules.harm_raised, rules.harm_high, evidence.pass_at, evidence.harm_prior_rate, evidence.harm_prior_people


@lru_cache(CACHED)
def _each(name: str, value: int, each: float, most: float, sentence: str) -> Term:
    """Points per unit, up to `most` (down to it when it is negative)."""
    points = max(value, 0) * each
    return Term(name, float(value), min(points, most) if most >= 0 else max(points, most), sentence.format(value))


@lru_cache(CACHED)
def _per(name: str, value: int, per: int, most: float, sentence: str) -> Term:
    """One point for each `per` units, up to `most`."""
    return Term(name, float(value), min(float(value // per), most), sentence.format(value))


def _profile(snapshot: Snapshot, rules: HealthRules) -> Term:
    done = snapshot.checklist
    return _profile_term(done.name_approved, done.profile_filled, done.pin_set, rules.profile_each)


@lru_cache(CACHED)
def _profile_term(name: bool, profile: bool, pin: bool, each: float) -> Term:
    done = {"display name approved": name, "profile filled": profile, "two-step PIN set": pin}
    missing = [what for what, is_done in done.items() if not is_done]
    value = float(len(done) - len(missing))
    return Term("profile", value, value * each, "profile complete" if not missing else "profile lacks: " + ", ".join(missing))


def _response(counts: Counts, rules: HealthRules, evidence: EvidenceRules) -> Term:
    grades = rules.response_target, rules.response_weak, rules.response_floor
    points = rules.response_good, rules.response_poor, rules.response_bad
    return _response_term(counts.replied, counts.reached, grades, points, evidence.people_min, evidence.pass_at, evidence.fail_at)


@lru_cache(CACHED)
def _response_term(
    replied: int,
    reached: int,
    grades: tuple[float, float, float],
    points: tuple[float, float, float],
    people_min: int,
    pass_at: float,
    fail_at: float,
) -> Term:
    """Good when surely above the target, poor when surely below weak, bad when surely below the floor; else 0."""
    if not reached or reached < people_min:
        return Term("response", 0.0, 0.0, f"not enough evidence of replies: {reached} of {people_min} people")
    target, weak, floor = grades
    good, poor, bad = points
    rate = replied / reached
    seen = f"{replied} of {reached} people replied ({percent(rate)})"
    if p_at_least(replied, reached, target) >= pass_at:
        return Term("response", rate, good, f"{seen}: above {percent(target)}")
    if p_at_least(replied, reached, floor) <= fail_at:
        return Term("response", rate, bad, f"{seen}: below {percent(floor)}")
    if p_at_least(replied, reached, weak) <= fail_at:
        return Term("response", rate, poor, f"{seen}: below {percent(weak)}")
    return Term("response", rate, 0.0, seen)


@lru_cache(16)
def _quality(quality: Quality, yellow: float, red: float) -> Term:
    points = {Quality.YELLOW: yellow, Quality.RED: red}.get(quality, 0.0)
    return Term("quality", 0.0, points, f"platform quality {quality.value}")


@lru_cache(CACHED)
def _graded(
    name: str,
    events: int,
    people: int,
    raised: float,
    high: float,
    raised_points: float,
    high_points: float,
    sure: float,
    prior_rate: float,
    prior_people: float,
) -> Term:
    prior = Prior.skeptical(prior_rate, prior_people)
    value = events / max(people, events)
    seen = f"{name.replace('_', '-')} {events} of {people}"
    for bound, points in ((high, high_points), (raised, raised_points)):
        if p_at_least(events, people, bound, prior.events, prior.others) >= sure:
            return Term(name, value, points, f"{seen}: above {percent(bound)}")
    return Term(name, value, 0.0, seen)


@lru_cache(CACHED)
def _reads(read: int, delivered: int, low: float, points: float, sure: float) -> Term:
    is_low = 1 - p_at_least(read, delivered, low) >= sure
    sentence = f"{read} of {delivered} messages read"
    return Term("reads", read / delivered, points if is_low else 0.0, f"{sentence}: below {percent(low)}" if is_low else sentence)
