"""A throw-away project of one stage: a real fine-tuning of a small model on two Ray workers."""

from __future__ import annotations

import shutil
from contextlib import chdir
from dataclasses import replace
from pathlib import Path
from typing import Any

from components.config import Params
from components.dataset import left_out
from components.model.weights import save_model
from components.profiles.overlay import merge, read_profile, render_params
from components.records import Example, ImageRecord, Overlap, write_records
from components.run_plan import plan_run
from components.runs import start_model
from components.schema import validate
from components.tokenization.vocabulary import Vocabulary, train_vocabulary
from tests.components.training.test_launch import ask_about, make_image

SIZE, DATASET = "debug", "vqa_rad"
OUT = Path(f"data/models/finetuned/{SIZE}/{DATASET}")
CHECKPOINTS = Path(f"data/checkpoints/finetune-{SIZE}-{DATASET}")
STAGES: dict[str, Any] = {
    "finetune": {
        "cmd": f"python -m components.stages.finetune --size {SIZE} --dataset {DATASET}",
        "deps": ["data/examples", "data/vocabulary", "data/models/pretrained"],
        "outs": [str(OUT)],
    }
}
CHANGES: dict[str, Any] = {
    "sizes": [SIZE],
    "datasets": [DATASET],
    "pretrained_on": [],
    "zero_shot_on": [],
    "compute": {"device": "cpu", "workers": 2},
    "finetune": {"effective_batch": 8, "micro_batch": 2, "image_px": 32, "log_every": 1},
}


def write_material(folder: Path, repository: Path) -> None:
    """What the stage reads: a card, examples, a vocabulary, and fresh weights to start from."""
    (folder / "data/cards").mkdir(parents=True)
    shutil.copy(repository / f"data/cards/{DATASET}.yaml", folder / "data/cards")
    examples = folder / "data/examples" / DATASET
    images = [make_image(number) for number in range(12)]
    asked = [replace(example, dataset=DATASET) for example in ask_about(images)]
    write_records(examples / "examples.parquet", Example, asked)
    write_records(examples / "images.parquet", ImageRecord, images)
    train_vocabulary([" is there a rib? answer"] * 3, 20, num_codes=4, num_bins=4).save(
        folder / "data/vocabulary"
    )
    write_records(folder / left_out.FILE, Overlap, [])
    write_start(folder)


def write_start(folder: Path) -> None:
    """Fresh weights of the size, where the stage looks for pretrained ones."""
    params = validate(Params, merge(read_profile("demo"), CHANGES, "test"), "test")
    start = Path("data/models/pretrained") / SIZE
    with chdir(folder):
        plan = plan_run(
            params, "pretrain", SIZE, params.pretrain, start_from=None, inputs=[], out=start
        )
        save_model(start_model(plan, Vocabulary.load(Path(plan.vocabulary))), start)


def set_limits(folder: Path, *, steps: int, save_every: int, max_failures: int) -> None:
    """Write params.yaml: how long the run is, and how many lost workers it survives."""
    limits = {
        "compute": {"max_failures": max_failures},
        "finetune": {"steps": steps, "save_every": save_every},
    }
    values = merge(merge(read_profile("demo"), CHANGES, "test"), limits, "test")
    (folder / "params.yaml").write_text(render_params(values))
