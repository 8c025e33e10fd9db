"""Every page that a browser opens says what it may load and run: its own, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.web.guard import POLICY

ROOT = Path(__file__).resolve().parents[2]
# A policy of its own, as a file may be opened from a disk; or, where a server sends the page, its.
POLICIES = {
    "components/rating/page.html": "http-equiv",
    "components/report/report.html": "http-equiv",
    "components/web/page.html": "header",
}


def read_pages() -> dict[str, str]:
    """Whole pages among our files, by their path."""
    rooms = [path for room in ("components", "flows") for path in (ROOT / room).rglob("*")]
    texts = {path: path.read_text("utf-8") for path in rooms if path.suffix in (".html", ".py")}
    return {
        path.relative_to(ROOT).as_posix(): text
        for path, text in texts.items()
        if "<html" in text.lower()
    }


def test_no_page_is_without_one() -> None:
    assert read_pages().keys() == POLICIES.keys()


@pytest.mark.parametrize("name", POLICIES)
def test_it_stands_before_all_that_could_be_loaded(name: str) -> None:
    head = read_pages()[name].lower().partition("</head>")[0]
    if POLICIES[name] == "header":
        assert POLICY.startswith("default-src 'none';") and "unsafe" not in POLICY
        return
    before, said, _ = head.partition('http-equiv="content-security-policy" content="{{ policy }}"')
    assert said and not any(f"<{tag}" in before for tag in ("style", "script", "link", "img"))
