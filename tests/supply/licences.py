"""Licences of the locked libraries, as each states its own: python -m tests.supply.licences.

Writes docs/licences.md. A library that this platform does not need is named without a licence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.metadata import PackageMetadata, PackageNotFoundError, metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCK, PAGE = ROOT / "requirements.lock", ROOT / "docs/licences.md"
LOCKED = re.compile(r"^([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?==([^\s;\\]+)(.*)$", re.MULTILINE)
# What each licence may be written as, of those under which a library is used here.
PERMISSIVE = re.compile(
    r"(MIT|MIT-0|MIT-CMU|ISC|0BSD|Zlib|CC0-1\.0|PSF-2\.0|CNRI-Python|BSD-[23]-Clause|Apache-2\.0"
    r"|MPL-2\.0|Unlicense|ZPL-2\.1)"
)
WORDS = {
    "MIT License": "MIT", "ISC License (ISCL)": "ISC", "BSD License": "BSD-3-Clause",
    "BSD": "BSD-3-Clause", "3-Clause BSD License": "BSD-3-Clause",
    "Apache Software License": "Apache-2.0", "Apache License 2.0": "Apache-2.0",
    "Apache 2.0": "Apache-2.0", "Apache 2.0 License": "Apache-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0", "Zope Public License": "ZPL-2.1",
    "DFSG approved": "",
}  # fmt: skip
# Read by hand, with why it may be used: it comes with DVC or with a tool of the tests, as it is, in
# a process of its own or unchanged beside this code, and this project hands none of it out.
BY_HAND = {
    "asyncssh": "EPL-2.0 OR GPL-2.0-or-later; of DVC, whose ssh remotes are not used here",
    "dulwich": "Apache-2.0 OR GPL-2.0-or-later; of DVC, taken under the first",
    "grandalf": "GPL-2.0 OR EPL-1.0; of DVC, draws `dvc dag`; taken under the second",
    "pygit2": "GPL-2.0 with an exception for what links to it; of DVC",
    "text-unidecode": "Artistic-1.0 OR GPL-2.0-or-later; of Prefect, taken under the first",
    "unidecode": "GPL-2.0-or-later; of pubmed-parser, in the tests alone",
}


@dataclass(frozen=True, slots=True)
class Licensed:
    """A locked library: its version, its licence in SPDX's words, "" where it is not installed."""

    name: str
    version: str
    licence: str

    @property
    def is_allowed(self) -> bool:
        """Whether it may be used: by its licence, or as somebody read and wrote down."""
        if self.name in BY_HAND or not self.licence:
            return True
        either = self.licence.strip("()").split(" OR ")
        return any(
            all(PERMISSIVE.fullmatch(part.strip("() ")) for part in re.split(" AND | OR ", one))
            for one in either
        )


def list_locked(text: str) -> list[tuple[str, str]]:
    """Name and version of each library of a lock, as it stands there."""
    return sorted({(name.lower(), version) for name, version, _ in LOCKED.findall(text)})


def name_licence(found: PackageMetadata) -> str:
    """What a library's metadata say: the SPDX expression, else its classifiers, else its words."""
    stated = found.get("License-Expression")
    if stated:
        return str(stated)
    tail = [c.split("::")[-1].strip() for c in found.get_all("Classifier") or []
            if c.startswith("License ::")]  # fmt: skip
    words = [WORDS.get(one, one) for one in tail if one not in ("OSI Approved", "DFSG approved")]
    if not words:
        first = str(found.get("License") or "not stated").strip().splitlines()[0]
        words = [WORDS.get(first, first)]
    return " OR ".join(sorted(set(words)))


def read_licences() -> list[Licensed]:
    """Every library of requirements.lock with the licence that its installed copy states."""
    found = []
    for name, version in list_locked(LOCK.read_text()):
        try:
            licence = BY_HAND.get(name) or name_licence(metadata(name))
        except PackageNotFoundError:  # of another platform
            licence = ""
        found.append(Licensed(name, version, licence))
    return found


def write_page(libraries: list[Licensed]) -> str:
    """The page of the documentation."""
    rows = [f"| {one.name} | {one.version} | {one.licence or 'not installed on this platform'} |"
            for one in libraries]  # fmt: skip
    return "\n".join(
        [
            "# Licences of the libraries",
            "",
            "Every library of `requirements.lock`, with the licence that its own metadata state;",
            "torch and its CUDA parts are not in the lock (BSD-3-Clause, and NVIDIA's own terms).",
            "Written by `python -m tests.supply.licences`; a test fails on a licence that is not",
            "among those allowed there.",
            "",
            "| library | version | licence |",
            "| --- | --- | --- |",
            *rows,
            "",
        ]
    )


if __name__ == "__main__":
    PAGE.write_text(write_page(read_licences()))
