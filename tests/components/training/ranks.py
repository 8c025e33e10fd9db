"""One rank of small training runs, in a process of its own: python -m ...ranks CASES RANK.

Everything is the real thing (model, step, loop, checkpoints, gloo) but for the data, which is drawn
from the step. A step has five micro-batches, so that one of two ranks has one less.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from safetensors.torch import load_file
from torch import Tensor

from components.adapters import AdapterSettings, add_adapters, merge_adapters
from components.model.config import ModelConfig
from components.model.model import UnifiedModel
from components.model.weights import save_model
from components.training.checkpoints import Checkpoints
from components.training.loop import LoopSettings, train
from components.training.objective import Objective
from components.training.step import Parts

CONFIG = ModelConfig(
    vocabulary_size=61,
    d_model=24,
    ffn_dim=50,
    encoder_layers=3,
    decoder_layers=2,
    num_heads=4,
    trunk_blocks=(1, 1, 1),
    trunk_width=4,
    max_positions=32,
    code_image_size=32,
    dropout=0.1,
    drop_path=0.2,
    scale_resids=True,
)


@dataclass
class Batch:
    """A batch, without the libraries that make real ones."""

    source_BS: Tensor
    images_B3HW: Tensor | None
    prev_BT: Tensor
    labels_BT: Tensor
    weight_B: Tensor
    image_mask_B: Tensor | None = None
    code_mask_B: Tensor | None = None
    allowed_BTK: Tensor | None = None
    stream_B: Tensor | None = None

    def to(self, _: str) -> Batch:
        """It is where it is."""
        return self


@dataclass(frozen=True)
class Case:
    """A run of seven steps that saves after the third and the sixth, as plain values."""

    folder: str
    world: int = 1
    shard: bool = False
    recompute: bool = False
    bfloat16: bool = False
    with_images: bool = True
    lora_rank: int = 0
    kill_at: int = 0

    def log(self) -> list[dict[str, Any]]:
        """What was logged, step by step."""
        entries: list[dict[str, Any]] = json.loads((Path(self.folder) / "log.json").read_text())
        return entries

    def weights(self) -> dict[str, Tensor]:
        """The weights of the end."""
        return load_file(Path(self.folder) / "out/model.safetensors")

    def saved(self, step: int) -> dict[str, Tensor]:
        """All tensors of a checkpoint: weights, moments, average."""
        files = sorted(
            (Path(self.folder) / "checkpoints").glob(f"**/step-{step:08d}*/*.safetensors")
        )
        return {f"{f.stem}.{name}": value for f in files for name, value in load_file(f).items()}


class Drawn:
    """Five micro-batches of three: three of the first part, two of the second."""

    def __init__(self, with_images: bool) -> None:
        self.part_names, self.stream_names = ["first", "second"], ["even", "odd"]
        self.with_images = with_images

    def parts(self, step: int) -> Parts:
        """The parts of a step."""
        batches = [self._draw(step * 10 + number) for number in range(5)]
        return [batches[:3], batches[3:]]

    def _draw(self, seed: int) -> Batch:
        generator = torch.Generator().manual_seed(seed)
        tokens = torch.randint(4, CONFIG.vocabulary_size, (3, 9), generator=generator)
        tokens[0, 7:] = 1  # padding
        return Batch(
            source_BS=tokens,
            images_B3HW=torch.randn(3, 3, 32, 32, generator=generator)
            if self.with_images
            else None,
            prev_BT=torch.cat([torch.zeros(3, 1, dtype=torch.long), tokens[:, :4]], 1),
            labels_BT=tokens[:, :5],
            weight_B=torch.ones(3),
            stream_B=torch.tensor([0, 1, 0]),
        )


def train_case(case: Case) -> None:
    """Train, and write weights and log at rank 0."""
    torch.manual_seed(1)
    model = UnifiedModel(CONFIG)
    lora = AdapterSettings(case.lora_rank, 2.0, 0.1)
    if case.lora_rank:
        add_adapters(model, lora, seed=1)
    settings = LoopSettings(
        steps=7,
        learning_rate=3e-3,
        warmup=0.2,
        weight_decay=0.1,
        clip_norm=0.5,
        ema_decay=0.8,
        seed=5,
        log_every=1,
        save_every=3,
        objective=Objective(label_smoothing=0.1, sampled_patches=3 if case.with_images else 0),
        autocast=torch.bfloat16 if case.bfloat16 else None,
        freeze_trunk=case.lora_rank > 0,
        shard=case.shard,
        recompute=case.recompute,
    )

    def die(step: int, _: object) -> None:
        if step == case.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    folder = Path(case.folder)
    source = Drawn(case.with_images)
    with Checkpoints(folder / "checkpoints", {}) as checkpoints:
        result = train(model, source, settings, checkpoints=checkpoints, on_step=die)
    if not dist.is_initialized() or dist.get_rank() == 0:
        if case.lora_rank:
            merge_adapters(model)
        save_model(model, folder / "out")
        (folder / "log.json").write_text(json.dumps(result.log))


def run_ranks(cases: Sequence[Case]) -> list[int]:
    """Run cases of one world, one after the other, on processes of their own; exit statuses."""
    Path(cases[0].folder).mkdir(parents=True, exist_ok=True)
    meeting(cases[0]).unlink(missing_ok=True)
    command = [sys.executable, "-m", __name__, json.dumps([asdict(case) for case in cases])]
    ranks = range(cases[0].world)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    processes = [subprocess.Popen([*command, str(rank)], env=environment) for rank in ranks]
    try:
        return [process.wait() for process in processes]
    finally:
        for process in processes:
            process.kill()


def meeting(case: Case) -> Path:
    """The file over which the ranks find each other."""
    return (Path(case.folder) / "meeting").absolute()


def main() -> None:
    """Join the group, and train."""
    torch.set_num_threads(1)
    cases, rank = [Case(**values) for values in json.loads(sys.argv[1])], int(sys.argv[2])
    address = meeting(cases[0]).as_uri()
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=cases[0].world)
    for case in cases:
        train_case(case)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
