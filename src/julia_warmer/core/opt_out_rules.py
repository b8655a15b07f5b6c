"""The words and sentences that ask us to stop, in Portuguese, English and Spanish, as tables. It must not know how a message is judged.

How to read a sentence: words in order; `a/b` either; `a?` may be missing; `<name>` a word of the list of that name; `stem*` any ending;
`big_words` one after the other; `$` the clause ends here. Everything is in small letters without accents.
"""

import re
from collections.abc import Iterable

# ---------------------------------------------------------------- lists of words

_WORDS = r"""
neg:        nao naum num nn n nunca jamais nem
want:       quero qro kero qero queria desejo gostaria gostaria_de gostaria_mais_de pretendo aceito autorizo permito concordo_em
            preciso tenho_interesse_em
            tenho_mais_interesse_em queremos queriamos desejamos gostariamos gostariamos_de aceitamos autorizamos
wish:       quero qro kero queria gostaria_de desejo prefiro quiero deseo quisiera want_to wanna wish_to id_like_to i_would_like_to
wished:     out sair parar salir stop unsubscribe opt_out quit descadastrar me_descadastrar dar_stop dar_um_stop dar_de_baja
            darme_de_baja baja la_baja
stop:       pare parem parar para param parassem parasse deixe deixem deixar deixa cesse cessem cessar chega
send:       mandar mandando mande mandem manda mandes enviar enviando envie enviem envia envies escrever escrevendo escreva escrevam
            disparar disparando dispare disparem chamar chamando chame chamem chama ligar ligando ligue liguem liga
sends:      mandarem enviarem escreverem dispararem chamarem ligarem contatarem procurarem mandassem enviassem perturbarem incomodarem
write:      mandar mandando mande mandem manda enviar enviando envie enviem envia escrever escreva escrevam disparar
bother:     perturb* incomod* importun* contatar contatando contate contatem contactar contacte contactem encher enchendo encha
            encham enche
            chatear chateando chateie chateiem procurar procurando procure procurem
touched:    contatad* contactad* incomodad* importunad* perturbad*
remove:     tira tire tirem tirar remova remove removam remover retira retire retirem retirar exclua exclui excluam excluir
            apaga apague apaguem apagar deleta delete deletem deletar elimina elimine eliminem eliminar risca risque riscar
            cancela cancele cancelem cancelar desativa desative desativem desativar
block:      bloqueia bloqueie bloqueiem bloquear
pedir:      pedir pedi pedimos peco pedindo solicito solicitei falei
ask that:   gostaria queria quero peco pedi pedimos solicito exijo
agreed:     autorizei autorizamos permiti dei_autorizacao dei_permissao dei_autorizacao_para dei_permissao_para
asked for:  autorizei autorizamos permiti dei_autorizacao dei_permissao pedi solicitei
going to:   vou irei vamos will voy_a vou_ter_que
threat:     bloque* denunci* report* process* block
adv:        imediatamente agora ja logo entao por_favor favor
removed:    remov* exclui* retirad* tirad* descadastrad* desinscrit* apagad* deletad*
schedule:   escala escalas plantao plantoes turno turnos vaga rodizio dia roster schedule shift rota guardia
            segunda terca quarta quinta sexta sabado domingo feriado monday tuesday wednesday thursday friday saturday sunday
take out:   tira tire tirem tirar remove remova removam remover retira retire retirem retirar exclua exclui excluam excluir descadastr*
removal:    exclusao remocao cancelamento retirada eliminacao
my thing:   numero contato telefone celular fone tel zap whats* wpp nome dados inscricao assinatura daqui disso dai
line:       numero contato telefone celular fone tel zap whats* wpp
stuff:      negocio negocios coisa coisas treco trem troco
house:      hospital convenio plano cooperativa conselho crm clinica upa ubs prefeitura sus cnes
halt:       pare parem parar cesse cessem cessar chega cancele cancelem cancelar cancela bloquear suspend* interromp* basta
            desative desativem desativar desativa desligue desliguem desligar desliga desabilit* detener detenga detengan
list:       lista listas mailing grupo grupos cadastro cadastros base banco_de_dados programa contatos agenda sistema
message:    mensage* menssage* msg msgs mgs sms zap zaps zap_zap whats* wpp notifica* aviso avisos lembrete lembretes comunica*
            informativo*
            disparo disparos propost* conteudo* informac* divulgac* newsletter* propaganda* promoc* promo promos promotion
            promotions oferta ofertas offer offers publicidad*
            marketing anuncio anuncios ads message messages text texts email emails notification* updates mensaje mensajes promociones
thing:      <message> contato contatos contacto contactos spam anything nada isso isto eso esto nothing
shifts:     vagas plantoes convites shifts turnos guardias
shift:      vaga plantao convite shift turno guardia
some:       mais mas more essa essas esta estas esse esses este estes sua suas seu seus a as o os de da das do dos tanta tantas tantos
            nenhum nenhuma qualquer outra outras toda todas todos tipo tipos the these those your any all further of la las los sus estos
            ningun ninguna por via com such
mine:       a as o os de da das do dos meu meus minha minhas no na nos nas essa esta dessa desta desse deste sua seu suas seus voces
from us:    de_voces de_vcs de_voce mais_de_voces aqui por_aqui desse_numero deste_numero nesse_numero neste_numero from_you de_ustedes
sending:    sending messaging texting contacting writing emailing bothering spamming harassing pestering pinging
contact me: contact message text write email send bother spam disturb
consent:    consentimento autorizacao permissao consentimiento consent permission
mandar:     mandar* enviar* escribir* molestar* contactar* llamar*
"""

