"""Policies: what is read, what is refused and in which words, and how layers lie on each other."""

from dataclasses import replace
from pathlib import Path

import pytest

from julia_warmer import policies
from julia_warmer.core.model import Action, Phase
from julia_warmer.core.policy import PolicyError, Signal, Window, parse, parse_layers
from tests.core.some import STANDARD, rows

EMPTY = 'name = "mine"\nextends = "standard"\n'

REFUSED = {
    "[budget]\ngrowth_ration = 2.0": "mine.toml: [budget] has no key 'growth_ration': did you mean 'growth_ratio'?",
    "[budget]\ngrowth_ratio = 0.5": "mine.toml: [budget] growth_ratio = 0.5: must be a number from 1 to 10",
    "[budget]\ngrowth_ratio = true": "mine.toml: [budget] growth_ratio = True: must be a number from 1 to 10",
    "[budget]\ngrowth_ratio = nan": "mine.toml: [budget] growth_ratio = nan: must be a number from 1 to 10",
    "[budget]\ngrowth_min = 2.5": "mine.toml: [budget] growth_min = 2.5: must be a whole number from 0 to 1e+06",
    "[budjet]": "mine.toml has no table 'budjet': did you mean 'budget'?",
    "budget = 3": "mine.toml: [budget] must be a table of keys, not 3",
    "[phases.expansao]": "mine.toml: [phases] has no phase 'expansao': did you mean 'expansion'?",
    "[phases.expansion]\nreply_floor = 20": "mine.toml: [phases.expansion] reply_floor = 20.0: must be a number from 0 to 1",
    "[phases.expansion]\ncap_day_max = 5": "mine.toml: [phases] cap_day_max must not fall from one phase to the next",
    "[phases.setup]\ncap_day_max = 5": "mine.toml: [phases.setup] cap_day_max must be 0: nothing is sent before the checklist is done",
    "[evidence]\nfail_at = 0.9": "mine.toml: [evidence] fail_at must be below pass_at, or a gate would pass and fail at once",
    "[alarms]\nspam = false": "mine.toml: [alarms.spam] takes out an alarm that the policy below does not have",
    "[alarms.mine]\nsignal = 'errors'": "mine.toml: [alarms.mine] window is missing: one of last_hours, recent_fresh",
    "[alarms.errors]\naction = 'halt'": "mine.toml: [alarms.errors] action = 'halt': must be one of notify, slow, pause, demote",
    "[alarms.errors]\nname = 'other'": "mine.toml: [alarms.errors] has no key 'name'",
    "[alarms.replies]\nwindow = '1h'": "mine.toml: [alarms.replies] window = '1h': replies looks over one of last_hours, phase_matured",
    "[alarms.opt_outs_high]\nprior_people = 0": "mine.toml: [alarms.opt_outs_high] test = 'anytime' needs a rate, and prior_rate and",
    "[alarms.unanswered]\ntest = 'anytime'": "mine.toml: [alarms.unanswered] test = 'anytime' needs a rate, and prior_rate and",
    "[alarms.opt_outs_high]\nlevel = 1": "mine.toml: [alarms.opt_outs_high] level = 1.0: must be a number from 0 to 0.99999",
    "[hours]\nsunday = 1": "mine.toml: [hours] sunday = 1: must be true or false",
    "[hours]\nopen_h = 21": "mine.toml: [hours] open_h must be before close_h",
    "[hours\n": "mine.toml: not TOML: ",
}


@pytest.mark.parametrize("text", REFUSED)
def test_a_wrong_policy_is_refused_with_file_table_key_and_what_is_allowed(text: str) -> None:
    with pytest.raises(PolicyError) as error:
        parse(EMPTY + text, file="mine.toml", base=STANDARD)
    assert REFUSED[text] in str(error.value)


def test_a_policy_needs_a_name_and_the_layer_that_it_extends() -> None:
    with pytest.raises(PolicyError, match="it needs a name"):
        parse("", file="mine.toml")
    with pytest.raises(PolicyError, match="extends = 'standard', but no policy lies below it"):
        parse(EMPTY, file="mine.toml")
    with pytest.raises(PolicyError, match=r"mine.toml: \[evidence\] pass_at is missing: a number from 0 to 1"):
        parse('name = "mine"', file="mine.toml", base=STANDARD)


