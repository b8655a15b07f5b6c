"""Why a step of the engine refuses: expected conflicts, each with what happened and the mend. The edges turn them into 4xx or one line."""

from julia_warmer.core.errors import WarmerError


class EngineError(WarmerError):
    """The engine refused. `mend` says what to do about it."""

    def __init__(self, message: str | None = None, *, mend: str = "") -> None:
        super().__init__(message)
        self.mend = mend


class NotFound(EngineError):  # noqa: N818 - a fact, as the reader meets it
    """There is no such thing."""


class Conflict(EngineError):  # noqa: N818 - a fact, as the reader meets it
    """It cannot be done as things stand."""


class Wrong(EngineError):  # noqa: N818 - a fact, as the reader meets it
    """A value that was given is not usable."""
