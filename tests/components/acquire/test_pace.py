"""How often a host is asked: by a clock that only sleep moves."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.acquire.pace import Pace, pace_of


class Clock:
    """Time that passes when somebody sleeps, or is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, pause_s: float) -> None:
        self.now += pause_s


@settings(deadline=None)
@given(
    st.sampled_from([1.0, 3.0, 10.0]), st.lists(st.floats(0, 3, allow_subnormal=False), max_size=60)
)
def test_no_second_holds_more_requests_than_allowed(rate: float, idle: list[float]) -> None:
    clock = Clock()
    pace = Pace(rate, clock=clock, sleep=clock.sleep)
    made = []
    for pause_s in idle:
        clock.now += pause_s
        pace.wait()
        made.append(clock.now)
    for first, later in zip(made, made[int(rate) :], strict=False):
        assert later - first >= 1 - 1e-6


def test_threads_share_a_pace() -> None:
    slept: list[float] = []
    pace = Pace(3.0, clock=lambda: 100.0, sleep=slept.append)
    with ThreadPoolExecutor(8) as pool:
        for _ in range(31):
            pool.submit(pace.wait)
    assert sorted(slept) == pytest.approx([n / 3 for n in range(1, 31)])


def test_who_has_waited_long_enough_does_not_wait() -> None:
    clock, slept = Clock(), []
    pace = Pace(3.0, clock=clock, sleep=slept.append)
    pace.wait()
    clock.now += 1 / 3
    pace.wait()
    assert slept == []


def test_a_busy_server_holds_everyone() -> None:
    clock, slept = Clock(), []
    pace = Pace(3.0, clock=clock, sleep=slept.append)
    pace.hold(7.0)
    pace.hold(2.0)
    pace.wait()
    assert slept == [7.0]


@pytest.mark.parametrize(
    ("host", "key", "rate"),
    [
        ("ftp.ncbi.nlm.nih.gov", "", 3.0),
        ("ftp.ncbi.nlm.nih.gov", "  ", 3.0),
        ("ftp.ncbi.nlm.nih.gov", "canary", 10.0),
        ("example.org", "canary", None),
        ("ncbi.nlm.nih.gov.example.org", "", None),
    ],
)
def test_ncbi_asks_for_its_rate(
    monkeypatch: pytest.MonkeyPatch, host: str, key: str, rate: float | None
) -> None:
    monkeypatch.setenv("NCBI_API_KEY", key)
    pace = pace_of(host)
    assert (pace and pace.per_second) == rate
    assert "canary" not in repr(vars(pace) if pace else "")
