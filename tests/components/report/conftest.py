"""A made-up run, rich enough to fill every part of the page."""

from __future__ import annotations

import hashlib
import io
import math
import random
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from components.cards import Card, Files, Published, Source
from components.config import Params
from components.evaluation.intervals import Interval
from components.evaluation.metrics import METRICS, REFERENCE_METRICS
from components.profiles.overlay import read_profile
from components.report.inputs import (
    Corpus,
    Lengths,
    QuarantineGroup,
    Reply,
    ReportInputs,
    Sample,
    ScaleGain,
    Scores,
    SourceFile,
    TokenCounts,
)
from components.schema import validate

SETS: dict[str, tuple[str, str, str, str, str]] = {
    "vqa_rad": ("VQA-RAD", "vqa", "train", "vqa_accuracy", "CC0 1.0"),
    "slake": ("SLAKE", "vqa", "train", "vqa_accuracy", "CC BY 4.0"),
    "iu_xray": ("IU X-ray", "caption", "none", "cider", "CC BY-NC-ND 4.0"),
    "pneumoniamnist": ("PneumoniaMNIST", "classify", "fixed", "accuracy", "CC BY 4.0"),
    "mednli": ("MedNLI", "understand", "fixed", "accuracy", "PhysioNet credentialed"),
    "meqsum": ("MeQSum", "summarize", "none", "rouge_l", "CC BY 4.0"),
    "pubmedqa": ("PubMedQA", "answer", "options", "accuracy", "MIT"),
    "medmcqa": ("MedMCQA", "answer", "options", "accuracy", "Apache-2.0"),
}
WITH_IMAGES = ("vqa", "caption", "classify")


def make_card(name: str) -> Card:
    title, task, candidates, metric, licence = SETS[name]
    access = "credentialed" if "PhysioNet" in licence else "open"
    source = Source(
        url="https://example.org", version="2024", licence=licence, access=access,  # type: ignore[arg-type]
        how_to_get="download it", citation="Someone 2020", downloads=[],
    )  # fmt: skip
    return Card(
        name=name, title=title, task=task, benchmark=True, source=source, folders=[name],  # type: ignore[arg-type]
        files={"rows": Files(patterns=["*.json"])}, reader="json_rows",
        official_splits=["train", "test"] if name != "meqsum" else [], candidates=candidates,  # type: ignore[arg-type]
        answers={"0": "no", "1": "yes"} if candidates == "fixed" else {},
        metrics=[metric, "token_f1"] if task == "vqa" else [metric], options={}, modality="",
        recipe={},
        overlaps={"same_image": "the questions were divided"} if name == "vqa_rad" else {},
        published=publish(name),
    )  # fmt: skip


def publish(name: str) -> list[Published]:
    """Figures with and without evidence, of tuned models and of one that was not."""
    told = {
        "vqa_rad": [("accuracy, closed", 81.5, "[F: a paper] table 2", False),
                    ("accuracy", 52.5, "[D: a figure] read off it", True)],
        "iu_xray": [("CIDEr", 43.25, "[F: a paper] table 3", False)],
        "mednli": [("accuracy", 77.7, "[M] as someone remembers", False),
                   ("accuracy", 88.8, "by hearsay", False)],
    }  # fmt: skip
    return [
        Published(model="another model", metric=metric, value=value, evidence=words, zero_shot=zero)
        for metric, value, words, zero in told.get(name, [])
    ]