def test_an_extending_policy_holds_only_its_differences() -> None:
    mine = parse(EMPTY + "[phases.expansion]\ncap_day_max = 25\n[alarms]\nreads = false", file="mine.toml", base=STANDARD)
    assert mine.phases[Phase.EXPANSION] == replace(STANDARD.phases[Phase.EXPANSION], cap_day_max=25)
    assert mine.phases[Phase.OPERATION] == STANDARD.phases[Phase.OPERATION]
    assert [rule.name for rule in mine.alarms] == [rule.name for rule in STANDARD.alarms if rule.name != "reads"]


def test_an_owner_adds_an_alarm_of_their_own() -> None:
    row = "signal='held'\nwindow='recent_fresh'\nsends_min=10\nsends_max=0\nevents_min=2\nthreshold=0.05"
    row += "\ntest='posterior'\nlevel=0.8\nprior_rate=0\nprior_people=0"
    mine = parse(f"{EMPTY}[alarms.mine]\n{row}\naction='slow'\nhours=6", file="mine.toml", base=STANDARD)
    rule = mine.alarms[-1]
    assert (rule.name, rule.signal, rule.window, rule.action) == ("mine", Signal.HELD, Window.RECENT_FRESH, Action.SLOW)


def test_the_version_names_the_rules_not_the_words() -> None:
    file, text = policies.text_of("standard")
    assert parse(text + "\n# a remark\n", file=file).version == STANDARD.version
    assert parse(EMPTY, file="mine.toml", base=STANDARD).sha256 == STANDARD.sha256
    assert parse(EMPTY + "[budget]\ngrowth_min = 11", file="mine.toml", base=STANDARD).sha256 != STANDARD.sha256
    assert STANDARD.version == f"standard@{STANDARD.sha256[:12]}"


def test_layers_are_read_from_the_bottom_up() -> None:
    texts = [policies.text_of("standard"), ("mine.toml", EMPTY + "[budget]\ngrowth_min = 7"), ("his.toml", 'name="his"\nextends="mine"')]
    his = parse_layers(texts)
    assert (his.name, his.budget.growth_min) == ("his", 7)
    with pytest.raises(PolicyError, match="no policy was given"):
        parse_layers([])


SHIPPED = """
    key                               standard  cautious  sprint
    phases.first_contacts.cap         10        10        10
    phases.expansion.cap              30        20        30
    phases.pre_operation.cap          50        40        50
    phases.operation.cap              100       80        100
    phases.first_contacts.floor       0.2       0.2       0.5
    phases.expansion.floor            0.18      0.18      0.4
    phases.pre_operation.floor        0.15      0.15      0.35
"""


@pytest.mark.parametrize(("key", "standard", "cautious", "sprint"), rows(SHIPPED))
def test_the_shipped_policies_hold_the_numbers_of_the_design(key: str, standard: str, cautious: str, sprint: str) -> None:
    _, phase, what = key.split(".")
    for name, number in (("standard", standard), ("cautious", cautious), ("sprint", sprint)):
        rules = policies.load(name).phases[Phase(phase)]
        assert (rules.cap_day_max if what == "cap" else rules.reply_floor) == float(number)


def test_a_policy_of_the_owner_is_read_from_its_file_and_extends_one_beside_it(tmp_path: Path) -> None:
    (tmp_path / "house.toml").write_text('name = "house"\nextends = "cautious"\n[budget]\ngrowth_min = 6')
    (tmp_path / "clinic.toml").write_text('name = "clinic"\nextends = "house"')
    clinic = policies.load(str(tmp_path / "clinic.toml"))
    assert (clinic.name, clinic.budget.growth_min, clinic.phases[Phase.EXPANSION].cap_day_max) == ("clinic", 6, 20)


def test_files_that_extend_each_other_and_names_that_nobody_has_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('name = "a"\nextends = "b"')
    (tmp_path / "b.toml").write_text('name = "b"\nextends = "a"')
    with pytest.raises(PolicyError, match="do two files extend each other"):
        policies.load(str(tmp_path / "a.toml"))
    with pytest.raises(PolicyError, match=r"standart: no policy of that name \(adaptive, cautious, fixed, sprint, standard\)"):
        policies.load("standart")
