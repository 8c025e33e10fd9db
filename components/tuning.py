"""The workers of fine-tuning and instruction tuning: read what the plan names, feed the loop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.cards import CARDS, load_card
from components.dataset.answer_sets import candidate_sets
from components.dataset.balance import AS_IS, choose_balance
from components.dataset.example_feed import Drawing, ExampleFeed
from components.dataset.feeds import load_examples
from components.dataset.images import ImageStore
from components.dataset.left_out import LeftOut
from components.errors import UserError
from components.progress import say
from components.records import Example, read_records
from components.run_plan import RunPlan, identify, run_limits
from components.runs import run_training, start_model
from components.tokenization.vocabulary import Vocabulary
from components.training.validation import HeldOut

IMAGES = "images.parquet"


def finetune_worker(settings: dict[str, Any]) -> None:
    """Tune on the train split of one data set."""
    _tune(RunPlan(**settings))


def instruct_worker(settings: dict[str, Any]) -> None:
    """Tune on the train split of the instruction examples, drawn as ``sampling`` says."""
    _tune(RunPlan(**settings))


def _tune(plan: RunPlan) -> None:
    vocabulary = Vocabulary.load(Path(plan.vocabulary))
    folder = Path(plan.inputs[0])
    examples = load_examples(folder, "train")
    found = len(examples)
    examples = LeftOut(Path(plan.left_out)).keep_examples(examples, plan.stage)
    if len(examples) < found:
        say(f"{found - len(examples)} of {found} training examples are left out by audit.drop")
    store = ImageStore([folder / IMAGES], plan.settings["image_px"])
    feed = ExampleFeed(
        examples, vocabulary, store, run_limits(plan), choose_drawing(plan, examples)
    )
    if feed.num_cut:
        say(f"{feed.num_cut} of {len(examples)} examples were cut to the token limits")
    counts = {"dropped": found - len(examples), "truncated": feed.num_cut}
    held_out = _held_out(plan, vocabulary, store) if plan.settings["validate_every"] else None
    model = start_model(plan, vocabulary)
    run_training(plan, model, feed, identify(plan), counts=counts, held_out=held_out)


def _held_out(plan: RunPlan, vocabulary: Vocabulary, store: ImageStore) -> HeldOut:
    """The validation split, as the loop looks at it; UserError where there is none."""
    examples = load_examples(Path(plan.inputs[0]), "validation")
    drawing = Drawing(answers=choose_drawing(plan, examples).answers)
    return ExampleFeed(examples, vocabulary, store, run_limits(plan), drawing).batches


def choose_drawing(plan: RunPlan, examples: list[Example]) -> Drawing:
    """How the examples are drawn and shown; some settings are of one of the two stages alone.

    ``sampling`` weighs the answers of a data set, and the modalities of conversations.
    """
    values = plan.settings
    converses = plan.stage == "instruct"
    kinds = [e.modality or "unknown" for e in examples] if converses else []
    balanced = [e.modality if converses else e.target for e in examples]
    sampling = (values.get("sampling", AS_IS), values.get("temperature", 1.0))
    return Drawing(
        balance=choose_balance(balanced, *sampling),
        kinds=kinds,
        target_noise=values.get("target_noise", 0.0),
        answers=_answer_sets(plan, examples) if values.get("constrain_answers") else (),
        group_by_length=values["group_by_length"],
        jitter=values.get("jitter", False),
        augment=values["augment"],
    )


def _answer_sets(plan: RunPlan, examples: list[Example]) -> list[list[str]]:
    """What each example's answer is chosen from, in training as in evaluation."""
    card = load_card(plan.dataset)
    if card.candidates == "none":
        raise UserError(
            f"constrain_answers is set for {plan.dataset}, whose answers are free text",
            why=f"`candidates` of its card ({CARDS / plan.dataset}.yaml) is none",
            next_command="unset constrain_answers, or name the answers in the card",
        )
    every = read_records(Path(plan.inputs[0]) / "examples.parquet", Example)
    known = [e for e in every if card.candidates == "paper" or e.split != "test"]
    return candidate_sets(card, known, examples)
