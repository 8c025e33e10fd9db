"""Addresses of artifacts: ``PLACE/NAME`` or ``PLACE/NAME@vN``, where a place is a folder or s3://."""

from __future__ import annotations

import re
from dataclasses import dataclass

from components.errors import UserError

NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
VERSION = re.compile(r"v([1-9][0-9]{0,8})")
VERSION_AT = re.compile(r"@[^/]*$")  # a bucket's or a folder's own name may hold an @
LIKE = "like s3://bucket/shared/large@v3 or /shared/models/large"


@dataclass(frozen=True, slots=True)
class Address:
    """An artifact; ``version`` 0 is the newest one."""

    place: str
    name: str
    version: int = 0

    def __str__(self) -> str:
        at = f"@v{self.version}" if self.version else ""
        return f"{self.place.rstrip('/')}/{self.name}{at}"


def parse_address(text: str) -> Address:
    """Take an address apart; UserError, with what it should look like, for any other text."""
    whole, at, number = text.rpartition("@") if VERSION_AT.search(text) else (text, "", "")
    place, _, name = whole.rpartition("/")
    version = VERSION.fullmatch(number)
    if at and not version:
        raise UserError(
            f"{text}: {number!r} is no version", why="versions are v1, v2, v3, ...",
            next_command=f"write an address {LIKE}",
        )  # fmt: skip
    if not NAME.fullmatch(name):
        raise UserError(
            f"{text}: {name!r} is no name of an artifact",
            why="a name has up to 64 lower-case letters, digits, dots, - and _, and begins and "
            "ends with a letter or digit",
            next_command=f"write an address {LIKE}",
        )
    if place in ("", "s3:", "s3:/"):
        raise UserError(
            f"{text} names no place", why="before the name stands a folder or a bucket",
            next_command=f"write an address {LIKE}",
        )  # fmt: skip
    return Address(place, name, int(version[1]) if version else 0)
