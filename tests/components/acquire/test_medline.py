"""NLM's citation files: which of a listing are chosen, and that only right ones come."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.acquire.download import Web
from components.acquire.medline import (
    MedlineFile,
    choose,
    fetch_medline,
    read_listing,
    read_md5,
)
from components.acquire.transfer import NotFetched, Terms
from components.config import MedlineParams
from components.errors import UserError
from tests.components.acquire.conftest import Answer, Site

# As NLM's server writes a directory: a column of links, times and sizes between rules.
PAGE = """<html><head><title>Index of /pubmed/baseline</title></head><body><pre>
Name                    Last modified      Size  <hr><a href="/pubmed/">Parent Directory</a>
<a href="README.txt">README.txt</a>              2026-01-29 14:02  4.5K
{rows}
<a href="pubmed26n9999.xml.gz.md5">pubmed26n9999.xml.gz.md5</a>  2026-01-29 14:02   60
<a href="stats.html">stats.html</a>   <a>no link</a> <a href="http://[broken">x</a>
<hr></pre></body></html>"""


def wanted(**changes: Any) -> MedlineParams:
    values = {"folders": ["baseline", "updatefiles"], "year": 0, "first": 0, "last": 0}
    return MedlineParams(**{**values, "newest": 0, **changes})


def listing(*names: str) -> str:
    rows = (f'<a href="{name}">{name}</a>  2026-01-29 14:02   19M' for name in names)
    return PAGE.format(rows="\n".join(rows))


def write_name(year: int, number: int) -> str:
    return f"pubmed{year:02}n{number:04}.xml.gz"


class Nlm:
    """NLM's folders on a site of this machine."""

    def __init__(self, site: Site) -> None:
        self.site, self.pauses = site, [0.0][:0]
        self.web = Web(
            frozenset(),
            Terms(sleep=self.pauses.append, timeout_s=10.0, retries=2),
            allow_loopback=True,
        )

    def serve(self, folder: str, **files: bytes) -> None:
        """A listing, and files with their checksums; a name is written without its suffix."""
        self.site.serve(
            f"/pubmed/{folder}/", Answer(listing(*(f"{n}.xml.gz" for n in files)).encode())
        )
        for stem, content in files.items():
            name, path = f"{stem}.xml.gz", f"/pubmed/{folder}/{stem}.xml.gz"
            digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
            self.site.serve(path, Answer(content))
            self.site.serve(f"{path}.md5", Answer(f"MD5({name})= {digest}\n".encode()))

    def fetch(self, store: Path, **changes: Any) -> Any:
        return fetch_medline(f"{self.site.url}/pubmed/", wanted(**changes), store, self.web, 3)


@pytest.fixture
def nlm(site: Site) -> Nlm:
    made = Nlm(site)
    made.serve("baseline", pubmed26n0001=b"one", pubmed26n0002=b"two" * 999)
    made.serve("updatefiles", pubmed26n0003=b"three", pubmed26n0004=b"four")
    return made


