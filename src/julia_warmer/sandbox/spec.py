"""What a world holds when the sandbox starts: the JSON of `POST /_sandbox/world`, as values. Documented in docs/sandbox.md."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

import orjson

TOKEN_PREFIX = "sandbox-"  # noqa: S105 - the mark that keeps real tokens out


class SpecError(ValueError):
    """The world cannot be read; the message names the place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioSpec:
    """`limit`: people a moving 24 h, -1 unlimited."""

    id: str
    limit: int = 250
    verified: bool = False
    sent_365d: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSpec:
    """`token` must begin with `sandbox-`."""

    id: str
    portfolio: str
    token: str
    name: str = ""
    subscribed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipSpec:
    """`id` is the phone_number_id, `display_phone` digits. `list` and `reply_rate` are the truth about the people it will write to."""

    id: str
    account: str
    display_phone: str
    name: str = ""
    list: str = "good"
    reply_rate: float | None = None
    zone: str = "America/Sao_Paulo"
    name_status: str = "APPROVED"
    registered: bool = True
    profile: Mapping[str, Any] = field(default_factory=dict[str, Any])
    pin: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateSpec:
    """`effects` names a row of `world.toml` (good, bad). `components` as Graph has them."""

    id: str
    account: str
    name: str
    language: str = "pt_BR"
    category: str = "MARKETING"
    status: str = "APPROVED"
    effects: str = "good"
    components: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonSpec:
    """`phone` is digits with the ninth digit. `interest` None is drawn. `consented_at` None: this person never agreed to anything."""

    phone: str
    name: str = ""
    list: str = "good"
    chip: str = ""
    interest: float | None = None
    consented_at: str | None = None
    purposes: tuple[str, ...] = ("marketing",)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldSpec:
    """Everything. `at` is when the world begins; `effects` maps names of templates made later to a row of `world.toml`."""

    seed: int
    at: datetime
    app_secret: str = "sandbox-secret"  # noqa: S105 - it signs webhooks of a world that does not exist
    verify_token: str = ""
    webhook_url: str = ""
    webhooks: Mapping[str, float] = field(default_factory=dict[str, float])  # what differs from `world.toml` [webhooks]
    rate_limits: bool = False  # answer 80007 when an account is asked too often; else only the usage headers
    portfolios: tuple[PortfolioSpec, ...] = ()
    accounts: tuple[AccountSpec, ...] = ()
    chips: tuple[ChipSpec, ...] = ()
    templates: tuple[TemplateSpec, ...] = ()
    effects: Mapping[str, str] = field(default_factory=dict[str, str])
    people: tuple[PersonSpec, ...] = ()

    def to_json(self) -> bytes:
        """The body of `POST /_sandbox/world`."""
        return orjson.dumps(asdict(self))


_ROWS: dict[str, type[Any]] = {
    "portfolios": PortfolioSpec,
    "accounts": AccountSpec,
    "chips": ChipSpec,
    "templates": TemplateSpec,
    "people": PersonSpec,
}


def read_spec(body: bytes) -> WorldSpec:
    """Read the JSON of a world. Raises SpecError that names what is wrong."""
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise SpecError(f"the body is not JSON: {error}") from None
    if not isinstance(data, dict):
        raise SpecError("the body must be an object")
    given: dict[str, Any] = {**data}
    for name, cls in _ROWS.items():
        given[name] = tuple(_row(f"{name}[{i}]", cls, row) for i, row in enumerate(given.get(name, ())))
    given["at"] = _moment(given.get("at"))
    spec: WorldSpec = _row("world", WorldSpec, given)
    for account in spec.accounts:
        if not account.token.startswith(TOKEN_PREFIX):
            raise SpecError(f"the token of account {account.id} must begin with {TOKEN_PREFIX!r}")
    return spec


def _row(where: str, cls: type[Any], row: Any) -> Any:
    if not isinstance(row, dict):
        raise SpecError(f"{where}: must be an object")
    known = {f.name for f in fields(cls)}
    if strange := row.keys() - known:
        raise SpecError(f"{where}: unknown {', '.join(sorted(strange))}; known are {', '.join(sorted(known))}")
    try:
        return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in row.items()})
    except TypeError as error:
        raise SpecError(f"{where}: {error}") from None


def _moment(text: object) -> datetime:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        raise SpecError(f"world.at: {text!r} is not a moment: write it like 2026-03-02T12:00:00+00:00") from None
    if moment.tzinfo is None:
        raise SpecError("world.at: a moment needs its time zone")
    return moment.astimezone(UTC)