def make_subset(
    generator: random.Random, level: float, baseline: float, n: int, image: bool, unit: float
) -> dict[str, Any]:
    half = 160 / math.sqrt(n) * unit / 3
    gain = level - baseline
    blank = baseline + gain * generator.choice([0.1, 0.3, 0.95])
    made: dict[str, Any] = {
        "value": level, "low": max(level - half, 0), "high": level + half, "n": n,
        "groups": n // 2, "baseline": baseline, "baseline_low": max(baseline - half, 0),
        "baseline_high": baseline + half, "baseline_gain": gain,
        "baseline_gain_low": gain - half * 0.9, "baseline_gain_high": gain + half * 0.9,
        "beats_baseline": gain > half * 0.9,
    }  # fmt: skip
    if image:
        seen = level - blank
        made |= {
            "blank": blank, "blank_low": max(blank - half, 0), "blank_high": blank + half,
            "visual_gain": seen, "visual_gain_low": seen - half * 0.7,
            "visual_gain_high": seen + half * 0.7, "falls_when_blank": seen > half * 0.7,
            "conditions": {
                name: {"value": blank, "low": max(blank - half, 0), "high": blank + half,
                       "gain": seen, "gain_low": seen - half * 0.7, "gain_high": seen + half * 0.7}
                for name in ("blank", "noise", "swapped", "text_only")
            },
        }  # fmt: skip
    return made


def add_paper(made: dict[str, Any], told: bool) -> dict[str, Any]:
    """A subset's scores, where told with what the reference's scripts would say."""
    if not told:
        return made
    paper = {f"paper{end}": made[key] / 2
             for end, key in (("", "value"), ("_low", "low"), ("_high", "high"))}  # fmt: skip
    return made | paper


def make_metrics(names: list[str], strength: float, size: str) -> Scores:
    generator = random.Random(size)
    scores: Scores = {}
    for name in names:
        card = make_card(name)
        image = card.task in WITH_IMAGES
        subsets = ["all", "closed", "open"] if card.task == "vqa" else ["all"]
        unit = 3.0 if card.metrics[0] == "cider" else 1.0
        baseline = generator.uniform(20, 45)
        scores[name] = {
            "dataset": name, "size": size, "task": card.task, "candidates": card.candidates,
            "num_candidates": 2 if card.candidates in ("train", "fixed") else None,
            "answers_outside": None if card.candidates == "none" else 12.5,
            "headline": card.metrics[0],
            "scores": {
                metric: {
                    subset: add_paper(make_subset(
                        generator, (baseline + generator.uniform(-2, 30) * strength) * unit,
                        baseline * unit, 250 // (1 + (subset != "all")), image, unit,
                    ), (card.task, metric) in REFERENCE_METRICS)
                    for subset in subsets
                }
                for metric in card.metrics
            },
            "metrics": [
                {key: getattr(METRICS[metric], key)
                 for key in ("name", "title", "version", "unit", "definition", "differs")}
                | {"paper": REFERENCE_METRICS.get((card.task, metric), "")}
                for known in card.metrics
                for metric in (known, REFERENCE_METRICS.get((card.task, known)))
                if metric
            ],
            "empty_answers": 3 if name == "meqsum" else 0,
        }  # fmt: skip
    return scores


def make_manifest(
    stage: str, inputs: list[str], num_in: int, aside: dict[str, int] | None = None, **notes: Any
) -> dict[str, Any]:
    reasons = aside or {}
    num_aside = sum(reasons.values())
    return {
        "stage": stage, "identity": {}, "version": "0.1.0",
        "code_sha256": hashlib.sha256(stage.encode()).hexdigest(), "settings": {"steps": num_in},
        "inputs": dict.fromkeys(inputs, "0" * 64), "access": [],
        "counts": {
            "in": num_in, "out": num_in - num_aside, "quarantined": num_aside,
        },
        "quarantine": reasons, "rules": [name for name in reasons if name == "over-limit"],
        "notes": notes,
        "files": {"examples.parquet": {"bytes": 4321 * num_in, "sha256": "0" * 64}},
    }  # fmt: skip


