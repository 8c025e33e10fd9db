"""How much of a batch is padding, as examples are drawn and in groups of like length.

    python benchmarks/padding.py --write      # in a folder where `make real` has run

Of an effective batch that is one micro-batch, as a small machine has it, and of one of sixteen, as
in the profiles of the large sizes: there like lengths share a micro-batch in any case. Shares are
of the positions of encoder and decoder, over all steps; nothing is timed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from results import show

from components.cards import load_card
from components.config import load_params
from components.dataset.example_feed import Drawing, ExampleFeed
from components.dataset.feeds import Limits, load_examples
from components.model.specials import PAD
from components.tokenization.vocabulary import Vocabulary
from components.training.step import Parts

MICRO, BATCHES, STEPS = 16, (16, 256), 80


def measure() -> Iterator[str]:
    """A row of the table for each data set of params.yaml."""
    params = load_params()
    vocabulary = Vocabulary.load(Path("data/vocabulary"))
    for name in params.datasets:
        settings = params.finetune.for_run(params.sizes[0], load_card(name).recipe)
        longest = (settings.max_source_tokens, settings.max_target_tokens)
        examples = [
            replace(e, image_id="") for e in load_examples(Path("data/examples") / name, "train")
        ]
        shares = []
        for batch in BATCHES:
            for grouped in (False, True):
                drawing = Drawing(group_by_length=grouped)
                feed = ExampleFeed(
                    examples, vocabulary, None, Limits(batch, MICRO, *longest, 1), drawing
                )
                shares.append(padding(feed.parts(step) for step in range(1, STEPS + 1)))
        cells = " | ".join(f"{share:.1%}" for share in shares)
        yield f"| {name} | {len(examples):,} | {cells} |"


def padding(steps: Iterator[Parts]) -> float:
    """The share of the positions of encoder and decoder that hold nothing."""
    empty = whole = 0
    for parts in steps:
        for batch in (batch for part in parts for batch in part):
            for ids in (batch.source_BS, batch.prev_BT):
                empty += int((ids == PAD).sum())
                whole += ids.numel()
    return empty / whole


def main() -> None:
    """Print the table; ``--write`` adds it to RESULTS.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    lines = [
        f"### Padding of fine-tuning, {datetime.now().astimezone():%Y-%m-%d}",
        "",
        f"`python benchmarks/padding.py`, micro-batches of {MICRO}, {STEPS} steps.",
        "",
        "| data set | training examples "
        + "".join(f"| batch of {n}, as drawn | grouped " for n in BATCHES)
        + "|",
        "|---|---|" + "---|---|" * len(BATCHES),
        *measure(),
    ]
    show("\n".join(lines) + "\n", given.write)


if __name__ == "__main__":
    main()