# ---------------------------------------------------------------- the whole clause is this and nothing else

COMMANDS = r"""
command: sair/parar/pare/parem/remover/remova/remove/excluir/detener/salir/baja/parad/paren
command: descadastrar/descadastre/descadastra/descadastro/descadastrem/desinscrever/desuscribir/desuscribirme
command: sair/pare/parem/parar/para/stop ja/agora/now/ahora
command: pare/parem/para com_isso
command: sair da/dessa/desta lista
command: nao perturbe/incomode
command: pode/podem parar
command: remova/remove/remover/tire/tirem/exclua/excluam/descadastre me
command: <neg> eu? quero/qro/kero/queria mais
command: <neg> receber mais?
command: optar_por_sair/no_mas
command: no molestar/molesten/moleste/escriban/envien/manden mas?
command: i_said/told_you_to/i_told_you_to/eu_disse/ja_disse stop/pare/parem/parar
command: stop it/this/that/all?
command: nao_entre/nao_entrem/favor_nao_entrar mais? em_contato
command: stopall/unsub/un_subscribe/unsubscribe/unsubcribe/optout/opt_out/remove_me/no_more
command: eu/i? <wish> <wished>
"""
# Common words: a command only when nothing else is said, and never on a button.
LONE_COMMANDS = r"""
word alone: para/sai/saia/end/quit/cancel/cancela/cancele/cancelem/cancelar
"""
UNSURE = r"""
unsure word: bloquear/bloqueado/bloqueada/cancelar_tudo/engano/desativar/exclusao/remocao/cancelamento
unsure word: chega/basta disso/ja/ne?
unsure word: nao mandar/enviar
unsure word: pode/podem remover/excluir/retirar
unsure word: cancela/cancele/cancelem/cancelar isso
unsure word: quero_cancelar/quiero_cancelar/i_want_to_cancel
unsure word: nao_me_interessa/nao_me_interesso/no_me_interesa/not_interested
unsure word: numero_errado/wrong_number/numero_equivocado
"""
# As the above, and only when nothing else is said: "no, the pay is too low" is about the pay.
LONE_UNSURE = r"""
unsure alone: chega/basta/fim/spam/denunciar/alto/nao_quero/no_quiero/nao_quero_nao
"""
# What people answer with: an owner's own word may not be one of these.
ORDINARY = r"""
answer: sim/nao/talvez/quero/posso/pode/claro/certo/combinado/hoje/amanha/agora/depois/sempre/bom/boa/oi/yes/no/si/maybe/sure/today
answer: tenho_interesse/quero_sim/pode_ser/nao_posso/hoje_nao/agora_nao/nao_sei/plantao/escala/vaga/turno/shift
"""
FILLERS = r"""
filler: oi/oii/oiii/ola/opa/bom_dia/boa_tarde/boa_noite/hi/hello/hey/hola/buenos_dias/buenas_tardes/buenas_noches
filler: por_favor/por_gentileza/favor/pfv/pfvr/pf/pls/plz/please/obrigado/obrigada/obg/grato/grata/valeu/thanks/thank_you/thx/gracias
filler: ok/okay/desculpe/desculpa/ja/ya/imediatamente/immediately/urgente/entao/sim/yes/si/kk*/rs
filler: pra_mim/para_mim/p_mim
filler: pelo_amor_de_deus/por_deus/deus_me_livre/pela_ultima_vez/ultima_vez/lgpd/aff*/saco/que_saco/poxa/caramba
filler: serio/na_moral/de_verdade/nossa
filler: gente/pessoal/moco/moca/amigo/amiga/senhor/senhora/doutor/doutora/julia
"""

