"""Copies of an image look the same, other images do not."""

from __future__ import annotations

import random

import numpy as np
import pytest
from PIL import Image, ImageOps

from components.audit.copies import find_copies
from components.audit.looks import Views, align, describe, mirror, shrink
from components.records import ImageRecord
from components.sample.drawing import draw_scene
from components.sample.encode import encode_image
from components.sample.leaks import CHANGES
from components.sample.scenes import imagine_scenes

NUM = 12


def draw(modality: str, num: int = NUM) -> list[Image.Image]:
    dice, scenes = np.random.default_rng(3), imagine_scenes([modality], num, random.Random(5))
    return [Image.fromarray(draw_scene(scene, 96, dice)).convert("RGB") for scene in scenes]


def look(image: Image.Image) -> Views:
    views = shrink(image)
    assert views is not None
    return views


def record(images: dict[str, Image.Image]) -> list[ImageRecord]:
    return [
        ImageRecord(name, encode_image(np.asarray(image), "PNG"), "PNG", 96, 96, "", "")
        for name, image in images.items()
    ]


@pytest.mark.parametrize("how", CHANGES)
@pytest.mark.parametrize("modality", ["x-ray", "histology"])
def test_a_look_survives_what_copies_go_through(how: str, modality: str) -> None:
    image = draw(modality, 1)[0]
    changed = look(CHANGES[how](image))
    mirrored = how in ("mirrored", "several at once")
    assert align(look(image), changed, mirrored).correlation > 0.95


@pytest.mark.parametrize("modality", ["x-ray", "ct", "histology"])
def test_images_of_one_kind_are_no_copies_of_each_other(modality: str) -> None:
    images = {str(number): image for number, image in enumerate(draw(modality, 40))}
    names = sorted(images)
    assert find_copies(names[:10], names[10:], lambda: record(images), 0.9).of == {}


def test_a_mirror_is_the_mirrored_image_s_vector() -> None:
    small = look(draw("ct", 1)[0])[0]
    assert np.allclose(mirror(describe(small)), describe(small[:, ::-1]), atol=1e-3)


def test_an_image_without_structure_has_no_look() -> None:
    assert shrink(Image.new("RGB", (64, 64), (90, 90, 90))) is None


def test_the_copy_is_found_among_others_and_an_image_is_no_copy_of_itself() -> None:
    images = draw("x-ray")
    copy = CHANGES["cropped on one side"](ImageOps.mirror(images[0]))
    records = record(dict([*zip("abcdefghijkl", images, strict=True), ("copy", copy)]))
    copies = find_copies({"a", "b"}, {*"bcdefghijkl", "copy"}, lambda: records, 0.9)
    assert copies.of.keys() == {"copy"}
    ((test, likeness),) = copies.of["copy"]
    assert (test, likeness.mirrored, likeness.cut_from) == ("a", True, "test")
    assert find_copies(set(), set(), lambda: records, 0.9).of == {}
