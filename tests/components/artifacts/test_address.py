"""Addresses: what is written is what is read, whatever the place is called."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.artifacts.address import NAME, Address, parse_address
from components.artifacts.versions import KEY, manifest_key, object_key
from components.errors import UserError

NAMES = st.from_regex(NAME, fullmatch=True)
VERSIONS = st.integers(0, 999_999_999)
PLACES = st.from_regex(
    r"(s3://|/|\./|\.\./)[a-zA-Z0-9@_ .-]{1,12}(/[a-zA-Z0-9@_ .-]{1,12}){0,3}", fullmatch=True
)


@given(PLACES, NAMES, VERSIONS)
def test_an_address_is_read_as_it_is_written(place: str, name: str, version: int) -> None:
    address = Address(place, name, version)
    assert parse_address(str(address)) == address


@given(NAMES, st.integers(1, 999_999_999))
def test_a_manifest_s_key_tells_name_and_version_and_stays_below(name: str, version: int) -> None:
    match = KEY.fullmatch(manifest_key(name, version))
    assert match is not None and (match[1], int(match[2])) == (name, version)
    assert ".." not in manifest_key(name, version).split("/")


@given(st.text(max_size=12))
def test_a_name_never_leads_elsewhere(name: str) -> None:
    try:
        address = parse_address(f"/shared/{name}")
    except UserError:
        return
    parts = manifest_key(address.name, 1).split("/")
    assert len(parts) == 3 and not {"", ".", ".."} & set(parts)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("s3://bucket/a/Large", "'Large' is no name"), ("/shared/large@3", "'3' is no version"),
        ("/shared/large@v0", "'v0' is no version"), ("/shared/large@", "'' is no version"),
        ("large", "names no place"), ("s3://large", "names no place"),
        ("/shared/", "'' is no name"), ("/shared/..", "'..' is no name"),
        ("/shared/a/", "'' is no name"), ("/shared/-a", "'-a' is no name"),
    ],
)  # fmt: skip
def test_what_is_no_address_is_told_with_an_example(text: str, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        parse_address(text)
    assert "s3://bucket/shared/large@v3" in caught.value.next_command


def test_objects_lie_by_their_content() -> None:
    assert object_key("ab" + "0" * 62) == "objects/ab/ab" + "0" * 62
