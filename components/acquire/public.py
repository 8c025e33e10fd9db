"""HTTPS to the public internet alone: a name may resolve to this machine, or to its network.

What counts is the address that was reached, and it is asked before a byte is sent: a name that is
looked up once to be judged and once more to be used may have another answer the second time.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import urllib.request
from typing import Any

UNICAST = ipaddress.ip_network("2000::/3")  # all of IPv6 that is given out to the internet
NAT64 = ipaddress.ip_network("64:ff9b::/96")  # an IPv4 address in its last 32 bits (RFC 6052)


class PrivateAddressError(Exception):
    """A host that is no public one; the message names the address."""


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet; IPv4 within IPv6 (mapped, NAT64, 6to4)
    is taken as what it is.

    ValueError for what is no address.
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour
        if found in NAT64:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is None and found not in UNICAST:  # site-local and such, which Python calls global
            return False
        found = inner or found
    return found.is_global and not found.is_multicast


def connect_publicly(*where: Any, **options: Any) -> socket.socket:
    """``socket.create_connection``, closed again with PrivateAddressError where it leads inside."""
    reached = socket.create_connection(*where, **options)
    peer = str(reached.getpeername()[0])
    if not is_public(peer):
        reached.close()
        raise PrivateAddressError(f"{where[0][0]} is {peer}, no address of the public internet")
    return reached


class _Connection(http.client.HTTPSConnection):
    """Judges whom it reaches; not a proxy, which looks names up itself and may be a neighbour."""

    def set_tunnel(self, *proxied: Any, **more: Any) -> None:
        self._create_connection = socket.create_connection
        super().set_tunnel(*proxied, **more)

    def __init__(self, *host: Any, **options: Any) -> None:
        super().__init__(*host, **options)
        self._create_connection = connect_publicly


class PublicHttps(urllib.request.HTTPSHandler):
    """Opens https addresses, of public hosts alone."""

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Connection, request)
