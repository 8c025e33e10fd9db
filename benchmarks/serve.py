"""How long a person waits for an answer: a cold start, then question after question.

    python benchmarks/serve.py --sizes debug base --repeats 5 --threads 2 --write

A model with random weights and the released vocabulary's size lies in a folder as ``export`` leaves
it. A cold start is the whole command ``biomedgpt predict``, a process of its own, with the weights
in the page cache. Warm is one process, which asks by ``components.serving``: a question about a new
image, then other questions about the same one (whose trunk does not run again); out of 500 answers,
and in free text by greedy search of 5 tokens, as most answers about images have, and of 30. With
``--int8`` linear layers are in 8 bits.

Answers mean nothing: no score can be read off here.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image
from results import peak_memory_mb, show

from components.model.config import model_config
from components.model.model import UnifiedModel
from components.model.specials import NUM_SPECIALS
from components.model.weights import save_model
from components.serving import load
from components.serving.asking import ASKING, VOCABULARY
from components.tokenization.vocabulary import Vocabulary, train_vocabulary

NUM_TEXT, NUM_CODES, NUM_BINS = 50_260, 8192, 1000
IMAGE_PX, TOKENS, CANDIDATES = 256, (5, 30), 500
WORDS = ("left", "right", "lung", "heart", "effusion", "clear", "upper", "lower", "lobe", "mass")
QUESTIONS = [f"is there {word} in the image of the chest?" for word in WORDS]


def make_model(size: str, folder: Path, candidates: list[str]) -> None:
    """A folder that answers, with random weights."""
    texts = [" ".join(WORDS), *QUESTIONS, *candidates] * 2
    trained = train_vocabulary(texts, 2000, NUM_CODES, NUM_BINS)
    filler = [-1] * (NUM_TEXT - len(trained.order))
    vocabulary = Vocabulary(trained.bpe, (*trained.order, *filler), NUM_CODES, NUM_BINS)
    torch.manual_seed(0)
    model = UnifiedModel(model_config(size, vocabulary.size))
    with torch.no_grad():  # free text goes on to its longest: no end is likelier than a word
        model.encoder.embed_tokens.weight[:NUM_SPECIALS].zero_()
    save_model(model, folder)
    vocabulary.save(folder / VOCABULARY)
    asking = {
        "task": "vqa", "dataset": "", "image_px": IMAGE_PX, "max_source_tokens": 80,
        "max_target_tokens": max(TOKENS), "long_text": "cut", "beam": 1, "length_penalty": 1.0,
        "no_repeat_ngram": 0, "candidates": candidates,
    }  # fmt: skip
    (folder / ASKING).write_text(json.dumps(asking))


def draw_answers() -> list[str]:
    """Answers of one to four words, as many as VQA-RAD has."""
    dice = random.Random(0)
    found: dict[str, None] = {}
    while len(found) < CANDIDATES:
        found[" " + " ".join(dice.choices(WORDS, k=dice.randint(1, 4)))] = None
    return sorted(found)


def draw_image(folder: Path, number: int) -> Path:
    """A noisy picture of 512 pixels a side."""
    path = folder / f"{number}.png"
    pixels = np.random.default_rng(number).integers(0, 256, (512, 512, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def take_time(call: Callable[[int], object], repeats: int) -> tuple[float, float]:
    """Median seconds of the clock and of the processor."""
    clocks, works = [], []
    for number in range(repeats):
        clock, work = time.perf_counter(), _worked()
        call(number)
        clocks.append(time.perf_counter() - clock)
        works.append(_worked() - work)
    return statistics.median(clocks), statistics.median(works)


def _worked() -> float:
    """Seconds of processor of this process and of those that it ended."""
    own = os.times()
    return own.user + own.system + own.children_user + own.children_system


def measure_cold(folder: Path, image: Path, repeats: int, threads: int) -> tuple[float, float]:
    """The command, from its start to its answer."""
    command = [sys.executable, "-m", "flows.cli", "predict", "--model", str(folder), "--image",
               str(image), "--question", QUESTIONS[0]]  # fmt: skip
    around = {**os.environ, "OMP_NUM_THREADS": str(threads)}

    def ask(_number: int) -> None:
        subprocess.run(command, check=True, capture_output=True, env=around)

    ask(0)
    return take_time(ask, repeats)


def measure_warm(
    folder: Path, images: list[Path], repeats: int, *, int8: bool
) -> dict[str, tuple[float, float]]:
    """A question about a new image, and others about the last; of a set, and in free text."""
    model = load(folder, "cpu", int8=int8)
    found = {}
    candidates = model.asking.candidates
    for length in (0, *TOKENS):
        way = f"{length} tokens, greedy" if length else f"out of {CANDIDATES}"
        model.asking = model.asking.model_copy(update={"candidates": [] if length else candidates})
        search = replace(model.answerer.search, max_length_b=length or max(TOKENS))
        model.answerer = replace(model.answerer, search=search)
        model.answerer.model.encoder.embed_images.known.clear()
        model.ask(images[0], QUESTIONS[0])
        found[f"{way}, new image"] = take_time(
            lambda n: model.ask(images[n + 1], QUESTIONS[n]), repeats
        )
        found[f"{way}, same image"] = take_time(
            lambda n: model.ask(images[-1], QUESTIONS[n]), repeats
        )
    return found


def main() -> None:
    """Print the table of each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="+", default=["debug", "base"])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    repeats = arguments.repeats
    rows = []
    for size in arguments.sizes:
        with TemporaryDirectory() as place:
            folder = Path(place)
            make_model(size, folder / "model", draw_answers())
            images = [draw_image(folder, number) for number in range(repeats + 2)]
            cold = measure_cold(folder / "model", images[0], repeats, arguments.threads)
            plain = measure_warm(folder / "model", images, repeats, int8=False)
            memory = peak_memory_mb()
            small = measure_warm(folder / "model", images, repeats, int8=True)
        rows.append(f"| {size} | cold start, first answer | {_print(cold)} | - | {memory:.0f} MB |")
        rows += [f"| {size} | {case} | {_print(plain[case])} | {_print(small[case])} | |"
                 for case in plain]  # fmt: skip
    show("\n".join([_head(arguments), *rows]) + "\n", arguments.write)


def _print(seconds: tuple[float, float]) -> str:
    return f"{seconds[0]:.2f} s ({seconds[1]:.2f} s)"


def _head(arguments: argparse.Namespace) -> str:
    words = " ".join(sys.argv[1:])
    load_1, load_5, _ = os.getloadavg()
    return (
        f"### A question, {datetime.now().date()}\n\n"  # noqa: DTZ005
        f"`python benchmarks/serve.py {words}`, {os.cpu_count()} cores ({platform.machine()}), "
        f"torch {torch.__version__}, {arguments.threads} threads, medians of {arguments.repeats}: "
        f"seconds of the clock (of the processor, all threads). Load of the machine at the end: "
        f"{load_1:.1f}, over five minutes {load_5:.1f}.\n\n"
        "| size | case | float32 | int8 | peak memory |\n|---|---|---|---|---|"
    )


if __name__ == "__main__":
    main()
