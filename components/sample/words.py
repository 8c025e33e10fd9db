"""The words for what a picture shows: one small vocabulary for captions, reports and questions."""

from __future__ import annotations

from components.sample.scenes import Lesions, Scene

NUMBERS = {1: "one", 2: "two", 3: "three"}
PLACES = {
    "x-ray": "lung",
    "ct": "abdomen",
    "mri": "brain",
    "histology": "tissue",
    "fundus": "retina",
    "gross": "specimen",
}
TITLES = {
    "x-ray": "chest x-ray",
    "ct": "ct of the abdomen",
    "mri": "mri of the brain",
    "histology": "histology of the tissue",
    "fundus": "fundus of the eye",
    "gross": "gross specimen",
}
IMAGE_KINDS = {
    "x-ray": "x-ray",
    "ct": "ct",
    "mri": "mri",
    "histology": "histology",
    "fundus": "fundus",
    "gross": "gross",
}


def start_upper(text: str) -> str:
    """The text with its first letter in upper case, and nothing else changed."""
    return text[:1].upper() + text[1:]


def name_lesions(lesions: Lesions) -> str:
    """For example: two large round bright lesions."""
    noun = "lesion" if lesions.count == 1 else "lesions"
    return f"{NUMBERS[lesions.count]} {lesions.size} {lesions.shape} {lesions.shade} {noun}"


def place_lesions(scene: Scene) -> str:
    """For example: two large round bright lesions in the left lung."""
    place = PLACES[scene.modality]
    if scene.lesions is None:
        return f"no lesion in the {place}"
    return f"{name_lesions(scene.lesions)} in the {scene.lesions.side} {place}"


def caption_scene(scene: Scene, form: int) -> str:
    """A caption of one sentence, in one of three wordings, with a full stop."""
    title, found = TITLES[scene.modality], place_lesions(scene)
    forms = (f"{title} shows {found}", f"{found} on {title}", f"{title} with {found}")
    return start_upper(forms[form % len(forms)]) + "."
