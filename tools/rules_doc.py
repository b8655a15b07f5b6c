"""Writes docs/rules.md from the rules themselves: policies, gates, alarms, commands, hard events. Part of `make docs`; a test compares."""

import re
from collections.abc import Iterable
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path

from julia_warmer import policies
from julia_warmer.core import hard
from julia_warmer.core.commands import ActivateChip, ChipCommand, PauseChip, ResumeChip, RetireChip, StartChip
from julia_warmer.core.control import Refusal, Standing, apply
from julia_warmer.core.evidence import percent
from julia_warmer.core.model import PHASES, ChipState, ChipStatus, Pause
from julia_warmer.core.phases import CHECKLIST
from julia_warmer.core.policy import AlarmRule, Policy, Signal, Test

TARGET = Path(__file__).parents[1] / "docs" / "rules.md"
AT = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
COMMANDS: dict[str, ChipCommand] = {
    "start": StartChip(by="you"),
    "pause": PauseChip(by="you", why="because"),
    "resume": ResumeChip(by="you", why="because"),
    "activate": ActivateChip(by="you"),
    "retire": RetireChip(by="you", why="because"),
}
HEAD = """# The rules

Made from the rules themselves by `make docs` (`tools/rules_doc.py`); a test compares it. Change `policies/*.toml`, not this page.
Numbers are those of the `standard` policy. Change them in a file of your own that says `extends = "standard"` and holds only what
differs; `warmer policy check FILE` reads it and says what is wrong.
"""
LINE = re.compile(r"^(?P<key>\w+) = (?P<value>.+?)(?:\s+# (?P<why>.+))?$")
TABLE = re.compile(r"^\[(?P<name>[\w.]+)\](?:\s+# (?P<why>.+))?$")


def describe() -> str:
    """The whole page."""
    standard = policies.load("standard")
    parts = [
        HEAD,
        "## Phases\n",
        *_phases(standard),
        "\nA chip moves one phase up, at most once a local day, when every gate passes:\n",
        *_gates(standard),
        "\nIt moves one phase down, at most once a day, when replies, a harm or the checklist fail: never below `first_contacts`,",
        "and to `setup` only for a lost checklist. An inconclusive gate does neither.\n",
        "## Alarms\n",
        *_alarms(standard),
        "\n## Hard events\n",
        *_hard(),
        "\n## Commands\n",
        *_commands(standard),
        "\n## Every number, and its why\n",
        *_numbers("standard"),
        *[line for name in ("cautious", "sprint") for line in _differences(name, standard)],
    ]
    return "\n".join(parts).rstrip() + "\n"


def _phases(policy: Policy) -> Iterable[str]:
    yield "| phase | messages a day | days | health | replies | looked at every |"
    yield "| --- | ---: | --- | ---: | ---: | ---: |"
    for phase in PHASES:
        rules = policy.phases[phase]
        noun = "since registration" if phase is PHASES[0] else "with sends"
        days = f"{rules.days_min} {noun}" if rules.days_min else "-"
        floor = f">= {percent(rules.reply_floor)}" if rules.reply_floor else "-"
        yield f"| {phase} | {rules.cap_day_max} | {days} | >= {rules.health_min} | {floor} | {rules.review_h:g} h |"


def _gates(policy: Policy) -> Iterable[str]:
    sure, gates = policy.evidence, policy.gates
    yield "| gate | passes when | fails when |"
    yield "| --- | --- | --- |"
    yield "| days, health | as above | never |"
    yield f"| checklist | {', '.join(CHECKLIST.values())} | one is lost after `setup` |"
    yield f"| replies | P(replies >= floor) >= {sure.pass_at:g}, of {sure.people_min} people or more | P <= {sure.fail_at:g} |"
    ceilings = {
        "opt-outs": gates.opt_outs_max,
        "undeliverable": gates.undeliverable_max,
        "limited": gates.limited_max,
        "held": gates.held_max,
    }
    for name, most in ceilings.items():
        yield f"| {name} | P({name} <= {percent(most)}) >= {sure.pass_at:g}, of {sure.people_min} or more | P <= {sure.fail_at:g} |"
    yield f"| used | {percent(gates.used_min)} of what could be sent in the phase was sent | never |"
    yield f"| calm | no slow-down open, {gates.calm_h:g} h since the last harm or resume | never |"
    silent, stale = policy.budget.webhook_silent_h, policy.budget.quality_stale_h
    yield f"| sight | a webhook within {silent:g} h, quality read within {stale:g} h | never |"


def _alarms(policy: Policy) -> Iterable[str]:
    yield "| alarm | fires when | of at least | over | then |"
    yield "| --- | --- | --- | --- | --- |"
    for rule in policy.alarms:
        least = f"{rule.sends_min} sends, {rule.events_min} events" if rule.sends_min else "-"
        least += f"; until {rule.sends_max} sends" if rule.sends_max else ""
        then = f"{rule.action} {rule.hours:g} h" if rule.hours else rule.action
        yield f"| {rule.name} | {_fires(rule)} | {least} | {rule.window.replace('_', ' ')} | {then} |"


