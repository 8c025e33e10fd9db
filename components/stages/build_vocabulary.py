"""build_vocabulary: the one id space, learnt from the training text or read from given files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from components.cards import load_card
from components.config import RELEASED_BPE, Params
from components.lineage import write_manifest
from components.records import Article, Example, read_records
from components.stages.door import enter
from components.tokenization.vocabulary import read_vocabulary, train_vocabulary

ARTICLES, INSTRUCTIONS, OUT = (
    Path("data/articles"),
    Path("data/instructions"),
    Path("data/vocabulary"),
)
FILES = Path("data/raw") / RELEASED_BPE
ROLES = ("encoder", "merges", "order")


def training_texts(folders: list[Path]) -> Iterator[str]:
    """What the vocabulary may see: articles, and the train splits of examples."""
    for article in read_records(ARTICLES / "articles", Article):
        yield f" {article.title} {article.text}".lower()
    for folder in folders:
        for example in read_records(folder / "examples.parquet", Example):
            if example.split == "train":
                yield example.source
                yield example.target


def run(params: Params) -> None:
    """Train or read the vocabulary, and save it."""
    settings = params.build_vocabulary
    names = [*params.datasets, *params.pretraining_sources]
    sets = [Path("data/examples") / name for name in names]
    if settings.text == "files":
        card = load_card(RELEASED_BPE)
        encoder, merges, order = (card.find(FILES, role)[0] for role in ROLES)
        vocabulary = read_vocabulary(encoder, merges, order, settings.num_codes, settings.num_bins)
        inputs = [FILES]
    else:
        inputs = [ARTICLES, INSTRUCTIONS, *sets]
        texts = training_texts([INSTRUCTIONS, *sets])
        vocabulary = train_vocabulary(
            texts, settings.num_merges, settings.num_codes, settings.num_bins
        )
    vocabulary.save(OUT)
    print(
        f"{vocabulary.size} entries: 4 specials, {vocabulary.num_text} text, 1 mask, "
        f"{vocabulary.num_codes} image codes, {vocabulary.num_bins} location bins"
    )
    write_manifest(
        OUT,
        stage="build_vocabulary",
        identity={},
        settings=settings.model_dump(),
        inputs=inputs,
        counts={"in": vocabulary.size, "out": vocabulary.size},
    )


if __name__ == "__main__":
    enter("build_vocabulary", run)
