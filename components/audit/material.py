"""Everything that is trained on as one stream of items, whatever it is made of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from components.dataset.left_out import FULL_TEXTS, name_article, name_material
from components.records import Article, Example, Figure, Reject

RETRACTED = "retracted"
PMID_IN_ORIGIN, PMCID_IN_ORIGIN = re.compile(r"#(\d+)(?:\.\d+)?$"), re.compile(r"\bPMC\d+")


@dataclass(frozen=True, slots=True)
class Item:
    """A training item; ``is_prose`` where its text is no question of a benchmark's form."""

    material: str
    id: str
    text: str
    image_id: str = ""
    documents: list[str] = field(default_factory=list)
    group: str = ""
    is_prose: bool = True


def item_of_article(article: Article) -> Item:
    """An abstract or an article, by each name that it has."""
    names = [f"PMID {article.pmid}"] * bool(article.pmid) + [article.pmcid] * bool(article.pmcid)
    text = f"{article.title} {article.text}"
    return Item(name_material(article), name_article(article), text, documents=names)


def item_of_figure(figure: Figure) -> Item:
    """A figure with its caption and the sentences that mention it."""
    text = " ".join([figure.caption, *figure.mentions])
    return Item(FULL_TEXTS, figure.id, text, figure.image_id, [figure.pmcid])


def item_of_example(example: Example, is_prose: bool) -> Item:
    """A training example: of a benchmark, or (``is_prose``) a request and its reply."""
    return Item(
        example.dataset,
        example.id,
        word_example(example),
        example.image_id,
        example.documents,
        example.group,
        is_prose,
    )


def word_example(example: Example) -> str:
    """What is asked, measured and answered, in the words by which items are compared."""
    # What was measured tells items apart whose words are the same, and is itself what may leak.
    measured = "".join(f" {value:g}" for value in example.signal)
    return f"{example.source}{measured} {example.target}"


def normalise(text: str) -> str:
    """Text in lower case with single spaces, as equality is judged."""
    return " ".join(text.lower().split())


def name_retracted(rejects: Iterable[Reject]) -> Iterator[str]:
    """The names of articles that were set aside as retracted, as they stand in the origins."""
    for reject in rejects:
        if reject.reason != RETRACTED:
            continue
        pmid, pmcid = PMID_IN_ORIGIN.search(reject.origin), PMCID_IN_ORIGIN.search(reject.origin)
        if pmcid:
            yield pmcid[0]
        elif pmid:
            yield f"PMID {pmid[1]}"
