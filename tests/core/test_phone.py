"""Every form of one number shares a key, and two numbers never do."""

import re
import zoneinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from julia_warmer.core.phone import AREA_CODES, NotAPhone, PhoneKind, e164_with_ninth, key_of, kind_of_key, zone_of

areas = st.sampled_from(sorted(AREA_CODES))
seven = st.text("0123456789", min_size=7, max_size=7)
old_mobiles = st.tuples(st.sampled_from("6789"), seven).map("".join)
new_mobiles = st.tuples(st.sampled_from("123456789"), seven).map("".join)
landlines = st.tuples(st.sampled_from("2345"), seven).map("".join)

CASES = """
    number                  key               sent to            zone
    +55 31 98765-4321       m:553187654321    +5531987654321     America/Sao_Paulo
    553187654321            m:553187654321    +5531987654321     America/Sao_Paulo
    5531987654321           m:553187654321    +5531987654321     America/Sao_Paulo
    +55 (11) 94123-4567     m:551141234567    +5511941234567     America/Sao_Paulo
    +55 11 4123-4567        l:551141234567    +551141234567      America/Sao_Paulo
    +55 68 99999-0000       m:556899990000    +5568999990000     America/Rio_Branco
    +55 92 3232-1010        l:559232321010    +559232321010      America/Manaus
    +55 97 98400-0001       m:559784000001    +5597984000001     America/Manaus
    +55 95 99100-0001       m:559591000001    +5595991000001     America/Boa_Vista
    +55 69 99200-0001       m:556992000001    +5569992000001     America/Porto_Velho
    +55 65 99300-0001       m:556593000001    +5565993000001     America/Cuiaba
    +55 67 99400-0001       m:556794000001    +5567994000001     America/Campo_Grande
    +55 81 99500-0001       m:558195000001    +5581995000001     America/Recife
    +55 20 98765-4321       x:5520987654321   +5520987654321     -
    +55 11 84123-4567 0     x:55118412345670  +55118412345670    -
    16505551234             x:16505551234     +16505551234       -
    +351 912 345 678        x:351912345678    +351912345678      -
"""


def rows() -> list[list[str]]:
    return [re.split(r"\s{2,}", line.strip()) for line in CASES.strip().splitlines()[1:]]


@pytest.mark.parametrize(("number", "key", "sent_to", "zone"), rows())
def test_a_number_has_a_key_a_form_to_send_to_and_a_zone(number: str, key: str, sent_to: str, zone: str) -> None:
    assert (key_of(number), e164_with_ninth(number), zone_of(number) or "-") == (key, sent_to, zone)


@given(areas, old_mobiles)
def test_all_forms_of_a_mobile_share_a_key(area: str, local: str) -> None:
    forms = [f"55{area}{local}", f"55{area}9{local}", f"+55 ({area}) 9{local[:4]}-{local[4:]}", f"+55{area}{local}"]
    assert len({key_of(form) for form in forms}) == 1
    assert {e164_with_ninth(form) for form in forms} == {f"+55{area}9{local}"}


@given(areas, new_mobiles, areas, landlines)
def test_a_mobile_and_a_landline_never_share_a_key(area: str, mobile: str, other_area: str, landline: str) -> None:
    assert key_of(f"55{area}9{mobile}") != key_of(f"55{other_area}{landline}")


@given(areas, new_mobiles, areas, new_mobiles)
def test_two_mobiles_share_a_key_only_when_they_are_one(area: str, mobile: str, other_area: str, other: str) -> None:
    same = (area, mobile) == (other_area, other)
    assert (key_of(f"55{area}9{mobile}") == key_of(f"55{other_area}9{other}")) == same


@given(st.text("0123456789", min_size=1, max_size=15))
def test_the_form_to_send_to_keeps_the_key(digits: str) -> None:
    assert key_of(e164_with_ninth(digits)) == key_of(digits)
    assert kind_of_key(key_of(digits)) in PhoneKind


@given(st.text())
def test_any_text_gives_a_key_or_says_that_it_is_no_number(text: str) -> None:
    if re.search("[0-9]", text):
        assert key_of(text)[1] == ":"
    else:
        with pytest.raises(NotAPhone, match="digits"):
            key_of(text)


def test_every_area_code_has_a_zone_that_exists() -> None:
    assert len(AREA_CODES) == 67
    for area in AREA_CODES:
        zoneinfo.ZoneInfo(zone_of(f"55{area}988887777") or "")
