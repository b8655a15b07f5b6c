"""docs/rules.md says what the rules are."""

from tools.rules_doc import TARGET, describe


def test_the_page_of_rules_is_what_the_rules_make() -> None:
    assert TARGET.read_text("utf-8") == describe(), "docs/rules.md is old: run make docs"
