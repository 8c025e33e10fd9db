"""Tokenizer and weights of a model that was found, read so that what is not whole is told."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError

from components.errors import UserError
from components.model.model import UnifiedModel
from components.model.weights import WEIGHTS, load_model
from components.serving.finding import FoundModel
from components.serving.memory import check_room, memory_told
from components.tokenization.vocabulary import BPE_FILE, LAYOUT_FILE, Vocabulary


def read_vocabulary(found: FoundModel) -> Vocabulary:
    """The tokenizer; UserError where there is none, or it is damaged."""
    for name in (LAYOUT_FILE, BPE_FILE):
        if not (found.vocabulary / name).is_file():
            raise UserError(
                f"the model {found.folder} has no tokenizer",
                why=f"{found.vocabulary / name} is not there",
                next_command="biomedgpt get it again, or export it again",
            )
    try:
        return Vocabulary.load(found.vocabulary)
    except MemoryError:
        raise
    except Exception as error:  # the library's own is nothing special
        told = f"{error.what}: {error.why}" if isinstance(error, UserError) else repr(error)
        raise UserError(
            f"the tokenizer of the model {found.folder} is damaged",
            why=f"{LAYOUT_FILE} or {BPE_FILE}: {told}"[:400],
            next_command="biomedgpt get it again, or export it again",
        ) from None


def read_network(found: FoundModel, num_ids: int) -> UnifiedModel:
    """The weights; UserError where they are of another vocabulary, or memory is too small."""
    weights = found.folder / WEIGHTS
    if weights.is_file():
        check_room(weights)
        # safetensors calls a file without rights absent; this raises what it is.
        weights.open("rb").close()
    with memory_told():
        if found.is_huggingface:
            network = _read_huggingface(found.folder)
        else:
            network = load_model(found.folder, mapped=True)
    if network.config.vocabulary_size != num_ids:
        raise UserError(
            f"the model {found.folder} has {network.config.vocabulary_size:,} tokens, its "
            f"tokenizer {num_ids:,}",
            why="an id must mean the same to both",
            next_command="biomedgpt get it again, or export it again",
        )
    return network


def _read_huggingface(folder: Path) -> UnifiedModel:
    """The weights of a folder for transformers; UserError where a file is missing or damaged."""
    from components.huggingface.loading import no_bars
    from components.huggingface.modeling import BiomedGptForConditionalGeneration

    try:
        with no_bars():
            wrapped = BiomedGptForConditionalGeneration.from_pretrained(folder)
    except (OSError, SafetensorError, ValueError, TypeError, LookupError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # of the machine, not the files
            raise
        raise UserError(
            f"the model {folder} cannot be read: a file is missing or damaged",
            why=str(error).split("\n")[0][:200],
            next_command="biomedgpt get it again, or export it again",
        ) from None
    network: UnifiedModel = wrapped.unified
    return network
