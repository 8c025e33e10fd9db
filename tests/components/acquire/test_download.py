"""Downloads: whole and right under their name, or not there; resumed where they broke off."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from components.acquire.download import Web, download
from components.acquire.pace import Pace
from components.acquire.transfer import NotFetched, Terms
from components.errors import UserError
from tests.components.acquire.conftest import Answer, Site

BODY = bytes(range(256)) * 40
NONE: frozenset[str] = frozenset()
WEAK = 'W/"one"'


class Fetch:
    """Downloads to one file of a folder, without waiting; ``pauses`` are those it would have."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / "sub/file.bin"
        self.partial = self.path.with_name("file.bin.partial")
        self.pauses: list[float] = []

    def __call__(self, url: str, **changes: Any) -> Path:
        options: dict[str, Any] = {"hosts": NONE, "max_bytes": 1 << 20, "allow_loopback": True}
        options |= {"timeout_s": 10.0, "sleep": self.pauses.append}
        return download(url, self.path, **(options | changes))

    def names(self) -> list[str]:
        """Files that are there."""
        return sorted(path.name for path in self.folder.rglob("*") if path.is_file())


@pytest.fixture
def fetch(tmp_path: Path) -> Fetch:
    return Fetch(tmp_path)


def test_a_whole_file_is_there_under_its_name_alone(site: Site, fetch: Fetch) -> None:
    right = hashlib.sha256(BODY).hexdigest()
    assert fetch(site.serve("/f", Answer(BODY)), sha256=right).read_bytes() == BODY
    assert fetch.names() == ["file.bin"]
    assert (site.asked, fetch.pauses) == ([("/f", "")], [])


def test_a_dropped_connection_is_resumed_where_it_broke_off(site: Site, fetch: Fetch) -> None:
    url = site.serve("/f", Answer(BODY, cut=1000), Answer(BODY, cut=2000), Answer(BODY))
    assert fetch(url).read_bytes() == BODY
    assert [wanted for _, wanted in site.asked] == ["", "bytes=1000-", "bytes=3000-"]
    assert fetch.pauses == [1.0, 2.0]


@pytest.mark.parametrize("answer", [Answer(BODY, drip=True), Answer(BODY, slow_head=True)])
def test_a_server_that_drips_is_given_up(site: Site, tmp_path: Path, answer: Answer) -> None:
    terms = Terms(retries=0, patience_s=0.3, sleep=lambda pause: None)
    web = Web(NONE, terms, allow_loopback=True)
    with pytest.raises(NotFetched) as caught:
        web.fetch(site.serve("/f", answer), tmp_path / "file")
    assert caught.value.reason == "server-failed"


def test_what_one_run_left_the_next_one_continues(site: Site, fetch: Fetch) -> None:
    url = site.serve("/f", Answer(BODY, cut=1000))
    with pytest.raises(UserError, match="1 attempts failed"):
        fetch(url, retries=0)
    assert not fetch.path.exists() and fetch.partial.read_bytes() == BODY[:1000]
    assert fetch(site.serve("/f", Answer(BODY))).read_bytes() == BODY
    assert site.asked[-1] == ("/f", "bytes=1000-")
    assert fetch.names() == ["file.bin"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Answer(BODY[::-1], cut=1000), Answer(BODY, tag='"two"')),  # the file has changed
        (Answer(BODY[::-1], cut=1000, tag=""), Answer(BODY)),  # nothing says that it has not
        (Answer(BODY[::-1], cut=1000, tag=WEAK), Answer(BODY, tag=WEAK)),  # that says too little
        (Answer(BODY[::-1], cut=1000), Answer(BODY, ranges=False)),  # the server knows no ranges
    ],
)
def test_another_file_is_never_glued_on(
    site: Site, fetch: Fetch, first: Answer, second: Answer
) -> None:
    assert fetch(site.serve("/f", first, second)).read_bytes() == BODY


def test_a_partial_file_that_does_not_fit_is_thrown_away(site: Site, fetch: Fetch) -> None:
    fetch.path.parent.mkdir()
    fetch.partial.write_bytes(BODY + b"more")
    fetch.partial.with_name("file.bin.partial.etag").write_text('"one"')
    assert fetch(site.serve("/f", Answer(BODY))).read_bytes() == BODY
    assert [wanted for _, wanted in site.asked] == [f"bytes={len(BODY) + 4}-", ""]


def test_a_file_that_stays_truncated_is_not_there(site: Site, fetch: Fetch) -> None:
    url = site.serve("/f", Answer(BODY, cut=1000, ranges=False))
    with pytest.raises(UserError, match="3 attempts failed") as caught:
        fetch(url, retries=2)
    assert "IncompleteRead" in caught.value.why
    assert not fetch.path.exists()


