"""How often a host may be asked: requests of all threads, evenly spaced."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

NCBI_DOMAIN = ".ncbi.nlm.nih.gov"
NCBI_KEY = "NCBI_API_KEY"  # environment; only whether it is set counts here: it is never sent
WITHOUT_KEY, WITH_KEY = 3.0, 10.0


class Pace:
    """At most so many requests a second, whichever threads make them.

    Requests are spaced 1/rate apart, so that no window of a second holds more than the rate.
    """

    def __init__(
        self,
        per_second: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.per_second, self._clock, self._sleep = per_second, clock, sleep
        self._lock, self._next = threading.Lock(), 0.0

    def wait(self) -> None:
        """Return when the next request may be made."""
        with self._lock:
            now = self._clock()
            mine = max(now, self._next)
            self._next = mine + 1 / self.per_second
        if mine > now:
            self._sleep(mine - now)

    def hold(self, pause_s: float) -> None:
        """Let nobody ask for so long: the server has said that it is busy."""
        with self._lock:
            self._next = max(self._next, self._clock() + pause_s)


def pace_of(host: str) -> Pace | None:
    """What a host asks of its visitors: NCBI 3 requests a second, 10 of those who have a key.

    https://www.ncbi.nlm.nih.gov/books/NBK25497 (E-utilities, usage guidelines); NCBI's file
    server states no rate of its own, so the same one is kept. Other hosts state none: None.
    """
    if not host.endswith(NCBI_DOMAIN):
        return None
    return Pace(WITH_KEY if os.environ.get(NCBI_KEY, "").strip() else WITHOUT_KEY)
