"""Writes the last measured table of `make faults` into docs/reliability.md, from the JSON of one run or of several with other seeds.

python -m tests.faults --json a.json; python -m tests.faults --json b.json; python tools/faults_table.py a.json b.json
"""

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parents[1] / "docs" / "reliability.md"
BEGIN, END = "<!-- measured: tools/faults_table.py writes between these lines -->", "<!-- measured: end -->"
HEAD = "| property | seed | what was done | duplicates | lost | violations | unknown | kills | p50 / p99 ms | recovered s | took s |"
RULE = "| --- | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"


def main(paths: Sequence[str]) -> int:
    if not paths:
        print(__doc__, file=sys.stderr)
        return 2
    runs = [json.loads(Path(path).read_text("utf-8")) for path in paths]
    page = TARGET.read_text("utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    TARGET.write_text(f"{before}{BEGIN}\n\n{table(runs)}\n\n{END}{after}", "utf-8")
    return 0


def table(runs: Sequence[dict[str, Any]]) -> str:
    """Rows by property, in the order of the first run; each run's under one another. Then the notes of the first run."""
    rows = [row for run in runs for row in run["rows"]]
    names = list(dict.fromkeys(row["property"] for row in rows))
    lines = [HEAD, RULE, *(_line(row) for name in names for row in rows if row["property"] == name)]
    broken = [row for row in rows if not row["ok"]]
    verdict = (
        "Every row held." if not broken else "Not held: " + ", ".join(f"{row['property']} (seed {row['seed']})" for row in broken) + "."
    )
    seeds = " and ".join(str(run["seed"]) for run in runs)
    return "\n".join([f"Seeds {seeds}. {verdict}", "", *lines, "", "What the rows say besides:", "", *_notes(runs[0]["rows"])])


def _line(row: dict[str, Any]) -> str:
    times = "-" if row["p50_ms"] is None else f"{row['p50_ms']:,.0f} / {row['p99_ms']:,.0f}"
    numbers = (row[name] for name in ("duplicates", "lost", "violations", "unknown", "kills"))
    cells = (row["property"], row["seed"], row["done"], *numbers, times, _number(row["recovered_s"]), _number(row["took_s"]))
    return "| " + " | ".join(f"{cell:,}" if isinstance(cell, int) and cell < 100_000 else str(cell) for cell in cells) + " |"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def _notes(rows: Iterable[dict[str, Any]]) -> list[str]:
    return [f"- **{row['property']}** {row['note']}" for row in rows if row["note"]]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
