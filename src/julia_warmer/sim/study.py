"""Runs of a scenario under several policies, shared out among processes; the same numbers for any number of them and any batch.

Paired: a run has the same people with the same draws under every policy. Knows no terminal and no clock.
"""

import gc
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TypeVar

import numpy as np

from julia_warmer.core.policy import Policy
from julia_warmer.sim.constants import Constants
from julia_warmer.sim.crowd import Bools, gather
from julia_warmer.sim.fleet import DAY_H, Fleet, Lives
from julia_warmer.sim.platform import RED, YELLOW
from julia_warmer.sim.reviews import hour_of
from julia_warmer.sim.scenarios import BEGINS_AT, Ready, Scenario
from julia_warmer.sim.streams import Floats

BATCH_CHIPS = 400  # in lockstep: more would be hardly quicker, and memory grows with it (about 0.15 MB a chip)
T = TypeVar("T")
R = TypeVar("R")
Progress = Callable[[int], None]  # told the chip-days that were done since it was last told


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """What is simulated."""

    scenario: Scenario
    policies: tuple[Policy, ...]
    constants: Constants
    chips: int
    days: int
    runs: int
    seed: int

    @property
    def chip_days(self) -> int:
        return self.chips * self.days * self.runs * len(self.policies)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one policy led to. Arrays have a row for each run, in order, and a column for each chip or day."""

    policy: str
    ready_day: Floats  # of each chip, in the scenario's sense, the day of registration being 1; infinity for never
    own_day: Floats  # on which the policy itself first said ready
    is_red: Bools  # whether the number was ever rated RED
    red_days: Floats
    negative: Floats
    delivered: Floats
    sent: Floats
    sent_by_day: Floats  # a chip's mean
    red_by_day: Floats  # share of chips
    bound: Counter[str]
    decisions: int


@dataclass(frozen=True, slots=True)
class _Task:
    study: Study
    policy: int
    runs: tuple[int, ...]


def play(study: Study, *, jobs: int, progress: Progress) -> list[Outcome]:
    """Every run under every policy: an outcome for each policy, in their order."""
    tasks = list(_tasks(study, jobs))
    done: dict[int, Outcome] = {}
    for index, outcome in _carry_out(_play, tasks, jobs):
        done[index] = outcome
        progress(len(tasks[index].runs) * study.chips * study.days)
    return [_join([done[index] for index, task in enumerate(tasks) if task.policy == policy]) for policy in range(len(study.policies))]


def play_each(studies: Sequence[Study], *, jobs: int, progress: Progress) -> list[list[Outcome]]:
    """Several small studies, each in one go."""
    done: dict[int, list[Outcome]] = {}
    for index, outcomes in _carry_out(_play_whole, list(studies), jobs):
        done[index] = outcomes
        progress(studies[index].chip_days)
    return [done[index] for index in range(len(studies))]


def _tasks(study: Study, jobs: int) -> Iterator[_Task]:
    size = max(1, min(BATCH_CHIPS // study.chips, -(-study.runs // jobs)))
    for first in range(0, study.runs, size):
        for policy in range(len(study.policies)):
            yield _Task(study, policy, tuple(range(first, min(first + size, study.runs))))


def _carry_out(do: Callable[[T], R], tasks: list[T], jobs: int) -> Iterator[tuple[int, R]]:
    """Results with the index of their task, as they come."""
    if jobs <= 1 or len(tasks) == 1:
        for index, task in enumerate(tasks):
            yield index, do(task)
        return
    with ProcessPoolExecutor(min(jobs, len(tasks)), mp_context=get_context("spawn"), initializer=_settle_in) as pool:
        indices: dict[Future[R], int] = {pool.submit(do, task): index for index, task in enumerate(tasks)}
        try:
            for future in as_completed(indices):
                yield indices[future], future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _settle_in() -> None:
    """A worker makes millions of small values without cycles: reference counts free them, and searching for cycles costs a twentieth."""
    gc.freeze()
    gc.disable()


def _play(task: _Task) -> Outcome:
    study = task.study
    crowd = gather(study.scenario, study.constants, chips=study.chips, runs=task.runs, seed=study.seed)
    policy = study.policies[task.policy]
    lives = Fleet(study.scenario, crowd, study.constants, policy, chips=study.chips, days=study.days).live()
    return _outcome(policy.name, lives, study, len(task.runs))


def _play_whole(study: Study) -> list[Outcome]:
    return [_play(_Task(study, policy, tuple(range(study.runs)))) for policy in range(len(study.policies))]


def _outcome(name: str, lives: Lives, study: Study, runs: int) -> Outcome:
    shape = (runs, study.chips)
    period_h = np.diff(lives.moments_h, prepend=hour_of(BEGINS_AT))
    red = lives.rating == RED
    day_of = day_of_periods(lives.moments_h)
    red_on = np.stack([red[:, day_of == day].any(axis=1) for day in range(study.days)], axis=1)
    return Outcome(
        policy=name,
        ready_day=ready_days(lives, study.scenario.ready).reshape(shape),
        own_day=(np.floor((lives.ready_h - hour_of(BEGINS_AT)) / DAY_H) + 1).reshape(shape),
        is_red=red.any(axis=1).reshape(shape),
        red_days=((red * period_h).sum(axis=1) / DAY_H).reshape(shape),
        negative=lives.negative.sum(axis=1).reshape(shape),
        delivered=lives.delivered.sum(axis=1).reshape(shape),
        sent=lives.accepted.sum(axis=1).astype(np.float64).reshape(shape),
        sent_by_day=lives.accepted.reshape(*shape, -1).mean(axis=1),
        red_by_day=red_on.reshape(*shape, -1).mean(axis=1),
        bound=lives.bound,
        decisions=lives.decisions,
    )


def day_of_periods(moments_h: Floats) -> Floats:
    """The day on which each period, which ends at its moment, lies."""
    return np.ceil(moments_h / DAY_H) - 1


def ready_days(lives: Lives, ready: Ready) -> Floats:
    """For each chip the day (the first is 1) that completed the first run of good days, or infinity."""
    days = list(lives.open_days)
    day_of = day_of_periods(lives.moments_h)
    delivered, negative = (
        np.stack([table[:, day_of == day].sum(axis=1) for day in days], axis=1) for table in (lives.delivered, lives.negative)
    )
    liked = np.stack([(lives.rating[:, day_of == day] < YELLOW).all(axis=1) for day in days], axis=1)
    full = (lives.accepted[:, days] >= ready.messages) & liked
    first = np.full(len(full), np.inf)
    for last in range(len(days) - 1, ready.days - 2, -1):
        span = slice(last - ready.days + 1, last + 1)
        bounded = negative[:, span].sum(axis=1) <= ready.negative * delivered[:, span].sum(axis=1)
        first[full[:, span].all(axis=1) & bounded] = days[last] + 1
    return first


def _join(parts: list[Outcome]) -> Outcome:
    """The parts of one policy's outcome, which are in the order of their runs."""
    return Outcome(
        policy=parts[0].policy,
        ready_day=np.concatenate([part.ready_day for part in parts]),
        own_day=np.concatenate([part.own_day for part in parts]),
        is_red=np.concatenate([part.is_red for part in parts]),
        red_days=np.concatenate([part.red_days for part in parts]),
        negative=np.concatenate([part.negative for part in parts]),
        delivered=np.concatenate([part.delivered for part in parts]),
        sent=np.concatenate([part.sent for part in parts]),
        sent_by_day=np.concatenate([part.sent_by_day for part in parts]),
        red_by_day=np.concatenate([part.red_by_day for part in parts]),
        bound=sum((part.bound for part in parts), start=Counter[str]()),
        decisions=sum(part.decisions for part in parts),
    )
