"""What a small model learns from scratch of real files, beside what needs no learning.

    python benchmarks/learn.py pneumoniamnist --raw FOLDER [--seeds 3] [--write]
    python benchmarks/learn.py meqsum --raw FOLDER --try finetune.steps=600

The stages' own functions bring the files, phrase them, train and answer; only the vocabulary is
learnt from the data set alone. Splits are those of the demonstration's seed, the same for every
seed of training. ``--try`` changes settings and asks the validation split: with it the settings of
``CASES`` were chosen. Without it the test split is asked, once for each seed, and the curve over
the number of training examples is drawn on the validation split.

Seeds: mean and Student's t interval over them. Each seed: bootstrap over groups (images,
documents), as the report has it. A gain is a paired difference over the same test items.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
import yaml
from learn_tables import Learnt, Scores, of_interval, tell_curve, tell_others, tell_seeds
from results import show

from components.cards import CARDS, load_card
from components.config import Params
from components.dataset.left_out import FILE
from components.evaluation.baselines import rouge_l_f
from components.evaluation.conditions import FULL
from components.evaluation.examine import Exam, read_exam, sit_exam
from components.evaluation.predict import load_answerer
from components.evaluation.summary import WHOLE, summarize
from components.lineage import hash_bytes
from components.profiles.overlay import merge, read_profile
from components.records import Example, Overlap, Prediction, write_records
from components.run_plan import plan_run
from components.runs import dispatch
from components.schema import validate
from components.stages import acquire, prepare
from components.tokenization.vocabulary import train_vocabulary
from components.tuning import finetune_worker

SIZE, NUM_FITTED, WHOLE_SET = "debug", 200, 4000  # training items that are asked, and taken
ROOT, VOCABULARY = Path(__file__).resolve().parents[1], Path("data/vocabulary")
Guess = Callable[[Example], str]


@dataclass(frozen=True)
class Case:
    """How one data set is learnt and judged: its headline metric over one category of items.

    ``settings`` stand over the profile ``real``, section by section, and were chosen on the
    validation split; ``curve`` are shares of the training examples.
    """

    metric: str
    settings: dict[str, dict[str, Any]]
    subset: str = WHOLE
    curve: tuple[float, ...] = (0.3,)


CASES: dict[str, Case] = {
    "pneumoniamnist": Case(
        "balanced_accuracy",
        {"finetune": {"steps": 600, "effective_batch": 32, "micro_batch": 32, "image_px": 32,
                      "constrain_answers": True, "sampling": "balanced", "jitter": True,
                      "ema_decay": 0.99}},
        curve=(0.1, 0.3),
    ),
    "vqa_rad": Case(
        "vqa_accuracy",
        {"finetune": {"steps": 200, "effective_batch": 32, "micro_batch": 32,
                      "constrain_answers": True, "max_source_tokens": 48}},
        subset="closed",
    ),
    "meqsum": Case(
        "rouge_l",
        {"finetune": {"steps": 400, "learning_rate": 5.0e-4, "max_source_tokens": 80,
                      "max_target_tokens": 32, "group_by_length": True},
         "evaluate": {"beam": 1, "max_target_tokens": 32}},
    ),
    "pubmedqa": Case(
        "accuracy",
        {"finetune": {"steps": 80, "max_source_tokens": 256, "constrain_answers": True,
                      "group_by_length": True}},
    ),
}  # fmt: skip


def set_up(dataset: str, raw: Path, folder: Path, case: Case, num_train: int) -> Params:
    """Make ``folder`` the working folder, with the data set and a vocabulary in it."""
    (folder / "data").mkdir(parents=True)
    values = merge(read_profile("real"), case.settings, "settings")
    changes = {
        "datasets": [dataset], "pretrained_on": [], "zero_shot_on": [],
        "compute": {"device": "cpu"},
        "acquire": {"root": str(raw)},
        "prepare": {"max_train": num_train},
        "finetune": {"save_every": values["finetune"]["steps"]},
    }  # fmt: skip
    params = validate(Params, merge(values, changes, "settings"), "benchmarks/learn.py")
    os.chdir(folder)
    CARDS.symlink_to(ROOT / CARDS)
    acquire.run(params, dataset)
    prepare.run(params, dataset)
    write_records(FILE, Overlap, [])  # audit.drop is empty: nothing is left out
    settings, exam = params.build_vocabulary, ask(dataset, "train")
    texts = (text for e in exam.train for text in (e.source, e.target))
    vocabulary = train_vocabulary(texts, settings.num_merges, settings.num_codes, settings.num_bins)
    vocabulary.save(VOCABULARY)
    return params


def ask(dataset: str, split: str) -> Exam:
    """The items of a split, and what their answers are judged by; of ``train`` some, by hash."""
    card = load_card(dataset)
    more = [] if card.candidates == "none" else ["balanced_accuracy"]
    card = card.model_copy(update={"metrics": [*card.metrics, *more]})
    exam = read_exam(card, Path("data/examples") / dataset, split)
    if split != "train":
        return exam
    chosen = sorted(range(len(exam.test)), key=lambda i: hash_bytes(exam.test[i].id.encode()))
    kept = chosen[:NUM_FITTED]
    return replace(
        exam,
        test=[exam.test[i] for i in kept],
        candidates=[exam.candidates[i] for i in kept],
    )


def train(params: Params, dataset: str, seed: int) -> Path:
    """A model trained from fresh weights by the stage's worker; the seed is training's alone."""
    seeded = params.model_copy(update={"seed": seed})
    out = Path("data/models") / f"{SIZE}-{seed}"
    plan = plan_run(
        seeded, "finetune", SIZE, params.finetune.for_run(SIZE), start_from=None,
        inputs=[Path("data/examples") / dataset], out=out, dataset=dataset,
    )  # fmt: skip
    dispatch(finetune_worker, plan, workers=0)
    return out


def answer(params: Params, exam: Exam, model: Path, conditions: Sequence[str]) -> list[Prediction]:
    """What a model says to the items of an exam."""
    settings = params.evaluate.model_copy(update={"conditions": list(conditions)})
    answerer = load_answerer(model, VOCABULARY, params)
    return sit_exam(exam, answerer, settings, size=SIZE, seed=params.seed)


def guess_plainly(exam: Exam, subset: str) -> tuple[str, Guess]:
    """What nobody has to learn: the commonest answer of the subset, or the question's beginning.

    The number of words of the beginning is the one with the highest ROUGE-L on the train split.
    """
    if exam.baseline != "text":
        asked = [e for e in exam.train if subset in (WHOLE, e.category)]
        commonest = Counter(e.target.strip() for e in asked).most_common(1)[0][0]
        return f"majority ({commonest})", lambda _: commonest

    def lead(example: Example, num: int) -> str:
        return " ".join(example.source.split('"')[1].split()[:num])

    def worth(num: int) -> float:
        return sum(rouge_l_f(lead(e, num).split(), e.target.split()) for e in exam.train)

    longest = max(range(4, 61, 4), key=worth)
    return f"lead ({longest} words)", lambda example: lead(example, longest)


def rate(
    predictions: Sequence[Prediction], exam: Exam, params: Params, guess: Guess | None = None
) -> Scores:
    """Scores by metric and category; with ``guess`` beside its answers, not the baseline's."""
    if guess is not None:
        guessed = {example.id: guess(example) for example in exam.test}
        predictions = [replace(p, baseline=guessed[p.id]) for p in predictions]
    scores: Scores = summarize(predictions, exam.card, params.evaluate, params.seed)["scores"]
    return scores


