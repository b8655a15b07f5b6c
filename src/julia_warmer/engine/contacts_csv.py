"""Reads a CSV of people into what can be stored and what cannot, row by row, with the reason. It must not know the database.

A row without proof of its consent is a person whom nobody may write to yet, not a bad row. What is proof: see `_grants`.
"""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from julia_warmer.core.model import Purpose
from julia_warmer.core.phone import AREA_CODES, PhoneKind, digits_of, e164_with_ninth, key_of, kind_of_key, zone_of
from julia_warmer.engine.errors import Wrong
from julia_warmer.engine.zones import is_zone
from julia_warmer.store.contacts import Grant, Person

COLUMNS = ("phone", "name", "audience", "zone", "consent_at", "source", "purpose", "text_version", "text", "evidence")
ROWS_MAX = 200_000
PROGRESS_ROWS = 500
TEXT_MAX = {"phone": 40, "name": 200, "audience": 80, "zone": 60, "consent_at": 40, "source": 80, "purpose": 40, "text_version": 80}
LONG_TEXT_MAX = 4_000

_DELIMITERS = ",;\t"
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_NATIONAL_MOBILE = re.compile(r"(\d{2})9\d{8}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What holds for every row whose own cell is empty. A row's `evidence` is joined with this one."""

    source: str | None = None
    purpose: str | None = None  # marketing, utility, or both with a space between
    text: str | None = None  # what the person read
    text_version: str | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that was not stored: the line where it ends, the column at fault (None: the row as such), and why."""

    line: int
    column: str | None
    reason: str
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Row:
    """A row that can be stored."""

    person: Person
    grants: tuple[Grant, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A file, read."""

    read: int
    rows: tuple[Row, ...]
    bad: tuple[BadRow, ...]
    ignored_columns: tuple[str, ...]


class _CellError(ValueError):
    """One cell of a row is not usable."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(reason)
        self.column = column


def read_contacts(stream: Iterable[str], proof: Proof, *, at: datetime, progress: Callable[[int], None] | None = None) -> Sheet:
    """Read lines of CSV (comma, semicolon or tab; the first line names the columns). `progress` is told how many rows are read.

    Raises Wrong when the file as such cannot be used: not UTF-8, no `phone` column, too many rows.
    """
    rows: list[Row] = []
    bad: list[BadRow] = []
    read = 0
    header, cells_of_rows = _open(stream)
    for line, cells, reason in cells_of_rows:
        read += 1
        if read > ROWS_MAX:
            raise Wrong(f"the file has more than {ROWS_MAX} rows", mend="split it into smaller files")
        if reason:
            bad.append(BadRow(line, None, reason, cells))
            continue
        try:
            rows.append(_row(cells, proof, at))
        except _CellError as error:
            bad.append(BadRow(line, error.column, str(error), cells))
        if progress and read % PROGRESS_ROWS == 0:
            progress(read)
    return Sheet(read, tuple(rows), tuple(bad), tuple(name for name in header if name not in COLUMNS))


# ------------------------------------------------------------------ the file


def _open(stream: Iterable[str]) -> tuple[list[str], Iterator[tuple[int, dict[str, str], str | None]]]:
    """The column names, and then each row: its line, its cells, and why it cannot be read as a row."""
    lines = _text(stream)
    first = next(lines, "").lstrip("\ufeff")
    delimiter = max(_DELIMITERS, key=first.count)
    header = [name.strip().lower() for name in next(csv.reader([first], delimiter=delimiter), [])]
    if "phone" not in header:
        raise Wrong("the file has no column `phone`", mend=f"name the columns in the first line; known are {', '.join(COLUMNS)}")
    if twice := {name for name in header if header.count(name) > 1}:
        raise Wrong(f"the file names the column {min(twice)!r} twice", mend="keep one of them")
    return header, _cells(csv.reader(lines, delimiter=delimiter, strict=True), header)


def _text(stream: Iterable[str]) -> Iterator[str]:
    number = 0
    try:
        for number, line in enumerate(stream, start=1):  # noqa: B007 - the error says where it was
            yield line
    except UnicodeDecodeError:
        raise Wrong(f"the file is not UTF-8 after line {number}", mend="save it as `CSV UTF-8`") from None


def _cells(reader: Any, header: list[str]) -> Iterator[tuple[int, dict[str, str], str | None]]:
    while True:
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield reader.line_num + 1, {}, f"cannot be read: {error} (is a quote left open?)"
            continue
        if not any(value.strip() for value in values):
            continue
        cells = {name: value.strip() for name, value in zip(header, values, strict=False)}
        reason = f"has {len(values)} cells, the first line names {len(header)}" if len(values) > len(header) else None
        yield reader.line_num + 1, cells, reason


# ------------------------------------------------------------------ one row


def _row(cells: Mapping[str, str], proof: Proof, at: datetime) -> Row:
    for column in COLUMNS:
        _check_text(column, cells.get(column, ""))
    phone, key, zone = _phone(cells.get("phone", ""), cells.get("zone") or None)
    person = Person(
        phone=phone,
        phone_key=key,
        zone=zone,
        zone_given=bool(cells.get("zone")),
        name=cells.get("name") or None,
        audience=cells.get("audience") or None,
    )
    return Row(person, _grants(cells, proof, key, zone, at))


def _check_text(column: str, text: str) -> None:
    if len(text) > (most := TEXT_MAX.get(column, LONG_TEXT_MAX)):
        raise _CellError(column, f"is longer than {most} characters")
    if _UNPRINTABLE.search(text):
        raise _CellError(column, "holds a character that cannot be printed")


def _phone(text: str, zone: str | None) -> tuple[str, str, str]:
    """E.164, canonical key and zone of what the cell says."""
    try:
        phone = read_phone(text)
    except Wrong as error:
        raise _CellError("phone", str(error)) from None
    zone = _check_zone(zone) if zone else zone_of(phone) or _foreign_zone(phone)
    if zone is None:
        raise _CellError("zone", "the number's country has several time zones: add a column `zone`, such as America/New_York")
    return phone, key_of(phone), zone


def read_phone(text: str) -> str:
    """A number as people write it, in E.164 with the ninth digit. Raises Wrong.

    Brazilian mobiles are also taken without a country code (area code and nine digits): no other plan's numbers look like that.
    """
    digits = digits_of(text)
    if not digits:
        raise Wrong("is empty")
    if not text.lstrip().startswith("+"):
        digits = digits.removeprefix("00")
        if (match := _NATIONAL_MOBILE.fullmatch(digits)) and match[1] in AREA_CODES:
            digits = f"55{digits}"
    if kind_of_key(key_of(digits)) is not PhoneKind.OTHER:
        return e164_with_ninth(digits)
    if digits.startswith("55") and len(digits) > 10:
        raise Wrong("is not a valid Brazilian number: write it like +55 11 98765-4321")
    if not _is_valid_abroad(digits):
        raise Wrong("is not a valid number: write it with + and its country code, like +55 11 98765-4321")
    return f"+{digits}"


def _is_valid_abroad(digits: str) -> bool:
    import phonenumbers  # its tables cost 100 ms: only files with foreign numbers pay

    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(f"+{digits}"))
    except phonenumbers.NumberParseException:
        return False


def _foreign_zone(phone: str) -> str | None:
    """The zone of a foreign number, when there is only one; None where the country has several that differ."""
    import phonenumbers
    from phonenumbers.timezone import time_zones_for_number

    zones = [zone for zone in time_zones_for_number(phonenumbers.parse(phone)) if zone != "Etc/Unknown"]
    return zones[0] if len(zones) == 1 else None


def _check_zone(zone: str) -> str:
    if not is_zone(zone):
        raise _CellError("zone", f"{zone!r} is not a time zone: write it like America/Sao_Paulo")
    return zone


# ------------------------------------------------------------------ its consent


def _grants(cells: Mapping[str, str], proof: Proof, key: str, zone: str, at: datetime) -> tuple[Grant, ...]:
    """The consents that the row proves: when, by which way, for what, to which text, and with what evidence. One missing: none."""
    granted_at = _moment(cells.get("consent_at", ""), zone, at)
    purposes = _purposes(cells.get("purpose") or proof.purpose or "")
    source = cells.get("source") or proof.source
    text, version = cells.get("text") or proof.text, cells.get("text_version") or proof.text_version
    evidence = {**proof.evidence, **_evidence(cells.get("evidence", ""))}
    if granted_at is None or not source or not evidence or not (text or version):
        return ()
    return tuple(
        Grant(
            phone_key=key, purpose=purpose, source=source, text_shown=text, text_version=version, evidence=evidence, granted_at=granted_at
        )
        for purpose in purposes
    )


def _moment(text: str, zone: str, at: datetime) -> datetime | None:
    """When the person agreed, in UTC; without an offset it is the person's local time."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)
    except (ValueError, OverflowError):
        raise _CellError("consent_at", f"{text!r} is not a date and time: write it like 2026-05-31 14:05") from None
    if moment > at:
        raise _CellError("consent_at", "lies in the future")
    return moment


def _purposes(text: str) -> tuple[Purpose, ...]:
    words = re.split(r"[\s,;|+]+", text.strip().lower())
    try:
        return tuple(dict.fromkeys(Purpose(word) for word in words if word))
    except ValueError:
        raise _CellError("purpose", f"{text!r} is not a purpose: write marketing, utility, or both with a space between") from None


def _evidence(text: str) -> dict[str, Any]:
    try:
        return read_evidence(text)
    except Wrong as error:
        raise _CellError("evidence", str(error)) from None


def read_evidence(text: str) -> dict[str, Any]:
    """Evidence as people write it: a JSON object, or a plain note. Raises Wrong."""
    if not text.startswith("{"):
        return {"note": text} if text else {}
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise Wrong('is not a JSON object: write it like {"form": "site", "ip": "203.0.113.9"}, or as plain text') from None
    if "\\u0000" in text.lower():  # PostgreSQL's jsonb refuses it, and one row must not fail the others
        raise Wrong("holds a character that cannot be printed")
    return found
