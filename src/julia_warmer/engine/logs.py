"""How every process writes its log: one line an event on stderr, secrets and phone numbers masked. It must not know what is logged.

Whatever the standard library's loggers say (uvicorn, asyncpg, PgQueuer, aiohttp) passes the same mask, tracebacks too.
"""

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any, TextIO

import structlog

MASK = "***"
DEPTH_MAX = 6  # values nested deeper are masked whole

# What is never written, by the name it travels under. `phone_number_id`, `waba_id` and the like name no person.
_SECRET_NAMES = re.compile(
    r"token|secret|authorization|api_?key|password|passwd|credential|cookie|signature|dsn|database_url|pin$|^key$", re.IGNORECASE
)
_PERSONAL_NAMES = re.compile(r"^(name|contact_name|profile_name|username|text|caption|body|e?mail)$", re.IGNORECASE)
_PHONE_NAMES = re.compile(r"phone$|^(to|from|wa_id|recipient_id|phone_key|msisdn)$", re.IGNORECASE)
_HARMLESS_NAMES = re.compile(r"^(level|logger|timestamp|phone_number_id|waba_id|account_id|business_id|template_id|digest)$")

_SECRETS = re.compile(
    r"""
      (?P<keep>(?:[Bb]earer|[Bb]asic)\ +)[\w.~+/=-]+
    | \bEAA[A-Za-z0-9]{16,}
    | \bsandbox-[\w.-]+
    | \bwhsec_[\w+/=-]+
    | \bsk-[\w-]{16,}
    | (?P<user>://[^\s:@/]*:)[^\s@/]+(?=@)
    | (?P<name>(?:access_token|token|secret|api_key|password|hub\.verify_token)["']?\s*[=:]\s*["']?)[^\s"'&,;)}]+
    """,
    re.VERBOSE,
)
_PHONE = re.compile(r"(?<![\w.-])\+?\d[\d ().-]{8,17}\d(?![\w:])")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}")


def set_up_logs(*, level: str = "INFO", as_json: bool = False, stream: TextIO | None = None) -> None:
    """Route structlog and the standard library's loggers to one masked line an event. Call it once, when a process begins."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,  # before the mask: a database's error may quote a row
        mask_event,
    ]
    renderer: Any = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=False)
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("uvicorn.access", "aiohttp.access"):  # their lines hold addresses with whatever a caller put in them
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.getLogger("asyncpg.pool").addFilter(_without_stack)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _without_stack(record: logging.LogRecord) -> bool:
    """While the database is away asyncpg tells of each try to keep a connection ready, with forty lines of its own stack."""
    if record.exc_info and (error := record.exc_info[1]):
        record.msg, record.args, record.exc_info = f"{record.getMessage()}: {error or type(error).__name__}", (), None
    return True


def mask_event(_logger: Any, _method: str, event: Mapping[str, Any]) -> dict[str, Any]:
    """structlog's processor: the event without secrets, phone numbers, names and texts."""
    return {name: mask_value(name, value) for name, value in event.items()}


def mask_value(name: str, value: Any, depth: int = 0) -> Any:
    """A value as it may be written, judged by the name it travels under and by what it holds."""
    if name.startswith("_") or value is None or isinstance(value, bool):  # structlog's own keys begin so
        return value
    if _SECRET_NAMES.search(name) or _PERSONAL_NAMES.search(name) or depth > DEPTH_MAX:
        return MASK
    if _PHONE_NAMES.search(name):
        return mask_phone(str(value))
    return _mask_kind(name, value, depth)


def _mask_kind(name: str, value: Any, depth: int) -> Any:
    match value:
        case int() | float():
            return value
        case bytes() | bytearray() | memoryview():
            return MASK
        case Mapping():
            return {key: mask_value(str(key), part, depth + 1) for key, part in value.items()}
        case list() | tuple() | set() | frozenset():
            return [mask_value(name, part, depth + 1) for part in value]
        case _ if _HARMLESS_NAMES.search(name):
            return mask_secrets(str(value))
        case _:
            return mask_text(str(value))


def mask_text(text: str) -> str:
    """Free text without secrets, and with only the ends of its phone numbers."""
    return _PHONE.sub(_masked_phone, mask_secrets(text))


def mask_secrets(text: str) -> str:
    return _SECRETS.sub(lambda found: f"{found['keep'] or found['user'] or found['name'] or ''}{MASK}", text)


def mask_phone(phone: str) -> str:
    """The last two digits: enough to tell two apart, too little to call."""
    digits = re.sub(r"\D", "", phone)
    return f"{MASK}{digits[-2:]}" if len(digits) > 4 else MASK


def _masked_phone(found: re.Match[str]) -> str:
    digits = re.sub(r"\D", "", found[0])
    if not 10 <= len(digits) <= 15 or _MOMENT.match(found[0]):
        return found[0]
    return mask_phone(found[0])