# "Para" alone is "for" as often as "stop": inside a longer message it is a command when it is asked for.
ASKED = r"""
asked: para/sai/saia/saiam
"""
PLEASE = r"""
please: por_favor/por_gentileza/favor/pfv/pfvr/pf/pls/plz/please
"""
# Who wants to be written to in place of being called asks for no silence.
CALLS = r"""
calls: lig*/telefon*/calls/call/calling
"""
WRITES = r"""
writes: prefiro/prefere/melhor/so/pode/manda/mande/chama/chame/fala/fale mais? por/no/pelo/via? zap*/whats*/wpp/mensage*/msg/msgs/texto/aqui
writes: prefer/just/only/please text/texts/texting/message/messages/whats*/write
"""
# The way people write these words in haste. Longer words may also have a letter wrong: `opt_out.mend`.
SPELLINGS = r"""
quero: qro qero kero kro keru queru
nao: naum nn n
de: d
com: c
"""
# Whatever follows is another form of the word.
WELL_BEGUN = ("descadastr", "desinscr", "unsubscribe", "unsubscribi", "mensag", "propagand", "promoc")
LONG_WORDS = r"""
mensagem mensagens mensaje mensajes propaganda propagandas promocoes descadastrar descadastre descadastro descadastramento desinscrever
inscricao unsubscribe publicidade notificacoes notificacao
"""

# ---------------------------------------------------------------- sentences that ask to stop

