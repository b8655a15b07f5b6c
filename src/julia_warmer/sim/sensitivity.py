"""Which conclusions rest on a guess: each guessed constant of the world halved and doubled, the policies compared anew.

A conclusion is the order of two policies in one metric, as far as its interval excludes zero.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from julia_warmer.sim.constants import names, vary, world_text
from julia_warmer.sim.report import compare
from julia_warmer.sim.study import Progress, Study, play, play_each

FACTORS = (0.5, 2.0)
# What the arrays do not play (docs/simulator.md says why): it cannot change anything here.
NOT_PLAYED = re.compile(
    r"(window|throughput|pacing|review|registering|webhooks|per_user)\.|limits\.(earn_within|earn_again|grow_within|over_limit)"
    r"|people\.(utility_harm|no_button_to_word|second_message_s|follow_up|kind_button|ninth_digit|switch_bsuid)"
    r"|delivery\.(sent|failed|read_at_once|delivered_skipped|ttl)"
)


@dataclass(frozen=True, slots=True)
class Shift:
    """One conclusion under one change: the signs of b - a before and after. 0: not told apart."""

    constant: str
    factor: float
    a: str
    b: str
    metric: str
    before: int
    after: int

    @property
    def flips(self) -> bool:
        """The order turned round; else it was lost, or came up."""
        return self.before * self.after < 0


def guesses(study: Study) -> list[str]:
    """The guessed numbers that the scenario plays, in the order of the file."""
    said: set[str] = set()
    section = ""
    for line in world_text().splitlines():
        if header := re.match(r"\[([\w.]+)\]", line):
            section = header[1]
        elif (row := re.match(r"(\w+) *=.*#(.*)", line)) and "guess" in row[2]:
            said.add(f"{section}.{row[1]}")
    kinds = {"good" if kind == "bad_template" else kind for kind in study.scenario.lists}
    has_bad = "bad_template" in study.scenario.lists
    return [name for name in names(study.constants) if name in said and not NOT_PLAYED.match(name) and _is_met(name, kinds, has_bad)]


def _is_met(name: str, kinds: set[str], has_bad: bool) -> bool:
    table, key, *_ = name.split(".")
    return (table != "lists" or key in kinds) and (table != "templates" or key == "good" or has_bad)


def sense(study: Study, *, jobs: int, progress: Progress) -> tuple[list[str], list[Shift]]:
    """The constants that were changed, and every conclusion that any change shifted."""
    constants = guesses(study)
    changes = [(name, factor) for name in constants for factor in FACTORS]
    before = {(d.a, d.b, d.metric): d.sign for d in compare(play(study, jobs=jobs, progress=progress))}
    worlds = [replace(study, constants=vary(study.constants, name, factor)) for name, factor in changes]
    shifts: list[Shift] = []
    for (name, factor), outcomes in zip(changes, play_each(worlds, jobs=jobs, progress=progress), strict=True):
        after = {(d.a, d.b, d.metric): d.sign for d in compare(outcomes)}
        shifts += [Shift(name, factor, *key, sign, after[key]) for key, sign in before.items() if after[key] != sign]
    return constants, shifts


def flipped(shifts: Sequence[Shift]) -> list[Shift]:
    """Those that turned an order round."""
    return [shift for shift in shifts if shift.flips]
