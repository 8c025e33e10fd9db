"""Readings: rates over a window of a clock that the test turns, contents counted, peaks known."""

from __future__ import annotations

import pytest
import torch

from components.training import meter
from components.training.meter import MIB, Meter, peak_flops, peak_memory_mib
from components.training.step import Parts, StepReport
from tests.components.training.test_loop import TinyBatch, TinySource

REPORT = StepReport([2.0, 0.5], 1.5, 9, 3e-4, [1.25, None, 0.75])


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class SlowSource(TinySource):
    """Takes 0.25 s for a step of two samples: 5 and 3 source tokens, 2 and 1 before the decoder,
    one image."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.stream_names = ["caption", "vqa", "text"]
        self.clock = clock

    def parts(self, step: int) -> Parts:
        self.clock.now += 0.25
        batch = TinyBatch(
            source_BS=torch.tensor([[0, 5, 6, 7, 2], [0, 5, 2, 1, 1]]),
            prev_BT=torch.tensor([[0, 8], [0, 1]]),
            labels_BT=torch.tensor([[8, 2], [2, 1]]),
            weight_B=torch.ones(2),
            image_mask_B=torch.tensor([True, False]),
        )
        return [[batch], []]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(meter.time, "perf_counter", made)
    return made


def test_rates_are_over_the_window(clock: Clock) -> None:
    metered = Meter(SlowSource(clock), device="cpu", window=2)
    for step, seconds in enumerate((9.0, 0.75, 0.75), 1):
        metered.parts(step)
        clock.now += seconds
        reading = metered.read(REPORT)
    assert (reading.loss, reading.streams) == (2.5, {"caption": 1.25, "text": 0.75})
    assert (reading.step_s, reading.wait_share) == (1.0, 0.25)
    assert (reading.tokens_per_s, reading.images_per_s) == (11.0, 1.0)
    assert reading.utilisation is None
    assert reading.words()["MFU"] == "-"
    assert "speed/utilisation" not in reading.values()


def test_a_step_lasts_until_the_next_is_read_and_begins_with_its_data(clock: Clock) -> None:
    metered = Meter(SlowSource(clock), device="cpu", window=1)
    clock.now += 50  # before the run
    metered.parts(1)
    clock.now += 0.75
    assert metered.read(REPORT).step_s == 1.0
    clock.now += 2.0  # a checkpoint is written
    metered.parts(2)
    clock.now += 0.75
    assert metered.read(REPORT).step_s == 3.0


def test_utilisation_is_the_model_s_flops_over_the_peak(clock: Clock) -> None:
    def count(parts: Parts) -> float:
        return 5e9 * sum(len(part) for part in parts)

    metered = Meter(SlowSource(clock), device="cpu", window=4, step_flops=count, peak=1e10)
    metered.parts(1)
    clock.now += 0.75
    reading = metered.read(REPORT)
    assert reading.utilisation == pytest.approx(0.5)
    assert reading.words()["MFU"] == "50%"
    assert reading.values()["speed/utilisation"] == reading.utilisation


def test_a_reading_in_words_and_numbers(clock: Clock) -> None:
    metered = Meter(SlowSource(clock), device="cpu", window=1)
    metered.parts(1)
    clock.now += 0.75
    reading = metered.read(REPORT)
    assert list(reading.words()) == [
        "caption", "text", "lr", "grad norm", "tokens/s", "images/s", "wait", "MFU", "memory",
    ]  # fmt: skip
    values = reading.values()
    assert values["loss"] == 2.5
    assert (values["streams/caption"], values["streams/text"]) == (1.25, 0.75)
    assert "streams/vqa" not in values  # the step had none
    assert (values["learning_rate"], values["gradient_norm"]) == (3e-4, 1.5)


def test_memory_is_the_most_that_was_held() -> None:
    before = peak_memory_mib("cpu")
    held = torch.ones(64 * MIB, dtype=torch.uint8)
    used = peak_memory_mib("cpu")
    del held
    assert 32 < used < 100_000
    assert used >= before
    assert peak_memory_mib("cpu") >= used


@pytest.mark.parametrize("autocast", [None, torch.bfloat16])
def test_no_peak_is_claimed_of_a_cpu(autocast: torch.dtype | None) -> None:
    assert peak_flops("cpu", autocast) is None


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        ("NVIDIA H200", 989e12),
        ("NVIDIA H200 NVL", 835e12),
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H100 NVL", 835e12),
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("NVIDIA T4", None),
    ],
)
def test_a_board_has_the_peak_of_its_own_form(
    name: str, peak: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: name)
    assert peak_flops("cuda", torch.bfloat16) == peak


@pytest.mark.gpu
def test_a_gpu_has_a_peak_in_bfloat16_and_its_memory_is_measured() -> None:
    held = torch.ones(64 * MIB, dtype=torch.uint8, device="cuda")
    assert peak_memory_mib("cuda") >= held.numel() / MIB
    assert peak_flops("cuda", None) is None
    name = torch.cuda.get_device_name()
    expected = next((v for k, v in meter.PEAK_FLOPS.items() if k in name), None)
    assert peak_flops("cuda", torch.bfloat16) == expected
