"""Every webhook of the platform becomes facts, each item on its own, and nothing is dropped."""

import json
from datetime import UTC, datetime

import pytest

from julia_warmer.cloud.decode import NOT_JSON, TOO_DEEP, decode
from julia_warmer.core.events import (
    AccountRestricted,
    LimitChanged,
    MessageReceived,
    MessageSent,
    OptOutRequested,
    TemplateCategoryChanged,
    Unrecognised,
    kind_of,
)
from tests.cloud.webhooks import FIXTURES, NOW, body, change, status, text

ANA = "phone=5511987650001"
# fixture, then each fact: its kind and what it must hold. `-` stands for None.
CASES = """
    status_sent                          message_sent              message_id=wamid.OUT1 to=5511987650001 ours=- category=-
    status_sent_ours                     message_sent              ours=5f0c7c3e-0000-4000-8000-000000000001 category=marketing
    status_sent_v23_conversation         message_sent              category=marketing
    status_sent_free_entry_point         message_sent              pricing_type=free_entry_point
    status_delivered_person_known        message_delivered         to=5511987650001 user_id=BR.90000000000000000001 category=utility
    status_delivered_phone_hidden        message_delivered         to=- user_id=BR.90000000000000000001
    status_delivered_user_id_in_contact_only message_delivered         to=5511987650001 user_id=BR.90000000000000000001
    status_read                          message_read              played=False
    status_played                        message_read              played=True
    status_capitals                      message_delivered         message_id=wamid.OUT1
    status_milliseconds                  message_read              at=2026-11-18T11:06:40.123000+00:00
    status_failed_131026                 message_failed            code=131026 to=5511987650001
    status_failed_131048                 message_failed            code=131048
    status_failed_131049                 message_failed            code=131049
    status_failed_131050                 message_failed            code=131050
    +                                    opt_out_requested         source=code purpose=marketing phone=5511987650001 message_id=wamid.OUT1
    status_failed_132015                 message_failed            code=132015
    status_failed_135000                 message_failed            code=135000
    status_failed_code_as_text           message_failed            code=130472 title=Experiment
    status_failed_without_errors         message_failed            code=-
    status_deleted                       unrecognised              path=entry[0].changes[0].value.statuses[0]
    in_text                              message_received          text=Oi,_quero_saber_mais phone=5511987650001 name=Ana_Teste
    in_text_person_known                 message_received          phone=5511987650001 user_id=BR.90000000000000000001
    in_text_phone_hidden                 message_received          phone=- user_id=BR.90000000000000000001 username=@anateste
    in_text_phone_hidden_contact_only    message_received          phone=- user_id=BR.90000000000000000001
    in_text_user_id_in_from              message_received          phone=- user_id=BR.90000000000000000001
    in_text_reply                        message_received          reply_to=wamid.OUT1 referral=False
    in_text_forwarded                    message_received          reply_to=-
    in_text_from_ad                      message_received          referral=True
    in_text_about_product                message_received          text=Ainda_tem?
    in_text_group                        message_received          phone=5511987650002 group_id=R1JVUE8x name=-
    in_text_stop                         message_received          text=SAIR
    +                                    opt_out_requested         source=word purpose=all phone=5511987650001 text=SAIR
    in_text_stop_phone_hidden            message_received          phone=-
    +                                    opt_out_requested         source=word purpose=all user_id=BR.90000000000000000001
    in_text_stop_nobody                  message_received          phone=- text=SAIR
    +                                    unrecognised              item=wamid.IN1
    in_text_false_friend                 message_received          message_type=text
    in_image                             message_received          message_type=image text=O_crachá
    in_image_with_url                    message_received          message_type=image text=-
    in_video                             message_received          message_type=video text=Aqui
    in_audio                             message_received          message_type=audio text=-
    in_audio_voice                       message_received          message_type=audio
    in_document                          message_received          message_type=document text=Meu_CRM
    in_sticker                           message_received          message_type=sticker
    in_location                          message_received          message_type=location text=Hospital_Teste
    in_contacts                          message_received          message_type=contacts text=Bia_Teste
    in_reaction                          message_received          message_type=reaction text=👍 reply_to=wamid.OUT1
    in_reaction_removed                  message_received          message_type=reaction text=- reply_to=wamid.OUT1
    in_reaction_removed_empty            message_received          message_type=reaction text=-
    in_button                            message_received          text=Quero_saber_mais payload=mais reply_to=wamid.OUT1
    in_button_stop                       message_received          payload=OPT_OUT
    +                                    opt_out_requested         source=button purpose=all
    in_button_stop_promotions            message_received          message_type=button
    +                                    opt_out_requested         source=button purpose=marketing
    in_interactive_button                message_received          text=Sim payload=sim
    in_interactive_button_cancel         message_received          text=Cancelar payload=cancelar-plantao
    in_interactive_list                  message_received          text=Manhã payload=turno-1
    in_interactive_list_stop             message_received          payload=sair
    +                                    opt_out_requested         source=list purpose=all
    in_interactive_flow                  message_received          text=Sent payload=flow
    in_interactive_call_permission       message_received          text=accept
    in_order                             message_received          text=Para_amanhã
    in_edit                              message_received          message_type=edit text=Corrigido reply_to=wamid.IN0
    in_edit_to_stop                      message_received          message_type=edit
    +                                    opt_out_requested         source=word
    in_revoke                            message_received          message_type=revoke text=- reply_to=wamid.IN0
    in_unsupported                       message_received          message_type=unsupported code=131051
    in_type_of_tomorrow                  message_received          message_type=hologram text=-
    in_system_changed_number             number_changed            phone=5511987650001 new_phone=5521987650001 value=user_changed_number
    in_system_changed_number_old         number_changed            new_phone=5521987650001
    in_system_changed_user_id            number_changed            user_id=BR.90000000000000000001 new_user_id=BR.90000000000000000002
    in_system_identity_changed           number_changed            new_phone=- new_user_id=- value=customer_identity_changed
    in_duplicate_in_one_batch            message_received          message_id=wamid.IN1
    +                                    message_received          message_id=wamid.IN1
    preference_stop                      opt_out_requested         source=platform purpose=marketing phone=5511987650001
    preference_stop_phone_hidden         opt_out_requested         phone=- user_id=BR.90000000000000000001
    preference_resume                    opt_in_resumed            purpose=marketing phone=5511987650001
    preference_signup                    signup_received           signup_id=600000000000001 user_id=BR.90000000000000000001
    call_connect_by_person               call_received             call_id=wacid.1 value=connect by_person=True phone=5511987650001
    call_connect_by_business             call_received             by_person=False phone=5511987650001
    call_ringing                         call_received             value=ringing by_person=False answered=False
    call_terminate                       call_received             value=terminate answered=True
    +                                    account_changed           field=calls value=ERROR code=12455
    account_violation                    account_restricted        value=ACCOUNT_VIOLATION details=SPAM until=-
    account_restriction                  account_restricted        value=ACCOUNT_RESTRICTION until=2026-11-20T18:40:00+00:00
    account_restriction_without_end      account_restricted        until=-
    account_disabled                     account_restricted        value=DISABLED_UPDATE restrictions=('DISABLE',)
    account_disable_scheduled            account_restricted        restrictions=('SCHEDULE_FOR_DISABLE',)
    account_reinstated                   account_changed           value=DISABLED_UPDATE details=REINSTATE
    account_deleted                      account_restricted        value=ACCOUNT_DELETED
    account_offboarded                   account_changed           value=ACCOUNT_OFFBOARDED field=account_update
    account_partner_added                account_changed           account_id=200000000000009
    account_partner_removed              account_changed           value=PARTNER_REMOVED
    account_pricing_tier                 account_changed           value=VOLUME_BASED_PRICING_TIER_UPDATE
    account_lower_case                   account_restricted        value=ACCOUNT_VIOLATION
    account_alert                        account_changed           value=INCREASED_CAPABILITIES_ELIGIBILITY_DEFERRED severity=WARNING
    account_review                       account_changed           value=APPROVED field=account_review_update
    account_errors                       account_changed           value=ERROR code=130429 field=messages
    account_errors_spam                  account_restricted        code=131048 phone_number_id=100000000000001
    limit_number                         limit_changed             value=2000 limit=2000
    limit_tier                           limit_changed             value=TIER_250 limit=250
    limit_unlimited                      limit_changed             limit=-1
    limit_not_set                        limit_changed             value=TIER_NOT_SET limit=-
    limit_v23                            limit_changed             value=-1 limit=-1
    limit_absent                         account_changed           value=CAPABILITY_UPDATE
    username                             account_changed           value=APPROVED details=hospitalteste
    name_reviewed                        name_reviewed             value=APPROVED name=Hospital_Teste
    quality_flagged                      quality_changed           value=FLAGGED display_phone=5511900000001
    +                                    limit_changed             limit=10000
    quality_downgrade                    limit_changed             limit=1000
    quality_onboarding                   account_changed           value=ONBOARDING
    +                                    limit_changed             limit=2000
    throughput                           throughput_changed        value=THROUGHPUT_UPGRADE display_phone=5511900000001
    security_pin_reset                   security_changed          value=PIN_RESET_REQUEST
    template_approved                    template_status_changed   template=plantao_convite value=APPROVED reason=-
    template_rejected                    template_status_changed   value=REJECTED reason=INVALID_FORMAT
    template_paused                      template_status_changed   value=PAUSED title=FIRST_PAUSE
    template_paused_lower_case           template_status_changed   value=PAUSED language=pt_BR
    template_unpaused                    template_status_changed   value=APPROVED title=UNPAUSE
    template_disabled                    template_status_changed   value=DISABLED
    template_quality                     template_quality_changed  value=YELLOW previous=GREEN
    template_quality_wrong_field         template_quality_changed  value=RED language=pt_BR
    template_category_done               template_category_changed value=MARKETING previous=UTILITY effective_at=-
    template_category_announced          template_category_changed value=MARKETING previous=UTILITY effective_at=2026-11-19T11:06:40+00:00
    template_components                  account_changed           template=plantao_convite value=COMPONENTS_UPDATE
    batch_mixed                          message_delivered         path=entry[0].changes[0].value.statuses[0]
    +                                    message_sent              path=entry[0].changes[0].value.statuses[1]
    +                                    message_received          path=entry[0].changes[1].value.messages[0]
    +                                    account_changed           path=entry[1].changes[0].value value=PENDING
    unknown_field                        unrecognised              reason=unknown_field_flows_of_tomorrow path=entry[0].changes[0].value
"""


