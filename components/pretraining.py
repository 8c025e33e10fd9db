"""The worker of pretraining: read what the plan names, feed the loop."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from components.dataset.codes import hidden_side
from components.dataset.images import ImageStore
from components.dataset.left_out import LeftOut
from components.dataset.pretrain_feed import Mixing, PretrainFeed, PretrainMaterial
from components.dataset.windows import Documents, mark_sections
from components.errors import UserError
from components.lineage import read_manifest
from components.progress import say
from components.records import Article, Example, Figure, ImageCodes, read_records
from components.run_plan import RunPlan, identify, run_limits
from components.runs import run_training, start_model
from components.tasks.caption import PROMPT
from components.tasks.registry import PAIRED_TASKS
from components.tokenization.vocabulary import Vocabulary

IMAGES = "images.parquet"
DETECT, TEXTS = "detect", "infill_text"


def pretrain_worker(settings: dict[str, Any]) -> None:
    """Train on image-text pairs, texts, image codes and boxes."""
    plan = RunPlan(**settings)
    vocabulary = Vocabulary.load(Path(plan.vocabulary))
    # data/pretraining names the sets that follow it, and is read by whoever traces the model
    articles, codes, _, *sets = (Path(path) for path in plan.inputs)
    left_out = LeftOut(Path(plan.left_out))
    material = read_material(articles, codes, sets, left_out)
    if not material.pairs:
        raise UserError(
            "there is no image-text pair to pretrain on",
            why="pretrained_on and pretraining_sources in params.yaml name none, no article has a "
            "figure with a caption, and the other streams are counted from the pairs",
            next_command="name a data set with images under pretrained_on",
        )
    images = [articles / "images", *(folder / IMAGES for folder in sets)]
    store = ImageStore(images, plan.settings["image_px"])
    feed = PretrainFeed(
        material,
        vocabulary,
        store,
        run_limits(plan),
        Mixing(
            plan.settings["mixture"],
            plan.settings["mask_ratio"],
            hidden_side(store.image_px, read_manifest(codes)["settings"]["crop"]),
            plan.settings["augment"],
        ),
    )
    say(
        f"pretraining on {len(material.pairs)} image-text pairs, {len(material.texts)} texts in "
        f"{len(feed.windows or ())} windows, {len(material.codes)} images with codes, "
        f"{len(material.detections)} images with boxes; "
        f"{left_out.count(plan.inputs)} items are left out by audit.drop"
    )
    if feed.num_cut:
        say(f"{feed.num_cut} of {len(material.pairs)} pairs were cut to the limits")
    if feed.num_crowded:
        say(f"{feed.num_crowded} images have more boxes than max_target_tokens holds")
    truncated = feed.num_cut + feed.num_crowded
    counts = {"dropped": left_out.count(plan.inputs), "truncated": truncated}
    run_training(plan, start_model(plan, vocabulary), feed, identify(plan), counts=counts)


def read_material(
    articles: Path, codes: Path, sets: list[Path], left_out: LeftOut
) -> PretrainMaterial:
    """Train splits of the sets by task, figures with their captions, article texts, codes.

    Texts are never all in memory.
    """
    found = (e for folder in sets for e in read_records(folder / "examples.parquet", Example))
    shown = [e for e in found if e.task != TEXTS]
    train = [e for e in shown if e.split == "train"]
    train += [_caption(f) for f in read_records(articles / "figures", Figure)]
    pairs = left_out.keep_examples([e for e in train if e.task in PAIRED_TASKS], "pretrain")
    kept_out = {e.image_id for e in shown if e.split != "train"} | left_out.hide_images(train)
    coded = [
        (c.image_id, array("i", c.codes))  # a list of so many numbers takes nine times the memory
        for c in read_records(codes / "codes", ImageCodes)
        if c.image_id not in kept_out
    ]
    detections = left_out.keep_examples([e for e in train if e.task == DETECT], "pretrain")
    texts = Documents(read_texts(articles, sets, left_out))
    return PretrainMaterial(pairs, texts, coded, detections)


def read_texts(articles: Path, sets: list[Path], left_out: LeftOut) -> Iterator[str]:
    """Each article that stays, with its sections marked, then the texts of the sets."""
    for article in filter(left_out.keeps_article, read_records(articles / "articles", Article)):
        yield f"{article.title}\n{mark_sections(article.text, article.sections)}"
    for folder in sets:
        for example in read_records(folder / "examples.parquet", Example):
            is_left_out = (example.dataset, example.id) in left_out.items
            if example.task == TEXTS and example.split == "train" and not is_left_out:
                yield example.target


def _caption(figure: Figure) -> Example:
    return Example(
        id=figure.id,
        dataset="pmc_oa",
        task="caption",
        split="train",
        source=PROMPT,
        target=f" {figure.caption}",
        image_id=figure.image_id,
        modality=figure.modality,
        origin=figure.origin,
    )
