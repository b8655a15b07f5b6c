"""The check of the documents finds what is not true, and the documents are true."""

from pathlib import Path

import pytest
from tools import check_docs, settings_doc

from julia_warmer.config import Settings

LINES = [
    ("warmer chips list", None),
    ("warmer chips list --json", None),
    ("warmer chips start|pause NAME --why …", None),
    ("warmer demo [--chips 12] [--exit]", None),
    ('warmer stop everything --why "x" && warmer nope', None),
    ("warmer contacts import people.csv --source form   # how people agreed", None),
    ("warmer COMMAND --help", None),
    ("warmer chipz list", "there is no command chipz"),
    ("warmer chips lost", "there is no command chips lost"),
    ("warmer chips list --jsn", "there is no option --jsn"),
    ("warmer accounts add --waba=1 --token x", "there is no option --token"),
]


@pytest.mark.parametrize(("line", "finding"), LINES)
def test_a_named_command_is_there_with_its_options(line: str, finding: str | None):
    assert check_docs.unknown_in(line) == finding


def test_links_headings_targets_and_traces_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(check_docs, "ROOT", tmp_path)
    (tmp_path / "Makefile").write_text("demo: x\n")
    other = tmp_path / "other.md"
    other.write_text("# What is `here`, and not\n")
    file = tmp_path / "a.md"
    here = "/ho" + "me/ana"
    file.write_text(
        "# A\n[a](other.md) [b](other.md#what-is-here-and-not) [c](#a) [d](https://example.com/x)\n"
        f"[e](gone.md) [f](other.md#gone) `make demo` `make gone` {here}\n```\n[g](gone.md)\nmake lost\n```\n"
    )
    found = [*check_docs.links([file]), *check_docs.targets([file]), *check_docs.traces([file])]
    assert found == [
        "a.md: the link gone.md leads nowhere: mend the path",
        "a.md: other.md has no heading #gone: mend the link",
        "a.md: `make lost` is not in the Makefile: mend the name",
        "a.md: `make gone` is not in the Makefile: mend the name",
        "a.md:3: holds a path of one machine: write it relative to the repository",
    ]


def test_every_setting_has_a_heading_a_sentence_and_a_line():
    assert [name for _, names in settings_doc.headings() for name in names] == list(Settings.model_fields)
    assert [name for name, field in Settings.model_fields.items() if not (field.description or "").endswith(".")] == []
    assert settings_doc.TARGET.read_text("utf-8") == settings_doc.dump()