def test_a_wrong_checksum_leaves_nothing_behind(site: Site, fetch: Fetch) -> None:
    url, wrong = site.serve("/f", Answer(BODY)), "0" * 64
    with pytest.raises(UserError) as caught:
        fetch(url, sha256=wrong)
    assert hashlib.sha256(BODY).hexdigest() in caught.value.why and wrong in caught.value.why
    assert "acquire.mode to local" in caught.value.next_command
    assert fetch.names() == []


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_refusal_is_not_asked_again(site: Site, fetch: Fetch, status: int) -> None:
    with pytest.raises(UserError, match=str(status)) as caught:
        fetch(site.serve("/gone", Answer(b"<html>no</html>", status)))
    assert "/gone was not downloaded" in caught.value.what
    assert (len(site.asked), fetch.names()) == (1, [])


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(site: Site, fetch: Fetch, status: int) -> None:
    busy = Answer(b"busy", status)
    assert fetch(site.serve("/f", busy, busy, Answer(BODY))).read_bytes() == BODY
    assert fetch.pauses == [1.0, 2.0]


def test_a_server_that_stays_broken_is_named_with_its_answer(site: Site, fetch: Fetch) -> None:
    with pytest.raises(UserError, match="4 attempts failed, the last: 500"):
        fetch(site.serve("/f", Answer(status=500)), retries=3)
    assert (len(site.asked), fetch.pauses, fetch.names()) == (4, [1.0, 2.0, 4.0], [])


@pytest.mark.parametrize(("stated", "pause"), [("7", 7.0), ("9999", 60.0), ("soon", 1.0)])
def test_the_server_says_how_long_to_wait(
    site: Site, fetch: Fetch, stated: str, pause: float
) -> None:
    busy = Answer(status=503, headers={"Retry-After": stated})
    fetch(site.serve("/f", busy, Answer(BODY)))
    assert fetch.pauses == [pause]


FAR = ("86400", "9" * 400, "Wed, 21 Oct 2099 07:28:00 GMT")


@pytest.mark.parametrize("stated", [*FAR, "9" * 5000, "Fri, 31 Dec 9999 23:59:59 -1200"])
def test_no_server_holds_all_threads_for_longer_than_a_minute(
    site: Site, tmp_path: Path, stated: str
) -> None:
    slept: list[float] = []
    pace = Pace(2.0, clock=lambda: 100.0, sleep=slept.append)
    web = Web(NONE, Terms(sleep=lambda pause: None), pace=pace, allow_loopback=True)
    busy = Answer(status=503, headers={"Retry-After": stated})
    web.fetch(site.serve("/f", busy, Answer(BODY)), tmp_path / "f")
    assert slept == [60.0] if "-1200" not in stated else slept == [0.5]


@pytest.mark.parametrize("length", [True, False])
def test_a_file_over_the_limit_is_refused(site: Site, fetch: Fetch, length: bool) -> None:
    with pytest.raises(UserError, match="over the limit of 100 bytes"):
        fetch(site.serve("/f", Answer(BODY, length=length)), max_bytes=100)
    assert (fetch.path.exists(), len(site.asked)) == (False, 1)


def test_where_no_length_is_told_the_checksum_finds_what_is_lost(site: Site, fetch: Fetch) -> None:
    right = hashlib.sha256(BODY).hexdigest()
    with pytest.raises(UserError, match="its sha256 is"):
        fetch(site.serve("/f", Answer(BODY, cut=1000, length=False)), sha256=right)
    assert fetch.names() == []
    assert fetch(site.serve("/f", Answer(BODY, length=False)), sha256=right).read_bytes() == BODY


def test_a_line_that_falls_silent_is_given_up_and_resumed(site: Site, fetch: Fetch) -> None:
    url = site.serve("/f", Answer(BODY, cut=1000, stall=True), Answer(BODY))
    assert fetch(url, timeout_s=0.2).read_bytes() == BODY
    assert [wanted for _, wanted in site.asked] == ["", "bytes=1000-"]


@pytest.mark.parametrize("lie", [-100, 100])
def test_a_lie_about_the_length_gives_no_file(site: Site, fetch: Fetch, lie: int) -> None:
    url, right = site.serve("/f", Answer(BODY, lie=lie)), hashlib.sha256(BODY).hexdigest()
    with pytest.raises(NotFetched) as caught:
        fetch(url, sha256=right, retries=2)
    assert caught.value.reason == ("wrong-sha256" if lie < 0 else "server-failed")
    assert not fetch.path.exists()


@pytest.mark.parametrize("stated", ["many", "9" * 5000, "\u00b2"])
def test_a_length_that_is_no_number_is_none(site: Site, fetch: Fetch, stated: str) -> None:
    odd = Answer(BODY, length=False, headers={"Content-Length": stated})
    assert fetch(site.serve("/f", odd)).read_bytes() == BODY


def test_another_part_than_was_asked_for_starts_over(site: Site, fetch: Fetch) -> None:
    shifted = Answer(BODY[5:], 206, headers={"Content-Range": "bytes 5-9/10"})
    url = site.serve("/f", Answer(BODY, cut=1000), shifted, Answer(BODY))
    assert fetch(url).read_bytes() == BODY
    assert [wanted for _, wanted in site.asked] == ["", "bytes=1000-", ""]


