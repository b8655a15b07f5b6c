"""Reads rows of people into what can be stored and what cannot, row by row, with the reason. It must not know files nor the database.

A row without proof of its consent is a person whom nobody may write to yet, not a bad row. What is proof: see `_grants`.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain, islice
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from julia_warmer.core.model import Purpose
from julia_warmer.core.phone import AREA_CODES, Number, PhoneKind, digits_of, e164_with_ninth, key_of, kind_of_key, read_mobile, zone_of
from julia_warmer.engine.columns import SAMPLE_ROWS, find_columns
from julia_warmer.engine.errors import Wrong
from julia_warmer.engine.sheets import Cells, read_lines
from julia_warmer.engine.zones import is_zone
from julia_warmer.store.contacts import Grant, Person

ROWS_MAX = 5_000_000
PROGRESS_ROWS = 500
TEXT_MAX = {"phone": 40, "name": 200, "audience": 80, "zone": 60, "consent_at": 40, "source": 80, "purpose": 40, "text_version": 80}
LONG_TEXT_MAX = 4_000
SHORTEST_MAX = min(TEXT_MAX.values())
KEPT = 4096  # of the moments, purposes and so on that come again from row to row

_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
# One look over the cells of a row: whether any may be at fault.
_ODD = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]|(?:^|\n)(?:[=@-]|\+[^\n]*[^0-9 ().\-/\n])")
_NATIONAL_MOBILE = re.compile(r"(\d{2})9\d{8}")
_FORMULA_SIGNS = "=@+-"
_IN_A_PHONE = re.compile(r"\+[0-9 ().\-/]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What holds for every row whose own cell is empty. A row's `evidence` is joined with this one."""

    source: str | None = None
    purpose: str | None = None  # marketing, utility, or both with a space between
    text: str | None = None  # what the person read
    text_version: str | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict[str, Any])
    file: str | None = None  # the digest of the file that all this comes from: kept as evidence beside the line, and no proof by itself


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

    line: int
    person: Person
    grants: tuple[Grant, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A file's rows, and what its columns were taken for."""

    rows: Iterator[Row | BadRow]
    columns: Mapping[str, str]  # what each is: the name that it has in the file
    ignored_columns: tuple[str, ...]


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
    """Read all lines of a CSV (comma, semicolon or tab; the first line names the columns). `progress` is told how many rows are read.

    Raises Wrong when the file as such cannot be used: not UTF-8, no column with phones, too many rows.
    """
    table = open_table(read_lines(stream), proof, at=at)
    rows: list[Row] = []
    bad: list[BadRow] = []
    for read, row in enumerate(table.rows, start=1):
        if isinstance(row, Row):
            rows.append(row)
        else:
            bad.append(row)
        if progress and read % PROGRESS_ROWS == 0:
            progress(read)
    return Sheet(len(rows) + len(bad), tuple(rows), tuple(bad), table.ignored_columns)


def open_table(lines: Iterator[Cells], proof: Proof, *, at: datetime, columns: Mapping[str, str] | None = None) -> Table:
    """The rows of a file, read as they are asked for. `columns` names columns outright. Raises Wrong."""
    header = [name.strip() for name in next(lines, Cells(1, [], None)).values]
    sample = list(islice(lines, SAMPLE_ROWS))
    places = find_columns(header, columns or {}, [cells.values for cells in sample])
    reader = _Reader(header, places, proof, at)
    ignored = tuple(name for place, name in enumerate(header) if name and place not in places.values())
    return Table(reader.read(chain(sample, lines)), {what: header[place] for what, place in places.items()}, ignored)


# ------------------------------------------------------------------ one row


class _Reader:
    """Reads the rows of one file."""

    def __init__(self, header: Sequence[str], places: Mapping[str, int], proof: Proof, at: datetime) -> None:
        self._header, self._places, self._proof, self._at = header, tuple(places.items()), proof, at

    def read(self, lines: Iterator[Cells]) -> Iterator[Row | BadRow]:
        for read, (line, values, flaw) in enumerate(lines, start=1):
            if read > ROWS_MAX:
                raise Wrong(f"the file has more than {ROWS_MAX} rows", mend="split it into smaller files")
            wrong = flaw or self._flaw(values)
            try:
                yield self._bad(line, values, None, wrong) if wrong else self._row(line, values)
            except _CellError as error:
                yield self._bad(line, values, error.column, str(error))

    def _flaw(self, values: Sequence[str]) -> str | None:
        """A row with too many or too few cells may be shifted: none of them can be trusted."""
        if len(values) == len(self._header):
            return None
        return f"has {len(values)} cell{'s' if len(values) != 1 else ''}, the first line names {len(self._header)}"

    def _bad(self, line: int, values: Sequence[str], column: str | None, reason: str) -> BadRow:
        cells = {name: value.strip() for name, value in zip(self._header, values, strict=False) if name}
        return BadRow(line, self._header[dict(self._places)[column]] if column in dict(self._places) else column, reason, cells)

    def _row(self, line: int, values: Sequence[str]) -> Row:
        cells = {what: values[place].strip() for what, place in self._places}
        _check_cells(cells)
        zone = cells.get("zone")
        number = _number(cells["phone"], zone or None)
        assert number.zone is not None
        person = Person(
            phone=number.phone,
            phone_key=number.key,
            zone=number.zone,
            zone_given=bool(zone),
            name=cells.get("name") or None,
            audience=cells.get("audience") or None,
        )
        return Row(line, person, _grants(cells, self._proof, number.key, number.zone, self._at, line))


def _check_cells(cells: Mapping[str, str]) -> None:
    """Nothing too long, nothing that cannot be printed, no formula that a spreadsheet would carry out. One look, if all is well."""
    text = "\n".join(cells.values())
    if len(text) - len(cells["phone"]) <= SHORTEST_MAX and not _ODD.search(text):
        return
    for column, cell in cells.items():
        if len(cell) > SHORTEST_MAX and len(cell) > TEXT_MAX.get(column, LONG_TEXT_MAX):
            raise _CellError(column, f"is longer than {TEXT_MAX.get(column, LONG_TEXT_MAX)} characters")
    if not _ODD.search(text):
        return
    for column, cell in cells.items():
        if _UNPRINTABLE.search(cell):
            raise _CellError(column, "holds a character that cannot be printed")
        if begins_like_a_formula(cell):
            raise _CellError(column, f"begins with {cell[0]}, as a formula does: write it without")


def begins_like_a_formula(cell: str) -> bool:
    """Whether a spreadsheet would carry this cell out. A number such as +55 31 98765-4321 is no formula, nor is a sign alone."""
    return len(cell) > 1 and cell[0] in _FORMULA_SIGNS and not _IN_A_PHONE.fullmatch(cell)


def _number(text: str, zone: str | None) -> Number:
    """E.164, canonical key and zone of what the cell says."""
    number = read_mobile(text)
    if number is None:
        try:
            phone = read_phone(text)
        except Wrong as error:
            raise _CellError("phone", str(error)) from None
        number = Number(phone, key_of(phone), zone_of(phone) or (None if zone else _foreign_zone(phone)))
    if zone:
        return Number(number.phone, number.key, _check_zone(zone))
    if number.zone is None:
        raise _CellError("zone", "the number's country has several time zones: add a column `zone`, such as America/New_York")
    return number


def read_phone(text: str) -> str:
    """A number as people write it, in E.164 with the ninth digit. Raises Wrong.

    Brazilian mobiles are also taken without a country code (area code and nine digits): no other plan's numbers look like that.
    """
    if mobile := read_mobile(text):
        return mobile.phone
    digits = digits_of(text)
    if not digits:
        raise Wrong("is empty")
    if "+" not in text:
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


def _grants(cells: Mapping[str, str], proof: Proof, key: str, zone: str, at: datetime, line: int) -> tuple[Grant, ...]:
    """The consents that the row proves: when, by which way, for what, to which text, and with what evidence. One missing: none."""
    get = cells.get
    granted_at = _moment(moment, zone) if (moment := get("consent_at")) else None
    if granted_at is not None and granted_at > at:
        raise _CellError("consent_at", "lies in the future")
    purposes = _purposes(get("purpose") or proof.purpose or "")
    source = get("source") or proof.source
    text, version = get("text") or proof.text, get("text_version") or proof.text_version
    evidence = {**proof.evidence, **_evidence(own)} if (own := get("evidence")) else proof.evidence
    if granted_at is None or not source or not evidence or not (text or version):
        return ()
    if proof.file is not None:
        evidence = {**evidence, "file_sha256": proof.file, "line": line}
    return tuple(
        Grant(
            phone_key=key,
            purpose=purpose,
            source=source,
            text_shown=text,
            text_version=version,
            evidence=dict(evidence),
            granted_at=granted_at,
        )
        for purpose in purposes
    )


@lru_cache(KEPT)
def _moment(text: str, zone: str) -> datetime:
    """When the person agreed, in UTC; without an offset it is the person's local time."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)
    except (ValueError, OverflowError):
        raise _CellError("consent_at", f"{text!r} is not a date and time: write it like 2026-05-31 14:05") from None


@lru_cache(KEPT)
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
