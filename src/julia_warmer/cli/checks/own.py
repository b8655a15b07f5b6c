"""What can be checked without asking anybody: settings, folders, keys, policy."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from julia_warmer import policies
from julia_warmer.cli.checks import Finding, fail, ok, warn
from julia_warmer.config import Settings, SettingsError, data_keys
from julia_warmer.core.policy import PolicyError

ENV = "set it in the environment or in warmer.env"
PRIVATE = 0o077  # bits that nobody but the owner may have
NEW_KEY = 'python -c "import secrets; print(secrets.token_urlsafe(32))"'


def check_settings(settings: Settings) -> Iterator[Finding]:
    """The secrets that the servers need, and the address that Meta is told."""
    yield ok("API key", "set") if settings.api_key else fail("API key", "WARMER_API_KEY is not set", f"{ENV}; make one: {NEW_KEY}")
    where = "Meta for Developers → your app → App settings → Basic"
    secrets = len(settings.app_secrets)
    if secrets:
        yield ok("app secret", "set" if secrets == 1 else f"{secrets} are taken: take the old one out after the rotation")
    else:
        yield fail("app secret", "WARMER_APP_SECRETS is not set: every webhook is refused", f"{ENV}; it is in {where}")
    if settings.verify_token:
        yield ok("verify token", "set")
    else:
        yield fail(
            "verify token", "WARMER_VERIFY_TOKEN is not set: Meta cannot verify the webhook", f"{ENV}: any phrase, the same in Meta's form"
        )
    yield _public_url(settings.public_url, is_sandbox=settings.sandbox_url is not None)
    if settings.person_in_charge:
        yield ok("person in charge", settings.person_in_charge)
    else:
        yield warn("person in charge", "WARMER_PERSON_IN_CHARGE is not set: who answers for people's data?", f"{ENV}: docs/privacy.md")
    if settings.sandbox_url:
        yield warn("platform", f"the sandbox at {settings.sandbox_url} stands for Meta", "unset WARMER_SANDBOX_URL to go live")
    else:
        yield ok("platform", f"Meta's Graph API {settings.graph_version}")


def _public_url(url: str | None, *, is_sandbox: bool) -> Finding:
    check = "public address"
    if url is None:
        if is_sandbox:
            return ok(check, "not needed with the sandbox")
        return warn(check, "WARMER_PUBLIC_URL is not set", f"{ENV}: https://YOUR-HOST/webhooks/meta, where Meta reaches the public port")
    parts = urlsplit(url)
    if parts.scheme != "https" and not is_sandbox:
        return fail(check, f"{url} is not https", "Meta takes only https with a valid certificate: put a proxy before the public port")
    if not parts.path.endswith("/webhooks/meta"):
        return warn(check, f"{url} does not end with /webhooks/meta", "is your proxy rewriting the path? Else write the whole address")
    return ok(check, url)


def check_policy(settings: Settings) -> Finding:
    """Whether the policy can be decided by."""
    try:
        return ok("policy", policies.load(settings.policy).version)
    except PolicyError as error:
        return fail("policy", str(error), "mend the file; `warmer policy check FILE` tries it")


def check_folders(settings: Settings) -> Iterator[Finding]:
    """Who can read the keys, whether they lie apart from the data, and whether the data's folder can be written."""
    config, data = settings.config_dir.absolute(), settings.data_dir.absolute()
    yield _private(config)
    yield _data_keys(config)
    if config == data or config.is_relative_to(data):
        yield warn("keys apart", f"{config} lies within {data}", "a copy of the data would hold its keys: choose another WARMER_CONFIG_DIR")
    yield _writable(data)


def _private(folder: Path) -> Finding:
    check = "configuration folder"
    if not folder.exists():
        return ok(check, f"{folder}: made when it is needed")
    for path in (folder, folder / "data.key", *sorted(folder.glob("data.key.*")), folder / "warmer.env"):
        if path.exists() and (mode := stat.S_IMODE(path.stat().st_mode)) & PRIVATE:
            right = "700" if path.is_dir() else "600"
            return fail(check, f"{path} can be opened by others (mode {mode:o})", f"chmod {right} {path}")
    return ok(check, f"{folder}: its owner's alone")


def _data_keys(folder: Path) -> Finding:
    check = "data key"
    if not folder.joinpath("data.key").exists() and not list(folder.glob("data.key.*")):
        return ok(check, "made when it is first needed")
    try:
        older = len(data_keys(folder)) - 1
    except (OSError, SettingsError) as error:
        return fail(check, str(error), "restore it from your backup of the configuration folder")
    found = f"there, with {older} older" if older else "there"
    return ok(check, f"{found}; back up the folder apart from the data: without its keys tokens and texts cannot be read")


def _writable(folder: Path) -> Finding:
    check = "data folder"
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        return fail(check, f"{there} cannot be written", "choose another WARMER_DATA_DIR, or give this account the right to write")
    return ok(check, str(folder))
