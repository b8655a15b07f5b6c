"""Sealing under a key that was rotated: old values open, new ones are under the new key, keyed hashes stay what they are."""

import stat
from pathlib import Path
from uuid import UUID

import pytest

from julia_warmer.config import SettingsError, data_key, data_keys, rotate_data_key
from julia_warmer.store.seal import Seal, SealBroken

PERSON = UUID("00000000-0000-0000-0000-000000000007")


def test_what_was_sealed_before_a_rotation_opens_and_what_is_sealed_after_it_needs_the_new_key(tmp_path: Path):
    first = Seal(*data_keys(tmp_path))
    sealed, evidence, name = first.close(b"token", use="a"), first.of_person(PERSON).close(b"proof", use="b"), first.pseudonym("m:5531")
    for nth in (1, 2, 3):
        assert rotate_data_key(tmp_path) == tmp_path / f"data.key.{nth}"
        now = Seal(*data_keys(tmp_path))
        assert (now.open(sealed, use="a"), now.of_person(PERSON).open(evidence, use="b")) == (b"token", b"proof")
        assert (now.pseudonym("m:5531"), now.hash_check) == (name, first.hash_check)
        for wrong in (first, Seal(*data_keys(tmp_path)[1:])):
            with pytest.raises(SealBroken):
                wrong.open(now.close(b"new", use="a"), use="a")
        assert Seal(data_key(tmp_path)).open(now.close(b"new", use="a"), use="a") == b"new"
        with pytest.raises(SealBroken):
            now.open(sealed, use="another place")
    assert len(set(data_keys(tmp_path))) == 4
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    assert Seal(data_key(tmp_path)).hash_check != first.hash_check


def test_a_key_that_is_missing_or_broken_is_told_and_none_is_made_in_its_place(tmp_path: Path):
    data_key(tmp_path)
    for _ in range(2):
        rotate_data_key(tmp_path)
    (tmp_path / "data.key.1").rename(tmp_path / "away")
    with pytest.raises(SettingsError, match=r"data\.key\.1 is missing"):
        data_keys(tmp_path)
    (tmp_path / "data.key.1").write_text("no key")
    with pytest.raises(SettingsError, match="is not a key"):
        data_keys(tmp_path)
    (tmp_path / "away").rename(tmp_path / "data.key.1")
    (tmp_path / "data.key").unlink()
    with pytest.raises(SettingsError, match=r"data\.key is missing"):
        data_keys(tmp_path)
    assert not (tmp_path / "data.key").exists()


def test_a_rotation_that_was_cut_off_loses_no_key(tmp_path: Path):
    """The old key has its new name, and is still the one that seals."""
    key = data_key(tmp_path)
    (tmp_path / "data.key.1").write_text(key.hex())
    (tmp_path / "data.key.new").write_text("half of a k")
    sealed = Seal(*data_keys(tmp_path)).close(b"x", use="a")
    assert rotate_data_key(tmp_path) == tmp_path / "data.key.2"
    now = Seal(*data_keys(tmp_path))
    assert (now.open(sealed, use="a"), now.hash_check) == (b"x", Seal(key).hash_check)
