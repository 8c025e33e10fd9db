"""Which device computes."""

from __future__ import annotations

import pytest
import torch

from components.devices import pick_device
from components.errors import UserError


def test_auto_takes_what_is_there() -> None:
    assert pick_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    assert pick_device("cpu") == "cpu"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_asked_for_and_not_there_is_told() -> None:
    with pytest.raises(UserError, match="the device cuda is asked for") as caught:
        pick_device("cuda")
    assert "doctor" in caught.value.next_command