def cases() -> dict[str, list[list[str]]]:
    """Fixture to its expected facts, each as [kind, field=value …]."""
    found: dict[str, list[list[str]]] = {}
    name = ""
    for line in CASES.strip().splitlines():
        first, *rest = line.split()
        name = name if first == "+" else first
        found.setdefault(name, []).append(rest)
    return found


def shown(value: object) -> str:
    if value is None:
        return "-"
    return value.isoformat() if isinstance(value, datetime) else str(value).replace(" ", "_")


@pytest.mark.parametrize(("name", "expected"), cases().items(), ids=cases())
def test_a_webhook_becomes_its_facts(name: str, expected: list[list[str]]) -> None:
    events = decode(FIXTURES[name], received_at=NOW)
    seen = [
        [str(kind_of(event)), *(f"{pair.split('=')[0]}={shown(getattr(event, pair.split('=')[0]))}" for pair in row[1:])]
        for event, row in zip(events, expected, strict=True)
    ]
    assert seen == expected


def test_every_fixture_has_a_case() -> None:
    assert set(FIXTURES) == set(cases())


def test_a_fact_has_its_own_time_else_the_entrys_else_that_of_arrival() -> None:
    def at(item_time: object, entry_time: object) -> datetime:
        item = status(timestamp=item_time) if item_time is not None else {"id": "wamid.1", "status": "sent"}
        return decode(body(change(statuses=[item]), time=entry_time), received_at=NOW)[0].at

    own, entrys = datetime.fromtimestamp(1795000000, UTC), datetime.fromtimestamp(1795000500, UTC)
    assert at("1795000000", 1795000500) == own
    assert at(1795000000, 1795000500) == own
    assert at("1795000000000", 1795000500) == own
    assert at(None, "1795000500") == entrys
    for unusable in ("yesterday", -5, 0, True, [], 1e30, "9" * 19, "NaN"):
        assert at(unusable, 1795000500) == entrys
        assert at(unusable, unusable) == NOW


