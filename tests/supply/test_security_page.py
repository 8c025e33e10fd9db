"""docs/security.md names tests that are there, so that no attack is held off in words alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/security.md").read_text()
LINKS = re.findall(r"\[`(test_\w+)`\]\(\.\./(tests/[\w/]+\.py)\)", PAGE)


@pytest.mark.parametrize(("name", "file"), LINKS, ids=[name for name, _ in LINKS])
def test_a_test_that_the_page_names_is_there(name: str, file: str) -> None:
    assert re.search(rf"^def {name}\(", (ROOT / file).read_text(), re.MULTILINE)


def test_every_row_of_attacks_has_one() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ")]
    assert len(LINKS) > 40
    assert not [row[:60] for row in rows if "../tests/" not in row and "---" not in row
                and not row.endswith(("| tests |", "| test |"))]  # fmt: skip
