"""evaluate: answer one data set's test split with one fine-tuned model, and score the answers."""

from __future__ import annotations

import json
from pathlib import Path

from components.cards import load_card
from components.config import Params
from components.evaluation.calibration import write_calibration
from components.evaluation.examine import read_exam, sit_exam
from components.evaluation.passport import issue_passport
from components.evaluation.predict import load_answerer
from components.evaluation.scoring import check_split
from components.evaluation.summary import summarize
from components.evaluation.temperature import calibrate
from components.lineage import write_manifest
from components.records import Prediction, write_records
from components.stages.door import enter, limit_threads
from components.training_config import SEED_FOLDER

VOCABULARY, FINETUNED = Path("data/vocabulary"), Path("data/models/finetuned")
ANSWERS = Path("data/answers/finetuned")  # not DVC's: what is here is only a way to go on
FACTS = ("task", "answers", "candidates", "metrics")


def run(params: Params, size: str, dataset: str) -> None:
    """Predict under every condition, write predictions and scores; of each seed's model.

    How sure its answers may be called is fitted on the validation split, of the first model alone.
    """
    limit_threads(params.compute.threads)
    card, examples = load_card(dataset), Path("data/examples") / dataset
    model = FINETUNED / size / dataset
    exam = read_exam(card, examples)
    folder = Path("data/predictions") / size / dataset
    repeats, files = [], []
    models = [model, *sorted(model.glob(f"{SEED_FOLDER}*"))]
    for path in models:
        answerer = load_answerer(path, VOCABULARY, params)
        kept = ANSWERS / path.relative_to(FINETUNED) if params.compute.keep_answers else None
        answers = sit_exam(exam, answerer, params.evaluate, size=size, seed=params.seed, kept=kept)
        check_split(answers, exam.test, dataset)
        name = "predictions" if path == model else path.name
        files.append(folder / f"{name}.parquet")
        write_records(files[-1], Prediction, answers)
        repeats.append(answers)
        if path == model and (fitted := calibrate(card, examples, answerer)):
            write_calibration(fitted, folder)
    predictions = repeats.pop(0)
    scores = summarize(predictions, card, params.evaluate, params.seed, repeats)
    scores |= exam.describe_answers()
    scores["passport"] = issue_passport(
        exam, params, examples=examples, models=models, predictions=files
    )
    path = Path("data/metrics") / size / f"{dataset}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(scores, indent=1, sort_keys=True) + "\n")
    main = scores["scores"][scores["headline"]]["all"]
    line = f"{card.title} {size}: {scores['headline']} {main['value']:.1f} on {main['n']} items"
    line += f", baseline {main['baseline']:.1f}"
    print(line + (f", blank image {main['blank']:.1f}" if "blank" in main else ""))
    num_answers = len(predictions) * (1 + len(repeats))
    write_manifest(
        folder,
        stage="evaluate",
        identity={"size": size, "dataset": dataset},
        settings={**params.evaluate.model_dump(), "seed": params.seed, "card": card.facts(*FACTS)},
        inputs=[VOCABULARY, examples, model],
        counts={"in": num_answers, "out": num_answers},
    )


if __name__ == "__main__":
    enter("evaluate", run, "size", "dataset")
