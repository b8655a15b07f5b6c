"""Reads a file of rows: CSV in any common encoding, with any common separator, or the first sheet of an xlsx. It knows no columns.

A row that cannot be read is told with the reason and costs no other row: an open quote ends with its line unless a later one closes it.
"""

import codecs
import csv
import io
import re
import zipfile
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from hashlib import sha256
from typing import IO, Any, NamedTuple

from julia_warmer.engine.errors import Wrong

BLOCK_BYTES = 1024 * 1024
DELIMITERS = ",;\t"
ROW_LINES_MAX = 50  # that a quoted cell may spread one row over
UNZIPPED_BYTES_MAX = 2 * 1024**3  # of an xlsx: a small file can hold an endless one
UTF_8, UTF_16, WESTERN = "utf-8", "utf-16", "cp1252"
XLSX = "xlsx"

_ZIP, _OLD_EXCEL = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
_BOMS = {codecs.BOM_UTF8: UTF_8, codecs.BOM_UTF16_LE: UTF_16, codecs.BOM_UTF16_BE: UTF_16}
_SEPARATOR_LINE = re.compile(r"sep=(.)\s*")  # Excel's own way to say it
_FOREIGN = "is in UTF-8, the file's other rows are not: save it as `CSV UTF-8`"
_OPEN_QUOTE = "is cut off: a quote is left open"


class Cells(NamedTuple):
    """One row: the line where it ends, its cells, and why it cannot be used as it is. A plain tuple: a million of them pass by."""

    line: int
    values: list[str]
    flaw: str | None


@dataclass(frozen=True, slots=True)
class Look:
    """What a file is: found out by reading it once."""

    digest: bytes  # sha256
    size: int  # bytes
    lines: int  # about how many rows; 0: that cannot be seen from outside
    encoding: str  # or `xlsx`


def look_at(file: IO[bytes], encoding: str | None = None) -> Look:
    """Read a file once, for its digest and its encoding. Raises Wrong for what is no table at all."""
    file.seek(0)
    head = file.read(BLOCK_BYTES)
    if head.startswith(_OLD_EXCEL):
        raise Wrong("the file is of the old Excel form (.xls)", mend="save it as .xlsx or as `CSV UTF-8`")
    digest, size, lines, utf8 = sha256(), 0, 0, _Utf8()
    block = head
    while block:
        digest.update(block)
        utf8.feed(block)
        size, lines = size + len(block), lines + block.count(b"\n")
        block = file.read(BLOCK_BYTES)
    found = XLSX if head.startswith(_ZIP) else _known(encoding) if encoding else _by_mark(head) or (UTF_8 if utf8.ends() else _vote(file))
    return Look(digest.digest(), size, 0 if found == XLSX else lines, found)


def read_table(file: IO[bytes], look: Look, delimiter: str | None = None) -> Iterator[Cells]:
    """The rows, the one with the names first. Raises Wrong for a file that cannot be read as a table."""
    file.seek(0)
    return _read_xlsx(file) if look.encoding == XLSX else _read_csv(_decoded(file, look.encoding), delimiter)


def read_lines(lines: Iterable[str]) -> Iterator[Cells]:
    """The rows of text that is decoded already. Raises Wrong."""
    return _read_csv(_checked(lines), None)


# ------------------------------------------------------------------ encodings


class _Utf8:
    """Whether bytes are UTF-8, block by block."""

    def __init__(self) -> None:
        self._decoder, self._is_good = codecs.getincrementaldecoder(UTF_8)(), True

    def feed(self, block: bytes) -> None:
        if self._is_good:
            try:
                self._decoder.decode(block)
            except UnicodeDecodeError:
                self._is_good = False

    def ends(self) -> bool:
        """True when all that was fed was good, and is whole."""
        return self._is_good and not self._decoder.getstate()[0]


def _known(encoding: str) -> str:
    try:
        return codecs.lookup(encoding).name
    except LookupError:
        raise Wrong(f"{encoding!r} is not an encoding", mend="write it like utf-8, latin-1, cp1252 or utf-16") from None


def _by_mark(head: bytes) -> str | None:
    """By the byte order mark; without one, UTF-16 shows by every second byte of its first line being zero."""
    for mark, encoding in _BOMS.items():
        if head.startswith(mark):
            return encoding
    start = head[:200]
    if start[1::2].count(0) > len(start) // 3:
        return "utf-16-le"
    return "utf-16-be" if start[::2].count(0) > len(start) // 3 else None


def _vote(file: IO[bytes]) -> str:
    """Of a file that is not all UTF-8: what most of its lines with accents are."""
    file.seek(0)
    votes = [_is_utf8(line) for line in file if not line.isascii()]
    return UTF_8 if 2 * sum(votes) >= len(votes) else WESTERN


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _decoded(file: IO[bytes], encoding: str) -> Iterator[tuple[str, str | None]]:
    """Each line as text, and what is wrong with it: a line in another encoding than the file's is read, and told."""
    if encoding.startswith(UTF_16):
        yield from _checked(io.TextIOWrapper(file, encoding=encoding, newline="\n"))
    elif encoding == WESTERN:
        for line in file:
            is_foreign = not line.isascii() and _is_utf8(line)
            yield (
                line.decode(WESTERN, "replace"),
                "is in UTF-8, the file's other rows are not: save it as `CSV UTF-8`" if is_foreign else None,
            )
    else:
        for line in file:
            try:
                yield line.decode(encoding), None
            except UnicodeDecodeError:
                yield line.decode(WESTERN, "replace"), f"is not {encoding.upper()} as the file's other rows are: save it as `CSV UTF-8`"


