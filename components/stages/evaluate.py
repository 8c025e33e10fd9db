"""evaluate: answer one data set's test split with one fine-tuned model, and score the answers."""

from __future__ import annotations

import json
from pathlib import Path

from components.cards import load_card
from components.config import Params
from components.evaluation.examine import read_exam, sit_exam
from components.evaluation.predict import load_answerer
from components.evaluation.summary import summarize
from components.lineage import write_manifest
from components.records import Prediction, write_records
from components.stages.door import enter, limit_threads

VOCABULARY = Path("data/vocabulary")
FACTS = ("task", "answers", "candidates", "metrics")


def run(params: Params, size: str, dataset: str) -> None:
    """Predict under every condition, write predictions and scores."""
    limit_threads(params.compute.threads)
    card, examples = load_card(dataset), Path("data/examples") / dataset
    model = Path("data/models/finetuned") / size / dataset
    answerer = load_answerer(model, VOCABULARY, params)
    exam = read_exam(card, examples)
    predictions = sit_exam(exam, answerer, params.evaluate, size=size, seed=params.seed)
    folder = Path("data/predictions") / size / dataset
    write_records(folder / "predictions.parquet", Prediction, predictions)
    scores = summarize(predictions, card, params.evaluate, params.seed)
    scores |= exam.describe_answers()
    path = Path("data/metrics") / size / f"{dataset}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(scores, indent=1, sort_keys=True) + "\n")
    main = scores["scores"][scores["headline"]]["all"]
    line = f"{card.title} {size}: {scores['headline']} {main['value']:.1f} on {main['n']} items"
    line += f", baseline {main['baseline']:.1f}"
    print(line + (f", blank image {main['blank']:.1f}" if "blank" in main else ""))
    write_manifest(
        folder,
        stage="evaluate",
        identity={"size": size, "dataset": dataset},
        settings={**params.evaluate.model_dump(), "seed": params.seed, "card": card.facts(*FACTS)},
        inputs=[VOCABULARY, examples, model],
        counts={"in": len(predictions), "out": len(predictions)},
    )


if __name__ == "__main__":
    enter("evaluate", run, "size", "dataset")
