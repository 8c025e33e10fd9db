"""The material of the feeds, which plans are compared with."""

from tests.components.dataset.conftest import (  # noqa: F401
    examples,
    image_file,
    images,
    material,
    vocabulary,
)
