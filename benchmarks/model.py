"""How fast the model trains and generates, beside a peer of the same size in the same run.

The peer is what one would assemble from transformers: a ResNet of the same stages, whose cells go
before the text into BART of the same width, depth and vocabulary. It lacks this model's position
biases and inner norms, so that its work is a little less. Beside both stands the time that the
public reference (fairseq) took on a machine of this kind, as far as it is known.

    python benchmarks/model.py --size base --threads 2 --write

Times are medians of interleaved runs in one process; memory is the peak of a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from components.dataset.collate import Batch
from components.generation.beam import search
from components.generation.constraints import SearchSettings
from components.model.config import model_config
from components.model.model import UnifiedModel
from components.training.objective import Objective, batch_loss

RESULTS = Path(__file__).with_name("RESULTS.md")
PEAK_SIDE = 2048


@dataclass(frozen=True)
class Case:
    """One thing to time. ``beam`` 0 is a training step, else generation of ``targets`` tokens."""

    name: str
    batch: int
    source: int
    image_px: int
    targets: int
    patches: int = 0  # 0: all
    beam: int = 0
    reference_s: float | None = None  # base size, float32, 2 threads


CASES = [
    Case("train 4 x (128 tokens, 256 px) -> 32", 4, 128, 256, 32, reference_s=9.9),
    Case("train 4 x (512 tokens, 196 patches) -> 64", 4, 512, 256, 64, 196, reference_s=21.5),
    Case("beam 5, 1 x 32 tokens", 1, 32, 256, 32, beam=5, reference_s=4.2),
    Case("beam 5, 4 x 32 tokens", 4, 32, 256, 32, beam=5, reference_s=9.3),
    Case("greedy, 1 x 32 tokens", 1, 32, 256, 32, beam=1, reference_s=2.5),
]


def make_batch(case: Case, vocabulary: int) -> Batch:
    """Random tokens and pixels of a case's shape; the labels' places are all filled."""
    torch.manual_seed(1)
    prev = torch.randint(4, vocabulary, (case.batch, case.targets))
    return Batch(
        source_BS=torch.randint(4, vocabulary, (case.batch, case.source)),
        images_B3HW=torch.randn(case.batch, 3, case.image_px, case.image_px),
        image_mask_B=torch.ones(case.batch, dtype=torch.bool),
        prev_BT=prev,
        labels_BT=prev.roll(-1, 1),
        code_mask_B=None,
        weight_B=torch.ones(case.batch),
    )


class Ours:
    """This project's model."""

    def __init__(self, size: str, device: str) -> None:
        torch.manual_seed(0)
        self.model = UnifiedModel(model_config(size)).to(device)
        self.vocabulary = self.model.config.vocabulary_size

    def prepare(self, case: Case) -> None:
        """Make the model ready to train, or, for good, to answer."""
        self.model.train(not case.beam)
        if case.beam:
            self.model.encoder.embed_images.fold_batch_norm()

    def train_step(self, case: Case, batch: Batch) -> None:
        """Forward and backward over every target, with the full softmax."""
        loss = batch_loss(self.model, batch, Objective(sampled_patches=case.patches)).loss
        (loss / batch.labels_BT.numel()).backward()
        self.model.zero_grad(set_to_none=True)

    def generate(self, case: Case, batch: Batch) -> None:
        """Search to the full length: eos is not allowed before."""
        settings = SearchSettings(
            beam=case.beam, max_length_b=case.targets, min_length=case.targets
        )
        with torch.no_grad():
            encoded = self.model.encode(batch.source_BS, batch.images_B3HW, batch.image_mask_B)
            found = search(self.model, encoded, settings)
        assert len(found[0][0].tokens) == case.targets + 1


