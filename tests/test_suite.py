"""That the suite is run as its marks say."""

from __future__ import annotations

import os

import pytest


@pytest.mark.xdist_group("alone")
def test_groups_reach_the_workers(request: pytest.FixtureRequest) -> None:
    if "PYTEST_XDIST_WORKER" not in os.environ:
        pytest.skip("the tests do not run in several processes")
    assert request.node.nodeid.endswith("@alone")
