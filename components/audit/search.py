"""Looks through all that is trained on for what the test items share with it.

Automatic hits are often false (stock phrases, plain images), so each carries what was found.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field

from components.audit.copies import Copies, Stream, find_copies
from components.audit.findings import Findings
from components.audit.looks import Likeness
from components.audit.material import Item, normalise, word_example
from components.audit.wordruns import RunIndex, Shared, quote
from components.config import AuditParams
from components.records import Example

# Shares of a test item's runs in one training text, and how many these are at least: of 825 real
# test items none shares a fifth of its runs of five words with a text that it has nothing to do
# with. And words on end that are told whatever their share is (Brown et al., Language models are
# few-shot learners, 2020).
NEAR_SHARE, SHARED_SHARE, MIN_RUNS, SHARED_WORDS = 0.3, 0.2, 6, 13
Material = Callable[[], Iterable[Item]]


@dataclass
class Audit:
    """What was found, and how much was looked at."""

    findings: Findings
    copies: Copies
    num_items: int = 0
    retracted: Counter[str] = field(default_factory=Counter)  # training items by material


def search(
    tests: Sequence[Example],
    material: Material,
    images: Stream,
    params: AuditParams,
    retracted: Collection[str] = (),
) -> Audit:
    """Compare every test item with every training item, of its own set and of all others.

    ``material`` and ``images`` start their streams anew; articles must come before what names them
    otherwise (figures by PMCID, instructions by PMID). Training items of the articles that
    ``retracted`` names are counted. Memory follows the test items and the names of training images;
    texts and images pass by.
    """
    test_ids = {test.image_id for test in tests if test.image_id}
    train_ids: set[str] = set()
    texts = _Texts(tests, params.ngram_words)
    for item in material():
        train_ids |= {item.image_id} - {""}
        texts.count(item)
    texts.index.drop_common()
    copies = find_copies(test_ids, train_ids, images, params.min_alike)
    audit, withdrawn = Audit(Findings(params.drop), copies), set(retracted)
    comparers: list[_Images | _Documents | _Groups | _Texts] = [
        _Images(tests, copies),
        _Documents(tests),
        _Groups(tests),
        texts,
    ]
    for item in material():
        audit.num_items += 1
        audit.retracted[item.material] += not withdrawn.isdisjoint(item.documents)
        for comparer in comparers:
            comparer.compare(item, audit.findings)
    return audit


class _Images:
    """The same image, one that looks the same, and the same question and answer about either."""

    def __init__(self, tests: Sequence[Example], copies: Copies) -> None:
        self.copies = copies
        self.of_image: defaultdict[str, list[Example]] = defaultdict(list)
        self.asked: defaultdict[tuple[str, str], list[Example]] = defaultdict(list)
        for test in tests:
            if test.image_id:
                self.of_image[test.image_id].append(test)
            if test.image_id and test.task == "vqa":  # a class or a caption is no question
                said = normalise(word_example(test))
                self.asked[test.image_id, said].append(test)

    def compare(self, item: Item, found: Findings) -> None:
        for test in self.of_image.get(item.image_id, ()):
            found.add("same_image", test, item, f"sha256 {item.image_id[:16]}", shows_image=True)
        alike = self.copies.of.get(item.image_id, [])
        for image, likeness in alike:
            for test in self.of_image[image]:
                found.add(
                    "similar_image", test, item, tell_likeness(likeness),
                    strength=likeness.correlation, shows_image=True,
                )  # fmt: skip
        if item.is_prose or not item.image_id:
            return
        said = normalise(item.text)
        for image in (item.image_id, *(image for image, _ in alike)):
            for test in self.asked.get((image, said), ()):
                found.add("same_pair", test, item, said[:200], shows_image=True)


def tell_likeness(likeness: Likeness) -> str:
    """``correlation 0.987, mirrored, the training image is cropped``"""
    words = [f"correlation {likeness.correlation:.3f}"]
    if likeness.mirrored:
        words.append("mirrored")
    if likeness.cut_from:  # that one shows more, so that the other was cropped
        cropped = {"test": "training", "train": "test"}[likeness.cut_from]
        words.append(f"the {cropped} image is cropped")
    return ", ".join(words)


class _Documents:
    """The same article, by PMID or PMCID; an item of PubMed or PMC tells which belong together."""

    def __init__(self, tests: Sequence[Example]) -> None:
        self.of_document: defaultdict[str, list[Example]] = defaultdict(list)
        for test in tests:
            for document in test.documents:
                self.of_document[document].append(test)

    def compare(self, item: Item, found: Findings) -> None:
        tests = {
            test.id: test for name in item.documents for test in self.of_document.get(name, ())
        }
        if len(item.documents) > 1:  # what is found by one name is found by the other from now on
            for name in item.documents:
                if tests:
                    self.of_document[name] = list(tests.values())
        for test in tests.values():
            found.add("same_document", test, item, ", ".join(item.documents))


class _Groups:
    """The same patient, image or document, as the data set itself names it."""

    def __init__(self, tests: Sequence[Example]) -> None:
        self.of_group: defaultdict[tuple[str, str], list[Example]] = defaultdict(list)
        for test in tests:
            if test.group:
                self.of_group[test.dataset, test.group].append(test)

    def compare(self, item: Item, found: Findings) -> None:
        for test in self.of_group.get((item.material, item.group), ()):
            found.add("same_group", test, item, f"group {item.group[:80]}")


class _Texts:
    """Equal texts, and shared runs of words.

    Images make equal questions different ones: where both items have an image, only prose (a
    caption, an instruction) is compared with the test item.
    """

    def __init__(self, tests: Sequence[Example], num_words: int) -> None:
        self.tests = tests
        self.last_counted = ("", "")
        self.equal: defaultdict[str, list[Example]] = defaultdict(list)
        for test in tests:
            if not test.image_id:
                self.equal[normalise(word_example(test))].append(test)
        texts = [word_example(test) for test in tests]
        self.index = RunIndex(texts, [f"{t.dataset}/{t.group or t.id}" for t in tests], num_words)

    def count(self, item: Item) -> None:
        """Note the item's runs, once for what follows each other of one group, as turns do."""
        holder = (item.material, item.group or item.id)
        if holder != self.last_counted and _is_text(item):
            self.last_counted = holder
            self.index.count(item.text)

    def compare(self, item: Item, found: Findings) -> None:
        if not (item.is_prose or item.image_id):
            said = normalise(item.text)
            for test in self.equal.get(said, ()):
                found.add("same_text", test, item, said[:200], passage=said[:400])
        if not _is_text(item):
            return
        for shared in self.index.find(item.text):
            test = self.tests[shared.item]
            kind = _judge(shared)
            if kind and (item.is_prose or not test.image_id):
                evidence = f"{shared.share:.0%} of its runs, {shared.num_words} words on end"
                passage = quote(item.text, shared)
                found.add(kind, test, item, evidence, strength=shared.share, passage=passage)


def _is_text(item: Item) -> bool:
    return item.is_prose or not item.image_id


def _judge(shared: Shared) -> str:
    """``near_text``, ``shared_text``, or "" for too little."""
    share = shared.share if shared.num_runs >= MIN_RUNS else 0
    if share >= NEAR_SHARE:
        return "near_text"
    return "shared_text" if share >= SHARED_SHARE or shared.num_words >= SHARED_WORDS else ""
