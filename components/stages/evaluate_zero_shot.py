"""evaluate_zero_shot: ask a size about a data set that it was not tuned on, before and after it was
instructed, in its own words and out of the answer set."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from components.cards import load_card
from components.config import Params
from components.evaluation.alignment import score_alignment
from components.evaluation.conditions import BLANK, CHOSEN, FULL, OPEN
from components.evaluation.examine import (
    Exam,
    own_answers,
    read_zero_shot_exam,
    sit_exam,
)
from components.evaluation.headlines import write_scores
from components.evaluation.passport import issue_passport
from components.evaluation.predict import Answerer, load_answerer
from components.evaluation.scoring import check_split
from components.evaluation.summary import summarize
from components.lineage import write_manifest
from components.records import Prediction, write_records
from components.stages.door import enter, limit_threads

VOCABULARY, EXAMPLES, MODELS = Path("data/vocabulary"), Path("data/examples"), Path("data/models")
ANSWERS = Path("data/answers")  # not DVC's, as in evaluate
PRETRAINED, INSTRUCTED = "pretrained", "instructed"
ASKED = ("task", "answers", "candidates")  # predictions are the same by whatever they are scored
FACTS = (*ASKED, "metrics")


def run(params: Params, size: str, dataset: str) -> None:
    """Answer the test split of one data set; write predictions of each model, and scores.

    The scores are those of the instructed model, answering as the card allows, with and without
    the image; ``compared`` has both models with both ways to answer, under the condition ``full``.
    """
    limit_threads(params.compute.threads)
    card, examples = load_card(dataset), EXAMPLES / dataset
    folder = Path("data/predictions/zero_shot") / size / dataset
    predictions: defaultdict[str, list[Prediction]] = defaultdict(list)
    compared: list[dict[str, Any]] = []
    for model in (PRETRAINED, INSTRUCTED):
        answerer = load_answerer(MODELS / model / size, VOCABULARY, params)
        for answers in (OPEN, CHOSEN) if card.candidates != "none" else (OPEN,):
            exam = read_zero_shot_exam(card, examples, answers)
            is_main = model == INSTRUCTED and answers == own_answers(card)
            found = _sit(exam, answerer, params, size, f"{model}/{answers}", is_main=is_main)
            check_split(found, exam.test, dataset)
            summary = summarize(found, exam.card, params.evaluate, params.seed)
            full = [prediction for prediction in found if prediction.condition == FULL]
            compared.append(_compare(model, answers, summary, full, params))
            predictions[f"{model}_{answers}"] += full
            if is_main:
                predictions["predictions"] += found
                main, scores = exam, summary | exam.describe_answers()
    for name, answered in predictions.items():
        write_records(folder / f"{name}.parquet", Prediction, answered)
    scores["compared"] = compared
    scores["passport"] = issue_passport(
        main,
        params,
        examples=examples,
        models=[MODELS / INSTRUCTED / size],
        predictions=[folder / "predictions.parquet"],
    )
    write_scores(scores, f"zero_shot/{size}/{dataset}")
    num_answers = sum(map(len, predictions.values()))
    write_manifest(
        folder,
        stage="evaluate_zero_shot",
        identity={"size": size, "dataset": dataset},
        settings={**params.evaluate.model_dump(), "seed": params.seed, "card": card.facts(*ASKED)},
        inputs=[VOCABULARY, examples, *(MODELS / of / size for of in (PRETRAINED, INSTRUCTED))],
        counts={"in": num_answers, "out": num_answers},
    )


def _sit(
    exam: Exam, answerer: Answerer, params: Params, size: str, way: str, *, is_main: bool
) -> list[Prediction]:
    # A search takes ten times as long as a choice; a grey image costs it each question once.
    asked = (FULL, BLANK) if is_main else (FULL,)
    conditions = [name for name in params.evaluate.conditions if name in asked]
    settings = params.evaluate.model_copy(update={"conditions": conditions})
    kept = ANSWERS / "zero_shot" / size / exam.card.name / way
    return sit_exam(
        exam,
        answerer,
        settings,
        size=size,
        seed=params.seed,
        kept=kept if params.compute.keep_answers else None,
    )


def _compare(
    model: str, answers: str, summary: dict[str, Any], full: list[Prediction], params: Params
) -> dict[str, Any]:
    main = summary["scores"][summary["headline"]]["all"]
    print(f"{summary['dataset']} {model}, {answers}: zero-shot {main['value']:.1f}")
    return {
        "model": model,
        "answers": answers,
        **{key: main[key] for key in ("value", "low", "high", "n")},
        "alignment": score_alignment(full, params.evaluate, params.seed),
    }


if __name__ == "__main__":
    enter("evaluate_zero_shot", run, "size", "dataset")