def _checked(lines: Iterable[str]) -> Iterator[tuple[str, str | None]]:
    number = 0
    try:
        for number, line in enumerate(lines, start=1):  # noqa: B007 - the error says where it was
            yield line, None
    except UnicodeDecodeError as error:
        raise Wrong(f"the file is not {error.encoding.upper()} after line {number}", mend="save it as `CSV UTF-8`") from None


# ------------------------------------------------------------------ CSV


class _Units:
    """Lines joined to what makes one row each, for `csv.reader`, which would else read on from an open quote to the file's end."""

    def __init__(self, lines: Iterator[tuple[str, str | None]], delimiter: str, width: int, line: int) -> None:
        self._lines, self._delimiter, self._width = lines, delimiter, width
        self._ahead: deque[tuple[str, str | None]] = deque()
        self.line, self.flaw = line, None

    line: int  # the last one of the row that was given last
    flaw: str | None

    def __iter__(self) -> "_Units":
        return self

    def __next__(self) -> str:
        text, self.flaw = self._ahead.popleft() if self._ahead else next(self._lines)
        self.line += 1
        return text if text.count('"') % 2 == 0 or not self._is_open(text) else self._join(text)

    def _is_open(self, text: str) -> bool:
        try:
            next(csv.reader([text], delimiter=self._delimiter, strict=True), None)
        except csv.Error as error:
            return "unexpected end" in str(error)
        return False

    def _join(self, first: str) -> str:
        """The row that begins with this line; the line alone, without its quotes, when no later one completes it."""
        taken: list[tuple[str, str | None]] = []
        text = first
        while len(taken) < ROW_LINES_MAX and (line := self._ahead.popleft() if self._ahead else next(self._lines, None)):
            taken.append(line)
            text += line[0]
            if '"' in line[0] and not self._is_open(text):
                break
        if self._is_row(text):
            self.line += len(taken)
            self.flaw = self.flaw or next((flaw for _, flaw in taken if flaw), None)
            return text
        self._ahead.extendleft(reversed(taken))
        self.flaw = _OPEN_QUOTE
        return first.replace('"', "")

    def _is_row(self, text: str) -> bool:
        try:
            return len(next(csv.reader([text], delimiter=self._delimiter, strict=True))) == self._width
        except (csv.Error, StopIteration):
            return False


def _read_csv(lines: Iterator[tuple[str, str | None]], delimiter: str | None) -> Iterator[Cells]:
    first, number = next(lines, ("", None))[0].lstrip("\ufeff"), 1
    if told := _SEPARATOR_LINE.fullmatch(first):
        delimiter, first, number = delimiter or told[1], next(lines, ("", None))[0], 2
    delimiter = delimiter or max(DELIMITERS, key=first.count)
    header = next(csv.reader([first], delimiter=delimiter), [])
    yield Cells(number, header, None)
    units = _Units(lines, delimiter, len(header), number)
    reader = csv.reader(units, delimiter=delimiter, strict=True)
    while True:
        try:
            for values in reader:
                if "".join(values).strip():
                    yield Cells(units.line, values, units.flaw)
        except csv.Error as error:
            yield Cells(units.line, [], f"cannot be read: {error} (is a quote left open?)")
        else:
            return


# ------------------------------------------------------------------ xlsx


def _read_xlsx(file: IO[bytes]) -> Iterator[Cells]:
    from openpyxl import load_workbook  # only who brings a workbook pays for it
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        with zipfile.ZipFile(file) as parts:
            if sum(part.file_size for part in parts.infolist()) > UNZIPPED_BYTES_MAX:
                raise Wrong("the workbook is too large when it is unpacked", mend="save its sheet as `CSV UTF-8`")
        book = load_workbook(file, read_only=True, data_only=False)
        sheet = book.worksheets[0]
        width = 0
        for line, row in enumerate(sheet.iter_rows(values_only=True), start=1):
            values = [_text_of(value) for value in row]
            width = width or len(values)
            while len(values) > width and not values[-1]:
                values.pop()
            values += [""] * (width - len(values))
            if "".join(values).strip() or line == 1:
                yield Cells(line, values, None)
    except (zipfile.BadZipFile, InvalidFileException, KeyError, IndexError, ValueError, OSError) as error:
        raise Wrong(f"the workbook cannot be read: {error}", mend="save its sheet as `CSV UTF-8`") from None


def _text_of(value: Any) -> str:
    """A cell as a CSV would hold it. A number without a fraction is a number as people write it: phones come so."""
    match value:
        case None:
            return ""
        case bool() | str():
            return str(value)
        case float() if value.is_integer():
            return str(int(value))
        case datetime() | date() | time():
            return value.isoformat()
        case int() | float():
            return str(value)
        case _:
            return f"={type(value).__name__}"  # a formula over several cells is an object