def names(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_files_come_with_their_checksums_under_their_folders(nlm: Nlm, tmp_path: Path) -> None:
    haul = nlm.fetch(tmp_path)
    stems = ["baseline/pubmed26n0001", "baseline/pubmed26n0002"]
    stems += ["updatefiles/pubmed26n0003", "updatefiles/pubmed26n0004"]
    expected = [f"{stem}.xml.gz{suffix}" for stem in stems for suffix in ("", ".md5")]
    assert [path.relative_to(tmp_path).as_posix() for path in haul.files] == expected
    assert (names(tmp_path), haul.num_in, haul.rejects) == (sorted(expected), 4, [])
    assert (tmp_path / "baseline/pubmed26n0002.xml.gz").read_bytes() == b"two" * 999


def test_what_is_there_and_right_is_not_fetched_again(nlm: Nlm, tmp_path: Path) -> None:
    nlm.fetch(tmp_path)
    (tmp_path / "baseline/pubmed26n0001.xml.gz").write_bytes(b"damaged")
    nlm.site.asked.clear()
    nlm.fetch(tmp_path)
    files = [path for path, _ in nlm.site.asked if path.endswith(".gz")]
    assert files == ["/pubmed/baseline/pubmed26n0001.xml.gz"]
    assert (tmp_path / "baseline/pubmed26n0001.xml.gz").read_bytes() == b"one"


def test_one_file_that_cannot_be_had_does_not_stop_the_rest(nlm: Nlm, tmp_path: Path) -> None:
    site = nlm.site
    site.serve("/pubmed/baseline/pubmed26n0001.xml.gz", Answer(b"another"))
    site.serve("/pubmed/baseline/pubmed26n0002.xml.gz.md5", Answer(status=404))
    site.serve("/pubmed/updatefiles/pubmed26n0003.xml.gz", Answer(status=503))
    haul = nlm.fetch(tmp_path)
    assert [(r.origin.rsplit("/")[-1], r.reason) for r in haul.rejects] == [
        ("pubmed26n0001.xml.gz", "wrong-md5"),
        ("pubmed26n0002.xml.gz.md5", "not-found"),
        ("pubmed26n0003.xml.gz", "server-failed"),
    ]
    assert (haul.num_in, nlm.pauses) == (4, [1.0, 2.0])
    assert "3 attempts failed, the last: 503" in haul.rejects[2].detail
    assert names(tmp_path) == [f"updatefiles/pubmed26n0004.xml.gz{s}" for s in ("", ".md5")]


def test_a_range_and_the_last_few(nlm: Nlm, tmp_path: Path) -> None:
    nlm.fetch(tmp_path / "a", folders=["baseline"], newest=1)
    assert names(tmp_path / "a")[0] == "baseline/pubmed26n0002.xml.gz"
    nlm.fetch(tmp_path / "b", first=2, last=3)
    assert names(tmp_path / "b")[::2] == [
        "baseline/pubmed26n0002.xml.gz",
        "updatefiles/pubmed26n0003.xml.gz",
    ]


def test_a_choice_that_fits_nothing_says_what_there_is(nlm: Nlm, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nothing fits acquire\.medline") as caught:
        nlm.fetch(tmp_path, year=25)
    assert "hold pubmed26n0001.xml.gz to pubmed26n0004.xml.gz" in caught.value.why


def test_a_listing_that_cannot_be_read_is_an_error(nlm: Nlm, tmp_path: Path) -> None:
    nlm.site.serve("/pubmed/baseline/", Answer(status=403))
    with pytest.raises(UserError, match="/pubmed/baseline/ was not downloaded"):
        nlm.fetch(tmp_path)


def test_a_listing_gives_citation_files_alone() -> None:
    page = listing(
        "pubmed26n0002.xml.gz", "/pubmed/baseline/pubmed26n0001.xml.gz", "medline16n0902.xml.gz"
    )
    found = read_listing(page, "baseline")
    assert [(f.year, f.number, f.name) for f in found] == [
        (16, 902, "medline16n0902.xml.gz"),
        (26, 1, "pubmed26n0001.xml.gz"),
        (26, 2, "pubmed26n0002.xml.gz"),
    ]
    assert read_listing("<html>no", "baseline") == []


def test_between_two_years_the_one_that_every_folder_has_is_the_newest() -> None:
    files = [MedlineFile(y, n, f, "") for y, n, f in ((26, 1, "a"), (26, 2, "b"), (27, 3, "b"))]
    assert [file.number for file in choose(files, wanted())] == [1, 2]


@settings(deadline=None)
@given(
    st.sets(st.tuples(st.integers(24, 26), st.integers(1, 60), st.sampled_from(["a", "b"]))),
    st.integers(0, 27),
    st.integers(0, 60),
    st.integers(0, 60),
    st.integers(0, 4),
)
def test_what_is_chosen_fits(
    files: set[tuple[int, int, str]], year: int, first: int, last: int, newest: int
) -> None:
    listed = [MedlineFile(y, n, f, write_name(y, n)) for y, n, f in files]
    chosen = choose(listed, wanted(year=year, first=first, last=last, newest=newest))
    assert chosen == sorted(set(chosen)) and set(chosen) <= set(listed)
    assert len({file.year for file in chosen}) <= 1
    assert all(first <= file.number and (not last or file.number <= last) for file in chosen)
    for folder in ("a", "b"):
        own = [file for file in chosen if file.folder == folder]
        assert not newest or len(own) <= newest


@pytest.mark.parametrize(
    "text",
    [
        "MD5(pubmed26n0001.xml.gz)= {sum}\n",
        "{sum}  pubmed26n0001.xml.gz\n",
        "{sum}",
    ],
)
def test_a_checksum_is_read_as_nlm_and_as_md5sum_write_it(text: str) -> None:
    digest = "fb7c05737f47f7e07245f0c064c6e00a"
    assert read_md5(text.format(sum=digest).encode(), "pubmed26n0001.xml.gz") == digest


@pytest.mark.parametrize(
    "page",
    [
        b"",
        b"<html>busy</html>",
        b"MD5(pubmed26n0002.xml.gz)= " + b"a" * 32,
        b"a" * 33,
        b"\xff" * 99,
    ],
)
def test_a_checksum_of_something_else_is_none(page: bytes) -> None:
    with pytest.raises(NotFetched) as caught:
        read_md5(page, "pubmed26n0001.xml.gz")
    assert caught.value.reason == "no-checksum"