def learn(params: Params, dataset: str, case: Case, seed: int, *, test: bool) -> Learnt:
    """Train once and score."""
    started = time.process_time()
    model = train(params, dataset, seed)
    seconds = time.process_time() - started
    splits = ("validation", "train", "test") if test else ("validation", "train")
    exams = {split: ask(dataset, split) for split in splits}
    conditions = {"test": params.evaluate.conditions}
    found = {s: answer(params, e, model, conditions.get(s, [FULL])) for s, e in exams.items()}
    plain = {}
    for split, exam in exams.items():
        _, guess = guess_plainly(exam, case.subset)
        plain[split] = rate(found[split], exam, params, guess)
    baseline = rate(found["test"], exams["test"], params) if test else {}
    return Learnt(
        seed, seconds, plain["validation"], plain["train"], plain.get("test", {}), baseline
    )


def compare(dataset: str, raw: Path, work: Path, case: Case, num_seeds: int) -> str:
    """Train with every seed, ask the test split, draw the curve: the tables of RESULTS.md."""
    params = set_up(dataset, raw, work / dataset, case, WHOLE_SET)
    exam, seeds = ask(dataset, "test"), [params.seed + n for n in range(num_seeds)]
    plain, _ = guess_plainly(exam, case.subset)
    runs = [learn(params, dataset, case, seed, test=True) for seed in seeds]
    points = {len(exam.train): runs}
    for share in case.curve:
        num = round(share * len(exam.train))
        fewer = set_up(dataset, raw, work / f"{dataset}-{num}", case, num)
        points[num] = [learn(fewer, dataset, case, seed, test=False) for seed in seeds[:1]]
    lines = [
        f"### {exam.card.title}, {case.metric} of {case.subset}, {len(exam.train)} training "
        f"examples, {datetime.now().astimezone():%Y-%m-%d}",
        "",
        f"`python benchmarks/learn.py {dataset} --raw FOLDER --seeds {num_seeds} --write`, one of "
        f"{os.cpu_count()} cores ({platform.machine()}), torch {torch.__version__}. "
        + describe(params, case, runs),
        "",
        *tell_seeds(case.metric, case.subset, runs, plain),
        "",
        tell_others(case.metric, case.subset, runs),
        "",
        *tell_curve(case.metric, case.subset, points),
        "",
    ]
    return "\n".join(lines)


