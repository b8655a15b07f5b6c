"""Requests to stop are heard in three languages; what only sounds like one is left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from julia_warmer.core.opt_out import COMMANDS, SENTENCES, Outcome, classify

STOPS = """
    SAIR
    sair
    Sair.
    saír!
    s a i r
    S.A.I.R
    *SAIR*
    SAIRRRR
    𝐒𝐀𝐈𝐑
    Sair, por favor
    bom dia! sair
    quero sair
    Quero sair da lista
    como faço pra sair?
    como faço para não receber mais?
    PARAR
    pare
    Pare!!!
    parem 🛑
    Pare com isso
    para
    CANCELAR
    cancela
    descadastrar
    Quero me descadastrar
    por favor me descadastrem
    REMOVER
    não quero mais
    Não quero mais receber mensagens
    nao quero receber mais nada de vcs
    não desejo receber essas mensagens
    não quero mais receber plantões
    Não gostaria de receber mais contato
    não quero mais mensagens
    nao quero propaganda
    pare de me mandar mensagem
    Parem de enviar mensagens, obrigado
    podem parar de me mandar msg?
    para de me encher
    quero parar de receber essas mensagens
    Não aguento mais, parem de mandar mensagem
    não me mande mais mensagens
    nao me mandem mais
    não envie mais mensagens para este número
    favor não enviar mais
    não me incomode mais
    não me perturbe
    não quero que vocês me mandem mensagem
    não quero ser contatado
    gostaria de não receber mais mensagens
    solicito a exclusão do meu cadastro conforme a LGPD
    vocês podem me remover?
    não quero mais fazer parte dessa lista
    já pedi pra parar de mandar mensagem
    não tenho interesse, pode me tirar da lista
    ñ quero receber
    sair sair sair
    SAIR/STOP
    remova-me
    nunca mais me mande mensagem
    não me mandem
    quero que vocês parem
    não tenho mais interesse em receber
    cancelar envio
    me tira dessa lista
    tira meu número da lista
    Remova meu contato, por gentileza
    exclua meus dados
    apaguem meu número
    me tirem daqui
    revogo meu consentimento
    Retiro a minha autorização
    não autorizo o uso dos meus dados
    me deixa em paz
    me esquece
    cancelar inscrição
    pare com as promoções
    STOP
    Stop!
    stopppp
    STOPALL
    please stop
    Stop, thanks
    unsubscribe
    Unsubscribe me please
    opt out
    opt-out
    I want to opt out
    QUIT
    stop texting me
    Stop sending me messages
    please don't contact me
    do not message me again
    don't send me anything
    I don't want to receive these messages
    I no longer wish to receive messages
    no more messages please
    remove me from your list
    take me off this list
    delete my number
    leave me alone
    cancel my subscription
    BAJA
    salir
    Darme de baja
    quiero darme de baja
    dejen de escribirme
    deja de mandarme mensajes
    no quiero recibir más mensajes
    no quiero más publicidad
    no me escriban más
    no me molesten
    borren mi número
    sáquenme de la lista
    no más
"""
FALSE_FRIENDS = """
    vou parar aqui pra almoçar
    sair do plantão às 19h
    não quero parar
    Posso sair mais cedo?
    vou sair agora, falo depois
    estou saindo do hospital
    quero sair mais cedo no sábado
    preciso sair do plantão às 18h
    Não quero sair da lista
    não pare de mandar, adoro
    não me tire da lista por favor
    não quero deixar de receber
    nunca parem
    pode continuar mandando
    quero continuar recebendo
    Quero receber mais mensagens
    quero sim
    não
    não posso hoje
    Não, obrigado
    não quero receber por pix
    não quero mais esse plantão
    não quero plantão noturno
    não precisa ligar
    por que pararam de enviar mensagens?
    não me liga agora, manda mensagem
    removeram meu nome da escala?
    não quero receber menos de 1500
    ainda não recebi o pagamento
    não recebi a mensagem
    deixei de receber o pagamento de março
    quando vou parar de receber por nota?
    não me chame de doutor, só de Ana
    não me manda o contrato ainda
    não mande a escala sem confirmar
    me tira uma dúvida
    tira uma foto da escala
    cancela o plantão de sábado
    preciso cancelar meu plantão
    quero cancelar o turno de hoje
    para mim está ótimo
    para qual hospital?
    isso não para nunca rs
    o ônibus parou
    fiquei sem parar o dia todo
    remover a sutura dói?
    vou remover o gesso amanhã
    bom dia
    ok
    sim
    👍
    não entendi
    qual o valor?
    chega que horas?
    eu chego às 7
    fim de semana pode ser
    sem problemas
    don't stop
    please don't stop sending these
    I'll stop by later
    the bus stop is near
    non-stop shifts this month
    I quit my old job
    at the end of the month
    can I cancel my shift on Friday?
    remove the first option
    thanks, more please
    estoy de baja médica
    ¿a qué hora puedo salir?
    salir del turno a las 7
    no quiero dejar de recibir
    no puedo hoy
    para mañana está bien
    me gusta, gracias
    alto, bajo, da igual
    Tenho interesse
    Interessado
    mensagem recebida
    manda mais
    obrigada pela mensagem
    removi o aplicativo antigo
    a promoção ainda vale?
"""
UNSURE = """
    cancelar?
    sair?
    parar?
    chega
    basta
    não quero
    não tenho interesse
    not interested
    quero cancelar
    não quero mais saber disso
    pode parar?
    número errado
    vou bloquear vocês
    isso é spam
    quem passou meu número?
    não me mande mensagem agora
    não me mandem mensagem de madrugada
    por favor não me mande mensagem hoje, estou em cirurgia
    don't text me at night
    me tira da lista do plantão de sábado
    se eu quiser parar de receber mensagens, como faço?
    meu colega pediu para parar de receber mensagens
    não precisa mandar mais
    para de mandar a escala errada
    🛑
"""
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
