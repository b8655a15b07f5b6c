"""Says from the bytes of a webhook alone that nothing in it can have to act before its 200. Pure; what it is not sure of has to be read.

Most deliveries are statuses without errors. Reading one costs twenty times what this costs.
"""

ERRORS, PREFERENCES = b'"errors"', b'"user_preferences"'  # what can stop us or ask to stop, besides messages and the fields of accounts
MESSAGES = b'"messages"'
FIELD = b'"field"'
ABOUT_MESSAGES, ABOUT_MESSAGES_WIDE = b'"field":"messages"', b'"field": "messages"'
SLASH = b"\\/"  # the one escape that can spell no name and end no text


def is_calm(body: bytes) -> bool:
    """Whether these bytes surely hold no request to stop and nothing that stops us: statuses without errors, of messages only.

    In JSON without other escapes a name stands in the bytes as it is, and a quotation mark begins or ends a text. So a name that is not in
    the bytes is not in the document; and where `messages` stands only as the value of `field`, there is no list of that name, and no field
    but that one. Bytes that are no JSON hold no fact at all.
    """
    if ERRORS in body or PREFERENCES in body or (b"\\" in body and body.count(b"\\") != body.count(SLASH)):
        return False
    return body.count(MESSAGES) == body.count(FIELD) == body.count(ABOUT_MESSAGES) + body.count(ABOUT_MESSAGES_WIDE)
