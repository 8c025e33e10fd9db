"""How much a request may bring, and how long it may take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes are checked before anything is decoded; ``seats`` counts requests that bring a body,
    from their first byte to their answer, so that memory is bounded by seats times sizes."""

    image_bytes: int = 20_000_000
    image_pixels: int = 25_000_000
    question_chars: int = 2_000
    text_chars: int = 20_000
    options: int = 50
    option_chars: int = 500
    seats: int = 64
    upload_s: float = 30.0
    answer_s: float = 60.0

    @property
    def body_bytes(self) -> int:
        """An image in base64, and the texts, at most 4 bytes a character."""
        texts = self.question_chars + self.text_chars + self.options * self.option_chars
        return self.image_bytes * 4 // 3 + texts * 6 + 100_000
