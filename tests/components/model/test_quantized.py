"""8 bits answer nearly as 32 do."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from components.serving import load
from components.serving.served import Request
from tests.components.serving.small import draw, make_folder


def test_eight_bits_answer_nearly_as_all_do(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    whole, small = load(folder, "cpu"), load(folder, "cpu", int8=True)
    linear = [m for m in small.answerer.model.modules() if isinstance(m, nn.Linear)]
    assert not [m for m in linear if m.weight.dtype == torch.float32] and not linear
    asked = [Request(draw(number), "is the left lung clear?") for number in range(16)]
    pairs = list(zip(whole.ask_all(asked), small.ask_all(asked), strict=True))
    assert sum(one.text == other.text for one, other in pairs) >= 14
    for one, other in pairs:
        assert dict(one.candidates) == pytest.approx(dict(other.candidates), abs=0.1)
    assert [one.candidates for one, _ in pairs] != [other.candidates for _, other in pairs]