def describe(params: Params, case: Case, runs: Sequence[Learnt]) -> str:
    """What was trained, at what cost, and on how many items it is judged, in two sentences."""
    shown = runs[0].test[case.metric][case.subset]
    names = sorted({*case.settings["finetune"], "learning_rate", "warmup", "label_smoothing"})
    settings = ", ".join(f"{name} {getattr(params.finetune, name)}" for name in names)
    if "evaluate" in case.settings:
        settings += f", beam {params.evaluate.beam}"
    seconds = statistics.mean(run.seconds for run in runs)
    return (
        f"Size {SIZE} from fresh weights, {seconds:.0f} s of processor time a model: {settings}. "
        f"{shown['n']} test items in {shown['groups']} groups."
    )


def explore(dataset: str, raw: Path, work: Path, case: Case) -> str:
    """One model with other settings, on validation alone."""
    params = set_up(dataset, raw, work / dataset, case, WHOLE_SET)
    run = learn(params, dataset, case, params.seed, test=False)
    told = [f"{dataset}, {run.seconds:.0f} s of processor time, validation beside plain guess:"]
    for name, subsets in run.validation.items():
        for subset, score in subsets.items():
            fit = run.fitted[name].get(subset, {"value": math.nan})["value"]
            told.append(
                f"{name} {subset}: {of_interval(score)}, plain {score['baseline']:.1f}, "
                f"training items {fit:.1f}"
            )
    return "\n".join(told)


def read(words: Sequence[str]) -> dict[str, dict[str, Any]]:
    """SECTION.KEY=VALUE, as sections."""
    changes: dict[str, dict[str, Any]] = {}
    for change in words:
        name, value = change.split("=", 1)
        section, key = name.split(".", 1)
        changes.setdefault(section, {})[key] = yaml.safe_load(value)
    return changes


def main() -> None:
    """Explore on validation with ``--try``, else ask the test and print or write the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("dataset", choices=CASES)
    parser.add_argument("--raw", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--try", dest="changes", nargs="*", metavar="SECTION.KEY=VALUE")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    case, raw = CASES[given.dataset], given.raw.resolve()
    with tempfile.TemporaryDirectory() as work:
        if given.changes is None:
            table = compare(given.dataset, raw, Path(work), case, given.seeds)
        else:
            tried = replace(case, settings=merge(case.settings, read(given.changes), "--try"))
            table = explore(given.dataset, raw, Path(work), tried)
        os.chdir(ROOT)
    show(table, given.write and given.changes is None)


if __name__ == "__main__":
    main()
