"""A fine-tuned model in the LM Evaluation Harness, beside what the stage ``evaluate`` found.

    biomedgpt export-tasks tasks
    python benchmarks/harness.py tasks --size micro --dataset mednli

needs ``lm-eval`` (and ``datasets``, which it brings). The harness compares likelihoods of whole
choices, ``evaluate`` renormalises them over the list at each token, so that a chosen answer may
differ; of free text the two are the same search.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from components.cards import load_card
from components.config import load_params
from components.evaluation.predict import load_answerer
from components.interop.export import TEXT
from components.interop.harness import run_tasks
from components.interop.task_files import PREFIX
from components.tasks.registry import TASKS


def main() -> None:
    """Print each metric, the harness' value and this project's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tasks", type=Path, help="what biomedgpt export-tasks wrote")
    parser.add_argument("--size", required=True)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--samples", type=Path, help="a file for the samples, for biomedgpt score")
    arguments = parser.parse_args()
    params, card = load_params(), load_card(arguments.dataset)
    model = Path("data/models/finetuned") / arguments.size / card.name
    answerer = load_answerer(model, Path("data/vocabulary"), params)
    ours = json.loads(Path(f"data/metrics/{arguments.size}/{card.name}.json").read_text())
    samples = arguments.samples.resolve() if arguments.samples else None
    os.chdir(arguments.tasks)  # a task names its data by file
    found = run_tasks(answerer, TASKS[card.task], [PREFIX + card.name], Path(TEXT))
    for metric in card.metrics:
        theirs = found["results"][PREFIX + card.name][f"{metric},none"]
        value = ours["scores"][metric]["all"]["value"]
        print(f"{card.name} {metric}: in the harness {theirs:.4f}, by evaluate {value:.4f}")
    if samples:
        rows = found["samples"][PREFIX + card.name]
        samples.write_text("".join(json.dumps(row, default=str) + "\n" for row in rows))


if __name__ == "__main__":
    main()
