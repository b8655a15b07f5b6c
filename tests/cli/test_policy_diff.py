"""`warmer policy diff`: rules that differ, and paired runs of the simulator."""

from tests.cli.conftest import Warmer


def test_it_shows_each_rule_that_differs(warmer: Warmer) -> None:
    said = warmer("policy", "diff", "standard", "cautious", "--json")
    assert said.code == 0, said.err
    keys = {row["key"] for row in said.json["differs"]}
    assert keys
    assert all(row["a"] != row["b"] for row in said.json["differs"])
    assert (said.json["a"].partition("@")[0], said.json["b"].partition("@")[0]) == ("standard", "cautious")
    assert "simulated" not in said.json
    assert warmer("policy", "diff", "standard", "standard").out.strip().endswith("none")


def test_simulated_both_meet_the_same_people(warmer: Warmer) -> None:
    said = warmer("policy", "diff", "standard", "standard", "--simulate", "2", "--json")
    assert said.code == 0, said.err
    rows = said.json["simulated"]
    assert {row["scenario"] for row in rows} == {"mixed", "good"}
    assert all(row["difference"] == 0 and row["a"] == row["b"] for row in rows), rows


def test_what_is_no_policy_is_said(warmer: Warmer) -> None:
    assert "no policy of that name" in warmer("policy", "diff", "standard", "nosuch").line
