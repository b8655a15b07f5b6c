"""The world's constants as frozen values, read from `world.toml` beside this file. Nothing here draws or decides.

The table of a section and the fields of its class must agree exactly: a constant that nothing reads, or one that is missing, is an error.
"""

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from importlib import resources
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ListRates:
    """What people of one kind of list do; harm is per delivered marketing message."""

    reply_low: float
    reply_high: float
    read: float
    stop_word: float
    stop_button: float
    stop_switch: float
    block: float
    report: float
    mute: float
    undeliverable: float
    limited: float


@dataclass(frozen=True, slots=True)
class Effects:
    """What a template does to people: factors on the rates of their list."""

    reply: float = 1.0
    read: float = 1.0
    harm: float = 1.0


@dataclass(frozen=True, slots=True)
class People:
    reply_concentration: float
    recency_shows: float
    fatigue_half_life_d: float
    fatigue_reply: float
    fatigue_harm: float
    fatigue_limited: float
    utility_harm: float
    no_button_to_word: float
    receipts_off: float
    experiment: float
    night_owl: float
    sleep_from_h: float
    sleep_until_h: float
    wake_spread_h: float
    read_shape: float
    read_scale_h: float
    reply_shape: float
    reply_scale_h: float
    harm_shape: float
    harm_scale_h: float
    second_message: float
    second_message_s: float
    follow_up: float
    follow_up_fading: float
    follow_up_shape: float
    follow_up_scale_h: float
    kind_audio: float
    kind_image: float
    kind_button: float
    ninth_digit_dropped: float
    switch_bsuid_only: float


@dataclass(frozen=True, slots=True)
class Delivery:
    sent_low_s: float
    sent_high_s: float
    failed_low_s: float
    failed_high_s: float
    online: float
    online_low_s: float
    online_high_s: float
    later_shape: float
    later_scale_s: float
    off: float
    off_low_h: float
    off_high_h: float
    read_at_once_s: float
    delivered_skipped: float
    ttl_d: float


@dataclass(frozen=True, slots=True)
class Window:
    service_h: float


@dataclass(frozen=True, slots=True)
class Throughput:
    messages_per_s: int
    pair_interval_s: float
    pair_burst: int


@dataclass(frozen=True, slots=True)
class NumberQuality:
    horizon_d: float
    half_life_h: float
    min_delivered: int
    prior_delivered: float
    prior_negative: float
    weight_block: float
    weight_report: float
    weight_mute: float
    yellow: float
    red: float


@dataclass(frozen=True, slots=True)
class TemplateQuality:
    half_life_h: float
    horizon_d: float
    min_delivered: int
    prior_delivered: float
    prior_negative: float
    yellow: float
    red: float
    read_after_h: float
    read_yellow: float
    read_red: float
    first_pause_h: float
    second_pause_h: float


@dataclass(frozen=True, slots=True)
class Limits:
    window_h: float
    tiers: tuple[int, ...]
    earn_window_d: float
    earn_unique: int
    earn_within_h: float
    earn_again_h: float
    grow_window_d: float
    grow_share: float
    grow_within_h: float
    over_limit_code: int


@dataclass(frozen=True, slots=True)
class Pacing:
    template_burst: int
    template_window_h: float
    template_proven: int
    portfolio_burst: int
    portfolio_window_s: float
    portfolio_free_365d: int
    decide_low_h: float
    decide_high_h: float
    bad_feedback: float
    review_h: float
    review_code: int


@dataclass(frozen=True, slots=True)
class Spam:
    reports: int
    report_rate: float
    restriction_h: float
    red_after_h: float
    red_chance: float


@dataclass(frozen=True, slots=True)
class PerUser:
    rest_h: float
    punish_h: float


@dataclass(frozen=True, slots=True)
class Review:
    low_h: float
    high_h: float
    templates_max: int
    templates_max_verified: int
    created_per_h: int
    edits_per_day: int
    edits_per_30d: int
    letters_per_variable: int


@dataclass(frozen=True, slots=True)
class Registering:
    tries: int
    window_h: float


@dataclass(frozen=True, slots=True)
class Webhooks:
    delay_low_s: float
    delay_high_s: float
    duplicate: float
    duplicate_later_s: float
    reorder: float
    reorder_s: float
    batch_max: int
    batch_span_s: float
    body_max_bytes: int
    callback_in_failed: float
    retry_first_s: float
    retry_factor: float
    retry_most_s: float
    retry_for_d: float


