"""Pictures of the sample world to try the page with: made up, of no person, drawn when asked."""

from __future__ import annotations

from functools import cache

from components.sample.drawing import draw_scene
from components.sample.encode import encode_image, start_dice
from components.sample.scenes import Lesions, Scene
from components.web.pictures import data_url
from components.web.telling import Example

SEED, SIDE_PX = 7, 256
SCENES = (
    ("A made-up chest film", Scene("x-ray", Lesions(1, "left", "large", "round", "bright"))),
    ("A made-up CT slice", Scene("ct", Lesions(2, "right", "small", "round", "dark"))),
    ("A made-up MRI slice", Scene("mri", Lesions(1, "right", "large", "ring", "bright"))),
    ("A made-up film without a lesion", Scene("x-ray", None)),
)
QUESTIONS = (
    "Is there a lesion?",
    "On which side is the lesion?",
    "What is the shape of the lesion?",
    "What type of image is this?",
)


@cache
def draw_examples() -> tuple[Example, ...]:
    """The pictures, always the same."""
    dice = start_dice(SEED, "web")
    return tuple(
        Example(
            title=title,
            image=data_url(encode_image(draw_scene(scene, SIDE_PX, dice), "PNG", "RGB")),
            questions=list(QUESTIONS),
        )
        for title, scene in SCENES
    )