SENTENCES = r"""
refuses to receive:     <neg> eu? <want> mas receber <object>/<from us>/$
refuses to receive:     <neg> eu? mais? <want> mais? ficar/continuar/seguir? receber/recebendo/ter mais? <object>/<from us>/$
prefers not to receive: <wish>/favor/peco/solicito/pedi/pedimos/pedindo de/para/pra? nao mais? receber mais? <object>/<from us>/$
refuses contact:        <neg>/nao_mais <want>/<wish> mais? ser mais? <touched>
refuses contact:        <neg> <want> mais? contato
refuses our writing:    <neg> mais? <want> mais? que voce/voces/vc/vcs? me? <send>/<bother>
refuses more:           <neg> eu? quero/queria/desejo/aceito receber? mais/nunca_mais <object>
refuses messages:       <neg> eu? quero/queria/desejo/aceito/autorizo <message object>
stop sending:           <stop> <adv>? de me/nos? ficar/estar? me? <send> mais? <object>/<from us>/pra_mim/para_mim/$
stop sending:           <stop> de me/nos? <send>/<bother> e/ou me/nos? <send>/<bother> mais? <object>/<from us>/$
stop bothering:         <stop> <adv>? de me/nos? ficar/estar? me? <bother>
stop receiving:         <stop> <adv>? de receber/recebendo mais? <object>/<from us>/$
stop the messages:      <halt> de/com? o_envio/os_envios/o_recebimento/envio/recebimento/envios/<message object>
do not send:            <neg> mais? me/nos? mais? <send> me? mais? pra_mim? <object>
stop the messages:      para com/de <message object>
no more messages:       sem mais <message object>
no more messages:       nada de <message object> $
do not send:            <neg> me/nos <write> $
do not send:            <neg> e/eh pra/para/p me/nos? <send> mais? <object>/$
asked not to send:      <ask that> que/q voces/vcs? <neg> mais? me/nos? mand*/envi*/contat*/escrev* mais? <object>/<from us>/$
asked not to send:      de/para/pra/que/p voces/vcs? <neg> me/nos? mais? <sends> mais <object>/<from us>/$
asked not to send:      peco/gentileza/solicito/favor/pedi de/para/pra/que/p? <neg> me/nos? mais? <sends> <object>/<from us>/$
refuses messages:       dispenso/recuso/rejeito <message object>
did not ask for it:     <neg> pedi/pedimos/solicitei/solicitamos <message object>
do not contact:         <neg> mais? entre/entrem/entra/entrar mais? em_contato
do not send more:       <neg> me/nos? <send> me? mais <from us>/pra_mim/$
do not send more:       <neg> me/nos? mais me? <send> <from us>/pra_mim/$
do not bother:          <neg> me/nos? mais? me? <bother> me? mais? <from us>/$
remove me:              <remove> me/eu? <of my> <list>/<my thing>
forget me:              esquece/esqueca/esquecam/perde/perca/percam o? meu <line>
take me out:            me/nos <take out> daqui/disso/dai/$
take me out:            me/nos <take out> dessa/desse/nessa/nesse $
take me out:            me/nos <take out> dessa/desse/deste/desta <stuff>
blocks us:              me <block> ai?/daqui?/por_ai?/$
blocks us:              <block> <of my> numero/contato/telefone/celular
asks for removal:       <wish>/peco_para/peco_pra/exijo/solicito ser <removed>
asked to stop:          quero/queria/queremos/gostaria/exijo/peco/solicito/pedi que/q voces/vcs? pare/parem/parassem $
asked to stop:          voces/vcs pararem $
asked to stop:          voces/vcs podem/poderiam parar $
stop the messages:      <stop> com/de/com_esse/com_este/de_fazer/com_o/de_mandar spam
refuses messages:       <neg> quer/querem mais? receber mais? <message object>
struck off:             dar/da/de/deem/dem/deu/dou/quero baixa do/da/no/na/em <of my> <list>/<my thing>
asks for removal:       <removal> <of my> <list>/<my thing>/recebimento/envio/<message>
asked to stop:          pedir/pedi/peco/pedindo/solicitei/falei pra/para/que/p voces/vcs? pararem/parem/parar $
asked to stop:          <pedir> pra/para/que/p me <remove>/tirarem/removerem/excluirem/retirarem/descadastr*
asked to stop:          pedir/pedi/peco/pedindo/solicitei/falei pra/para/p sair $
typed it:               digitei/respondi/respondo/mandei/enviei sair/parar/stop
unsubscribes:           descadastr*/desinscr*/desassin*
chose not to receive:   optar/opto/optei/escolho por? nao_receber/sair
leaves the list:        sair da/das/do/dos/dessa/desse/desta/deste/nessa seu/sua/meu/de_sua/de_seu? <list>/<message>
leaves the list:        me retiro/retirar da/do/dessa/desse/desta/deste <list>
leaves the list:        sair de_sua/de_seu? <list>/daqui/disso
leaves the list:        nao quero mais? fazer_parte/participar mais? <of my> <list>/disso
asks how to leave:      como eu? faco/faz/fazer/posso/consigo? pra/para/p? eu? sair/parar/me_descadastrar/nao_receber mais? $
asks how to leave:      como eu? paro/deixo/parar/paramos de receber mais? <object>/<from us>/$
asks how to leave:      como eu? saio/sair/saimos da/das/do/dessa/desse/desta/deste/daqui <list>/<message>/$
asks how to leave:      como/onde eu? cancelo/cancelar/desativo/desativar o_recebimento/recebimento/o_envio/envio/envios/<message object>
asks how to leave:      como/onde eu? cancelo/cancelar a/o/minha/meu? inscricao/assinatura/cadastro
asks how to leave:      como eu? me descadastr*/desinscrev*
withdraws consent:      revog*/retir*/cancel*/withdraw/revoke o/a? meu/minha/my/mi? <consent>
forbids use of data:    <neg> autorizo/permito/aceito mais? o/esse/este? envio/contato
forbids use of data:    <neg> concordo com o_envio/o_contato/<message object>
forbids use of data:    <neg> tem/possui/possuem a? minha <consent>
forbids use of data:    <neg> dou permissao/autorizacao/consentimento
forbids use of data:    nao autorizo mais? o? uso/contato/envio/tratamento
never agreed:           <neg> <agreed> <some>? contato/envio/<message>
never agreed:           <neg> <asked for> voces/vcs/que_voces/que_vcs/para/pra a? me? mandar*/enviar*/contatar*/mandassem/enviassem/receber
peace:                  me? deixa/deixe/deixem me? em_paz/quieto/quieta/sossegado/sossegada
peace:                  deixa/deixe/deixem eu/a_gente em_paz
peace:                  me esquece/esqueca/esquecam $
stop sending:           stop/quit/cease <sending> to? me/us/this_number/these/those/<object>/$
stop receiving:         want_to/like_to/wish_to/please/how_do_i/how_can_i/let_me stop receiving/getting
stop the messages:      stop/cancel/end/block/cease my/with? <message object>
do not send:            do_not/dont/never ever? <contact me> to? me/us/this_number/<object>/$
refuses to receive:     do_not/dont/no_longer/never want/wish/wanna/care to? receive/receiving/get/getting/hear_from
refuses to receive:     do_not/dont/no_longer/never want/wish/wanna/care to? be contacted/messaged/texted
refuses to receive:     do_not/dont/no_longer/never want/wish/wanna/care to? <object>
no more messages:       no_more <message object>
remove me:              remove/delete/take/erase/get/lose me_off/me_from/me_out/my_number/my_name/my_contact/my_phone/my_data/my_info*
do not send:            do_not/dont/never call/text/message/contact or/and call/text/message/contact
remove me:              want_to/like_to/wish_to/asked_to be removed/deleted/unsubscribed/taken_off
remove me:              remove/take/delete/erase from/off your/the/this? list
unsubscribes:           unsub/unsubscribe/unsubscribing/unsubcribe/un_subscribe/opt_out/opt_me_out/opting_out
unsubscribes:           cancel my? subscription
unsubscribes:           end/stop my/this? subscription
peace:                  leave_me_alone
stop sending:           deja/deje/dejen/dejar/dejad/para/paren/parar de <mandar> <object>/me/$
stop receiving:         deja/deje/dejen/dejar/parar/para/paren de recibir <object>/$
refuses to receive:     no quiero/deseo/quisiera/acepto/autorizo mas/seguir? recibir/recibiendo mas? <object>/<from us>/$
refuses our writing:    no quiero/deseo/quisiera/acepto/autorizo que me escrib*/mand*/envi*/contact*
refuses messages:       no quiero/deseo/quisiera/acepto/autorizo mas? <message object>/el_envio/el_contacto/mas_informacion/contacto
do not send:            no mand*/envi*/escrib* mas <message object>
do not send:            no me mand*/envi*/escrib*/contact*/molest* mas/<object>/$
remove me:              borr*/elimin*/quit*/sac*/saqu* de_la_lista/de_su_lista/de_tu_lista/de_esta_lista/de_aqui
remove me:              borr*/elimin*/quit*/sac*/saqu* mi_numero/mis_datos/mi_contacto
unsubscribes:           dar/darme/darse/dame/deme/denme/den/doy de_baja
unsubscribes:           quiero/solicito/pido la? baja $
no more messages:       no_mas/basta_de/basta_ya_de/ni_un <message object>
leaves the list:        quiero/quisiera/deseo/como/puedo salir/salgo/salirme de_la/de_su/de_esta/de_tu lista/<message>
unsubscribes:           desuscri*/cancel* mi/la? suscripcion
unsubscribes:           desuscri*/desuscribir
peace:                  dejenme/dejeme/dejame en_paz
"""

