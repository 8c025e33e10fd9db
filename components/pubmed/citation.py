"""One PubMed citation: its text, what it is, and whether it may be used.

Element names are those of NLM's PubMed DTD (2016 to 2026).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from components.pubmed.markup import Element, plain_text
from components.records import Reject

YEAR = re.compile(r"\b(1[5-9]|20)\d{2}\b")
NUMBER = re.compile(r"[0-9]{1,9}")  # what a 32-bit column holds
RETRACTED_TITLE = re.compile(r"^\W*(RETRACTED\b|(?i:retracted( article| paper)?\s*[:\]]))")
RETRACTED_TYPES = frozenset({"Retracted Publication"})
NOTICE_TYPES = frozenset({"Retraction of Publication", "Retraction Notice"})
RETRACTED_BY = frozenset({"RetractionIn", "RetractedandRepublishedIn"})
RETRACTS = frozenset({"RetractionOf"})
NO_LABEL = frozenset({"", "UNLABELLED", "UNLABELED"})


@dataclass(frozen=True, slots=True)
class Citation:
    """A citation. ``retracts`` and ``doubts`` name the PMIDs that it, as a notice, speaks of.

    ``abstract`` holds (label, text) in order, the label empty where there is none;
    ``other_abstracts`` (language, kind, text): translations and plain-language summaries.
    """

    pmid: str
    version: int
    title: str
    vernacular_title: str
    abstract: list[tuple[str, str]]
    other_abstracts: list[tuple[str, str, str]]
    authors: list[str]
    journal: str
    year: int
    languages: list[str]
    mesh: list[str]
    publication_types: list[str]
    doi: str
    pmcid: str
    copyright: str
    retracted: bool
    concern: bool
    is_notice: bool
    retracts: list[str]
    doubts: list[str]
    origin: str

    def text(self) -> str:
        """The abstract, a line per section, labels before their text."""
        lines = (f"{label}: {text}" if label else text for label, text in self.abstract)
        return "\n".join(lines)


def read_pmid(element: Element | None) -> tuple[str, int]:
    """PMID and version of a PMID element; version 1 where none is stated, "" for no PMID."""
    if element is None:
        return "", 1
    version = element.get("Version") or "1"
    return (element.text or "").strip(), int(version) if NUMBER.fullmatch(version) else 1


def parse_citation(element: Element, name: str) -> Citation | Reject:
    """The citation of a PubmedArticle or a bare MedlineCitation; a Reject without PMID or article.

    An article is retracted when its type, its comments or its title say so. A retraction notice
    is not itself retracted: it is marked as a notice, and names what it retracts.
    """
    inner = element.find("MedlineCitation")
    medline = element if inner is None else inner
    pmid, version = read_pmid(medline.find("PMID"))
    article = medline.find("Article")
    if not NUMBER.fullmatch(pmid) or article is None:
        detail = f"PMID {pmid} has no Article" if NUMBER.fullmatch(pmid) else "no PMID"
        return Reject(f"{name}#{pmid or 'unknown'}", "broken-citation", detail)
    types = [plain_text(node) for node in article.iterfind("PublicationTypeList/PublicationType")]
    title = plain_text(article.find("ArticleTitle"))
    comments = list(_read_comments(medline))
    relations = {relation for relation, _ in comments}
    retracts = [other for relation, other in comments if relation in RETRACTS]
    is_notice = bool(NOTICE_TYPES.intersection(types) or retracts)
    return Citation(
        pmid=pmid,
        version=version,
        title=title,
        vernacular_title=plain_text(article.find("VernacularTitle")),
        abstract=_read_abstract(article.find("Abstract")),
        other_abstracts=[
            (node.get("Language") or "", node.get("Type") or "", _join(_read_abstract(node)))
            for node in medline.iterfind("OtherAbstract")
        ],
        authors=[name for name in map(_name_author, article.iterfind("AuthorList/Author")) if name],
        journal=plain_text(article.find("Journal/Title")),
        year=_read_year(article),
        languages=[plain_text(node) for node in article.iterfind("Language")],
        mesh=[
            plain_text(node)
            for node in medline.iterfind("MeshHeadingList/MeshHeading/DescriptorName")
        ],
        publication_types=types,
        doi=_read_doi(element, article),
        pmcid=_read_pmcid(element, medline),
        copyright=plain_text(article.find("Abstract/CopyrightInformation")),
        retracted=bool(RETRACTED_TYPES.intersection(types) or RETRACTED_BY & relations)
        or (RETRACTED_TITLE.match(title) is not None and not is_notice),
        concern="ExpressionOfConcernIn" in relations,
        is_notice=is_notice,
        retracts=[other for other in retracts if other],
        doubts=[o for relation, o in comments if relation == "ExpressionOfConcernFor" and o],
        origin=f"{name}#{pmid}.{version}",
    )


def _read_abstract(abstract: Element | None) -> list[tuple[str, str]]:
    if abstract is None:
        return []
    parts = []
    for node in abstract.iterfind("AbstractText"):
        label, text = (node.get("Label") or "").strip(), plain_text(node)
        if text:
            parts.append(("" if label.upper() in NO_LABEL else label, text))
    return parts


def _join(parts: list[tuple[str, str]]) -> str:
    return "\n".join(text for _, text in parts)


def _read_comments(medline: Element) -> Iterator[tuple[str, str]]:
    """(relation, the other article's PMID or "") of each comment or correction."""
    for node in medline.iterfind("CommentsCorrectionsList/CommentsCorrections"):
        yield node.get("RefType") or "", read_pmid(node.find("PMID"))[0]


def _name_author(author: Element) -> str:
    collective = plain_text(author.find("CollectiveName"))
    parts = (plain_text(author.find(part)) for part in ("ForeName", "LastName", "Suffix"))
    return collective or " ".join(part for part in parts if part)


def _read_year(article: Element) -> int:
    """The year of publication: Year, the first year of MedlineDate, or the electronic date."""
    places = ("Journal/JournalIssue/PubDate/Year", "Journal/JournalIssue/PubDate/MedlineDate")
    for place in (*places, "ArticleDate/Year"):
        found = YEAR.search(plain_text(article.find(place)))
        if found:
            return int(found.group())
    return 0


def _read_doi(element: Element, article: Element) -> str:
    for node in article.iterfind("ELocationID[@EIdType='doi']"):
        if node.get("ValidYN") != "N":
            return plain_text(node)
    return plain_text(element.find("PubmedData/ArticleIdList/ArticleId[@IdType='doi']"))


def _read_pmcid(element: Element, medline: Element) -> str:
    pmcid = plain_text(element.find("PubmedData/ArticleIdList/ArticleId[@IdType='pmc']"))
    others = (plain_text(node) for node in medline.iterfind("OtherID[@Source='NLM']"))
    return pmcid or next((other.split()[0] for other in others if other.startswith("PMC")), "")