def make_manifests(params: Params) -> dict[str, dict[str, Any]]:
    made = {f"data/raw/{name}": make_manifest("acquire", [], 3)
            for name in [*params.datasets, *params.sources]}  # fmt: skip
    made["data/articles"] = make_manifest(
        "ingest_pubmed", ["data/raw/pubmed", "data/raw/pmc_oa"], 1260, {"retracted": 14, "short": 9}
    )
    examples = [f"data/examples/{name}" for name in params.datasets]
    for name in params.datasets:
        derived = ["train", "validation", "test"] if name == "meqsum" else []
        made[f"data/examples/{name}"] = make_manifest(
            "prepare", [f"data/raw/{name}"], 1200,
            {"unreadable-image": 4} if name == "slake" else {"over-limit": 30},
            derived_splits=derived,
        )  # fmt: skip
    made["data/instructions"] = make_manifest(
        "prepare_biomed_vital", ["data/raw/biomed_vital"], 600
    )
    made["data/vocabulary"] = make_manifest("build_vocabulary", ["data/articles", *examples], 9000)
    made["data/pretraining"] = make_manifest("gather_pretraining", examples, len(examples))
    made["data/models/image_tokenizer"] = make_manifest(
        "fit_image_tokenizer", ["data/articles", *examples], 2000
    )
    made["data/codes"] = make_manifest(
        "tokenize_images", ["data/models/image_tokenizer", *examples], 3100
    )
    made["data/audit"] = make_manifest(
        "audit", ["data/articles", "data/instructions", *examples], 9800
    )
    for size in params.sizes:
        base = f"data/models/pretrained/{size}"
        made[base] = make_manifest(
            "pretrain", ["data/codes", "data/pretraining", "data/vocabulary", *examples], 19200
        )
        made[f"data/models/instructed/{size}"] = make_manifest(
            "instruct", [base, "data/instructions"], 4800
        )
        for name in params.zero_shot_on:
            made[f"data/predictions/zero_shot/{size}/{name}"] = make_manifest(
                "evaluate_zero_shot", [f"data/models/instructed/{size}"], 1500
            )
        for name in params.datasets:
            model = f"data/models/finetuned/{size}/{name}"
            made[model] = make_manifest("finetune", [base, f"data/examples/{name}"], 4800)
            made[f"data/predictions/{size}/{name}"] = make_manifest("evaluate", [model], 500)
    return made


def make_log(seed: str, steps: int, parts: list[str]) -> list[dict[str, Any]]:
    generator = random.Random(seed)
    entries = []
    for step in [1, *range(10, steps + 1, 10)]:
        losses = {
            part: 1.2 + 5 * math.exp(-step / (steps / 5)) + generator.gauss(0, 0.07) + i * 0.5
            for i, part in enumerate(parts)
        }
        entries.append(
            {"step": step, "loss": sum(losses.values()), "learning_rate": 1e-3,
             "gradient_norm": 1.0, "parts": losses, "streams": losses}
        )  # fmt: skip
    return entries


def make_picture(seed: int, num_px: int = 160) -> Image.Image:
    """Something like an X-ray: two dark lungs, ribs, perhaps a spot."""
    generator = random.Random(seed)
    picture = Image.new("L", (num_px, num_px), 24)
    draw = ImageDraw.Draw(picture)
    draw.ellipse([10, 4, num_px - 10, num_px + 30], fill=130 + generator.randint(-20, 20))
    for x in (30, 88):
        draw.ellipse([x, 28, x + 46, 138], fill=48 + generator.randint(-10, 10))
        for y in range(40, 130, 16):
            draw.arc([x - 8, y, x + 54, y + 26], 190, 350, fill=150, width=3)
    if seed % 2:
        x, y = generator.randint(34, 110), generator.randint(50, 110)
        draw.ellipse([x, y, x + 18, y + 18], fill=200)
    return picture


def encode(picture: Image.Image, kind: str) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind)
    return stream.getvalue()