def test_a_bad_item_costs_none_of_its_neighbours() -> None:
    bad = [None, 7, "x", [], {}, {"id": None}, {"id": "wamid.1"}, {"id": "w", "status": ["sent"]}, {"id": "x" * 600, "status": "sent"}]
    for index in range(len(bad)):
        items = [status(message_id=f"wamid.{number}") for number in range(5)]
        items[index % 5] = bad[index]
        events = decode(body(change(statuses=items)), received_at=NOW)
        assert [isinstance(event, Unrecognised) for event in events] == [number == index % 5 for number in range(5)]


def test_what_cannot_be_read_says_where_and_why_and_keeps_the_item() -> None:
    event = decode(body(change(messages=[text(), {"from": "5511987650001"}])), received_at=NOW)[1]
    assert isinstance(event, Unrecognised)
    assert event.path == "entry[0].changes[0].value.messages[1]"
    assert event.reason == "id is missing or is no id"
    assert json.loads(event.item) == {"from": "5511987650001"}


BODIES = [
    (b"", NOT_JSON),
    (b"hello", NOT_JSON),
    (b'{"object":', NOT_JSON),
    (b"\x89PNG\r\n\x1a\n\x00\x00", NOT_JSON),
    (b"[" * 20_000, TOO_DEEP),
    (b'{"a":' * 20_000 + b"1" + b"}" * 20_000, TOO_DEEP),
    (b"null", "not an object"),
    (b"[1]", "not an object"),
    (b"{}", "no entry"),
    (b'{"entry":[]}', "no entry"),
    (b'{"object":"page","entry":[{"id":"1"}]}', "object is not whatsapp_business_account"),
]


