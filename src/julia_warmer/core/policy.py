"""The rules that an owner may change: TOML text in, frozen values out, every number with its unit and its allowed range.

No number of a policy is written here: `policies/*.toml` hold them all, each with its why. Nothing here reads a file.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Annotated, Any, cast

from julia_warmer.core.model import PHASES, Action, Phase
from julia_warmer.core.tables import PolicyError, Within, check_known, keys_of, near, read_toml, table_of, value_of

Share = Annotated[float, Within(0, 1)]
Factor = Annotated[float, Within(0, 10)]
Points = Annotated[float, Within(-100, 100)]
Hours = Annotated[float, Within(0, 8760)]
Hour = Annotated[float, Within(0, 24)]
Seconds = Annotated[float, Within(0, 86_400)]
Whole = Annotated[int, Within(0, 1_000_000)]
Percent = Annotated[int, Within(0, 100)]


class Signal(StrEnum):
    """What an alarm listens to."""

    ERRORS = "errors"  # failed, undeliverable and limited, of those accepted
    HEALTH_DROP = "health_drop"  # points lost since the highest score of the window
    REPLIES = "replies"  # of those reached; rings when low
    UNANSWERED = "unanswered"  # people reached in a row without a reply
    OPT_OUTS = "opt_outs"  # of those reached
    UNDELIVERABLE = "undeliverable"  # 131026, of those accepted
    LIMITED = "limited"  # 131049, of those accepted
    HELD = "held"  # held for quality assessment, of those accepted
    READS = "reads"  # of those delivered; rings when low


class Window(StrEnum):
    """Over what an alarm looks. Cohorts are of sends: `recent_*` are the last N of those old enough, `phase_*` all of the phase."""

    LAST_HOURS = "last_hours"
    RECENT_FRESH = "recent_fresh"
    RECENT_MATURED = "recent_matured"
    PHASE_MATURED = "phase_matured"
    RUN = "run"
    HOUR = "1h"
    DAY = "24h"


COHORTS = frozenset({Window.LAST_HOURS, Window.RECENT_FRESH, Window.RECENT_MATURED, Window.PHASE_MATURED})


class Test(StrEnum):
    """How a rate rule makes sure: see `core/alarms.py`. Rules about something else than a rate keep `posterior`."""

    ANYTIME = "anytime"  # e-value >= 1 / (1 - level); the prior says which bad rates it looks for
    POSTERIOR = "posterior"  # P(rate beyond threshold) >= level; the prior says what was believed before


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceRules:
    """When a rate is known well enough to act on it."""

    pass_at: Share
    fail_at: Share
    people_min: Whole
    interval_level: Share
    harm_prior_rate: Share
    harm_prior_people: Annotated[float, Within(0, 10_000)]
    mature_h: Hours
    fresh_h: Hours
    recent_sends: Annotated[int, Within(1, 100_000)]
    reply_lag_shape: Annotated[float, Within(0.1, 5)]
    reply_lag_h: Annotated[float, Within(0.01, 168)]
    opt_out_lag_shape: Annotated[float, Within(0.1, 5)]
    opt_out_lag_h: Annotated[float, Within(0.01, 168)]


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRules:
    """What every phase with sends asks for before the next one."""

    used_min: Share
    opt_outs_max: Share
    undeliverable_max: Share
    limited_max: Share
    held_max: Share
    calm_h: Hours
    return_health_below: Percent


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthRules:
    """Points of the health score. `_each` per unit, `_max` the most (or the least) that a term may give."""

    base: Percent
    age_each: Points
    age_max: Points
    sent_per: Annotated[int, Within(1, 1_000_000)]
    sent_max: Points
    received_per: Annotated[int, Within(1, 1_000_000)]
    received_max: Points
    conversation_each: Points
    conversation_max: Points
    media_each: Points
    media_max: Points
    template_each: Points
    template_max: Points
    profile_each: Points
    call: Points
    response_target: Share
    response_weak: Share
    response_floor: Share
    response_good: Points
    response_poor: Points
    response_bad: Points
    spam_each: Points
    warning_each: Points
    idle_each: Points
    idle_max: Points
    quality_yellow: Points
    quality_red: Points
    opt_outs_raised: Share
    opt_outs_high: Share
    undeliverable_raised: Share
    undeliverable_high: Share
    harm_raised: Points
    harm_high: Points
    reads_low: Share
    reads: Points
    template_paused_each: Points
    template_paused_max: Points


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseRules:
    """One phase: how much a day, what it takes to leave it, how often it is looked at."""

    cap_day_max: Whole
    days_min: Whole
    health_min: Percent
    reply_floor: Share
    review_h: Annotated[float, Within(0.05, 168)]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRule:
    """One early warning: signal, window, least evidence, threshold, action, duration. `name` is the table's key."""

    name: str
    signal: Signal
    window: Window
    sends_min: Whole
    sends_max: Whole
    events_min: Whole
    threshold: Annotated[float, Within(0, 100)]
    test: Test
    level: Annotated[float, Within(0, 0.99999)]
    prior_rate: Share
    prior_people: Annotated[float, Within(0, 10_000)]
    action: Action
    hours: Hours


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseRules:
    """How long pauses last and how a chip comes back."""

    slow_speed: Share
    hours_max: Hours
    again_factor: Factor
    forget_d: Whole
    resume_share: Annotated[float, Within(0, 0.5)]
    clean_day_growth: Annotated[float, Within(1, 2)]
    release_spread_h: Hours
    review_h: Annotated[float, Within(0.05, 168)]


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetRules:
    """What bounds a day's messages besides the phase's cap."""

    growth_ratio: Annotated[float, Within(1, 10)]
    growth_min: Whole
    operation_growth: Annotated[float, Within(1, 10)]
    yellow_speed: Share
    limit_unknown: Whole
    reserve: Share
    harm_chance: Share  # 0: harm alone sets no budget
    harm_day_max: Annotated[int, Within(0, 1000)]
    slot_ttl_h: Hours
    webhook_silent_h: Hours
    quality_stale_h: Hours


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleRules:
    """Courtesy to a person, across all chips and campaigns."""

    marketing_7d_max: Whole
    marketing_30d_max: Whole
    utility_1d_max: Whole
    limited_wait_h: Hours
    canary_share: Share


