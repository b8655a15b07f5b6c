"""The error codes say what to do, for whom, and whether a send may be asked again."""

import pytest

from julia_warmer.cloud.codes import CODES, TABLE, TOKEN_UNFIT, UNREACHABLE, Acceptance, Action, Harm, Outcome, Scope, lookup
from julia_warmer.core.hard import HARD_CODES, TEMPLATE_CODES

CASES = """
    code      scope      action               harm           outcome   hard
    -1        app        retry                none           retry     -
    0         account    stop_account         other          failed    -
    1         message    retry                other          unknown   -
    2         app        retry                other          unknown   -
    4         app        retry                none           retry     -
    100       caller     fix_request          other          failed    -
    190       account    stop_account         other          failed    hard
    200       account    stop_account         other          failed    -
    299       account    stop_account         other          failed    -
    300       message    drop_message         other          failed    -
    368       account    stop_account         other          failed    hard
    80007     account    retry                none           retry     -
    80008     account    retry                none           retry     -
    130403    contact    stop_contact         other          failed    -
    130429    chip       retry                none           retry     -
    130472    message    drop_message         none           failed    -
    130497    country    stop_country         other          failed    -
    131000    message    retry                other          unknown   -
    131026    contact    mark_undeliverable   undeliverable  failed    -
    131031    account    stop_account         other          failed    hard
    131042    account    stop_account         other          failed    hard
    131047    message    drop_message         other          failed    -
    131048    chip       pause_chip           spam           failed    hard
    131049    contact    cool_down_contact    limited        failed    -
    131050    contact    suppress_marketing   none           failed    -
    131056    contact    retry                none           retry     -
    131057    chip       retry                none           retry     -
    131207    message    log_only             none           failed    -
    132001    template   stop_template        other          failed    -
    132015    template   stop_template        other          failed    -
    132016    template   stop_template        other          failed    hard
    135000    caller     fix_request          other          failed    -
    141002    template   stop_template        other          failed    -
    2494170   caller     fix_request          other          failed    -
    987654    message    drop_message         other          failed    -
"""


@pytest.mark.parametrize("row", CASES.strip().splitlines()[1:])
def test_a_code_says_what_to_do(row: str) -> None:
    number, *expected = row.split()
    code = lookup(int(number))
    assert [code.scope, code.action, code.harm, code.outcome, "hard" if code.hard else "-"] == expected


def test_only_a_sure_refusal_is_asked_again_by_itself() -> None:
    again = {code.number for code in TABLE if code.outcome is Outcome.RETRY}
    assert again == {UNREACHABLE, 4, 80007, 80008, 130429, 131056, 131057}
    assert again == {code.number for code in TABLE if code.accepted is Acceptance.NO}


def test_whatever_is_retried_says_how_long_to_wait_and_how_often() -> None:
    for code in TABLE:
        if code.action is Action.RETRY:
            assert code.wait is not None
            assert 0 < code.tries_max <= 6


def test_a_dropped_held_message_stops_the_portfolio() -> None:
    code = lookup(135000, held=True)
    assert (code.scope, code.action, code.hard) == (Scope.PORTFOLIO, Action.STOP_PORTFOLIO, True)
    assert lookup(131026, held=True) == lookup(131026)


def test_a_deleted_number_also_comes_as_a_subcode_of_100() -> None:
    assert lookup(100, subcode=33).action is Action.PAUSE_CHIP
    assert lookup(100, subcode=2494055).action is Action.FIX_REQUEST


def test_no_code_stops_the_message_only() -> None:
    assert lookup(None).action is Action.DROP_MESSAGE
    assert lookup(None).outcome is Outcome.FAILED


@pytest.mark.parametrize(
    ("code", "waits"),
    [
        (131056, [1, 4, 16, 64, 256, 1024, 3600]),
        (131049, [86_400, 172_800, 345_600, 691_200, 1_382_400, 2_592_000, 2_592_000]),
        (131057, [60, 60, 60]),
        (133016, [259_200, 259_200]),
    ],
)
def test_waits_grow_as_the_platform_asks(code: int, waits: list[float]) -> None:
    wait = lookup(code).wait
    assert wait is not None
    assert [wait.seconds(repeat) for repeat in range(len(waits))] == waits
    assert wait.seconds(10_000) <= wait.max_s


def test_no_code_is_listed_twice_and_each_has_a_meaning() -> None:
    assert len(CODES) == len(TABLE)
    assert all(code.meaning for code in TABLE)
    assert lookup(TOKEN_UNFIT).action is Action.STOP_ACCOUNT


def test_the_core_and_the_table_agree_on_what_stops_at_once() -> None:
    for_good = {number for number, (hard, _) in TEMPLATE_CODES.items() if hard}
    assert {code.number for code in TABLE if code.hard} == {*HARD_CODES, *for_good}
    for number, (scope, _) in HARD_CODES.items():
        assert lookup(number).scope == scope
    assert all(lookup(number).action is Action.STOP_TEMPLATE for number in TEMPLATE_CODES)


def test_only_spam_undeliverable_and_the_person_limit_have_a_count_of_their_own() -> None:
    own = {code.number: code.harm for code in TABLE if code.harm not in (Harm.OTHER, Harm.NONE)}
    assert own == {131026: Harm.UNDELIVERABLE, 131048: Harm.SPAM, 131049: Harm.LIMITED}
