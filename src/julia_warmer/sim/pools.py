"""Who is written to next, for many chips at once: those who answered last time, then new people by opt-in, then the silent ones.

As `store/draws.sql` orders them: not silent first, then by engagement, then by the date of the opt-in. People who were written to
wait in two rings a chip until they are free again; within a ring the longest wait comes first.
"""

from dataclasses import dataclass

import numpy as np

from julia_warmer.sim.crowd import Bools
from julia_warmer.sim.scatter import Ints


def runs_of(counts: Ints) -> tuple[Ints, Ints]:
    """For each of `counts[row]` members of every row: the row, and the place within it."""
    rows = np.repeat(np.arange(len(counts)), counts)
    starts = np.cumsum(counts) - counts
    return rows, np.arange(len(rows)) - np.repeat(starts, counts)


class Ring:
    """A queue of people for each chip. Nobody stands in it twice, so it never holds more than all of them."""

    def __init__(self, chips: int, people: int) -> None:
        self._places = np.zeros((chips, people), np.int32)
        self._head = np.zeros(chips, np.int64)
        self._tail = np.zeros(chips, np.int64)

    @property
    def waiting(self) -> Ints:
        return self._tail - self._head

    def push(self, chip: Ints, person: Ints) -> None:
        """Put people at the end, in their order."""
        order = np.argsort(chip, kind="stable")
        chip, person = chip[order], person[order]
        counts = np.bincount(chip, minlength=len(self._head))
        _, within = runs_of(counts)
        self._places[chip, (self._tail[chip] + within) % self._places.shape[1]] = person
        self._tail += counts

    def take(self, counts: Ints) -> tuple[Ints, Ints]:
        """The first `counts[chip]` people of each: (chip, person)."""
        chip, within = runs_of(counts)
        person = self._places[chip, (self._head[chip] + within) % self._places.shape[1]]
        self._head += counts
        return chip, person.astype(np.int64)


@dataclass(slots=True)
class Pools:
    """Everybody who could be written to now."""

    answered: Ring
    silent: Ring
    fresh: Ints  # by chip: the next person who was never written to
    people: int

    @classmethod
    def full(cls, chips: int, people: int) -> "Pools":
        return cls(Ring(chips, people), Ring(chips, people), np.zeros(chips, np.int64), people)

    @property
    def eligible(self) -> Ints:
        return self.answered.waiting + (self.people - self.fresh) + self.silent.waiting

    def take(self, wanted: Ints) -> tuple[Ints, Ints]:
        """Up to `wanted[chip]` people of each chip, in order: (chip, person), chip by chip."""
        warm = np.minimum(wanted, self.answered.waiting)
        fresh = np.minimum(wanted - warm, self.people - self.fresh)
        cold = np.minimum(wanted - warm - fresh, self.silent.waiting)
        first = self.answered.take(warm)
        chip, within = runs_of(fresh)
        second = chip, self.fresh[chip] + within
        self.fresh += fresh
        third = self.silent.take(cold)
        chips, persons = (np.concatenate(parts) for parts in zip(first, second, third, strict=True))
        order = np.argsort(chips, kind="stable")
        return chips[order], persons[order]

    def give_back(self, chip: Ints, person: Ints, answered: Bools) -> None:
        """People are free to be written to again; whether they answered last time."""
        self.answered.push(chip[answered], person[answered])
        self.silent.push(chip[~answered], person[~answered])
