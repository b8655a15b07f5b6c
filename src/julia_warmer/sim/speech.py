"""What people of the world write. Plain sentences, in the language of the people we write to."""

REPLIES = (
    "Oi, tenho interesse sim",
    "Bom dia! Pode mandar os detalhes?",
    "Quais são os horários?",
    "Tenho disponibilidade no fim de semana",
    "Qual é o valor do plantão?",
    "Em qual hospital?",
    "Sim, pode me ligar mais tarde",
    "Estou de plantão agora, respondo à noite",
    "Não consigo parar agora, me chama amanhã?",  # a false friend: it asks for a call, not for an end
    "Hoje não posso, mas me avise dos próximos",
    "Obrigada, vou ver a agenda",
    "Ok!",
    "Combinado",
    "Pode ser na terça?",
    "Essa vaga ainda está aberta?",
    "👍",
)
SECOND_MESSAGES = ("E qual o endereço?", "É presencial?", "Obrigado", "Pode ser por aqui mesmo", "Fico no aguardo")
FOLLOW_UPS = ("Perfeito", "Pode confirmar então", "Tem outra data?", "Entendi, obrigada", "Sim", "Me manda o contrato por favor", "Fechado")
STOPS = (
    "PARAR",
    "Parar",
    "sair",
    "SAIR",
    "Sair por favor",
    "Stop",
    "STOP",
    "cancelar",
    "Descadastrar",
    "Não quero mais receber mensagens",
    "não quero receber mais",
    "Pare de me mandar mensagens",
    "Me remova da lista",
    "remover",
)


def pick(choices: tuple[str, ...], u: float) -> str:
    """The sentence at `u` of the way through."""
    return choices[int(u * len(choices))]
