"""Whether the documents are true: the generated ones up to date, links and named commands there, no trace of one machine.

`make check` runs it; `make docs` runs it with --write, which writes the generated documents first. One line per finding, with its mend.
"""

import asyncio
import importlib
import inspect
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).parents[1]
GENERATORS = {  # each tool has TARGET, and this function that makes its text
    "rules_doc": "describe",
    "dump_schema": "dump",
    "settings_doc": "dump",
    "openapi": "dump",
    "commands_doc": "dump",
    "privacy_doc": "dump",
}
TEXT_MAX_BYTES = 1_000_000
BINARY = {".png", ".jpg", ".gif", ".ico", ".woff2", ".gz"}

LINK = re.compile(r"!?\[[^\]]*\]\((<[^>]+>|[^)\s]+)(?:\s+\"[^\"]*\")?\)")
FENCE = re.compile(r"^(```+|~~~+)[^\n]*\n(.*?)^\1", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
MAKE_TARGET = re.compile(r"\bmake +([a-z]+)\b")
MACHINE_PATH = re.compile(r"(?<![\w.~-])/(?:work|root|home)/")
REGISTRY = re.compile(r"(?:--(?:extra-)?index-url|https?://[\w.-]*(?:artifactory|nexus|devpi|pypi-mirror)[\w.-]*)", re.IGNORECASE)


def main(arguments: list[str]) -> int:
    files = tracked()
    findings = [*generated(write="--write" in arguments), *links(files), *commands(files), *targets(files), *traces(files)]
    for finding in findings:
        print(finding)
    print(f"documents: {len(findings)} finding{'' if len(findings) == 1 else 's'}" if findings else "documents: true")
    return bool(findings)


# ------------------------------------------------------------------ generated documents


def generated(*, write: bool) -> Iterator[str]:
    """Each generated document against what its tool makes now."""
    for name, function in GENERATORS.items():
        try:
            tool = importlib.import_module(name)
            text = getattr(tool, function)()
        except (ImportError, AttributeError) as error:
            yield f"tools/{name}.py cannot be run ({error}): mend it, or take it out of GENERATORS in tools/check_docs.py"
            continue
        text = asyncio.run(text) if inspect.iscoroutine(text) else text
        target: Path = tool.TARGET
        if write and (not target.exists() or target.read_text("utf-8") != text):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, "utf-8")
            print(f"wrote {shown(target)}")
        elif not target.exists() or target.read_text("utf-8") != text:
            yield f"{shown(target)} is old: run `make docs`"


# ------------------------------------------------------------------ what the documents name


def links(files: Iterable[Path]) -> Iterator[str]:
    """Every relative link of a Markdown file leads to a file, and to a heading of it."""
    for file in markdown(files):
        text = FENCE.sub("", file.read_text("utf-8"))
        for match in LINK.finditer(text):
            parts = urlsplit(match[1].strip("<>"))
            if parts.scheme or parts.netloc:
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            if not target.exists():
                yield f"{shown(file)}: the link {match[1]} leads nowhere: mend the path"
            elif parts.fragment and target.suffix == ".md" and parts.fragment not in anchors(target):
                yield f"{shown(file)}: {shown(target)} has no heading #{parts.fragment}: mend the link"


def anchors(file: Path) -> set[str]:
    """The anchors that a Markdown file's headings make."""
    headings = HEADING.findall(FENCE.sub("", file.read_text("utf-8")))
    return {re.sub(r"[^\w\- ]", "", re.sub(r"[`*_]|\]\([^)]*\)", "", heading)).strip().lower().replace(" ", "-") for heading in headings}