def _fires(rule: AlarmRule) -> str:
    """A row's condition in words."""
    match rule.signal:
        case Signal.HEALTH_DROP:
            return f"health fell {rule.threshold:g} points"
        case Signal.UNANSWERED:
            return f"the floor makes the run of people without an answer less likely than {rule.threshold:g}"
        case Signal.REPLIES | Signal.READS:
            return _sure(rule, "below", percent(rule.threshold) if rule.threshold else "the phase's floor")
        case _ if not rule.threshold:
            return f"any message is {rule.signal}"
        case _:
            return _sure(rule, "above", percent(rule.threshold))


def _sure(rule: AlarmRule, side: str, bound: str) -> str:
    noun = rule.signal.replace("_", "-")
    if rule.test is Test.ANYTIME:
        return f"{noun} {side} {bound}: e-value >= {1 / (1 - rule.level):.3g}"
    return f"P({noun} {'<' if side == 'below' else '>='} {bound}) >= {rule.level:g}"


def _hard() -> Iterable[str]:
    yield "They stop before their webhook is answered, without waiting for a decision.\n"
    yield "| event | stops | ends |"
    yield "| --- | --- | --- |"
    for scope, reason in hard.HARD_CODES.values():
        yield f"| {reason} | {scope} | by a person |"
    yield f"| {hard.HELD_DROPPED} on a message that had been held: portfolio pacing dropped it | portfolio | by a person |"
    yield f"| {hard.RED} | chip | by a person |"
    yield "| any phone status but CONNECTED | chip | by a person |"
    yield "| account restriction or violation | account | by a person |"
    for by_person, reason in hard.TEMPLATE_CODES.values():
        yield f"| {reason} | template | {'by a person' if by_person else 'when Meta approves it again'} |"


def _commands(policy: Policy) -> Iterable[str]:
    yield "| status | " + " | ".join(COMMANDS) + " |"
    yield "| --- |" + " --- |" * len(COMMANDS)
    for status in ChipStatus:
        answers = [apply(_in(status), command, at=AT, standing=_standing(), policy=policy) for command in COMMANDS.values()]
        cells = ["-" if isinstance(answer, Refusal) else answer.status.value for answer in answers]
        yield f"| {status} | " + " | ".join(cells) + " |"


def _in(status: ChipStatus) -> ChipState:
    state = ChipState(status=status, phase=PHASES[1], phase_since=AT)
    if status is not ChipStatus.PAUSED:
        return state
    return replace(state, paused_from=ChipStatus.WARMING, pauses=(Pause(reason="", since=AT, hard=True),))


def _standing() -> Standing:
    return Standing(today=AT.date(), route_set=True)


def _numbers(name: str) -> Iterable[str]:
    """A policy's own text as tables: key, value, why. Alarms stand above already."""
    _, text = policies.text_of(name)
    is_told = False
    for line in text.splitlines():
        if found := TABLE.match(line):
            is_told = not found["name"].startswith("alarms.")
            if is_told:
                yield f"\n### {found['name']}\n"
                if found["why"]:
                    yield f"{found['why'][0].upper()}{found['why'][1:]}.\n"
                yield "| key | value | why |"
                yield "| --- | ---: | --- |"
        elif is_told and (row := LINE.match(line)):
            yield f"| {row['key']} | {row['value']} | {row['why'] or ''} |"


def _differences(name: str, standard: Policy) -> Iterable[str]:
    """What another shipped policy changes, with its own whys."""
    _, text = policies.text_of(name)
    head = [line.removeprefix("# ") for line in text.splitlines()[: text.splitlines().index(f'name = "{name}"')]]
    yield f"\n## {name}\n"
    yield " ".join(line for line in head if line) + "\n"
    yield "| key | standard | here | why |"
    yield "| --- | ---: | ---: | --- |"
    table = ""
    for line in text.splitlines():
        if found := TABLE.match(line):
            table = found["name"]
        elif table and (row := LINE.match(line)):
            yield f"| {table}.{row['key']} | {_value(standard, table, row['key'])} | {row['value']} | {row['why'] or ''} |"


def _value(policy: Policy, table: str, key: str) -> str:
    """A number of a policy by the names of its table and key."""
    part, _, name = table.partition(".")
    owner = getattr(policy, part)
    if part == "phases":
        owner = policy.phases[next(phase for phase in PHASES if phase == name)]
    if part == "alarms":
        owner = next(rule for rule in policy.alarms if rule.name == name)
    assert key in {f.name for f in fields(owner)}
    return f"{getattr(owner, key)}"


if __name__ == "__main__":
    TARGET.write_text(describe(), encoding="utf-8")
