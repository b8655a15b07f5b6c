"""A third-party client works against the sandbox: pywa sends a text and a template, marks as read, and lists templates."""

import warnings
from collections.abc import AsyncIterator

import httpx
import pytest
from pywa.types.templates import BodyText, TemplateLanguage
from pywa_async import WhatsApp
from pywa_async.errors import ReEngagementMessage


class ToSandbox(httpx.AsyncHTTPTransport):
    """Takes what was meant for Graph to the sandbox; pywa has no setting for the address."""

    def __init__(self, base: str) -> None:
        super().__init__()
        self._base = httpx.URL(base)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        assert request.url.host == "graph.facebook.com"
        request.url = request.url.copy_with(scheme="http", host=self._base.host, port=self._base.port)
        return await super().handle_async_request(request)


@pytest.fixture
async def pywa(api) -> AsyncIterator[WhatsApp]:
    async with httpx.AsyncClient(transport=ToSandbox(api.base)) as session:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            client = WhatsApp(
                phone_id=api.spec.chips[0].id, token="sandbox-token-1", waba_id=api.spec.accounts[0].id, session=session, api_version=25.0
            )
        yield client


async def test_pywa_sends_a_text_inside_the_window_and_is_told_when_it_is_closed(api, pywa: WhatsApp):
    to = f"+{api.spec.people[0].phone}"
    with pytest.raises(ReEngagementMessage):
        await pywa.send_message(to, "Oi")
    await api.say(0, "Oi")
    sent = await pywa.send_message(to, "Oi, em que posso ajudar?", tracker="send-1")
    [row] = api.rows("accepted")
    assert (row["message_id"], row["ours"], row["in_window"]) == (sent.id, "send-1", True)


async def test_pywa_sends_a_template(api, pywa: WhatsApp):
    to = f"+{api.spec.people[0].phone}"
    sent = await pywa.send_template(to, name="convite_plantao", language=TemplateLanguage.PORTUGUESE_BR, params=[BodyText.params("Ana")])
    assert api.rows("accepted")[0]["message_id"] == sent.id


async def test_pywa_marks_a_message_as_read(api, pywa: WhatsApp):
    message_id = await api.say(0, "Oi")
    assert await pywa.mark_message_as_read(message_id)
    assert await pywa.indicate_typing(message_id)


async def test_pywa_lists_the_templates(api, pywa: WhatsApp):
    templates = await pywa.get_templates()
    assert [template.name for template in templates] == [template.name for template in api.spec.templates]
    assert templates[0].status == "APPROVED"


async def test_pywa_reads_the_number(api, pywa: WhatsApp):
    number = await pywa.get_business_phone_number()
    assert number.id == api.spec.chips[0].id