@pytest.mark.parametrize("stated", ["bytes " + "9" * 5000 + "-/9", "bytes 0-9/" + "9" * 5000])
def test_a_range_that_no_file_has_loses_this_file_alone(
    site: Site, fetch: Fetch, stated: str
) -> None:
    url = site.serve("/f", Answer(BODY, 206, headers={"Content-Range": stated}))
    with pytest.raises(NotFetched, match="was not downloaded") as caught:
        fetch(url, retries=1)
    assert (caught.value.reason, fetch.path.exists()) == ("server-failed", False)


def test_the_total_that_a_part_states_is_held_to(site: Site, fetch: Fetch) -> None:
    part = Answer(BODY[:3], 206, headers={"Content-Range": f"bytes 0-2/{len(BODY)}"})
    with pytest.raises(NotFetched) as caught:
        fetch(site.serve("/part", part), retries=0)
    assert f"{len(BODY) - 3} bytes are missing" in caught.value.why
    assert not fetch.path.exists()
    assert fetch(site.serve("/f", part, Answer(BODY))).read_bytes() == BODY
    web = Web(NONE, Terms(retries=0), allow_loopback=True)
    with pytest.raises(NotFetched, match="was not downloaded"):
        web.read(site.serve("/page", part))


def test_a_part_without_a_total_is_as_long_as_it_says(site: Site, fetch: Fetch) -> None:
    rest = Answer(BODY[1000:], 206, headers={"Content-Range": f"bytes 1000-{len(BODY) - 1}/*"})
    assert fetch(site.serve("/f", Answer(BODY, cut=1000), rest)).read_bytes() == BODY


@pytest.mark.parametrize("status", [202, 203, 204])
def test_an_answer_that_is_no_file_is_none(site: Site, fetch: Fetch, status: int) -> None:
    with pytest.raises(NotFetched) as caught:
        fetch(site.serve("/f", Answer(b"", status)))
    assert (caught.value.reason, fetch.names()) == (f"answer-{status}", [])


def test_an_address_that_is_none_loses_this_file_alone(site: Site, fetch: Fetch) -> None:
    astray = Answer(status=302, headers={"Location": "https://[bad"})
    for url in (site.serve("/f", astray), "https://[bad"):
        with pytest.raises(NotFetched) as caught:
            fetch(url)
        assert (caught.value.reason, caught.value.name) == ("broken-address", url)


def test_a_server_that_is_busy_until_a_date(site: Site, fetch: Fetch) -> None:
    past, future = "Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 21 Oct 2099 07:28:00 GMT"
    busy = [Answer(status=503, headers={"Retry-After": date}) for date in (past, future)]
    fetch(site.serve("/f", *busy, Answer(BODY)))
    assert fetch.pauses == [1.0, 60.0]


def test_each_request_waits_its_turn_and_a_busy_server_holds_all(
    site: Site, tmp_path: Path
) -> None:
    slept: list[float] = []
    pace = Pace(2.0, clock=lambda: 100.0, sleep=slept.append)
    terms = Terms(sleep=lambda pause: None, timeout_s=10.0)
    web = Web(NONE, terms, pace=pace, allow_loopback=True)
    busy = Answer(status=429, headers={"Retry-After": "9"})
    near = Answer(status=302, headers={"Location": "/f"})
    site.serve("/f", Answer(BODY))
    web.fetch(site.serve("/near", busy, near), tmp_path / "f")
    assert slept == [9.0, 9.5]
    assert web.read(site.url + "/f") == BODY
    assert slept == [9.0, 9.5, 10.0]


def test_a_page_has_an_end(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.acquire.download.MAX_PAGE_BYTES", 100)
    with pytest.raises(NotFetched, match="was not downloaded") as caught:
        Web(NONE, Terms(), allow_loopback=True).read(site.serve("/f", Answer(BODY)))
    assert caught.value.reason == "too-large"


def test_redirects_lead_to_allowed_hosts_only(site: Site, fetch: Fetch) -> None:
    site.serve("/f", Answer(BODY))
    near = Answer(status=302, headers={"Location": "/f"})
    assert fetch(site.serve("/near", near)).read_bytes() == BODY
    far = Answer(status=302, headers={"Location": "http://elsewhere.invalid/f"})
    with pytest.raises(UserError, match=r"elsewhere\.invalid/f was not downloaded"):
        fetch(site.serve("/far", far))


@pytest.mark.parametrize(
    "url",
    [
        "http://allowed.invalid/f",
        "https://other.invalid/f",
        "https://allowed.invalid.other.invalid/f",
        "https://allowed.invalid@other.invalid/f",
        "ftp://allowed.invalid/f",
        "file:///f",
    ],
)
def test_addresses_that_are_not_allowed(fetch: Fetch, url: str) -> None:
    with pytest.raises(UserError, match=r"these hosts are allowed: allowed\.invalid"):
        fetch(url, hosts=frozenset({"allowed.invalid"}))


def test_this_machine_is_no_host_to_download_from(site: Site, fetch: Fetch) -> None:
    url = site.serve("/f", Answer(BODY))
    with pytest.raises(UserError, match="only https"):
        fetch(url, allow_loopback=False, hosts=frozenset({"127.0.0.1"}))
    assert site.asked == []