@dataclass(frozen=True, slots=True, kw_only=True)
class HourRules:
    """When a person may be written to first, on their own clock."""

    open_h: Hour
    close_h: Hour
    saturday_open_h: Hour
    saturday_close_h: Hour
    sunday: bool
    holidays: bool
    spacing_s: Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitRules:
    """How far one chip's own rules may loosen this policy: core/overrides.py. Tighter is always allowed."""

    cap_factor_max: Annotated[float, Within(1, 10)]
    days_factor_min: Annotated[float, Within(0, 1)]
    health_less_max: Percent
    reply_floor_min: Share
    harm_factor_max: Annotated[float, Within(1, 3)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """All rules of one decision. Two policies with the same rules have the same sha256, whatever they are called."""

    name: str
    evidence: EvidenceRules
    gates: GateRules
    health: HealthRules
    phases: Mapping[Phase, PhaseRules]
    alarms: tuple[AlarmRule, ...]
    pauses: PauseRules
    budget: BudgetRules
    people: PeopleRules
    hours: HourRules
    limits: LimitRules
    sha256: str = field(init=False)
    version: str = field(init=False)  # name@first 12 hex digits

    def __post_init__(self) -> None:
        sha256 = hashlib.sha256(self.rules_text().encode()).hexdigest()
        object.__setattr__(self, "sha256", sha256)
        object.__setattr__(self, "version", f"{self.name}@{sha256[:12]}")

    def rules_text(self) -> str:
        """Every rule as canonical JSON: what the sha256 is of, and what `from_rules` reads."""
        rules = {f.name: getattr(self, f.name) for f in fields(self) if f.init and f.name != "name"}
        return json.dumps(rules, default=asdict, sort_keys=True, separators=(",", ":"))


TABLES = ("evidence", "gates", "health", "phases", "alarms", "pauses", "budget", "people", "hours", "limits")


def parse(text: str, *, file: str, base: Policy | None = None) -> Policy:
    """Read a policy, laid over `base` where it says `extends`.

    Raises PolicyError naming file, table, key and what is allowed.
    """
    raw = read_toml(text, file)
    name, extends = raw.pop("name", None), raw.pop("extends", None)
    if not isinstance(name, str) or not name:
        raise PolicyError(f'{file}: it needs a name, such as name = "mine"')
    if extends is not None and (base is None or base.name != extends):
        raise PolicyError(
            f"{file}: extends = {extends!r}, but {f'the policy below it is {base.name!r}' if base else 'no policy lies below it'}"
        )
    return from_tables(name, raw, file=file, under=base if extends is not None else None)


def from_tables(name: str, raw: Mapping[str, Any], *, file: str, under: Policy | None) -> Policy:
    """A policy out of its raw tables, laid over `under`. Raises PolicyError."""
    check_known(raw, TABLES, where=file, noun="table")
    tables: dict[str, Any] = {key: _part(key, raw.get(key, {}), file=file, under=under) for key in TABLES}
    policy = Policy(name=name, **tables)
    _check_sense(policy, file)
    return policy


def from_rules(version: str, text: str) -> Policy:
    """The policy of this version out of its `rules_text`. Raises PolicyError where they are others, or another program's."""
    raw: dict[str, Any] = json.loads(text)
    raw["alarms"] = {row.pop("name"): row for row in raw["alarms"]}
    policy = from_tables(version.rpartition("@")[0], raw, file=version, under=None)
    if policy.version != version:
        raise PolicyError(f"{version}: what is kept of this policy has other rules, those of {policy.version}")
    return policy


def parse_layers(layers: Iterable[tuple[str, str]]) -> Policy:
    """Read (file, text) pairs from the bottom up, each extending the one before. Raises PolicyError."""
    policy: Policy | None = None
    for file, text in layers:
        policy = parse(text, file=file, base=policy)
    if policy is None:
        raise PolicyError("no policy was given")
    return policy


def extended_by(text: str, *, file: str) -> str | None:
    """The name that a policy's text extends, or None: what a loader has to read first. Raises PolicyError."""
    extends = read_toml(text, file).get("extends")
    if extends is not None and not isinstance(extends, str):
        raise PolicyError(f'{file}: extends must be a policy\'s name, such as extends = "standard"')
    return extends


def _part(key: str, raw: object, *, file: str, under: Policy | None) -> object:
    """One top-level table as its value."""
    below = getattr(under, key) if under else None
    table = table_of(raw, f"{file}: [{key}]")
    match key:
        case "phases":
            return _phases(table, file=file, below=cast("Mapping[Phase, PhaseRules] | None", below))
        case "alarms":
            return _alarms(table, file=file, below=cast("tuple[AlarmRule, ...]", below or ()))
        case _:
            return value_of(keys_of(Policy)[key], table, where=f"{file}: [{key}]", below=below)


def _phases(table: dict[str, Any], *, file: str, below: Mapping[Phase, PhaseRules] | None) -> dict[Phase, PhaseRules]:
    check_known(table, PHASES, where=f"{file}: [phases]", noun="phase")
    return {
        phase: value_of(
            PhaseRules,
            table_of(table.get(phase, {}), f"{file}: [phases.{phase}]"),
            where=f"{file}: [phases.{phase}]",
            below=below[phase] if below else None,
        )
        for phase in PHASES
    }


def _alarms(table: dict[str, Any], *, file: str, below: tuple[AlarmRule, ...]) -> tuple[AlarmRule, ...]:
    """Rows by name, in the order of the bottom layer; `NAME = false` takes a row out."""
    rows = {rule.name: rule for rule in below}
    for name, raw in table.items():
        where = f"{file}: [alarms.{name}]"
        if raw is False:
            if rows.pop(name, None) is None:
                raise PolicyError(f"{where} takes out an alarm that the policy below does not have{near(name, rows)}")
            continue
        row = table_of(raw, where)
        check_known(row, [key for key in keys_of(AlarmRule) if key != "name"], where=where, noun="key")
        rows[name] = value_of(AlarmRule, {**row, "name": name}, where=where, below=rows.get(name))
    return tuple(rows.values())


def _check_sense(policy: Policy, file: str) -> None:
    """Rules that are fine one by one and not together."""
    caps = [policy.phases[phase].cap_day_max for phase in PHASES]
    checks = (
        (
            policy.evidence.fail_at < policy.evidence.pass_at,
            "[evidence] fail_at must be below pass_at, or a gate would pass and fail at once",
        ),
        (
            policy.health.response_floor <= policy.health.response_weak <= policy.health.response_target,
            "[health] response_floor, response_weak and response_target must rise",
        ),
        (policy.hours.open_h < policy.hours.close_h, "[hours] open_h must be before close_h"),
        (policy.hours.saturday_open_h <= policy.hours.saturday_close_h, "[hours] saturday_open_h must not be after saturday_close_h"),
        (caps == sorted(caps), "[phases] cap_day_max must not fall from one phase to the next"),
        (policy.phases[Phase.SETUP].cap_day_max == 0, "[phases.setup] cap_day_max must be 0: nothing is sent before the checklist is done"),
    )
    for holds, message in checks:
        if not holds:
            raise PolicyError(f"{file}: {message}")
    for rule in policy.alarms:
        _check_alarm(rule, file)


def _check_alarm(rule: AlarmRule, file: str) -> None:
    match rule.signal:
        case Signal.HEALTH_DROP:
            windows = frozenset({Window.HOUR, Window.DAY})
        case Signal.UNANSWERED:
            windows = frozenset({Window.RUN})
        case _:
            windows = COHORTS
    if rule.window not in windows:
        allowed = ", ".join(sorted(windows))
        raise PolicyError(f"{file}: [alarms.{rule.name}] window = {rule.window.value!r}: {rule.signal.value} looks over one of {allowed}")
    if rule.test is Test.ANYTIME and not (windows is COHORTS and 0 < rule.prior_rate < 1 and rule.prior_people > 0):
        raise PolicyError(f"{file}: [alarms.{rule.name}] test = 'anytime' needs a rate, and prior_rate and prior_people above 0")
    if rule.test is Test.ANYTIME and not 0 <= rule.threshold < 1:
        raise PolicyError(f"{file}: [alarms.{rule.name}] threshold = {rule.threshold:g}: a share below 1")
