"""Fixtures of the API's tests."""

from collections.abc import AsyncIterator

import pytest

from tests.api.site import Site, opened, parts_of
from tests.conftest import Database


@pytest.fixture
async def site(db: Database) -> AsyncIterator[Site]:
    """The internal application on the test's own database."""
    async with opened(parts_of(db)) as site:
        yield site