# ---------------------------------------------------------------- sentences that a person should look at

DOUBTS = r"""
stop sending something:   <stop> de me? <send> <word>
stop sending something:   stop sending <word>
do not send more of it:   <neg> me? <send> me? mais <word>
no need to send:          <neg> precisa/precisam mais? me? <write> mais? <object>/<from us>/$
does not want this:       <neg> quero isso/isto/nada/mais_participar/mais_fazer_parte $
does not want this:       <neg> quero mais saber
does not want this:       no quiero eso/esto/nada $
sends us away:            sai/saiam/some/suma/sumam daqui $
how to cancel:            como/onde eu? cancelo/cancelar/desativo/saio/paro $
how to cancel:            como eu? faco/posso/faz/fazer/consigo pra/para/p? cancelar/desativar $
not interested:           nao_tenho/nao_tenho_mais/sem/sem_mais/perdi_o interesse $
not interested:           nao_tenho/sem/perdi_o mais? interesse em/nas/nos/por/nisso/nessas <message>/<shifts>/contato/trabalhar/$
not interested:           not_interested/no_me_interesa
complains:                <neg> param de me? <send>/<bother>
complains:                isso/isto/this e/eh/is spam/golpe/assedio
complains:                chega/cansei/cansado/cansada de receber/tanta
threatens:                vou/irei/vamos/will/voy_a te/os/voces/vcs/ter_que bloque*/denunci*/report*/process*/block
threatens:                <going to> <threat> voces/vcs/you/los/$
threatens:                <going to> <threat> o/este/esse/seu/aqui? numero/contato
threatens:                <message>/assim/continuar/parar/pararem/insistir eu? vou? bloqueio/denuncio/processo/<threat>
had enough:               chega/basta/pare/parem/para de/com <word>? <word> no_meu <line>
had enough:               <neg> aguento/aguentamos/suporto mais receber? <message object>
said so before:           disse/falei/avisei/respondi que/q <neg> quero mais? $
wrong person:             numero/pessoa/contato/wrong errado/errada/number/person/equivocado
wrong person:             foi/e/eh engano
wrong person:             nao_sou o/a? dr/dra/doutor/doutora/medico/medica
where from:               quem/como/onde/who/how <word>? <word>? <word>? meu/my numero/contato/telefone/number
"""

