"""Splits what went wrong over list, template, source and chip, as far as the counts allow, and says what is missing where they do not.

It compares each member with all others of its kind; a list that is only ever written to with one template cannot be told from it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace

from julia_warmer.core.evidence import FLAT, Prior, Rate, beta_cdf, percent
from julia_warmer.core.health import score
from julia_warmer.core.model import Counts, Snapshot
from julia_warmer.core.policy import EvidenceRules, Policy

STEPS = 200  # of the posterior's grid
NAMES = tuple(item.name for item in fields(Counts))


@dataclass(frozen=True, slots=True)
class Cell:
    """What one chip sent to one list with one template, and what became of it. Matured sends only, or only fresh ones: one kind."""

    chip: str
    audience: str  # the list
    template: str
    counts: Counts
    source: str = ""  # of the people's consents


@dataclass(frozen=True, slots=True)
class Suspect:
    """One list, template or chip that does worse than the others of its kind."""

    kind: str  # list, template, source, chip
    name: str
    rate: str
    others: str
    sure: float  # probability that its rate is the worse one
    share: float  # of its events (or missing replies), what the others' rate does not explain
    sentence: str


@dataclass(frozen=True, slots=True)
class Blame:
    """The split for one signal, the surest first, and what could not be compared."""

    signal: str
    suspects: tuple[Suspect, ...]
    unknown: tuple[str, ...]


KINDS: dict[str, Callable[[Cell], str]] = {
    "list": lambda cell: cell.audience,
    "template": lambda cell: cell.template,
    "source": lambda cell: cell.source,
    "chip": lambda cell: cell.chip,
}
SIGNALS: dict[str, tuple[Callable[[Counts], int], str, bool]] = {
    "opt-outs": (lambda c: c.opted_out, "opted out", False),
    "replies": (lambda c: c.replied, "replied", True),
}


def blame(cells: Iterable[Cell], signal: str, evidence: EvidenceRules) -> Blame:
    """Who of each kind is surely worse than the rest of it, with `pass_at` as "surely"."""
    known = list(cells)
    suspects: list[Suspect] = []
    unknown: list[str] = []
    for kind, name_of in KINDS.items():
        names = sorted({name_of(cell) for cell in known})
        if names == [""]:  # nobody said
            continue
        if len(names) < 2:
            unknown.append(f"{kind}: {'only ' + names[0] if names else 'nothing'} was used, nothing to compare with")
            continue
        found = [_suspect(kind, name, name_of, known, signal, evidence) for name in names]
        judged = [one for one in found if one is not None]
        if not judged:
            unknown.append(f"{kind}: no two with {evidence.people_min} people or more")
        suspects += [one for one in judged if one.sure >= evidence.pass_at and one.share > 0]
    unknown += _inseparable(known)
    return Blame(signal, tuple(sorted(suspects, key=lambda one: (-one.sure, -one.share, one.name))), tuple(unknown))


def _suspect(
    kind: str, name: str, name_of: Callable[[Cell], str], cells: list[Cell], signal: str, evidence: EvidenceRules
) -> Suspect | None:
    """One member against all others together; None when either has too few people."""
    count, verb, is_low = SIGNALS[signal]
    mine, rest = (
        Rate(sum(count(c.counts) for c in part), sum(c.counts.reached for c in part))
        for part in ([c for c in cells if name_of(c) == name], [c for c in cells if name_of(c) != name])
    )
    if min(mine.people, rest.people) < evidence.people_min:
        return None
    higher = p_higher(mine, rest)
    sure = 1 - higher if is_low else higher
    expected = mine.people * rest.events / rest.people
    excess = (expected - mine.events) if is_low else (mine.events - expected)
    share = min(1.0, max(0.0, excess) / max(expected if is_low else mine.events, 1))
    told, others = mine.told(verb), rest.told(verb)
    return Suspect(kind, name, told, others, sure, share, f"{kind} {name}: {told}; the others {others} (sure to {percent(round(sure, 2))})")


def _inseparable(cells: list[Cell]) -> list[str]:
    """Lists that were only ever written to with a template of their own."""
    pairs = {(cell.audience, cell.template) for cell in cells}
    lists, templates = {pair[0] for pair in pairs}, {pair[1] for pair in pairs}
    if len(lists) > 1 and len(pairs) == len(lists) == len(templates):
        return ["list and template cannot be told apart: each list was written to with one template of its own"]
    return []


def p_higher(one: Rate, other: Rate, prior: Prior = FLAT) -> float:
    """Probability that the first true rate is the higher one, under the same prior for both."""
    a, b = prior.events + one.events, prior.others + one.people - one.events
    c, d = prior.events + other.events, prior.others + other.people - other.events
    total, before = 0.0, 0.0
    for step in range(1, STEPS + 1):
        now = beta_cdf(a, b, (step / STEPS) ** 2)  # squared: a finer grid near 0, where rates of harm are
        total += (now - before) * beta_cdf(c, d, ((step - 0.5) / STEPS) ** 2)
        before = now
    return min(1.0, max(0.0, total))


@dataclass(frozen=True, slots=True)
class Without:
    """What the score would be without the recent sends of one list, template or source."""

    kind: str
    name: str
    score: int
    sends: int  # of the recent ones
    opted_out: str
    replied: str
    sentence: str


def without(snapshot: Snapshot, *, fresh: Iterable[Cell], matured: Iterable[Cell], policy: Policy) -> tuple[Without, ...]:
    """Of each kind with more than one member the score without each, best and smallest first; not those that change nothing."""
    newer, older, now = list(fresh), list(matured), score(snapshot, policy).score
    found: list[Without] = []
    for kind, name_of in KINDS.items():
        names = {name_of(cell) for cell in newer}
        if kind != "chip" and len(names) > 1:
            found += [_without(kind, name, name_of, newer, older, snapshot, policy) for name in names]
    return tuple(sorted((one for one in found if one.score != now), key=lambda one: (-one.score, one.sends, one.kind, one.name)))


def _without(
    kind: str, name: str, name_of: Callable[[Cell], str], fresh: list[Cell], matured: list[Cell], snapshot: Snapshot, policy: Policy
) -> Without:
    newer, older = (add_up(cell.counts for cell in cells if name_of(cell) == name) for cells in (fresh, matured))
    score = score_without(snapshot, fresh=newer, matured=older, policy=policy)
    told = Rate(newer.opted_out, newer.reached).told("opted out"), Rate(older.replied, older.reached).told("replied")
    return Without(kind, name, score, newer.accepted, *told, f"without {kind} {name} it would be {score} ({told[0]}; {told[1]})")


def add_up(parts: Iterable[Counts]) -> Counts:
    """Counts of several cohorts together."""
    kept = list(parts)
    return Counts(**{name: sum(getattr(part, name) for part in kept) for name in NAMES})


def score_without(snapshot: Snapshot, *, fresh: Counts, matured: Counts, policy: Policy) -> int:
    """The score if these sends of the recent windows (one template's, one list's) had not been made."""
    left = replace(
        snapshot,
        recent_fresh=_less(snapshot.recent_fresh, fresh),
        recent_matured=_less(snapshot.recent_matured, matured),
    )
    return score(left, policy).score


def _less(whole: Counts, part: Counts) -> Counts:
    return Counts(**{name: max(0, getattr(whole, name) - getattr(part, name)) for name in NAMES})
