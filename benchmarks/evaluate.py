"""How fast a question is answered out of a closed set, beside the reference's way, in one run.

    python benchmarks/evaluate.py --size base --questions 200 --candidates 500 --write
    python benchmarks/evaluate.py --memory --size debug --candidates 500 4000 10000 --batch 64

Both ask the same model with random weights, the same images, questions and answers, and must choose
the same. They take turns, batch by batch, and both run the encoder once for each question:

- reference: every candidate is decoded whole behind the question, 20 at a time, with the encoder's
  output repeated for each (BiomedGPT's all-candidate inference, tasks/mm_tasks/vqa_gen.py)
- ours: ``score_candidates``, which decodes the forks of the candidates' prefix tree

On a CPU the reference takes many seconds a question at base: ask fewer questions there. With
``--memory`` only ours is run, on one batch, in a process for each number of candidates: its peak
must not grow with them.

(The reference's way is written here from its published code. As there, what may follow each
beginning is found once, before the clock starts, and laid out as masks for every 20 candidates.)
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import torch
from results import peak_memory_mb, show
from torch import Tensor

from components.generation.candidates import score_candidates
from components.generation.trie import Trie
from components.model.config import model_config
from components.model.encoder import Encoded
from components.model.model import UnifiedModel
from components.model.specials import BOS, EOS, PAD

VOCABULARY, CHUNK = 59_457, 20
FIRST_WORDS, WORDS = 0.5, 2000  # first tokens by candidate; tokens that answers are made of
TIE = 1e-3  # scores this close may be ordered either way by rounding


@dataclass
class World:
    """Questions with images, and the answers that each may get; all drawn from one seed."""

    images: Tensor
    questions: list[list[int]]
    answers: list[list[int]]

    @classmethod
    def draw(cls, num: int, num_candidates: int, image_px: int) -> World:
        """Questions of 6 to 14 tokens, answers of 1 to 5, half of which begin as another does."""
        dice = random.Random(0)
        firsts = range(10, 10 + max(int(FIRST_WORDS * num_candidates), 1))
        answers: dict[tuple[int, ...], None] = {}
        while len(answers) < num_candidates:
            rest = [10 + dice.randrange(WORDS) for _ in range(dice.randint(0, 4))]
            answers[dice.choice(firsts), *rest] = None
        questions = [[10 + dice.randrange(WORDS) for _ in range(dice.randint(6, 14))]
                     for _ in range(num)]  # fmt: skip
        images = torch.rand(num, 3, image_px, image_px, generator=torch.Generator().manual_seed(0))
        return cls(images * 2 - 1, questions, [list(answer) for answer in answers])


@dataclass
class Reference:
    """The reference's way. ``allowed``: for each candidate, what may stand at each place."""

    answers: list[list[int]]
    allowed: list[list[list[int]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        trie = Trie(self.answers)
        self.allowed = [
            [trie.allowed_next(answer[:i]) for i in range(len(answer) + 1)]
            for answer in self.answers
        ]

    def score(
        self, model: UnifiedModel, encoded: Encoded, prefixes: Sequence[Sequence[int]]
    ) -> Tensor:
        """Log-probabilities (B, C), every candidate decoded for every source."""
        parts = []
        for begin in range(0, len(self.answers), CHUNK):
            chunk = range(begin, min(begin + CHUNK, len(self.answers)))
            rows = torch.arange(len(prefixes), device=encoded.states.device)
            repeated = encoded.select(rows.repeat_interleave(len(chunk)))
            parts.append(self._score_chunk(model, repeated, prefixes, chunk))
        return torch.cat(parts, 1)

    def _score_chunk(
        self, model: UnifiedModel, encoded: Encoded, prefixes: Sequence[Sequence[int]], chunk: range
    ) -> Tensor:
        device = encoded.states.device
        whole = [(prefix, self.answers[c], self.allowed[c]) for prefix in prefixes for c in chunk]
        length = max(len(prefix) + len(answer) + 1 for prefix, answer, _ in whole)
        prev, target = (torch.full((len(whole), length), PAD) for _ in range(2))
        mask = torch.zeros(len(whole), length, VOCABULARY, dtype=torch.bool)
        for row, (prefix, answer, allowed) in enumerate(whole):
            begin, tokens = len(prefix), [BOS, *prefix, *answer]
            prev[row, : len(tokens)] = torch.tensor(tokens)
            target[row, begin : begin + len(answer) + 1] = torch.tensor([*answer, EOS])
            mask[row, :begin] = mask[row, begin + len(answer) + 1 :] = True
            for place, ids in enumerate(allowed, begin):
                mask[row, place, ids] = True
        logits = model.project(model.decode(prev.to(device), encoded))
        log_probs = logits.masked_fill_(~mask.to(device), -torch.inf).log_softmax(2)
        said = log_probs.gather(2, target.to(device)[..., None])[..., 0]
        total = said.masked_fill(target.to(device) == PAD, 0.0).sum(1)
        return total.view(len(prefixes), len(chunk))


def make_model(size: str, device: str) -> UnifiedModel:
    """Random weights, with token embeddings wide enough for answers to differ clearly."""
    torch.manual_seed(0)
    model = UnifiedModel(model_config(size, VOCABULARY)).to(device).eval()
    with torch.no_grad():
        model.encoder.embed_tokens.weight.mul_(4)
    return model


def encode(model: UnifiedModel, world: World, batch: range, device: str) -> Encoded:
    """The encoder's output for some questions with their images."""
    rows = [[BOS, *world.questions[i], EOS] for i in batch]
    length = max(map(len, rows))
    source = torch.tensor([[*row, *[PAD] * (length - len(row))] for row in rows])
    return model.encode(source.to(device), world.images[batch.start : batch.stop].to(device))


def check_choices(reference: Tensor, ours: Tensor) -> int:
    """Number of questions on which another answer is chosen; SystemExit where that is no tie."""
    behind = reference.amax(1) - reference.gather(1, ours.argmax(1, keepdim=True))[:, 0]
    if bool((behind > TIE).any()):
        raise SystemExit(f"the choices differ by {float(behind.max()):.4f}")
    return int((reference.argmax(1) != ours.argmax(1)).sum())


@torch.no_grad()
def compare(options: argparse.Namespace, num_candidates: int) -> str:
    """A line of the table: seconds a question of each way, and ours over the reference."""
    # Of a core that others use as well, what this process had of it.
    clock = time.process_time if options.device == "cpu" else time.perf_counter
    model = make_model(options.size, options.device)
    world = World.draw(options.questions, num_candidates, options.image_px)
    reference, seconds, num_ties = Reference(world.answers), {"reference": 0.0, "ours": 0.0}, 0
    for begin in range(0, options.questions, options.batch):
        batch = range(begin, min(begin + options.batch, options.questions))
        prefixes = [world.questions[i] for i in batch]
        found = {}
        for name in seconds:
            start = clock()
            encoded = encode(model, world, batch, options.device)
            if name == "ours":
                found[name] = score_candidates(
                    model, encoded, prefixes, [world.answers] * len(batch)
                )
            else:
                found[name] = reference.score(model, encoded, prefixes)
            found[name] = found[name].cpu()  # waits for an accelerator
            seconds[name] += clock() - start
        num_ties += check_choices(found["reference"], found["ours"])
    theirs, ours = (total / options.questions for total in seconds.values())
    return (
        f"| {options.size} | {options.image_px} px | {num_candidates:,} | {options.questions} | "
        f"{options.batch} | {theirs:.3f} s | {ours:.3f} s | {theirs / ours:.1f} | {num_ties} |"
    )


@torch.no_grad()
def measure_memory(options: argparse.Namespace, num_candidates: int) -> str:
    """A line of the second table: one batch of ours, and the peak of this process."""
    model = make_model(options.size, options.device)
    world = World.draw(options.batch, num_candidates, options.image_px)
    batch = range(options.batch)
    start = time.perf_counter()
    encoded = encode(model, world, batch, options.device)
    score_candidates(model, encoded, world.questions, [world.answers] * options.batch)
    per_question = (time.perf_counter() - start) / options.batch
    return (
        f"| {options.size} | {options.image_px} px | {num_candidates:,} | {options.batch} | "
        f"{per_question:.3f} s | {peak_memory_mb():,.0f} MB |"
    )


def tabulate(options: argparse.Namespace) -> str:
    """The table as Markdown."""
    torch.set_num_threads(options.threads)
    if options.memory:
        heads = ["model", "image", "candidates", "at a time", "a question", "peak memory"]
        lines = [_measure_apart(num) for num in options.candidates]
    else:
        heads = ["model", "image", "candidates", "questions", "at a time", "reference", "ours",
                 "times", "ties"]  # fmt: skip
        lines = [compare(options, num) for num in options.candidates]
    now = datetime.now().astimezone().date().isoformat()
    return "\n".join([
        f"### Closed answer sets, {options.device}, {options.threads} threads, {now}",
        "",
        f"`python {' '.join(sys.argv)}`, {os.cpu_count()} cores "
        f"({platform.processor() or platform.machine()}), torch {torch.__version__}, float32, "
        f"load {os.getloadavg()[0]:.1f}; seconds are a question's (on a CPU those that the process "
        "had of a core), its encoder run included.",
        "",
        f"| {' | '.join(heads)} |",
        "|---" * len(heads) + "|",
        *lines,
        "",
    ])  # fmt: skip


def _measure_apart(num_candidates: int) -> str:
    """``measure_memory`` in a process of its own: a peak is a process's, and never falls."""
    kept = [argument for argument in sys.argv if argument != "--write"]
    command = [sys.executable, *kept, "--one", str(num_candidates)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def main() -> None:
    """Time, print and, with --write, keep the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--size", default="base")
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--candidates", type=int, nargs="+", default=[500])
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--image-px", type=int, default=384)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--write", action="store_true", help="add the table to RESULTS.md")
    options = parser.parse_args()
    if options.one:
        print(measure_memory(options, options.one))
    else:
        show(tabulate(options), options.write)


if __name__ == "__main__":
    main()