# ---------------------------------------------------------------- what changes the answer

# "Do not stop": the clause asks for nothing.
NEGATIONS = r"""
not: <neg> <intends> pare/parem/parar/sair/saia/saiam/cancelar/cancele/cancelem/remover/remova/removam/excluir/exclua/excluam
not: <neg> <intends> deixar_de/deixe_de/deixem_de/descadastr*/desinscrev*/bloque*
not: <neg> <intends> me? tirar/tire/tirem/descadastr*
not: <neg> tira/remove/exclui/apaga/deleta/retira/cancela meu/minha/o/a
not: <neg> me tira/remove/exclui/apaga/deleta/retira
not: <neg> me? esquec*/perca/percam/perde o? meu <line>
not: descadastrei/desinscrevi/cancelei o/a/os/as/um/uma
not: descadastr*/desinscr* do/da/no/na/de/pelo/pela o? <house>
not: <neg> <intends> ser <removed>
shift: <remove>/<take out>/tirou/tiraram me/eu/o/meu/nome? meu/nome? nome? da/do/desta/deste/dessa/desse/na/no/das/dos <schedule>
shift: remove/take/removed me/us/my_name? off/from the/this/my/that? <word>? <schedule>
not: do_not/dont/never/no_need_to/not_going_to ever? stop/unsubscribe/cancel/remove/opt/quit
not: no quiero/voy_a/deseo/me dej*/sal*/dar*/cancel*/quit*/par*
"""
# Less than a request to stop: it is about a time, a shift, a condition, or somebody else. A person looks.
SOFTENERS = r"""
time:      hoje/amanha/a_noite/de_noite/de_madrugada/por_enquanto/enquanto/durante
time:      no/nos/aos fim_de_semana/fins_de_semana/final_de_semana/finais_de_semana/sabado/sabados/domingo/domingos/feriado/feriados
time:      esse/este/nesse/neste horario
time:      fora de/do horario
time:      depois/antes de/da/das/do
time:      ate amanha/segunda/as/o/a
time:      today/tonight/tomorrow/right_now/at_night/after/before/during/on_weekends/this_week
time:      hoy/manana/por_la_noche/despues_de/antes_de/fin_de_semana
channel:   em_audio/de_audio/de_voz/por_email/por_e_mail
shift:     plantao/plantoes/escala/escalas/turno/turnos/shift/schedule/rota/guardia/curso/evento/consulta/reuniao/cirurgia <word>
shift:     sabado/domingo/segunda/terca/quarta/quinta/sexta <word>
shift:     da/do/de/na/no/the/la/el plantao/escala/turno/shift/schedule/rota/guardia/sabado/domingo $
not stopping: nao/n/nunca para/param de
condition: se_eu quiser/quisesse/precisar
condition: caso_eu/if_i_want/if_i_wanted/if_i_wish/si_quiero/si_quisiera
others:    colega/colegas/esposa/marido/paciente/pacientes/chefe/irma/irmao/minha_mae/meu_pai/coworker/colleague/friend/wife/husband
others:    meu/minha/um/uma amigo/amiga
"""
PROMOTIONS = r"""
promotion: promoc*/promo/promos/propaganda*/oferta/ofertas/publicidad*/marketing/anuncio/anuncios/promotion/promotions/offer/offers/ads
"""
EVERYTHING = r"""
everything: mensage*/menssage*/msg/msgs/message/messages/text/texts/mensaje/mensajes/contato/contatos
everything: tudo/nada/all/anything/todo/lista/list/numero
"""
# A payload is written by the owner of the template, so a mark anywhere in it is enough.
PAYLOADS = r"""
payload: optout/opt_out/unsub/unsubscribe/descadastr*/sair_da_lista/nao_receber/parar_promocoes/parar_mensagens
payload: stop all/promotion/promotions/marketing/messages
"""

