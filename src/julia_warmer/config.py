"""The only reader of the environment: one frozen `Settings`, built once at an edge and passed down.

Every field can be set by the environment variable `WARMER_<NAME>` or in the file `warmer.env` of the configuration folder.
"""

import os
import secrets
from pathlib import Path
from typing import Annotated, Any

import platformdirs
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from julia_warmer.core.errors import WarmerError
from julia_warmer.core.opt_out import own_words

KEY_BYTES = 32
RESTORE = "restore it from your backup of the configuration folder"


class SettingsError(WarmerError):
    """A setting is missing or wrong; the message names it and the mend."""


def default_data_dir() -> Path:
    """Where the embedded PostgreSQL and the spool live when WARMER_DATA_DIR is not set."""
    return Path(platformdirs.user_data_dir("julia-warmer", appauthor=False))


def default_config_dir() -> Path:
    """Where keys and `warmer.env` live when WARMER_CONFIG_DIR is not set: apart from the data."""
    return Path(platformdirs.user_config_dir("julia-warmer", appauthor=False))


class Settings(BaseSettings):
    """All settings. `docs/settings.md` is made from the descriptions below."""

    model_config = SettingsConfigDict(env_prefix="WARMER_", frozen=True, extra="ignore", env_ignore_empty=True)

    # Where things are
    data_dir: Path = Field(default_factory=default_data_dir, description="Folder of the embedded PostgreSQL and the webhook spool.")
    config_dir: Path = Field(default_factory=default_config_dir, description="Folder of the keys and of `warmer.env`; apart from the data.")
    database_url: SecretStr | None = Field(
        default=None, description="PostgreSQL to use, a direct or session connection. Unset: the embedded PostgreSQL starts by itself."
    )
    owner_database_url: SecretStr | None = Field(
        default=None, description="Connection of the role that owns the schema, for `warmer migrate`. Unset: the same as the database URL."
    )
    pool_max: int = Field(default=10, ge=2, le=200, description="Most database connections of one process.")

    # The platform
    app_secrets: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        default=(), description="Meta app secrets, comma-separated (two while one is rotated). Webhooks are refused without one."
    )
    opt_out_words: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Your own words or short sentences that ask to stop, comma-separated: added to those that are understood. "
        "A message, or its first or last clause, that is one of them and nothing else stops its writer.",
    )
    opt_out_confirmation: str | None = Field(
        default=None,
        min_length=1,
        max_length=1024,
        description="Text that confirms an opt-out: one message, within ten minutes and inside the service window, to who wrote it. "
        "Unset: nothing is sent.",
    )
    verify_token: SecretStr | None = Field(default=None, description="The token you typed into Meta's webhook form; answers its handshake.")
    graph_version: str = Field(default="v25.0", pattern=r"^v\d{2}\.\d$", description="Version of Meta's Graph API.")
    sandbox_url: str | None = Field(
        default=None, description="Talk to the sandbox at this loopback address in place of Meta; only `sandbox-` tokens are then taken."
    )
    messages_per_second: int = Field(
        default=80, ge=1, le=1000, description="Most messages a second from one chip (Meta: 80, 20 for coexistence)."
    )
    public_url: str | None = Field(
        default=None, description="The HTTPS address at which Meta reaches the webhook; `warmer doctor` checks it."
    )

    # The edges
    host: str = Field(default="127.0.0.1", description="Address that the servers listen on.")
    public_port: int = Field(default=8080, ge=1, le=65535, description="Port of the public application: the webhook only.")
    internal_port: int = Field(default=8081, ge=1, le=65535, description="Port of the internal application: everything else.")
    api_key: SecretStr | None = Field(
        default=None, description="Bearer key of the internal application, 24 characters or more. No key, no start."
    )
    policy: str = Field(
        default="standard",
        description="Policy until one is applied (`warmer policy apply`): standard, cautious, adaptive, or the path of a TOML file.",
    )
    shadow_policy: str | None = Field(
        default=None,
        description="A second policy that decides beside the first on live data and only reports: `warmer policy shadow`. Unset: none.",
    )
    operator: str = Field(default="operator", description="Who is named in the audit log for what the command line does.")

    person_in_charge: str | None = Field(
        default=None,
        description="Who answers for people's data (the encarregado of the LGPD): name and address, shown on requests and exports.",
    )

    # How much
    webhook_body_max: int = Field(
        default=3 * 1024 * 1024 + 65536, ge=65536, description="Largest webhook body in bytes (Meta sends up to 3 MB)."
    )
    spool_dir: Path | None = Field(
        default=None,
        description="Folder in which webhooks wait while the database is away, on a disk that lasts. Unset: `spool` in the data folder.",
    )
    spool_bytes_max: int = Field(default=1024**3, ge=0, description="Most bytes in the spool of one process; beyond it webhooks get 503.")
    spool_count_max: int = Field(default=200_000, ge=0, description="Most webhooks in the spool of one process; beyond it they get 503.")
    claim_max: int = Field(default=200, ge=1, le=500, description="Most sends that one claim takes.")
    lease_s: int = Field(default=60, ge=5, le=3600, description="Seconds after which a claimed send may be taken over.")
    attempts_max: int = Field(
        default=6, ge=1, le=20, description="Most requests for one send: after so many refusals that surely took nothing it fails."
    )
    question_late_h: float = Field(
        default=4.0, gt=0, le=720, description="Hours after which a message that may ask to stop, and that nobody answered, is told again."
    )
    send_concurrency: int = Field(default=16, ge=1, le=500, description="Requests in flight at once from one worker.")
    keep_decisions_d: int = Field(
        default=90, ge=31, le=3650, description="Days for which decisions that changed nothing are kept; those that changed a chip stay."
    )
    keep_scores_d: int = Field(default=400, ge=31, le=3650, description="Days for which past health scores are kept.")
    keep_deliveries_d: int = Field(default=30, ge=9, le=3650, description="Days for which applied webhook bodies are kept (sealed).")
    keep_attempts_d: int = Field(default=90, ge=31, le=3650, description="Days for which requests to the platform are kept.")
    keep_slots_d: int = Field(default=30, ge=9, le=3650, description="Days for which used slots of the messaging limit are kept.")
    keep_days_d: int = Field(default=400, ge=62, le=3650, description="Days for which each chip's days and the fleet's hours are kept.")
    keep_messages_d: int = Field(
        default=180, ge=9, le=3650, description="Days for which what people wrote, and what replies said, is kept (sealed; replies plain)."
    )
    keep_requests_d: int = Field(default=1825, ge=180, le=3650, description="Days for which people's requests about their data are kept.")
    keep_alerts_d: int = Field(default=400, ge=31, le=3650, description="Days for which closed alerts are kept.")
    keep_events_d: int = Field(default=400, ge=62, le=3650, description="Days for which events are kept; they go by whole months.")
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="DEBUG, INFO, WARNING or ERROR.")
    log_json: bool = Field(default=False, description="Logs as JSON lines.")

    @property
    def spool_folder(self) -> Path:
        """What the sandbox plays waits apart, as its database is apart."""
        return (self.spool_dir or self.data_dir / "spool") / ("sandbox" if self.sandbox_url else "live")

    @field_validator("app_secrets", mode="before")
    @classmethod
    def split_secrets(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(SecretStr(part.strip()) for part in value.split(",") if part.strip())
        return value

    @field_validator("opt_out_words", mode="before")
    @classmethod
    def split_words(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("opt_out_words")
    @classmethod
    def good_words(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        own_words(value)  # raises ValueError with the word and the mend
        return value

    @field_validator("api_key")
    @classmethod
    def long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < 24:
            raise ValueError("must have at least 24 characters")
        return value


def load_settings(**given: Any) -> Settings:
    """Read the environment, then `warmer.env` of the configuration folder; `given` wins over both.

    Raises SettingsError with one line that names every wrong setting and what it must be.
    """
    folder = Path(given.get("config_dir") or os.environ.get("WARMER_CONFIG_DIR") or default_config_dir())  # noqa: TID251
    try:
        reader: Any = Settings  # pydantic's own parameters are not in the signature that it shows to type checkers
        return reader(_env_file=folder / "warmer.env", _env_file_encoding="utf-8", **given)
    except ValidationError as error:
        raise SettingsError("; ".join(_line(part) for part in error.errors())) from None


def _line(part: Any) -> str:
    name = "WARMER_" + "_".join(str(step) for step in part["loc"]).upper()
    return f"{name}: {part['msg']} (set it in the environment or in warmer.env)"


def need(value: SecretStr | str | None, name: str, mend: str) -> str:
    """The value of a setting that this command cannot do without, or SettingsError with the mend."""
    if value is None:
        raise SettingsError(f"{name} is not set: {mend}")
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def data_key(config_dir: Path) -> bytes:
    """The key that seals tokens and bodies: 32 bytes in `data.key`, made on first use, readable by its owner only.

    It lies apart from the data: a copied database says nothing without it.
    """
    path = config_dir / "data.key"
    try:
        key = _read_key(path)
    except FileNotFoundError:
        if _older_keys(config_dir):
            raise SettingsError(f"{path} is missing: {RESTORE}") from None
        config_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        key = secrets.token_bytes(KEY_BYTES)
        try:
            _write_key(path, key)
        except FileExistsError:  # another process made it in between
            return data_key(config_dir)
    return _checked(key, path)


def data_keys(config_dir: Path) -> tuple[bytes, ...]:
    """The key that seals, `data.key`, and those before it, the newest first; `data.key.1` is the first there was. Raises SettingsError."""
    key = data_key(config_dir)
    return (key, *(_checked(_read_key(path), path) for path in reversed(_older_keys(config_dir))))


def rotate_data_key(config_dir: Path) -> Path:
    """Make a new data key; the one so far goes on opening what it sealed. Returns where that lies now.

    A crash in between leaves one key under both names, which is no harm. No process may run meanwhile: it would not know the new key.
    """
    path, key = config_dir / "data.key", data_key(config_dir)
    kept = config_dir / f"data.key.{len(_older_keys(config_dir)) + 1}"
    _put_key(kept, key)
    _put_key(path, secrets.token_bytes(KEY_BYTES))
    return kept


def _older_keys(config_dir: Path) -> list[Path]:
    """The oldest first. Raises SettingsError when one between is missing: what it sealed could not be opened."""
    numbers = sorted(int(path.suffix[1:]) for path in config_dir.glob("data.key.*") if path.suffix[1:].isdigit())
    if lacking := set(range(1, len(numbers) + 1)) - set(numbers):
        raise SettingsError(f"{config_dir / f'data.key.{min(lacking)}'} is missing: {RESTORE}")
    return [config_dir / f"data.key.{number}" for number in numbers]


def _read_key(path: Path) -> bytes:
    try:
        return bytes.fromhex(path.read_text("ascii").strip())
    except ValueError:
        raise SettingsError(f"{path} is not a key: {RESTORE}") from None


def _write_key(path: Path, key: bytes) -> None:
    """A new file that its owner alone can read, on the disk when this returns. Raises FileExistsError."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(key.hex() + "\n")
        file.flush()
        os.fsync(file.fileno())


def _put_key(path: Path, key: bytes) -> None:
    """The whole key under this name or nothing, whatever happens meanwhile; on the disk when this returns."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    _write_key(fresh, key)
    fresh.replace(path)
    handle = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _checked(key: bytes, path: Path) -> bytes:
    if len(key) != KEY_BYTES:
        raise SettingsError(f"{path} holds {len(key)} bytes, not {KEY_BYTES}: {RESTORE}")
    return key