def commands(files: Iterable[Path]) -> Iterator[str]:
    """Every `warmer …` that a document or a message of the program names is there, with its options."""
    for file in files:
        if file.suffix == ".md":
            named = [*code_lines(file.read_text("utf-8"))]
        elif file.suffix == ".py" and file.is_relative_to(ROOT / "src"):
            named = SPAN.findall(file.read_text("utf-8"))
        else:
            continue
        for line in named:
            if line.strip().startswith("warmer ") and (wrong := unknown_in(line.strip())):
                yield f"{shown(file)}: `{line.strip()}`: {wrong}: see docs/commands.md"


def unknown_in(line: str) -> str | None:
    """What of a command line the program does not know; None when all is there. `a|b`, `[…]`, `…` and {…} are how documents write."""
    words = [word for word in words_of(line)[1:] if word]
    nodes: list[Any] = [program()]
    used = 0
    for word in words:
        found = [child for node in nodes for name in word.split("|") if (child := getattr(node, "commands", {}).get(name))]
        if not found:
            break
        nodes, used = found, used + 1
    if used == 0 and words and not words[0].startswith(("-", "…", "{")) and words[0] != "COMMAND":
        return f"there is no command {words[0]}"
    rest = words[used:]
    if rest and all(hasattr(node, "commands") for node in nodes) and used and re.fullmatch(r"[a-z][a-z-]*", rest[0]):
        return f"there is no command {' '.join(words[: used + 1])}"
    known = {"--help", *(option for node in nodes for param in node.params for option in (*param.opts, *param.secondary_opts))}
    return next(
        (f"there is no option {word.split('=')[0]}" for word in rest if word.startswith("--") and word.split("=")[0] not in known), None
    )


def words_of(line: str) -> list[str]:
    text = re.split(r"\s(?:#|&&|;|>|\|\s)", line)[0]
    text = re.sub(r"[\[\]…]", " ", text)
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


@cache
def program() -> Any:
    """The program's commands, all of them imported."""
    from julia_warmer.cli.root import ENTRIES, root

    for entry in ENTRIES:
        root.load(entry.name)
    return root


def targets(files: Iterable[Path]) -> Iterator[str]:
    """Every `make target` that a document names is in the Makefile."""
    known = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for file in markdown(files):
        for line in code_lines(file.read_text("utf-8")):
            for target in MAKE_TARGET.findall(line) if line.strip().startswith("make") else ():
                if target not in known:
                    yield f"{shown(file)}: `make {target}` is not in the Makefile: mend the name"


def code_lines(text: str) -> Iterator[str]:
    """What a document shows as code: spans, and the lines of fenced blocks."""
    for fence in FENCE.finditer(text):
        yield from fence[2].splitlines()
    yield from SPAN.findall(FENCE.sub("", text))


# ------------------------------------------------------------------ traces of one machine


def traces(files: Iterable[Path]) -> Iterator[str]:
    """No path of one machine, no address of a package index: neither is true anywhere else."""
    host = index_host()
    for file in files:
        for number, line in enumerate(file.read_text("utf-8", errors="replace").splitlines(), start=1):
            if MACHINE_PATH.search(line):
                yield f"{shown(file)}:{number}: holds a path of one machine: write it relative to the repository"
            if (REGISTRY.search(line) and file.name not in ("check_docs.py", "Makefile")) or (host and host in line):
                yield f"{shown(file)}:{number}: names a package index: take it out, it differs from machine to machine"


def index_host() -> str | None:
    """The host of the package index that this machine is set to, if it is not the public one."""
    try:
        answer = subprocess.run(
            [sys.executable, "-m", "pip", "config", "get", "global.index-url"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    host = urlsplit(answer.stdout.strip()).hostname
    return None if host in (None, "localhost", "127.0.0.1") or host.endswith("pypi.org") else host


# ------------------------------------------------------------------ files


def tracked() -> list[Path]:
    """The repository's text files, as git lists them: those that a commit would take too."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=True)
    paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file() and path.suffix not in BINARY and path.stat().st_size <= TEXT_MAX_BYTES]


def markdown(files: Iterable[Path]) -> list[Path]:
    return [file for file in files if file.suffix == ".md"]


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