class Peer(nn.Module):
    """A ResNet's cells and text through BART, from transformers."""

    def __init__(self, size: str, device: str) -> None:
        from transformers import BartConfig, BartForConditionalGeneration, ResNetConfig, ResNetModel

        super().__init__()
        torch.manual_seed(0)
        ours = model_config(size)
        self.vocabulary = ours.vocabulary_size
        self.bart = BartForConditionalGeneration(
            BartConfig(
                vocab_size=ours.vocabulary_size,
                d_model=ours.d_model,
                encoder_layers=ours.encoder_layers,
                decoder_layers=ours.decoder_layers,
                encoder_attention_heads=ours.num_heads,
                decoder_attention_heads=ours.num_heads,
                encoder_ffn_dim=ours.ffn_dim,
                decoder_ffn_dim=ours.ffn_dim,
                max_position_embeddings=2048,
                forced_eos_token_id=None,
                forced_bos_token_id=None,
                decoder_start_token_id=0,
            )
        )
        trunk = ResNetConfig(
            depths=[*ours.trunk_blocks], hidden_sizes=[256, 512, 1024], layer_type="bottleneck"
        )
        self.trunk = ResNetModel(trunk)
        self.project = nn.Linear(1024, ours.d_model)
        self.to(device)

    def prepare(self, case: Case) -> None:
        """Make the model ready to train or to answer."""
        self.train(not case.beam)

    def embed(self, case: Case, batch: Batch) -> Tensor:
        """Cells, then text, as vectors (B, N, D)."""
        cells = self.trunk(batch.images_B3HW).last_hidden_state.flatten(2).transpose(1, 2)
        if case.patches:
            cells = cells[:, torch.randperm(cells.shape[1])[: case.patches]]
        text = self.bart.get_input_embeddings()(batch.source_BS)
        return torch.cat([self.project(cells), text], 1)

    def train_step(self, case: Case, batch: Batch) -> None:
        """Forward and backward over every target, with the full softmax."""
        found = self.bart(
            inputs_embeds=self.embed(case, batch),
            decoder_input_ids=batch.prev_BT,
            labels=batch.labels_BT,
        )
        found.loss.backward()
        self.zero_grad(set_to_none=True)

    def generate(self, case: Case, batch: Batch) -> None:
        """Beam search to the full length."""
        with torch.no_grad():
            encoded = self.bart.get_encoder()(inputs_embeds=self.embed(case, batch))
            found = self.bart.generate(
                encoder_outputs=encoded,
                num_beams=case.beam,
                max_new_tokens=case.targets,
                min_new_tokens=case.targets,
                do_sample=False,
            )
        assert found.shape[1] == case.targets + 1


def action(who: Any, case: Case, batch: Batch) -> Callable[[], None]:
    """What is timed."""
    who.prepare(case)
    step = who.generate if case.beam else who.train_step
    return lambda: step(case, batch)


def timed(run: Callable[[], object], device: str) -> float:
    """Seconds of one run."""
    if device == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    run()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def measure_peak(device: str) -> float:
    """Best rate of a large float32 matrix product, in floating-point operations a second."""
    a = torch.randn(PEAK_SIDE, PEAK_SIDE, device=device)
    return 2 * PEAK_SIDE**3 / min(timed(lambda: torch.mm(a, a), device) for _ in range(9))


def count_flops(run: Callable[[], None]) -> int:
    """Operations of matrix products and convolutions in one run."""
    with FlopCounterMode(display=False) as counter:
        run()
    return int(counter.get_total_flops())


def measure_bandwidth(device: str) -> float:
    """Bytes a second at which memory is read, over far more than any cache holds."""
    numbers = torch.ones(2**26, device=device)
    return numbers.nbytes / min(timed(numbers.sum, device) for _ in range(9))