@pytest.mark.parametrize(("raw", "reason"), BODIES, ids=range(len(BODIES)))
def test_a_body_that_is_no_webhook_is_kept_as_one_unrecognised(raw: bytes, reason: str) -> None:
    (event,) = decode(raw, received_at=NOW)
    assert isinstance(event, Unrecognised)
    assert event.reason.startswith(reason)
    assert (event.path, event.at) == ("", NOW)


@pytest.mark.parametrize(
    ("field", "value", "path", "reason"),
    [
        ("messages", {}, ".value", "nothing in it that we know"),
        ("messages", {"messages": []}, ".value", "nothing in it that we know"),
        ("messages", {"messages": {"id": "1"}}, ".value.messages", "messages is not a list"),
        ("messages", 5, "", "field or value is missing"),
        (None, {}, "", "field or value is missing"),
        ("account_update", {"event": 5.5}, ".value", "event is missing"),
        ("user_preferences", {"user_preferences": [{"value": "stop"}]}, ".value.user_preferences[0]", "neither phone nor user id"),
        ("user_preferences", {"user_preferences": [{"wa_id": "1", "value": "?"}]}, ".value.user_preferences[0]", "unknown preference ?"),
        ("message_template_status_update", {"reason": "x"}, ".value", "neither event, quality nor category"),
    ],
)
def test_a_change_that_says_nothing_is_kept(field: object, value: object, path: str, reason: str) -> None:
    (event,) = decode(body({"field": field, "value": value}), received_at=NOW)
    assert isinstance(event, Unrecognised)
    assert (event.path, event.reason) == (f"entry[0].changes[0]{path}", reason)


def test_odd_characters_cost_no_batch_and_reach_no_database() -> None:
    raw = body(change(messages=[text("a"), text("b\ud800c", "wamid.2"), text("d\x00e", "wamid.3")]))
    raw = raw.replace(b'"a"', b'"\xff"')
    events = decode(raw, received_at=NOW)
    assert [event.text for event in events if isinstance(event, MessageReceived)] == ["\ufffd", "b?c", "d\ufffde"]


def test_nan_and_huge_numbers_are_read_as_nothing() -> None:
    raw = body(change(statuses=[status()])).replace(b'"1795000000"', b"NaN")
    assert isinstance(decode(raw, received_at=NOW)[0], MessageSent)
    raw = body({"field": "business_capability_update", "value": {"max_daily_conversations_per_business": 0}}).replace(
        b": 0", b": " + b"9" * 5000
    )
    (event,) = decode(raw, received_at=NOW)
    assert isinstance(event, LimitChanged)
    assert event.limit is None


def test_a_contact_is_found_by_its_ids_and_never_by_its_place() -> None:
    contacts = [
        {"profile": {"name": "Bia"}, "wa_id": "5511987650002", "user_id": "BR.2"},
        {"profile": {"name": "Ana"}, "wa_id": "551187650001", "user_id": "BR.1"},
    ]
    (event,) = decode(body(change(contacts=contacts, messages=[text()])), received_at=NOW)
    assert isinstance(event, MessageReceived)
    assert (event.name, event.user_id, event.phone) == ("Ana", "BR.1", "5511987650001")
    (event,) = decode(body(change(contacts=contacts[:1], messages=[text()])), received_at=NOW)
    assert isinstance(event, MessageReceived)
    assert (event.name, event.user_id) == (None, None)


def test_a_ban_that_nobody_knows_counts_as_a_ban() -> None:
    (event,) = decode(
        body({"field": "account_update", "value": {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "NEW"}}}), received_at=NOW
    )
    assert isinstance(event, AccountRestricted)


def test_a_platform_stop_of_an_unknown_kind_stops_everything() -> None:
    stop = {"wa_id": "5511987650001", "category": "all_messages", "value": "STOP"}
    (event,) = decode(body(change("user_preferences", user_preferences=[stop])), received_at=NOW)
    assert isinstance(event, OptOutRequested)
    assert event.purpose == "all"


def test_an_announced_category_says_when() -> None:
    (event,) = decode(FIXTURES["template_category_announced"], received_at=NOW)
    assert isinstance(event, TemplateCategoryChanged)
    assert event.effective_at is not None
    assert event.effective_at > event.at
