"""No name and no way of writing an address leads into this machine or its network."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.acquire.download import download
from components.acquire.public import is_public
from components.acquire.transfer import NotFetched

PROXIES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A service of this machine, on all of its addresses."""
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as server:
        yield server


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="the machine has no IPv6")
@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0.0.0.0", "localhost",
        "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::]",
    ],
)  # fmt: skip
def test_an_allowed_name_that_leads_inside_is_told_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listener: socket.socket, host: str
) -> None:
    """The card names the host, so that it is allowed; what it is, its address tells."""
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
    url = f"https://{host}:{listener.getsockname()[1]}/f.csv"
    with pytest.raises(NotFetched, match="no address of the public internet"):
        download(url, tmp_path / "f", hosts=frozenset({host.strip("[]")}), max_bytes=9, retries=0)
    reached, _ = listener.accept()
    with reached:
        reached.settimeout(5)
        assert reached.recv(1) == b""


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1", "172.16.9.9", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
        "255.255.255.255", "224.0.0.1", "fe80::1", "fe80::1%eth0", "fd00::1", "::", "ff02::1",
        "::ffff:10.0.0.1", "::10.0.0.1", "fec0::1", "64:ff9b::10.0.0.1", "64:ff9b:1::10.0.0.1",
        "2002:a00:1::1", "2001:db8::1",
    ],
)  # fmt: skip
def test_addresses_of_networks_of_ones_own_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    ["130.14.29.110", "2607:f220:41e:4290::110", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"],
)
def test_addresses_of_the_internet_are(address: str) -> None:
    assert is_public(address)


@given(st.ip_addresses(v=4))
def test_an_address_within_ipv6_is_judged_as_what_it_is(address: object) -> None:
    assert is_public(f"::ffff:{address}") == is_public(str(address))
    assert is_public(f"64:ff9b::{address}") == is_public(str(address))