def count_repeated(ours: Ours, case: Case) -> int:
    """Operations that a training step does more than once, to save memory: the positions' product
    in every layer of the encoder. They are no part of what the model asks for."""
    config = ours.model.config
    cells = case.patches or (case.image_px // 16) ** 2
    product = 2 * (cells + case.source) ** 2 * config.d_model
    once = case.batch if case.patches else 1
    return 3 * product * (case.batch * config.encoder_layers - once)


def least_time(ours: Ours, case: Case, batch: Batch, bandwidth: float, device: str) -> float:
    """Seconds that generation cannot go below: encode, then read the weights once a token."""
    model = ours.model
    with torch.no_grad():
        run = lambda: model.encode(batch.source_BS, batch.images_B3HW, batch.image_mask_B)  # noqa: E731
        encoding = min(timed(run, device) for _ in range(5))
    layers = sum(p.nbytes for p in model.decoder.layers.parameters())
    weights = layers + model.encoder.embed_tokens.weight.nbytes
    return encoding + (case.targets + 1) * weights / bandwidth


def measure_memory(size: str, case: Case, peer: bool) -> float:
    """Peak memory in GB of a process that does nothing else."""
    words = [sys.executable, __file__, "--size", size, "--alone", case.name]
    done = subprocess.run(
        [*words, *(["--peer"] if peer else [])], capture_output=True, text=True, check=True
    )
    return float(json.loads(done.stdout.splitlines()[-1]))


def run_alone(size: str, name: str, peer: bool) -> None:
    """One run of one case; prints the peak memory of this process."""
    case = next(case for case in CASES if case.name == name)
    who = Peer(size, "cpu") if peer else Ours(size, "cpu")
    action(who, case, make_batch(case, who.vocabulary))()
    # Not getrusage: a process inherits the peak of the one that started it.
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    print(json.dumps(int(found[1]) / 1e6 if found else 0.0))


def measure(case: Case, pair: list[Any], repeats: int, device: str) -> list[list[float]]:
    """Times of both, one after the other, after one run to warm up."""
    runs = [action(who, case, make_batch(case, who.vocabulary).to(device)) for who in pair]
    times: list[list[float]] = [[] for _ in runs]
    for run in runs:
        run()
    for _ in range(repeats):
        for run, found in zip(runs, times, strict=True):
            found.append(timed(run, device))
    return times


def table(size: str, threads: int, repeats: int, device: str) -> str:
    """Markdown: one row for each case."""
    model = Ours(size, device)
    pair = [model, Peer(size, device)]
    peaks = [measure_peak(device)]
    rows = []
    for case in CASES:
        ours, peer = (statistics.median(t) for t in measure(case, pair, repeats, device))
        peaks.append(measure_peak(device))
        batch = make_batch(case, model.vocabulary).to(device)
        if case.beam:
            bound = least_time(model, case, batch, measure_bandwidth(device), device) / ours
        else:
            asked = count_flops(action(model, case, batch))
            asked -= count_repeated(model, case) if device == "cpu" else 0
            bound = asked / ours / max(peaks)
        reference = case.reference_s if size == "base" and device == "cpu" else None
        rows.append(
            f"| {case.name} | {ours:.2f} s | {peer:.2f} s | {ours / peer:.2f} | "
            + (f"{reference:.1f} s | {ours / reference:.2f} | " if reference else "- | - | ")
            + f"{bound:.0%} | {measure_memory(size, case, False):.1f} / "
            f"{measure_memory(size, case, True):.1f} GB |"
        )
    machine = platform.processor() or platform.machine()
    today = datetime.now().astimezone().date().isoformat()
    head = [
        f"### {size}, float32, {device}, {threads} threads, {today}",
        "",
        f"`python benchmarks/model.py --size {size} --threads {threads}`, {os.cpu_count()} cores "
        f"({machine}), torch {torch.__version__}, medians of {repeats}; matrix products reach "
        f"{max(peaks) / 1e9:.0f} GFLOP/s (median {statistics.median(peaks) / 1e9:.0f}), memory is "
        f"read at {measure_bandwidth(device) / 1e9:.0f} GB/s. The bound of training is the matrix "
        "products' rate; that of generation is encoding plus one reading of decoder and token "
        "matrix for each token.",
        "",
        "| case | ours | peer | ours / peer | reference | ours / reference | of bound | memory |",
        "|---|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*head, *rows, ""])


def main() -> None:
    """Time, print and, with --write, keep the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="base")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--write", action="store_true", help="append to RESULTS.md")
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    parser.add_argument("--peer", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    if given.alone:
        run_alone(given.size, given.alone, given.peer)
        return
    text = table(given.size, given.threads, given.repeats, given.device)
    print(text)
    if given.write:
        with RESULTS.open("a") as file:
            file.write("\n" + text)


if __name__ == "__main__":
    main()
