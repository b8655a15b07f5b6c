"""The base of our errors. An error's docstring is its message when none is given."""


class WarmerError(Exception):
    """Something went wrong in Julia Warmer."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or type(self).__doc__)
