"""`warmer simulate` as a person and a program meet it. No database: it runs by itself."""

from pathlib import Path

import orjson
import pytest

from julia_warmer.cli.root import root

SMALL = ("--chips", "6", "--days", "12", "--runs", "2", "--jobs", "1", "--people", "200")
METRICS = {"p_red", "red_days", "ready_share", "ready_day_median", "ready_day_p10", "ready_day_p90", "negatives_per_1000", "sent"}


def run(*words: str) -> int:
    """The exit code."""
    return root.main(["simulate", *words], standalone_mode=False) or 0


def test_it_compares_policies_and_writes_what_was_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {kind: tmp_path / f"out.{kind}" for kind in ("json", "html", "png")}
    asked = [word for kind, file in files.items() for word in (f"--{kind}", str(file))]
    root.main(["simulate", "--scenario", "good", "--policy", "standard,cautious", *SMALL, *asked], standalone_mode=False)
    said = capsys.readouterr().out
    assert "chance of RED" in said
    assert "What bound the budget" in said
    told = orjson.loads(files["json"].read_bytes())
    assert set(told) == {"scenario", "runs", "seed", "policies", "paired", "wall_s", "chip_days_per_s"}
    assert {name: set(row) for name, row in told["policies"].items()} == {"standard": METRICS, "cautious": METRICS}
    assert {tuple(sorted(row)) for row in told["paired"]} == {("a", "b", "ci95", "difference", "metric")}
    sent = next(row for row in told["paired"] if row["metric"] == "sent")
    assert sent["difference"] == pytest.approx(told["policies"]["cautious"]["sent"] - told["policies"]["standard"]["sent"])
    assert files["png"].read_bytes().startswith(b"\x89PNG")
    assert "<table>" in files["html"].read_text()


def test_the_same_seed_gives_the_same_numbers_and_another_one_others(tmp_path: Path) -> None:
    def policies_of(seed: str) -> dict[str, object]:
        file = tmp_path / f"{seed}.json"
        root.main(["simulate", "--policy", "standard", "--seed", seed, *SMALL, "--json", str(file)], standalone_mode=False)
        return orjson.loads(file.read_bytes())["policies"]

    assert policies_of("4") == policies_of("4")
    assert policies_of("4") != policies_of("5")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--scenario", "goood"), "there is no scenario 'goood': choose one of good, tired"),
        (("--policy", "standard,standard"), "different names"),
        (("--policy", "nobody"), "no policy of that name"),
        (("--json", "/nowhere/out.json"), "there is no folder /nowhere"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(words: tuple[str, str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*SMALL, *words) != 0
    assert said in " ".join(capsys.readouterr().err.split())


def test_sensitivity_names_what_it_changed(capsys: pytest.CaptureFixture[str]) -> None:
    words = (
        "--policy",
        "standard,cautious",
        "--chips",
        "2",
        "--days",
        "6",
        "--runs",
        "2",
        "--jobs",
        "1",
        "--people",
        "50",
        "--sensitivity",
    )
    assert run("--scenario", "good", *words) == 0
    said = capsys.readouterr().out
    assert "guesses halved and doubled" in said
    assert "turned round" in said
