"""Training items that the audit was told to leave out, and who they are named after."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from components.errors import UserError
from components.records import Article, Example, Overlap, read_records

ABSTRACTS, FULL_TEXTS = "pubmed", "pmc_oa"
FILE = Path("data/audit/left_out.parquet")  # written by audit: an Overlap for each item and kind
MATERIALS = {"articles": (ABSTRACTS, FULL_TEXTS), "instructions": ("biomed_vital",)}


def name_material(article: Article) -> str:
    """The source that an article belongs to."""
    return ABSTRACTS if article.kind == "abstract" else FULL_TEXTS


def name_article(article: Article) -> str:
    """An article's name among those of its source."""
    by_pmid = f"PMID {article.pmid}"
    return by_pmid if article.kind == "abstract" else article.pmcid or by_pmid


class LeftOut:
    """What ``audit.drop`` takes out of training: items by material and name, images by id."""

    def __init__(self, path: Path = FILE) -> None:
        rows = list(read_records(path, Overlap))
        self.items = {(row.train, row.train_id) for row in rows}
        self.images = {row.image_id for row in rows if row.kind.endswith("_image")}

    def keep_examples(self, examples: list[Example], what: str) -> list[Example]:
        """The examples that stay; UserError where there were some and none stays."""
        kept = [e for e in examples if (e.dataset, e.id) not in self.items]
        if examples and not kept:
            raise UserError(
                f"{what}: all {len(examples)} training examples are left out",
                why=f"each of them is in {FILE}: it shares with a test item what audit.drop names",
                next_command="take that kind out of audit.drop in params.yaml",
            )
        return kept

    def hide_images(self, examples: Iterable[Example]) -> set[str]:
        """Ids of images that are left out: like a test image, or shown by no item that stays."""
        shown: dict[bool, set[str]] = {False: set(), True: set()}
        for example in examples:
            shown[(example.dataset, example.id) in self.items].add(example.image_id)
        return self.images | (shown[True] - shown[False])

    def keeps_article(self, article: Article) -> bool:
        """Whether an article's text stays."""
        return (name_material(article), name_article(article)) not in self.items

    def count(self, folders: Iterable[str]) -> int:
        """How many items are left out of what these product folders hold."""
        names = (Path(folder).name for folder in folders)
        held = {material for name in names for material in MATERIALS.get(name, (name,))}
        return sum(material in held for material, _ in self.items)
