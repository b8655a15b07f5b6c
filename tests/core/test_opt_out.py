"""Requests to stop are heard in three languages; what only sounds like one is left alone."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from julia_warmer.core.opt_out import COMMANDS, SENTENCES, Outcome, classify, own_words

STOPS, FALSE_FRIENDS, UNSURE = ((Path(__file__).parent / "opt_out" / f"{name}.txt").read_text() for name in ("stops", "others", "unsure"))
BUTTONS = """
    Unsubscribe                | Unsubscribe         | opt_out   | all
    Unsubscribe from Promos    | promo-1             | opt_out   | marketing
    Unsubcribe from Promos     | x                   | opt_out   | marketing
    Unsubscribe from All       | x                   | opt_out   | all
    Stop promotions            | x                   | opt_out   | marketing
    Parar promoções            | x                   | opt_out   | marketing
    Não quero mais mensagens   | x                   | opt_out   | all
    Sair                       | sair                | opt_out   | all
    Sair da lista              | leave               | opt_out   | all
    Descadastrar               |                     | opt_out   | all
    Tchau                      | OPT_OUT             | opt_out   | all
    Tchau                      | optOutMarketing     | opt_out   | marketing
    Agora não                  | stop_promotions_7   | opt_out   | marketing
    Cancel                     | cancel-button       | ambiguous | all
    Cancelar                   | cancelar            | ambiguous | all
    Not interested             | no                  | ambiguous | all
    Cancelar                   | cancelar-plantao    | none      | all
    Change                     | change-button       | none      | all
    Cancelar plantão           | cancel_shift_9      | none      | all
    Quero saber mais           | more                | none      | all
    Ponto de ônibus            | bus_stop            | none      | all
"""


def lines(table: str) -> list[str]:
    return [line.strip() for line in table.strip().splitlines()]


@pytest.mark.parametrize("text", lines(STOPS))
def test_a_request_to_stop_is_heard(text: str) -> None:
    assert classify(text).outcome is Outcome.OPT_OUT


@pytest.mark.parametrize("text", lines(FALSE_FRIENDS))
def test_a_false_friend_does_not_opt_out(text: str) -> None:
    assert classify(text).outcome is Outcome.NONE


@pytest.mark.parametrize("text", lines(UNSURE))
def test_what_may_be_a_request_is_left_to_a_person(text: str) -> None:
    assert classify(text).outcome is Outcome.AMBIGUOUS


@pytest.mark.parametrize("row", lines(BUTTONS))
def test_a_button_is_judged_by_its_text_and_its_payload(row: str) -> None:
    text, payload, outcome, purpose = (cell.strip() for cell in row.split("|"))
    verdict = classify(text, payload=payload)
    assert (verdict.outcome, verdict.purpose if verdict.outcome is Outcome.OPT_OUT else "all") == (outcome, purpose)


@pytest.mark.parametrize(
    ("text", "purpose"),
    [
        ("SAIR", "all"),
        ("não quero mais propaganda", "marketing"),
        ("pare com as promoções", "marketing"),
        ("não quero mais mensagens de promoção", "all"),
        ("no quiero más publicidad", "marketing"),
    ],
)
def test_only_a_request_about_promotions_is_for_marketing_alone(text: str, purpose: str) -> None:
    verdict = classify(text)
    assert (verdict.outcome, verdict.purpose) == (Outcome.OPT_OUT, purpose)


def test_nothing_said_asks_for_nothing() -> None:
    for text in (None, "", "   ", "…", "?!"):
        assert classify(text).outcome is Outcome.NONE


OWN = """
    me poupe                   | opt_out
    Me POUPE!!                 | opt_out
    bom dia, me poupe          | opt_out
    me poupe?                  | ambiguous
    me poupe do detalhe        | none
    TCHAU123                   | opt_out
    quero sim                  | none
"""


@pytest.mark.parametrize("row", lines(OWN))
def test_an_owners_own_word_stops_and_only_when_the_clause_says_nothing_else(row: str) -> None:
    text, outcome = (cell.strip() for cell in row.split("|"))
    assert classify(text, words=own_words(["Me poupe", "tchau123"])).outcome == outcome


@pytest.mark.parametrize(
    "word", ["", "oi", "sim", "Não!", "quero", "tenho interesse", "não pare", "sair?", "a", "uma. duas", "x" * 61, "🛑"]
)
def test_an_own_word_that_would_stop_the_wrong_people_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match=r"word|characters"):
        own_words([word])


@given(st.text(max_size=400), st.none() | st.text(max_size=40))
def test_any_text_gets_an_answer(text: str, payload: str | None) -> None:
    assert classify(text, payload=payload).outcome in Outcome


@given(
    st.sampled_from(lines(STOPS)), st.sampled_from([str.upper, str.lower, str.title, lambda text: f"  {text}  ", lambda text: f"{text} 🙏"])
)
def test_case_and_spaces_change_nothing(text: str, change) -> None:
    assert classify(change(text)).outcome is Outcome.OPT_OUT


def test_a_long_text_is_judged_quickly() -> None:
    assert classify("nao quero mais " * 100_000).rule is not None
    assert classify("a " * 50_000 + "sair").outcome is Outcome.NONE


def test_every_rule_has_a_name() -> None:
    assert all(rule.name for rule in (*COMMANDS, *SENTENCES))
