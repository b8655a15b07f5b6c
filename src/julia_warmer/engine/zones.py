"""Which time zones may be stored. A name that only one of Python and PostgreSQL knows would break every query that counts local days."""

import re
from functools import cache
from zoneinfo import ZoneInfo

_NAME = re.compile(r"[A-Z][A-Za-z_]+(/[A-Za-z0-9_+-]+){1,2}|UTC")  # Area/Place; no `localtime`, `posix/…`, `EST5EDT`


@cache
def is_zone(name: str) -> bool:
    """Whether this is the name of a time zone, such as America/Sao_Paulo."""
    if not _NAME.fullmatch(name):
        return False
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True
