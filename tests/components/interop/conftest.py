"""What the tests of evaluation make: a model with random weights, images, a vocabulary."""

from __future__ import annotations

from tests.components.evaluation.conftest import answerer, images, model, vocabulary

__all__ = ["answerer", "images", "model", "vocabulary"]