def make_samples(sizes: list[str]) -> list[Sample]:
    """Two items of VQA-RAD and one of others; the last size answers as told, others with no."""
    long = (
        "i have had pain in my left knee for six weeks, it is worse in the morning and after "
        "stairs, i have tried ibuprofen and rest. " * 4
    )
    rows = [
        ("vqa_rad", "is there evidence of a pneumothorax?", "no", "no", "no", "yes", True),
        ("vqa_rad", "which side is the lesion on?", "left lung", "right lung", "right lung",
         "right", False),
        ("slake", "what organ is abnormal in this image?", "lung", "lung", "heart", "lung", True),
        ("iu_xray", "what does the image describe?",
         "the heart size is normal. no focal consolidation, effusion or pneumothorax.",
         "the heart is normal in size. no acute disease.", "no acute disease.",
         "no acute cardiopulmonary disease.", None),
        ("pneumoniamnist", "what does the image describe?", "pneumonia", "pneumonia", "normal",
         "pneumonia", True),
        ("meqsum", f'what is the summary of article " {long}"?',
         "how is chronic knee pain treated?", "what treats knee pain?", None,
         "what are the treatments for it?", None),
    ]  # fmt: skip
    return [
        Sample(
            dataset=name, modality={"vqa_rad": "x-ray", "slake": "ct"}.get(name, ""),
            question=question, truth=truth, baseline=baseline, metric="ROUGE-L",
            replies=[
                Reply(
                    size=size, answer=said, blank_answer=blank,
                    score=41.3 if right is None else 100.0 * (said == truth),
                    right=None if right is None else said == truth,
                    confidence=0.9 - 0.12 * i - 0.1 * (size != sizes[-1]), unsure=i % 3 == 1,
                )
                for size in sizes
                for said in [answer if size == sizes[-1] or right is None else "no"]
            ],
            image_jpeg=None if name == "meqsum" else encode(make_picture(i), "JPEG"),
        )
        for i, (name, question, truth, answer, blank, baseline, right) in enumerate(rows)
    ]  # fmt: skip


def make_reconstructions() -> bytes:
    strip = Image.new("L", (10 * 96, 2 * 96))
    for i in range(10):
        picture = make_picture(i).resize((96, 96))
        strip.paste(picture, (i * 96, 0))
        strip.paste(picture.resize((14, 14)).resize((96, 96)), (i * 96, 96))
    return encode(strip, "PNG")


def make_tokenizer() -> dict[str, Any]:
    rows = {
        name: {"images": images, "psnr_db": psnr, "ssim": ssim, "cells": 16 * images,
               "codes_used": used, "share": used / 256, "perplexity": used / 2.5}
        for name, images, psnr, ssim, used in (
            ("all", 112, 19.834, 0.6412, 213), ("histology", 30, 18.2, 0.5, 90),
            ("xray", 82, 21.417, 0.7134, 160),
        )
    }  # fmt: skip
    return {"all": rows.pop("all"), "by_modality": rows, "num_codes": 256, "image_px": 32,
            "crop": "centre", "images_fitted": 1003, "losses": [1.0, 0.5]}  # fmt: skip


def make_audit() -> dict[str, Any]:
    shown = {"num_items": 1, "test_text": "", "passage": "", "test_image": "", "train_image": ""}
    return {
        "settings": {"ngram_words": 5, "min_alike": 0.9, "drop": []},
        "counts": {"images": 6120, "flat_images": 12, "unreadable_images": 0,
                   "training_items": 1840, "test_items": 2000, "left_out": 0},
        "overlaps": [
            {"kind": "same_image", "test": "vqa_rad", "train": "slake", "num_test": 3,
             "of_test": 250},
            {"kind": "same_image", "test": "vqa_rad", "train": "vqa_rad", "num_test": 250,
             "of_test": 250},
            {"kind": "similar_image", "test": "iu_xray", "train": "pmc_oa", "num_test": 19,
             "of_test": 240},
            {"kind": "near_text", "test": "pubmedqa", "train": "pubmed", "num_test": 11,
             "of_test": 250},
        ],
        "evidence": [
            shown | {"kind": "same_image", "test": "vqa_rad", "test_id": "vqa_rad/12",
             "train": "slake", "train_id": "slake/804", "evidence": "sha256 9f2c44d1",
             "test_image": "a", "train_image": "a"},
            shown | {"kind": "near_text", "test": "pubmedqa", "test_id": "pubmedqa/77",
             "train": "pubmed", "train_id": "PMID 10000031", "evidence": "62% of its runs",
             "test_text": "were patients <randomly> assigned?", "num_items": 3,
             "passage": "we saw \N{LEFT-POINTING DOUBLE ANGLE QUOTATION MARK} patients <randomly> "
             "assigned \N{RIGHT-POINTING DOUBLE ANGLE QUOTATION MARK} to two"},
        ],
        "retracted": {"biomed_vital": 2},
    }  # fmt: skip


