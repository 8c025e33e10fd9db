"""What an answer rests on: the weights are those that the kernel used, and sum to one."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from components.errors import UserError
from components.model.config import model_config
from components.model.model import UnifiedModel
from components.serving.looking import (
    Look,
    cross_attention,
    gaze,
    grey_image,
    look_each,
    measure_shift,
)
from components.serving.served import Reply, Request, ServedModel, load
from tests.components.artifacts.conftest import made_project, project
from tests.components.serving.small import make_folder
from tests.components.serving.test_served import folder

__all__ = ["folder", "made_project", "project"]


def draw(seed: int, px: int = 48) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (px, px, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def list_looks(model: ServedModel, requests: list[Request]) -> list[Look]:
    looks = [look for look in look_each(model, requests) if isinstance(look, Look)]
    assert len(looks) == len(requests)
    return looks


@pytest.fixture
def model(folder) -> ServedModel:
    return load(folder, "cpu")


def test_the_weights_are_those_that_made_the_layers_output() -> None:
    torch.manual_seed(3)
    model = UnifiedModel(model_config("debug", vocabulary_size=99, code_image_size=32)).eval()
    for layer in model.decoder.layers:  # scores far from even, and heads that differ
        torch.nn.init.normal_(layer.encoder_attn.q_proj.weight, std=0.4)
        torch.nn.init.uniform_(layer.encoder_attn.c_attn)
    merged: list[torch.Tensor] = []
    values: list[torch.Tensor] = []
    for layer in model.decoder.layers:
        attention = layer.encoder_attn
        attention.out_proj.register_forward_pre_hook(lambda _, x: merged.append(x[0]))
        attention.v_proj.register_forward_hook(lambda _, __, y: values.append(y))
    with torch.no_grad():
        encoded = model.encode(torch.tensor([[0, 5, 6, 7, 2]]), torch.randn(1, 3, 48, 48))
    weights_LHTN = cross_attention(model, encoded, torch.tensor([[0, 8, 9]]))
    assert weights_LHTN.shape == (2, 4, 3, 9 + 5)
    assert torch.allclose(weights_LHTN.sum(-1), torch.ones(2, 4, 3), atol=1e-5)
    assert weights_LHTN.max() > 0.5
    for layer, weights_HTN, v_BND, out_BTD in zip(
        model.decoder.layers, weights_LHTN, values, merged, strict=True
    ):
        attention = layer.encoder_attn
        v_HNd = v_BND[0].unflatten(-1, (attention.num_heads, attention.head_dim)).transpose(0, 1)
        expected = (weights_HTN @ v_HNd) * attention.c_attn[:, None, None]
        assert torch.allclose(expected.transpose(0, 1).flatten(1), out_BTD[0], atol=1e-5)
    assert not any(layer.encoder_attn.q_proj._forward_hooks for layer in model.decoder.layers)


def test_a_look_is_the_reply_with_its_blank_twin_and_where_it_read(model: ServedModel) -> None:
    requests = [Request(draw(n), "Is the lung clear?") for n in range(3)]
    looks = list_looks(model, requests)
    assert [look.reply.text for look in looks] == [r.text for r in model.ask_all(requests)]
    blank = model.ask(grey_image(), "Is the lung clear?")
    for look in looks:
        assert look.blank is not None and look.gaze is not None and look.shift is not None
        assert look.blank.log_probability == pytest.approx(blank.log_probability, abs=1e-5)
        assert 0 < look.shift <= 1
        assert np.array(look.gaze.cells).shape == (2, 2)  # 32 pixels, 16 to a cell
        assert np.array(look.gaze.cells).sum() == pytest.approx(1, abs=1e-5)
        assert 0 < look.gaze.image_share < 1


def test_a_grey_image_shifts_nothing_and_attention_follows_the_image(model: ServedModel) -> None:
    (same,) = list_looks(model, [Request(grey_image(), "Is the lung clear?")])
    assert same.shift == pytest.approx(0, abs=1e-6)
    reply = Reply("yes", 0.0)
    first, second = (gaze(model, Request(draw(n), "Is it?"), reply) for n in (1, 2))
    assert first.cells != second.cells
    assert gaze(model, Request(draw(1), "Is it?"), reply) == first


def test_a_bad_request_among_others_gets_its_error(model: ServedModel) -> None:
    good = Request(draw(1), "Is the lung clear?")
    first, bad, last = look_each(model, [good, Request(b"no image", "Is it?"), good])
    assert isinstance(bad, UserError) and first == last and isinstance(first, Look)


shares = st.lists(st.floats(0.01, 1), min_size=1, max_size=6)


@given(shares, shares)
def test_a_shift_is_a_distance_between_0_and_1(first: list[float], second: list[float]) -> None:
    def reply(values: list[float], name: str) -> Reply:
        total = sum(values)
        options = [(f"{name}{i}", math.log(v / total)) for i, v in enumerate(values)]
        return Reply(options[0][0], options[0][1], options, weighed=dict(options))

    a, b = reply(first, "x"), reply(second, "x")
    shift = measure_shift(a, b)
    assert shift is not None and 0 <= shift <= 1
    assert shift == pytest.approx(measure_shift(b, a))
    assert measure_shift(a, a) == pytest.approx(0)
    assert measure_shift(a, reply(second, "y")) == pytest.approx(1)
    assert measure_shift(a, Reply("free", -1.0)) is None


def test_a_shift_counts_the_answers_that_a_reply_does_not_list(tmp_path: Path) -> None:
    answers = [f" {left} {right}" for left in "lungyeso" for right in "lungyeso"]
    model = load(make_folder(tmp_path / "large", candidates=answers), "cpu")
    (look,) = list_looks(model, [Request(draw(1), "Is the lung clear?")])
    assert look.blank is not None and len(look.reply.options) < len(answers)
    first, second = (
        np.exp([reply.weighed[text.strip()] for text in answers])
        for reply in (look.reply, look.blank)
    )
    assert first.sum() == pytest.approx(1, abs=1e-4)
    assert look.shift == pytest.approx(np.abs(first - second).sum() / 2, abs=1e-6)
