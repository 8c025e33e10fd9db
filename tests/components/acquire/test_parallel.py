"""Items side by side: in order, each accounted for, and no more in flight than is said."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from components.acquire.parallel import AHEAD, Haul, fetch_all
from components.acquire.transfer import NotFetched
from components.errors import UserError


def test_the_haul_is_in_the_order_of_the_items_whoever_comes_first() -> None:
    gates = [threading.Event() for _ in range(4)]
    gates[3].set()

    def fetch(number: int) -> Haul:
        assert gates[number].wait(20)
        if number:
            gates[number - 1].set()
        if number == 1:
            raise NotFetched("one", "gone", "it left")
        return Haul(1, [Path(str(number))])

    haul = fetch_all("test", range(4), fetch, 4)
    assert (haul.num_in, [path.name for path in haul.files]) == (4, ["0", "2", "3"])
    assert [(r.origin, r.reason, r.detail) for r in haul.rejects] == [("one", "gone", "it left")]


def test_an_error_that_concerns_all_stops_what_has_not_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun: list[int] = []
    gate = threading.Event()

    class Pool(ThreadPoolExecutor):
        """Opens the gate when nothing more may begin."""

        def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
            super().shutdown(wait=False, cancel_futures=cancel_futures)
            gate.set()
            super().shutdown(wait=wait)

    def fetch(number: int) -> Haul:
        begun.append(number)
        if number:
            assert gate.wait(20)
        raise UserError("the disk is full")

    monkeypatch.setattr("components.acquire.parallel.ThreadPoolExecutor", Pool)
    with pytest.raises(UserError, match="the disk is full"):
        fetch_all("test", range(AHEAD), fetch, 1)
    assert begun in ([0], [0, 1])


def test_nothing_is_a_haul_too() -> None:
    assert fetch_all("test", [], lambda item: Haul(1), 3) == Haul()