def make_corpus() -> Corpus:
    counted = TokenCounts(353_000, 1094.3, 1000, 110, 290, 480, 912, 990, {28: 300, 32: 700})
    return Corpus(
        articles_by_year={
            "abstract": {year: int((year - 1996) ** 1.3 * 0.6) for year in range(1998, 2025)}
            | {0: 7, 1931: 12},
            "fulltext": {year: int((year - 1996) ** 1.3 * 0.25) for year in range(1998, 2025)},
        },
        publication_types={"Journal Article": 1100, "Review": 80, "Case Reports": 57},
        languages={"eng": 1235, "fre": 3},
        licences={
            "abstract": {"NLM terms": 705}, "fulltext": {"CC BY": 412, "CC BY-NC": 120, "": 9},
            "figure": {"CC BY": 640, "CC BY-NC": 172},
        },
        states={"sound": 1235, "concern": 2}, num_journals=93, num_figures=812,
        figure_modalities={"x-ray": 310, "ct": 204, "histology": 190, "mri": 108},
        sources=[SourceFile("baseline/pubmed26n0001.xml.gz", "0" * 64, 705, 0, 1931, 2024)],
        num_sources=31,
        lengths=[
            Lengths("abstract", 2400, 1_500_000, 4012, 56, counted),
            Lengths("caption", 812, 90_000, 900, 48,
                    TokenCounts(21_000, 0.0, 812, 12, 25, 44, 210, 70, {16: 300, 19: 512})),
        ],
    )  # fmt: skip


@pytest.fixture(scope="session")
def params(repository: Path) -> Params:
    return validate(Params, read_profile("demo"), "profile demo")


@pytest.fixture(scope="session")
def inputs(params: Params) -> ReportInputs:
    datasets, sizes = params.datasets, params.sizes
    manifests = make_manifests(params)
    logs = {}
    for size in sizes:
        logs[f"pretrained/{size}"] = make_log(size, 600, ["pairs", "others"])
        logs[f"instructed/{size}"] = make_log(size, 150, ["instructions"])
        logs |= {f"finetuned/{size}/{name}": make_log(size + name, 150, ["examples"])
                 for name in datasets}  # fmt: skip
    return ReportInputs(
        params=params,
        cards={name: make_card(name) for name in datasets},
        manifests=manifests,
        hashes={name: hashlib.sha256(name.encode()).hexdigest() for name in manifests},
        metrics={size: make_metrics(datasets, 0.5 + i, size) for i, size in enumerate(sizes)},
        zero_shot={
            size: make_metrics(params.zero_shot_on, 0.3 + i / 2, "zero" + size)
            for i, size in enumerate(sizes)
        },
        scale_gains=[
            ScaleGain(
                name, sizes[0], sizes[-1], Interval(5.0 - i, 2.5 - i, 7.5 - i, 250, 120),
                p_value=0.001 if abs(5 - i) > 2.5 else 0.4,
                adjusted=0.008 if abs(5 - i) > 2.5 else 0.9, level=0.05,
            )
            for i, name in enumerate(datasets)
        ],
        samples=make_samples(sizes),
        logs=logs,
        tokenizer=make_tokenizer(),
        reconstructions_png=make_reconstructions(),
        corpus=make_corpus(),
        quarantine=[
            QuarantineGroup("data/articles", "ingest_pubmed", "retracted", True, 14,
                            [("pubmed26n0001.xml.gz#10000312", "RetractionIn 10000998")]),
            QuarantineGroup("data/examples/slake", "prepare", "unreadable-image", False, 4,
                            [("imgs/xmlab102/source.jpg", "truncated file"),
                             ("imgs/xmlab7/source.jpg", "not an image")]),
        ],
        instruction_modalities={
            "train": {"radiology": 310, "histology": 121, "gross": 44},
            "validation": {"radiology": 34, "histology": 12, "gross": 5},
        },
        audit=make_audit(), overlap_pictures={"a": encode(make_picture(1), "JPEG")},
    )  # fmt: skip
