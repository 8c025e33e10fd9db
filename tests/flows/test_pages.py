"""Report and plots are read at an address of this machine, and nothing else is."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.errors import UserError
from flows.pages import find_pages, pages_served
from flows.serve import server_running
from flows.settings import HOST

SECRET = "the patient's name"


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A project with a report, curves, and what is nobody's business, and its pages' address."""
    root = tmp_path / "project"
    contents = {
        "data/report/index.html": "<h1>the report</h1>",
        "data/report/data.json": "{}",
        "data/live/run/loss.tsv": "step\tloss",
        "data/raw/patients.csv": SECRET,
        "data/report.txt": SECRET,
        "params.yaml": SECRET,
        ".dvc/cache/files/md5/ab/cd": "<h1>kept in the cache</h1>",
        "../outside.html": SECRET,
    }
    for name, text in contents.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "data/report/away.csv").symlink_to(root / "data/raw/patients.csv")
    (root / "data/report/folder").symlink_to(root / "data/raw")
    (root / "data/report/cached.html").symlink_to(root / ".dvc/cache/files/md5/ab/cd")
    monkeypatch.chdir(root)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    with pages_served(0):
        yield find_pages()
    assert find_pages() == ""


def ask(address: str, path: str, method: str = "GET", host: str = "") -> tuple[int, str]:
    """Status and body; the path as it is written, and not as a browser would clean it."""
    connection = http.client.HTTPConnection(HOST, urlsplit(address).port, timeout=30)
    try:
        connection.request(method, path, headers={"Host": host or urlsplit(address).netloc})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/report/", "<h1>the report</h1>"),
        ("/report/index.html?x=/../..", "<h1>the report</h1>"),
        ("/report/cached.html", "<h1>kept in the cache</h1>"),
        ("/curves/", "run/"),
        ("/curves/run/loss.tsv", "step\tloss"),
    ],
)
def test_what_a_run_made_is_read(address: str, path: str, words: str) -> None:
    status, body = ask(address, path)
    assert (status, words in body) == (200, True)


@pytest.mark.parametrize("path", ["/report/", "/curves/", "/report/none", "/curves/run/loss.tsv"])
def test_no_other_page_may_hold_one_of_these(address: str, path: str) -> None:
    connection = http.client.HTTPConnection(HOST, urlsplit(address).port, timeout=30)
    connection.request("GET", path)
    policy = connection.getresponse().getheader("Content-Security-Policy", "")
    connection.close()
    assert "frame-ancestors 'none'" in policy and "base-uri 'none'" in policy


def test_a_folder_s_address_leads_to_its_page(address: str) -> None:
    assert ask(address, "/report")[0] == 301


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/plots/",
        "/report/none",
        "/data/report/",
        "/params.yaml",
        "/report/%00",
        "/report/" + "a" * 300 + "/",
    ],
)
def test_what_is_not_there_or_not_meant_to_be_seen_is_not_found(address: str, path: str) -> None:
    assert ask(address, path)[0] == 404


@pytest.mark.parametrize("path", ["/report/away.csv", "/report/folder/", "/report/folder/x"])
def test_a_link_that_leads_elsewhere_is_not_followed(address: str, path: str) -> None:
    assert ask(address, path)[0] == 404


STEPS = ["..", ".", "", "%2e%2e", "%2E.", "..%2f", "%2f", "%5c..", "%00", "\\", "~", "a" * 300,
         "report", "curves", "data", "raw", "patients.csv", "report.txt", "params.yaml",
         "outside.html", "away.csv", "folder"]  # fmt: skip
PATHS = st.builds(
    "{}/{}".format,
    st.sampled_from(["report", "curves", ""]),
    st.lists(st.sampled_from(STEPS) | st.text(max_size=3).map(quote), max_size=8).map("/".join),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(path=PATHS)
def test_no_address_leads_out(address: str, path: str) -> None:
    status, body = ask(address, f"/{path}")
    assert SECRET not in body
    assert status in (200, 301, 400, 404)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_can_be_written(address: str, method: str) -> None:
    assert ask(address, "/report/index.html", method)[0] == 501


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example"])
def test_another_site_s_name_for_this_machine_is_refused(address: str, host: str) -> None:
    assert ask(address, "/report/", host=host)[0] == 403
    assert ask(address, "/report/", host="localhost:9")[0] == 200  # through a tunnel


def test_it_listens_on_this_machine_alone(address: str) -> None:
    """Asked of the system: a machine may have no other address at which to try."""
    port = urlsplit(address).port
    listening = {
        str(one.laddr.ip)
        for one in psutil.Process().net_connections("inet")
        if one.status == psutil.CONN_LISTEN and one.laddr.port == port
    }
    assert listening == {HOST}


@pytest.mark.parametrize("port", [-1, 0, 65_535, 70_000])
def test_a_port_that_there_is_not_is_told(port: int) -> None:
    with pytest.raises(UserError, match=f"there is no port {port} "), server_running(port):
        pytest.fail("it is served")


def test_where_the_port_is_taken_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        with pages_served(taken.getsockname()[1]):
            assert find_pages() == ""
    assert "report and plots are not served" in capsys.readouterr().err


def test_an_address_that_is_out_of_date_is_not_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    with socket.socket() as quiet:
        quiet.bind((HOST, 0))  # nobody listens there
        (tmp_path / "pages").write_text(str(quiet.getsockname()[1]))
        assert find_pages() == ""
