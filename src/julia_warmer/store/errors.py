"""What can go wrong with the database, each with the mend. The docstring of an error is its message when none is given."""

from julia_warmer.core.errors import WarmerError


class StoreError(WarmerError):
    """The database could not be used."""


class LocalPostgresError(StoreError):
    """The embedded PostgreSQL could not be started; set WARMER_DATABASE_URL to use a server of your own (PostgreSQL 15 or newer)."""


class QueryFileError(StoreError):
    """A .sql file of named queries is not written as it must be."""


class MigrationError(StoreError):
    """The schema could not be migrated; nothing of the failed migration was kept."""


class SchemaOlderError(StoreError):
    """The database's schema is older than this program: run `warmer migrate`."""


class SchemaNewerError(StoreError):
    """The database's schema is newer than this program: upgrade julia-warmer."""
