"""The file of constants: whole, sourced line by line, and changeable one number at a time."""

import hashlib
import re
from importlib import resources
from pathlib import Path

import pytest

from julia_warmer.core.limits import STEPS
from julia_warmer.sim import constants
from julia_warmer.sim.meta import steps_of


def test_every_constant_says_where_it_comes_from():
    for line in constants.world_text().splitlines():
        if re.match(r"\w+ = ", line):
            assert re.search(r"# .*(platform\.md|asked|guess)", line), line


def test_every_constant_is_read_by_the_world_or_the_sandbox():
    parts = Path(constants.__file__).parents[1]
    files = [path for part in ("sim", "sandbox") for path in (parts / part).glob("*.py") if path.name != "constants.py"]
    source = "".join(path.read_text("utf-8") for path in files)
    unread = [name for name in constants.names(constants.standard()) if f".{name.rsplit('.', 1)[-1]}" not in source]
    assert not unread


def test_the_hash_is_that_of_the_installed_file():
    raw = resources.files("julia_warmer.sim").joinpath("world.toml").read_bytes()
    assert constants.world_hash() == hashlib.sha256(raw).hexdigest()


def test_the_lists_keep_the_rates_that_were_asked_for():
    lists = constants.standard().lists
    assert (lists["good"].reply_low, lists["good"].reply_high) == (0.30, 0.45)
    assert (lists["tired"].reply_low, lists["tired"].reply_high) == (0.15, 0.22)
    assert lists["poor"].reply_high <= 0.10
    harm = {name: row.block + row.report + row.stop_word for name, row in lists.items()}
    assert harm["good"] < harm["tired"] < harm["poor"]


@pytest.mark.parametrize("name", constants.names(constants.standard()))
def test_each_number_can_be_varied_alone(name: str):
    before = constants.standard()
    after = constants.vary(before, name, 0.5)
    changed = [n for n in constants.names(before) if _get(before, n) != _get(after, n)]
    assert changed == ([name] if _get(before, name) != 0 else [])


def test_a_share_does_not_rise_above_one():
    assert constants.vary(constants.standard(), "delivery.online", 100).delivery.online == 1.0


@pytest.mark.parametrize("name", ["lists.good.nothing", "lists.nobody.block", "nothing", "limits.tiers"])
def test_a_name_that_is_no_number_is_refused(name: str):
    with pytest.raises(KeyError):
        constants.vary(constants.standard(), name, 2)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("experiment = 0.01", "experimental = 0.01", "experiment"),
        ("[spam]", "[spam]\nextra = 1", "extra"),
        ("reports = 4 ", 'reports = "4" ', "whole number"),
        ("reports = 4 ", "reports = 4.5 ", "whole number"),
        ("[window]", "[windows]", "window"),
    ],
)
def test_a_file_with_a_mistake_is_refused_by_name(old: str, new: str, says: str):
    text = constants.world_text()
    assert old in text
    with pytest.raises(ValueError, match=says):
        constants.parse(text.replace(old, new))


def _get(value: object, path: str) -> object:
    for part in path.split("."):
        value = value[part] if isinstance(value, dict) else getattr(value, part)
    return value


def test_the_world_raises_limits_by_the_rule_that_the_planner_of_tiers_goes_by():
    assert steps_of(constants.standard().limits) == STEPS
