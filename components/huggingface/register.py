"""Make the Auto classes of transformers know this project's: one call, no remote code."""

from __future__ import annotations

from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModel,
    AutoModelForImageTextToText,
    AutoModelForSeq2SeqLM,
    AutoProcessor,
    AutoTokenizer,
)

from components.huggingface.configuration import BiomedGptConfig
from components.huggingface.images import BiomedGptImageProcessor
from components.huggingface.modeling import BiomedGptForConditionalGeneration, BiomedGptModel
from components.huggingface.processing import BiomedGptProcessor
from components.huggingface.tokenizer import BiomedGptTokenizer


def register() -> None:
    """Register the classes; a second call changes nothing.

    from transformers import AutoModelForSeq2SeqLM, AutoProcessor
    from components.huggingface.register import register

    register()
    model = AutoModelForSeq2SeqLM.from_pretrained("data/hf/slake")
    processor = AutoProcessor.from_pretrained("data/hf/slake")
    """
    config, whole = BiomedGptConfig, BiomedGptForConditionalGeneration
    AutoConfig.register(config.model_type, config, exist_ok=True)
    AutoModel.register(config, BiomedGptModel, exist_ok=True)
    AutoModelForSeq2SeqLM.register(config, whole, exist_ok=True)
    AutoModelForImageTextToText.register(config, whole, exist_ok=True)
    AutoTokenizer.register(config, tokenizer_class=BiomedGptTokenizer, exist_ok=True)
    AutoImageProcessor.register(
        config,
        image_processor_classes={"pil": BiomedGptImageProcessor},
        exist_ok=True,
    )
    AutoProcessor.register(config, BiomedGptProcessor, exist_ok=True)
