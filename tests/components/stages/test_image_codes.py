"""From images to codes: what is fitted, what is measured, and what the manifests record."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from components.dataset.codes import load_images, training_images
from components.errors import UserError
from components.lineage import MANIFEST, QUARANTINE, hash_bytes, read_manifest
from components.records import (
    ImageCodes,
    ImageRecord,
    Overlap,
    Reject,
    read_records,
    write_records,
)
from components.stages import fit_image_tokenizer, tokenize_images
from components.tokenization.image import load_tokenizer, save_tokenizer
from components.tokenization.vqgan import Vqgan, VqganConfig
from tests.components.stages.conftest import NUM_IMAGES, Configure

MODEL, CODES = Path("data/models/image_tokenizer"), Path("data/codes")
FEW = VqganConfig(channels=4, latent=4, num_codes=8, num_blocks=1, num_groups=2)

pytestmark = pytest.mark.usefixtures("workplace")


def read_summary() -> dict[str, Any]:
    summary: dict[str, Any] = json.loads((MODEL / "summary.json").read_text())
    return summary


def read_codes() -> dict[str, list[int]]:
    return {row.image_id: row.codes for row in read_records(CODES / "codes", ImageCodes)}


def read_training_images() -> list[ImageRecord]:
    return load_images(training_images(["vqa_rad"]))


def test_a_fit_is_measured_on_images_that_it_has_not_seen(configure: Configure) -> None:
    fit_image_tokenizer.run(configure())
    summary = read_summary()
    assert summary["images_fitted"] == NUM_IMAGES - 2
    assert summary["all"]["images"] == 2
    assert len(summary["losses"]) == 3
    assert set(summary["by_modality"]) <= {"ct", "xray"}
    for row in (summary["all"], *summary["by_modality"].values()):
        assert -1 <= row["ssim"] <= 1
        assert 1 <= row["codes_used"] <= min(8, row["cells"])
        assert row["share"] == pytest.approx(row["codes_used"] / 8)
        assert 1 <= row["perplexity"] <= row["codes_used"] + 1e-3
    manifest = read_manifest(MODEL)
    assert manifest["settings"]["seed"] == 7
    assert manifest["settings"]["crop"] == "centre"
    assert manifest["settings"]["start_from"] == ""
    assert set(manifest["files"]) >= {"model.safetensors", "config.json", "reconstructions.png"}


def test_an_image_that_the_audit_leaves_out_is_neither_fitted_nor_measured(
    configure: Configure,
) -> None:
    alike = [record.id for record in read_training_images()[:5]]
    rows = [
        Overlap("similar_image", "held", "held/1", "vqa_rad", str(n), name, "correlation 0.99")
        for n, name in enumerate(alike)
    ]
    rows.append(Overlap("same_pair", "held", "held/1", "vqa_rad", "9", "not an image kind", ""))
    write_records(Path("data/audit/left_out.parquet"), Overlap, rows)
    fit_image_tokenizer.run(configure())
    manifest = read_manifest(MODEL)
    assert manifest["counts"]["in"] == NUM_IMAGES - 5
    assert "data/audit/left_out.parquet" in manifest["inputs"]


def test_a_given_tokenizer_is_copied_and_only_measured(
    configure: Configure, tmp_path: Path
) -> None:
    torch.manual_seed(1)
    save_tokenizer(Vqgan(FEW), tmp_path / "given")
    fit_image_tokenizer.run(configure(fit_image_tokenizer={"start_from": "given"}))
    for name in ("model.safetensors", "config.json"):
        assert (MODEL / name).read_bytes() == (tmp_path / "given" / name).read_bytes()
    summary = read_summary()
    assert (summary["images_fitted"], summary["losses"]) == (0, [])
    assert summary["all"]["images"] == 2
    assert "given" in read_manifest(MODEL)["inputs"]


def test_a_given_tokenizer_of_other_codes_is_refused(configure: Configure, tmp_path: Path) -> None:
    save_tokenizer(Vqgan(FEW), tmp_path / "given")
    params = configure(
        fit_image_tokenizer={"start_from": "given"}, build_vocabulary={"num_codes": 9}
    )
    with pytest.raises(UserError, match="has 8 codes"):
        fit_image_tokenizer.run(params)
    assert not MODEL.exists()


def test_without_images_to_hold_out_there_is_no_fit(configure: Configure) -> None:
    records = read_training_images()
    write_records(Path("data/examples/vqa_rad/images.parquet"), ImageRecord, records[:1])
    with pytest.raises(UserError, match="too few images") as caught:
        fit_image_tokenizer.run(configure())
    assert caught.value.why.endswith("have 1")


@pytest.mark.parametrize("codes", ["argmax", "gumbel"])
def test_the_manifest_of_codes_records_how_they_were_made(configure: Configure, codes: str) -> None:
    torch.manual_seed(1)
    save_tokenizer(Vqgan(FEW), MODEL)
    tokenize_images.run(configure(tokenize_images={"codes": codes, "crop": "whole"}, seed=11))
    manifest = read_manifest(CODES)
    assert manifest["settings"] == {
        "codes": codes, "crop": "whole", "image_px": 16, "seed": 11, "max_quarantined": 0.05,
    }  # fmt: skip
    assert manifest["counts"] == {"in": NUM_IMAGES, "out": NUM_IMAGES, "quarantined": 0}
    assert {len(row) for row in read_codes().values()} == {4}
    assert all(0 <= code < 8 for row in read_codes().values() for code in row)


def test_sampled_codes_follow_the_seed_and_the_image_only(configure: Configure) -> None:
    torch.manual_seed(1)
    save_tokenizer(Vqgan(FEW), MODEL)

    def tokenize(seed: int = 7, **settings: Any) -> dict[str, list[int]]:
        tokenize_images.run(configure(tokenize_images=settings, seed=seed))
        return read_codes()

    sampled = tokenize(codes="gumbel")
    assert tokenize(codes="gumbel", batch=1) == sampled
    assert tokenize(codes="gumbel", batch=23) == sampled
    records = read_training_images()
    write_records(Path("data/examples/vqa_rad/images.parquet"), ImageRecord, records[:4:-1])
    fewer = tokenize(codes="gumbel")
    assert len(fewer) == NUM_IMAGES - 5
    assert all(sampled[name] == row for name, row in fewer.items())
    assert tokenize(seed=8, codes="gumbel") != fewer
    assert tokenize(codes="argmax") != fewer


def test_a_fitted_tokenizer_can_be_loaded_and_used(configure: Configure) -> None:
    fit_image_tokenizer.run(configure())
    assert load_tokenizer(MODEL).config.num_codes == 8
    tokenize_images.run(configure())
    assert len(read_codes()) == NUM_IMAGES


def spoil(num: int) -> None:
    """Cut the bytes of the first images; they keep a right name."""
    records = read_training_images()
    halves = [(r, r.bytes[: len(r.bytes) // 2]) for r in records[:num]]
    cut = [replace(r, id=hash_bytes(half), bytes=half) for r, half in halves]
    path = Path("data/examples/vqa_rad/images.parquet")
    write_records(path, ImageRecord, [*cut, *records[num:]])


def test_a_bad_image_is_set_aside_and_counted(configure: Configure) -> None:
    torch.manual_seed(1)
    save_tokenizer(Vqgan(FEW), MODEL)
    spoil(1)
    tokenize_images.run(configure())
    manifest = read_manifest(CODES)
    assert manifest["counts"] == {"in": NUM_IMAGES, "out": NUM_IMAGES - 1, "quarantined": 1}
    (reject,) = read_records(CODES / QUARANTINE, Reject)
    assert (reject.origin, reject.reason) == ("image#0", "broken-image")
    assert len(read_codes()) == NUM_IMAGES - 1


def test_too_many_bad_images_end_the_stage(configure: Configure) -> None:
    save_tokenizer(Vqgan(FEW), MODEL)
    spoil(2)
    with pytest.raises(UserError, match=f"2 of {NUM_IMAGES} records were unusable .limit 5%"):
        tokenize_images.run(configure())
    assert not (CODES / MANIFEST).exists()


def test_settings_that_decide_no_code_change_no_product(configure: Configure) -> None:
    save_tokenizer(Vqgan(FEW), MODEL)
    found = []
    for settings in ({}, {"batch": 7, "min_quality": {"ct": {"psnr_db": 0.5}}}):
        shutil.rmtree(CODES, ignore_errors=True)
        tokenize_images.run(configure(tokenize_images=settings))
        found.append((CODES / MANIFEST).read_bytes())
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"ct": {"psnr_db": 60.0}}, r"PSNR \d+\.\d+ dB of ct, asked for are 60 dB$"),
        ({"xray": {"ssim": 0.99}}, r"SSIM -?0\.\d+ of xray, asked for are 0\.99$"),
        ({"every": {"psnr_db": 60.0}, "ct": {}}, r"keep too little: PSNR \S+ dB of xray, [^;]*$"),
        ({"every": {"psnr_db": 60.0}}, r"of ct, .* of xray, "),
    ],
)
def test_codes_that_keep_too_little_end_the_stage_before_it_encodes(
    configure: Configure, limits: dict[str, Any], words: str
) -> None:
    torch.manual_seed(1)  # of other weights a figure may be a whole number
    save_tokenizer(Vqgan(FEW), MODEL)
    with pytest.raises(UserError) as caught:
        tokenize_images.run(configure(tokenize_images={"min_quality": limits}))
    assert re.search(words, caught.value.what), caught.value.what
    assert "tokenize_images.min_quality." in caught.value.next_command
    assert "dvc repro tokenize_images" in caught.value.next_command
    assert sorted(path.name for path in CODES.iterdir()) == ["quality.json"]
    assert not Path("data/encodings").exists()
