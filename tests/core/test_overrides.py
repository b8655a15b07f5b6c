"""One chip's own rules: which it may have, how far they go, and that nothing else of the policy moves."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from julia_warmer.core.decide import decide
from julia_warmer.core.model import PHASES
from julia_warmer.core.overrides import BOUNDS, lay_over
from julia_warmer.core.policy import Policy, PolicyError, from_rules
from julia_warmer.core.policy_rules import differences, rules_of
from tests.core.some import STANDARD, chip

REFUSED = {
    "[alarms.opt_outs_high]\nlevel = 0.5": "mine: [alarms] is the same for every chip",
    "[evidence]\npass_at = 0.5": "mine: [evidence] is the same for every chip",
    "[hours]\nsunday = true": "mine: [hours] is the same for every chip",
    "[limits]\ncap_factor_max = 10": "mine: [limits] is the same for every chip",
    'name = "x"': "mine: [name] is the same for every chip",
    "[budget]\nreserve = 0.0": "mine: [budget] reserve is the same for every chip",
    "[budget]\ngrowth_ratoi = 1.5": "mine: [budget] growth_ratoi is the same for every chip: did you mean 'growth_ratio'?",
    "[phases.expansion]\nreview_h = 9": "mine: [phases.expansion] review_h is the same for every chip",
    "[phases.expansao]\ncap_day_max = 9": "mine: [phases] has no phase 'expansao': did you mean 'expansion'?",
    "[phases.expansion]\ncap_day_max = 46": "mine: [phases.expansion] cap_day_max = 46: must be at most 45, the policy's hard limit",
    "[phases.expansion]\nreply_floor = 0.05": "mine: [phases.expansion] reply_floor = 0.05: must be at least 0.1, the policy's hard limit",
    "[phases.expansion]\ndays_min = 3": "mine: [phases.expansion] days_min = 3: must be at least 4, the policy's hard limit",
    "[phases.expansion]\nhealth_min = 59": "mine: [phases.expansion] health_min = 59: must be at least 60, the policy's hard limit",
    "[phases.setup]\ncap_day_max = 1": "mine: [phases.setup] cap_day_max must be 0",
    "[phases.expansion]\ncap_day_max = 5": "mine: [phases] cap_day_max must not fall from one phase to the next",
    "[gates]\nopt_outs_max = 0.04": "mine: [gates] opt_outs_max = 0.04: must be at most 0.0375, the policy's hard limit",
    "[gates]\nused_min = 0.5": "mine: [gates] used_min = 0.5: must be at least 0.8, the policy's hard limit",
    "[budget]\ngrowth_ratio = 3": "mine: [budget] growth_ratio = 3: must be at most 2, the policy's hard limit",
    "[budget\n": "mine: not TOML: ",
}


KEYS = [key for key in dict(rules_of(STANDARD)) if f"{key.split('.')[0]}.{key.split('.')[-1]}" in BOUNDS]


@pytest.mark.parametrize("text", REFUSED)
def test_what_a_chip_may_not_have_of_its_own_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(PolicyError) as error:
        lay_over(STANDARD, text, file="mine")
    assert REFUSED[text] in str(error.value)


def test_a_chip_with_rules_of_its_own_is_decided_by_them_and_the_decision_says_so() -> None:
    own = lay_over(STANDARD, "[phases.expansion]\ncap_day_max = 20", file="mine")
    assert [*differences(STANDARD, own)] == [("phases.expansion.cap_day_max", 30, 20)]
    look = chip(sending_days_in_phase=3)
    plain, decided = decide(look, STANDARD), decide(look, own)
    assert (plain.budget.day_max, decided.budget.day_max, decided.budget.binding) == (30, 20, "phase")
    assert decided.policy == own.version
    assert decided.policy.startswith("standard+own@")


def test_rules_are_read_back_as_they_were_and_others_are_refused() -> None:
    text = STANDARD.rules_text()
    assert from_rules(STANDARD.version, text) == STANDARD
    with pytest.raises(PolicyError, match="has other rules"):
        from_rules(STANDARD.version, text.replace('"growth_min":10', '"growth_min":11'))


@settings(max_examples=500, deadline=None)
@given(
    key=st.sampled_from(KEYS),
    share=st.floats(0, 3, allow_nan=False),
)
def test_no_own_rule_is_looser_than_the_hard_limit_and_nothing_else_moves(key: str, share: float) -> None:
    parts = key.split(".")
    had = dict(rules_of(STANDARD))[key]
    value = int(had * share) if isinstance(had, int) else round(had * share, 4)
    table = ".".join(parts[:-1])
    try:
        own = lay_over(STANDARD, f"[{table}]\n{parts[-1]} = {value!r}", file="mine")
    except PolicyError:
        return
    bound = BOUNDS[f"{parts[0]}.{parts[-1]}"]
    assert bound.allows(value, had, STANDARD.limits)
    assert {changed for changed, _, _ in differences(STANDARD, own)} <= {key}
    assert _is_no_looser_than_it_may(own, STANDARD)


def _is_no_looser_than_it_may(own: Policy, policy: Policy) -> bool:
    limits = policy.limits
    return (
        all(
            own.phases[phase].cap_day_max <= policy.phases[phase].cap_day_max * limits.cap_factor_max
            and own.phases[phase].reply_floor >= min(policy.phases[phase].reply_floor, limits.reply_floor_min)
            and own.phases[phase].health_min >= policy.phases[phase].health_min - limits.health_less_max
            for phase in PHASES
        )
        and replace(own, name=policy.name, phases=policy.phases, gates=policy.gates, budget=policy.budget).sha256 == policy.sha256
    )
