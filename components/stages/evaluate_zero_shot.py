"""evaluate_zero_shot: ask one instructed model about data sets that it never saw, and score it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from components.cards import load_card
from components.config import Params
from components.evaluation.examine import read_zero_shot_exam, sit_exam
from components.evaluation.passport import issue_passport
from components.evaluation.predict import load_answerer
from components.evaluation.scoring import check_split
from components.evaluation.summary import summarize
from components.lineage import write_manifest
from components.records import Prediction, write_records
from components.stages.door import enter, limit_threads

VOCABULARY = Path("data/vocabulary")


def run(params: Params, size: str) -> None:
    """Predict every data set of ``zero_shot_on``, write predictions and scores."""
    limit_threads(params.compute.threads)
    model = Path("data/models/instructed") / size
    answerer = load_answerer(model, VOCABULARY, params)
    predictions: list[Prediction] = []
    scores: dict[str, Any] = {}
    exams = {
        name: read_zero_shot_exam(load_card(name), Path("data/examples") / name)
        for name in params.zero_shot_on
    }
    for name, exam in exams.items():
        found = sit_exam(exam, answerer, params.evaluate, size=size, seed=params.seed)
        check_split(found, exam.test, name)
        predictions += found
        scores[name] = summarize(found, exam.card, params.evaluate, params.seed)
        scores[name] |= exam.describe_answers()
        main = scores[name]["scores"][scores[name]["headline"]]["all"]
        print(f"{name} {size}: zero-shot {main['value']:.1f}, baseline {main['baseline']:.1f}")
    folder = Path("data/predictions/zero_shot") / size
    file = folder / "predictions.parquet"
    write_records(file, Prediction, predictions)
    for name, exam in exams.items():
        scores[name]["passport"] = issue_passport(
            exam,
            params,
            examples=Path("data/examples") / name,
            models=[model],
            predictions=[file],
        )
    path = Path("data/metrics/zero_shot") / f"{size}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(scores, indent=1, sort_keys=True) + "\n")
    write_manifest(
        folder,
        stage="evaluate_zero_shot",
        identity={"size": size},
        settings={**params.evaluate.model_dump(), "seed": params.seed},
        inputs=[VOCABULARY, model, *(Path("data/examples") / name for name in params.zero_shot_on)],
        counts={"in": len(predictions), "out": len(predictions)},
    )


if __name__ == "__main__":
    enter("evaluate_zero_shot", run, "size")
