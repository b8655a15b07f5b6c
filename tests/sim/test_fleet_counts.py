"""What the simulator tells the rules is what `core.fold` counts from the same messages and facts."""

from dataclasses import fields
from datetime import timedelta

import numpy as np
import pytest

from julia_warmer import policies
from julia_warmer.core.decide import decide
from julia_warmer.core.events import Event, MessageDelivered, MessageFailed, MessageRead, MessageReceived, OptOutRequested, OptOutSource
from julia_warmer.core.fold import Tally
from julia_warmer.core.model import Counts, Decision, Snapshot
from julia_warmer.core.policy import Policy
from julia_warmer.sim import constants, crowd, scenarios
from julia_warmer.sim.fleet import Fleet
from julia_warmer.sim.hearing import Hearing
from julia_warmer.sim.reactions import NO_HARM, STOP_SWITCH, STOP_WORD, TWICE, Messages, Outcomes
from julia_warmer.sim.reviews import moment_of
from julia_warmer.sim.scenarios import ZONE

KINDS = {0: "text", 1: "audio", 2: "image"}
Told = list[tuple[float, int, Event]]  # hour, chip, fact


class Listener(Hearing):
    """A hearing that keeps what it was told."""

    noted: list[tuple[Messages, Outcomes, np.ndarray]]

    def note(self, m: Messages, out: Outcomes, receipts: np.ndarray) -> None:
        self.noted = [*getattr(self, "noted", []), (m, out, receipts)]
        super().note(m, out, receipts)


def facts_of(m: Messages, out: Outcomes, receipts: np.ndarray, i: int) -> Told:
    """One message's facts, as webhooks would tell them."""
    chip, person, name = int(m.chip[i]), f"person {m.person[i]}", f"message {m.chip[i]} {m.person[i]} {m.nth[i]}"
    rows: list[tuple[float, Event]] = []

    def at(hour: float):
        return moment_of(float(hour))

    for happened, code in ((out.undeliverable, 131026), (out.experiment, 130472), (out.limited, 131049), (out.spam, 131048)):
        if happened[i]:
            when = m.at[i] + 10 / 3600
            rows.append((when, MessageFailed(at=at(when), message_id=name, code=code)))
    if np.isfinite(out.delivered[i]):
        rows.append((out.delivered[i], MessageDelivered(at=at(out.delivered[i]), message_id=name)))
    if np.isfinite(out.read[i]) and receipts[i]:
        rows.append((out.read[i], MessageRead(at=at(out.read[i]), message_id=name)))
    if np.isfinite(out.replied[i]):
        kind = int(out.kind[i])
        said = MessageReceived(at=at(out.replied[i]), phone=person, message_id=f"reply to {name}", message_type=KINDS[kind & 3])
        rows.append((out.replied[i], said))
        if kind & TWICE:
            again = MessageReceived(at=at(out.replied[i]), phone=person, message_id=f"again to {name}", message_type="text")
            rows.append((out.replied[i], again))
    if STOP_WORD <= out.harm[i] < NO_HARM:
        if out.harm[i] != STOP_SWITCH:
            stop = MessageReceived(at=at(out.harmed[i]), phone=person, message_id=f"stop to {name}", message_type="button")
            rows.append((out.harmed[i], stop))
        asked = OptOutRequested(at=at(out.harmed[i]), phone=person, source=OptOutSource.BUTTON, purpose="marketing")
        rows.append((out.harmed[i], asked))
    return [(float(hour), chip, event) for hour, event in rows]


@pytest.mark.parametrize(("scenario", "policy"), [("mixed", "standard"), ("poor", "sprint"), ("tired", "cautious")])
def test_snapshots_of_the_simulator_are_those_that_fold_counts(scenario: str, policy: str) -> None:
    rules, days, chips = policies.load(policy), 36, 12
    world = scenarios.load(scenario, people=260)
    people = crowd.gather(world, constants.standard(), chips=chips, runs=[0], seed=5)
    seen: list[Snapshot] = []

    def decided(snapshot: Snapshot, policy: Policy) -> Decision:
        seen.append(snapshot)
        return decide(snapshot, policy)

    fleet = Fleet(world, people, constants.standard(), rules, chips=chips, days=days, rule=decided)
    fleet.hearing = Listener(chips, people.people, fleet.hearing.cohorts.grid, fleet.periods, silent=None)
    fleet.live()

    tallies = [Tally(ZONE) for _ in range(chips)]
    sends = [(float(m.at[i]), m, out, receipts, i) for m, out, receipts in fleet.hearing.noted for i in range(len(m.at))]
    sends.sort(key=lambda send: send[0])
    told = sorted((fact for _, m, out, receipts, i in sends for fact in facts_of(m, out, receipts, i)), key=lambda fact: fact[0])
    compared, next_send, next_fact = 0, 0, 0
    for snapshot in seen:
        hour = (snapshot.at - moment_of(0)) / timedelta(hours=1)
        while next_send < len(sends) and sends[next_send][0] < hour:
            at, m, _, _, i = sends[next_send]
            name = f"message {m.chip[i]} {m.person[i]} {m.nth[i]}"
            tallies[int(m.chip[i])].accepted(moment_of(at), f"person {m.person[i]}", name)
            next_send += 1
        while next_fact < len(told) and told[next_fact][0] <= hour:
            tallies[told[next_fact][1]].apply(told[next_fact][2])
            next_fact += 1
        counted = tallies[snapshot.chip_id].counts(snapshot.at, state=snapshot.state, evidence=rules.evidence)
        # the plan says what was reachable, and here nothing is planned apart; how young sends are is only told, no decision looks at it
        for name in set(counted) - {"reachable_in_phase", "idle_days", "young_reached"}:
            assert getattr(snapshot, name) == counted[name], (name, snapshot.at, snapshot.chip_id, snapshot.state, counted[name])
        compared += any(getattr(snapshot.phase_matured, field.name) for field in fields(Counts))
    assert len(seen) > 1500
    assert compared > 500