@dataclass(frozen=True, slots=True)
class Constants:
    """Every constant of the world."""

    lists: Mapping[str, ListRates]
    templates: Mapping[str, Effects]
    people: People
    delivery: Delivery
    window: Window
    throughput: Throughput
    quality: NumberQuality
    template_quality: TemplateQuality
    limits: Limits
    pacing: Pacing
    spam: Spam
    per_user: PerUser
    review: Review
    registering: Registering
    webhooks: Webhooks


_SECTIONS: dict[str, type[Any]] = {
    "people": People,
    "delivery": Delivery,
    "window": Window,
    "throughput": Throughput,
    "quality": NumberQuality,
    "template_quality": TemplateQuality,
    "limits": Limits,
    "pacing": Pacing,
    "spam": Spam,
    "per_user": PerUser,
    "review": Review,
    "registering": Registering,
    "webhooks": Webhooks,
}
_NO_SHARE_ENDS = ("_s", "_h", "_d", "_shape")
_NO_SHARE_STARTS = ("fatigue_", "weight_", "prior_")
_TABLES: dict[str, type[Any]] = {"lists": ListRates, "templates": Effects}


def world_text() -> str:
    """The text of `world.toml` as it was installed."""
    return resources.files("julia_warmer.sim").joinpath("world.toml").read_text(encoding="utf-8")


def world_hash() -> str:
    """The sha256 of `world.toml`, in hex: printed with every run, so that two runs are known to share a world."""
    return hashlib.sha256(world_text().encode()).hexdigest()


@cache
def standard() -> Constants:
    """The constants as installed."""
    return parse(world_text())


def parse(text: str) -> Constants:
    """Read constants from TOML. Raises ValueError naming the table and the constant that is missing, unknown or of the wrong kind."""
    tables = tomllib.loads(text)
    known = _SECTIONS.keys() | _TABLES.keys()
    if strange := tables.keys() ^ known:
        raise ValueError(f"world.toml: these tables are missing or unknown: {', '.join(sorted(strange))}")
    one = {name: _read(name, cls, tables[name]) for name, cls in _SECTIONS.items()}
    many = {name: {key: _read(f"{name}.{key}", cls, row) for key, row in tables[name].items()} for name, cls in _TABLES.items()}
    return Constants(**many, **one)


def vary(constants: Constants, name: str, factor: float) -> Constants:
    """The same world with one number changed, for sensitivity runs. `name` is its path, such as `lists.good.block`.

    Whole numbers stay whole. A share does not rise above 1. Raises KeyError for a name that is no number of the world.
    """
    *path, last = name.split(".")
    match path:
        case [section] if section in _SECTIONS:
            return replace(constants, **{section: _scaled(getattr(constants, section), last, factor, name)})
        case [table, key] if table in _TABLES and key in getattr(constants, table):
            rows = getattr(constants, table)
            return replace(constants, **{table: {**rows, key: _scaled(rows[key], last, factor, name)}})
        case _:
            raise KeyError(name)


def names(constants: Constants) -> list[str]:
    """The path of every number that `vary` can change, in the order of the file."""
    rows = [(f"{table}.{key}", row) for table in _TABLES for key, row in getattr(constants, table).items()]
    rows += [(section, getattr(constants, section)) for section in _SECTIONS]
    return [f"{path}.{f.name}" for path, row in rows for f in fields(row) if isinstance(getattr(row, f.name), int | float)]


def _read(where: str, cls: type[T], row: Mapping[str, Any]) -> T:
    wanted = {f.name: f.type for f in fields(cls)}  # pyright: ignore[reportArgumentType] - every class here is a dataclass
    if strange := wanted.keys() ^ row.keys():
        raise ValueError(f"world.toml [{where}]: missing or unknown: {', '.join(sorted(strange))}")
    return cls(**{name: _number(where, name, row[name], whole=kind is int) for name, kind in wanted.items()})


def _number(where: str, name: str, value: object, *, whole: bool) -> object:
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or (whole and not isinstance(value, int)):
        raise ValueError(f"world.toml [{where}] {name}: {value!r} is not a {'whole ' if whole else ''}number")
    return value if whole else float(value)


def _scaled(row: T, field: str, factor: float, name: str) -> T:
    value = getattr(row, field, None)
    if not isinstance(value, int | float):
        raise KeyError(name)
    bigger = value * factor
    is_share = isinstance(value, float) and 0 < value < 1 and not field.endswith(_NO_SHARE_ENDS) and not field.startswith(_NO_SHARE_STARTS)
    changed = round(bigger) if isinstance(value, int) else min(1.0, bigger) if is_share else bigger
    return replace(row, **{field: changed})  # pyright: ignore[reportArgumentType, reportCallIssue] - every row is a dataclass