# ---------------------------------------------------------------- from tables to patterns


def _read_words() -> dict[str, str]:
    """Name of a list to an expression for one of its words."""
    found: dict[str, str] = {}
    for name, words in re.findall(r"^([a-z ]+):((?:.*\n)(?: {12}.*\n)*)", _WORDS, flags=re.MULTILINE):
        found[name] = _either(word if word.startswith("<") else _word(word) for word in re.findall(r"<[a-z ]+>|\S+", words))
    found["thing"] = found["thing"].replace("<message>", found["message"])
    some, thing, message = found["some"], found["thing"], found["message"]
    found["object"] = rf"(?:(?:{some} )*(?:{thing}\b|{found['shifts']}$)|(?:mais )?{found['shift']}$)"
    found["message object"] = rf"(?:{some} )*{message}"
    found["of my"] = rf"(?:{found['mine']} )*"
    found["intends"] = r"(?:(?:quero|queria|vou|vai|vao|pretendo|precisam?|podem?|gostaria de|desejo|eh?|pra|para|me|que|nos) )*"
    found["word"] = r"\w+"
    return found


def _word(word: str) -> str:
    return word.replace("_", " ").replace("*", r"\w*")


def _either(words: Iterable[str]) -> str:
    return f"(?:{'|'.join(words)})"


_VOCABULARY = _read_words()
# "Offers of shifts" are messages; what is said about them is not said about a shift.
SCHEDULE = re.compile(rf"\b{_VOCABULARY['schedule']}\b")
_SHIFTS = f"{_VOCABULARY['shift']}|{_VOCABULARY['shifts']}"
VACANCIES = re.compile(r"\b(vagas?|convites?) (?:de|do|para|pra) (?:plantao|plantoes|turnos?)$")  # any of them, not one shift
OFFERS = re.compile(rf"(?P<message>\b{_VOCABULARY['message']}) (?:de|do|da|dos|das|sobre|com|about) (?:{_SHIFTS})$")
_REPEATED = ("<of my>", "<intends>")  # these end in a space of their own, or are empty


def _pattern(sentence: str) -> str:
    """The expression of a sentence. A token brings the space before it, except at the start and after a repeated one."""
    parts: list[str] = []
    gap = ""
    for token in re.findall(r"(?:<[a-z ]+>|[^\s<])+", sentence):
        words = [_VOCABULARY[word[1:-1]] if word.startswith("<") else _word(word) for word in token.removesuffix("?").split("/")]
        if token in _REPEATED:
            parts.append(gap + words[0])
            gap = ""
        elif token.endswith("?") and not gap:
            parts.append(f"(?:{_either(words)} )?")
        else:
            parts.append(_either("$" if word == "$" else gap + word for word in words) + ("?" if token.endswith("?") else ""))
            gap = " "
    return "".join(parts)


def read_table(table: str) -> list[tuple[str, re.Pattern[str]]]:
    """The names and patterns of a table, in its order."""
    rows = (line.split(":", 1) for line in table.strip().splitlines())
    return [(name.strip(), re.compile(rf"\b{_pattern(sentence)}\b")) for name, sentence in rows]


def read_spellings(table: str) -> dict[str, str]:
    """Each way to write a word, to the word."""
    rows = (line.split(":", 1) for line in table.strip().splitlines())
    return {short: word for word, shorts in rows for short in shorts.split()}


def read_one(table: str) -> re.Pattern[str]:
    """All rows of a table as one pattern."""
    return re.compile("|".join(pattern.pattern for _, pattern in read_table(table)))
