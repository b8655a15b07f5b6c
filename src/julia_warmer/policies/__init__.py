"""The shipped policies, and the reading of an owner's own. The only part of the rules that touches files."""

from importlib import resources
from pathlib import Path

from julia_warmer.core.policy import Policy, PolicyError, extended_by, parse

LAYERS_MAX = 8


def shipped() -> tuple[str, ...]:
    """Names of the policies that come with the program."""
    return tuple(sorted(entry.name.removesuffix(".toml") for entry in resources.files(__name__).iterdir() if entry.name.endswith(".toml")))


def text_of(name_or_path: str) -> tuple[str, str]:
    """(file, text) of a shipped policy by its name, or of a file. Raises PolicyError saying what there is."""
    if name_or_path in shipped():
        file = f"{name_or_path}.toml"
        return file, (resources.files(__name__) / file).read_text(encoding="utf-8")
    path = Path(name_or_path)
    try:
        return str(path), path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(
            f"{name_or_path}: no policy of that name ({', '.join(shipped())}), and no file that can be read: {error}"
        ) from error


def layers(name_or_path: str) -> tuple[tuple[str, str], ...]:
    """The (file, text) pairs that make a policy, bottom first. A layer extends a shipped policy, or a file beside it."""
    found = [text_of(name_or_path)]
    while (below := extended_by(found[0][1], file=found[0][0])) is not None:
        if len(found) == LAYERS_MAX:
            raise PolicyError(f"{name_or_path}: more than {LAYERS_MAX} layers of extends; do two files extend each other?")
        found.insert(0, text_of(_beside(found[0][0], below)))
    return tuple(found)


def load(name_or_path: str) -> Policy:
    """A policy, ready to decide by. Raises PolicyError with file, table, key and what is allowed."""
    policy: Policy | None = None
    for file, text in layers(name_or_path):
        policy = parse(text, file=file, base=policy)
    assert policy is not None
    return policy


def _beside(file: str, name: str) -> str:
    path = Path(file).parent / f"{name}.toml"
    return name if name in shipped() or not path.exists() else str(path)
