"""Phone numbers: one canonical key for all forms of a number, its time zone, its dialled form. Pure; Brazil is the strict path.

The platform may drop or add Brazil's ninth digit (`+55 31 98765-4321` comes back as `553187654321`), so numbers are compared by key only.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from julia_warmer.core.errors import WarmerError

SAO_PAULO = "America/Sao_Paulo"

# IANA zone and its area codes. Brazil has had no daylight saving since 2019; zones with the same offset stay apart, as their past differs.
# Two places cannot be told from their area code's other numbers and follow them: Fernando de Noronha (81, one hour later than Recife)
# and the far west of Amazonas (97, one hour earlier than Manaus).
_AREA_CODES_OF_ZONE: dict[str, tuple[int, ...]] = {
    SAO_PAULO: (*range(11, 20), 21, 22, 24, 27, 28, *range(31, 36), 37, 38, *range(41, 50), 51, 53, 54, 55, 61, 62, 64),
    "America/Araguaina": (63,),
    "America/Bahia": (71, 73, 74, 75, 77),
    "America/Belem": (91, 94, 96),
    "America/Boa_Vista": (95,),
    "America/Campo_Grande": (67,),
    "America/Cuiaba": (65, 66),
    "America/Fortaleza": (83, 84, 85, 86, 88, 89, 98, 99),
    "America/Maceio": (79, 82),
    "America/Manaus": (92, 97),
    "America/Porto_Velho": (69,),
    "America/Recife": (81, 87),
    "America/Rio_Branco": (68,),
    "America/Santarem": (93,),
}
_ZONES = {str(code): zone for zone, codes in _AREA_CODES_OF_ZONE.items() for code in codes}
AREA_CODES = frozenset(_ZONES)

_BETWEEN = str.maketrans("", "", " ()-.")  # what people put between the digits of a number
_NOT_A_DIGIT = re.compile(r"[^0-9]+")
_BRAZILIAN = re.compile(r"55(\d{2})(?:9(\d{8})|([6-9]\d{7})|([2-5]\d{7}))")


class NotAPhone(WarmerError, ValueError):  # noqa: N818 - the name says what it is
    """A phone number needs digits: write it like +55 11 98765-4321."""


class PhoneKind(StrEnum):
    """The kind inside a key. It keeps `+55 11 94123-4567` apart from the landline `+55 11 4123-4567`."""

    MOBILE = "m"
    LANDLINE = "l"
    OTHER = "x"  # not Brazilian, or not a valid Brazilian number


@dataclass(frozen=True, slots=True)
class Number:
    """A number, read: the form to send to, its key and its zone (None: the number does not tell it)."""

    phone: str  # E.164
    key: str
    zone: str | None


def read_mobile(text: str) -> Number | None:
    """A Brazilian mobile as people usually write one; None: ask the slow path, it may be one all the same.

    It takes +55, 55 or nothing before area code and number, the ninth digit being optional only after 55. What it takes, the slow path
    (`engine/contacts_csv`, by `phonenumbers`) reads alike: a test holds the two equal.
    """
    digits = text.translate(_BETWEEN)
    is_international = digits[:1] == "+"
    if is_international:
        digits = digits[1:]
    if not (digits.isascii() and digits.isdecimal()):
        return None
    match len(digits):
        case 13 if digits[4] == "9" and digits[:2] == "55":
            area, local = digits[2:4], digits[5:]
        case 12 if digits[4] in "6789" and digits[:2] == "55":
            area, local = digits[2:4], digits[4:]
        case 11 if digits[2] == "9" and not is_international:
            area, local = digits[:2], digits[3:]
        case _:
            return None
    zone = _ZONES.get(area)
    return None if zone is None else Number(f"+55{area}9{local}", f"m:55{area}{local}", zone)


def digits_of(phone: str) -> str:
    """The ASCII digits of a number in any notation."""
    return _NOT_A_DIGIT.sub("", phone)


def key_of(phone: str) -> str:
    """The canonical key: `m:` + 55, area code and last eight digits; `l:` or `x:` + all digits. Raises NotAPhone without a digit.

    Takes E.164 or a `wa_id`, both with the country code. A twelve-digit number whose local part starts with 2-5 is a landline.
    """
    digits = digits_of(phone)
    if not digits:
        raise NotAPhone
    match = _match(digits)
    if match is None:
        return f"{PhoneKind.OTHER}:{digits}"
    area, with_ninth, old_mobile, landline = match.groups()
    if landline:
        return f"{PhoneKind.LANDLINE}:{digits}"
    return f"{PhoneKind.MOBILE}:55{area}{with_ninth or old_mobile}"


def kind_of_key(key: str) -> PhoneKind:
    """The kind that a key holds."""
    return PhoneKind(key[0])


def e164_with_ninth(phone: str) -> str:
    """The form to send to: `+` and digits, with the ninth digit for every Brazilian mobile. Raises NotAPhone without a digit."""
    key = key_of(phone)
    kind, digits = kind_of_key(key), key[2:]
    return f"+{digits[:4]}9{digits[4:]}" if kind is PhoneKind.MOBILE else f"+{digits}"


def zone_of(phone: str) -> str | None:
    """The IANA time zone of a Brazilian number by its area code; None for any other number: ask the person who brings it."""
    digits = digits_of(phone)
    if not digits.startswith("55") or len(digits) not in (12, 13):
        return None
    return _ZONES.get(digits[2:4])


def _match(digits: str) -> re.Match[str] | None:
    match = _BRAZILIAN.fullmatch(digits)
    return match if match and match[1] in AREA_CODES else None
