"""A paper as a PMC article: JATS elements, with figures, a table, references and a licence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lxml import etree

from components.sample.facts import RELATIONS, state_fact, value_of
from components.sample.markup import Element, add
from components.sample.papers import Paper, Section
from components.sample.scenes import Scene
from components.sample.words import caption_scene, place_lesions, start_upper

DOCTYPE = (
    '<!DOCTYPE article PUBLIC "-//NLM//DTD JATS (Z39.96) Journal Archiving and Interchange DTD '
    'with MathML3 v1.3 20210610//EN" "JATS-archivearticle1-3-mathml3.dtd">'
)
OLD_DOCTYPE = (
    '<!DOCTYPE article PUBLIC "-//NLM//DTD Journal Archiving and Interchange DTD v2.3 '
    '20070202//EN" "archivearticle.dtd">'
)
XLINK = "http://www.w3.org/1999/xlink"
HREF = f"{{{XLINK}}}href"
LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
LICENCE_URLS = {
    "CC BY": "https://creativecommons.org/licenses/by/4.0/",
    "CC BY-NC": "https://creativecommons.org/licenses/by-nc/4.0/",
    "CC BY-NC-ND": "https://creativecommons.org/licenses/by-nc-nd/4.0/",
    "CC BY-NC-SA": "https://creativecommons.org/licenses/by-nc-sa/4.0/",
    "CC0": "https://creativecommons.org/publicdomain/zero/1.0/",
}


@dataclass(frozen=True, slots=True)
class Printed:
    """One version of a printed paper. ``is_package`` stands for the layout of before 2026."""

    paper: Paper
    scenes: list[Scene]
    licence: str
    version: int
    cited: Sequence[Paper]
    is_package: bool
    form: int

    def graphics(self) -> list[str]:
        """The figures' file names, without suffix."""
        return [f"sample-{self.paper.number}-g{n:03d}" for n, _ in enumerate(self.scenes, 1)]


def build_article(printed: Printed) -> Element:
    """The article element: front, body and back."""
    article = etree.Element(
        "article", {"article-type": "research-article", LANGUAGE: "en"}, nsmap={"xlink": XLINK}
    )
    front = add(article, "front")
    _add_journal(front, printed.paper)
    _add_meta(front, printed)
    body = add(article, "body")
    _add_introduction(body, printed)
    _add_methods(body, printed.paper)
    _add_results(body, printed)
    _add_discussion(body, printed.paper)
    references = add(add(article, "back"), "ref-list")
    add(references, "title", "References")
    for number, paper in enumerate(printed.cited, 1):
        _add_reference(references, number, paper)
    return article


def _add_journal(front: Element, paper: Paper) -> None:
    meta = add(front, "journal-meta")
    add(meta, "journal-id", paper.journal.short, **{"journal-id-type": "nlm-ta"})
    add(add(meta, "journal-title-group"), "journal-title", paper.journal.title)
    add(meta, "issn", paper.journal.issn, **{"pub-type": "ppub"})
    add(add(meta, "publisher"), "publisher-name", "Sample World Press")


def _add_meta(front: Element, printed: Printed) -> None:
    paper = printed.paper
    meta = add(front, "article-meta")
    ids = {"pmid": paper.pmid, "doi": paper.doi}
    if printed.is_package:
        ids["pmc"] = paper.pmcid.removeprefix("PMC")
    else:
        ids |= {"pmcid": paper.pmcid, "pmcid-ver": f"{paper.pmcid}.{printed.version}"}
    for kind, text in ids.items():
        add(meta, "article-id", text, **{"pub-id-type": kind})
    group = add(add(meta, "article-categories"), "subj-group", **{"subj-group-type": "heading"})
    add(group, "subject", "Research Article")
    add(add(meta, "title-group"), "article-title", paper.title.rstrip("."))
    authors = add(meta, "contrib-group")
    for last, initials in paper.authors:
        name = add(add(authors, "contrib", **{"contrib-type": "author"}), "name")
        add(name, "surname", last)
        add(name, "given-names", initials)
    date = add(meta, "pub-date", **{"pub-type": "epub"})
    add(date, "month", str(paper.month))
    add(date, "year", str(paper.year))
    add(meta, "volume", str(paper.year - 1990))
    add(meta, "fpage", str(paper.number))
    _add_licence(meta, printed)
    abstract = add(meta, "abstract")
    for section in paper.sections:
        part = add(abstract, "sec")
        add(part, "title", section.label.capitalize())
        part.append(_as_paragraph(section))


def _add_licence(meta: Element, printed: Printed) -> None:
    """The terms of use; packages of before state them without the permissions element."""
    year = printed.paper.year
    holder = meta if printed.is_package else add(meta, "permissions")
    add(holder, "copyright-statement", f"© {year} The Authors")
    add(holder, "copyright-year", str(year))
    url = LICENCE_URLS[printed.licence]
    licence = add(holder, "license", **{"license-type": "open-access", HREF: url})
    text = f"This article may be used under the terms of {printed.licence} ({url})."
    add(licence, "p" if printed.is_package else "license-p", text)


def _as_paragraph(section: Section) -> Element:
    """A JATS paragraph; its inline elements have other names than PubMed's."""
    markup = section.markup.replace("<i>", "<italic>").replace("</i>", "</italic>")
    return etree.fromstring(f"<p>{markup}</p>")


def _add_section(body: Element, key: str, title: str) -> Element:
    section = add(body, "sec", id=key)
    add(section, "title", title)
    return section


def _add_introduction(body: Element, printed: Printed) -> None:
    disease, section = printed.paper.disease, _add_section(body, "s1", "Introduction")
    facts = " ".join(state_fact(disease, relation, printed.form) for relation in RELATIONS[:3])
    paragraph = add(section, "p", f"{facts} This was shown before [")
    cited = add(paragraph, "xref", "1", **{"ref-type": "bibr", "rid": "b1"})
    cited.tail = "]."


def _add_methods(body: Element, paper: Paper) -> None:
    section = _add_section(body, "s2", "Methods")
    add(section, "p", f"All patients had {paper.disease.name}. Each had {paper.disease.test}.")
    add(section, "p", "Pictures were read by two readers who did not know the outcome.")


def _add_results(body: Element, printed: Printed) -> None:
    """Each figure with a sentence that mentions it, then a table of the facts."""
    section = _add_section(body, "s3", "Results")
    names = printed.graphics()
    for number, (scene, name) in enumerate(zip(printed.scenes, names, strict=True), 1):
        paragraph = add(section, "p", "One patient had " + place_lesions(scene) + " (")
        mention = add(paragraph, "xref", f"Figure {number}", **{"ref-type": "fig"})
        mention.set("rid", f"f{number}")
        mention.tail = f"). This patient was given {printed.paper.disease.drug}."
        figure = add(section, "fig", id=f"f{number}")
        add(figure, "label", f"Figure {number}")
        add(add(figure, "caption"), "p", caption_scene(scene, printed.form + number))
        add(figure, "graphic", **{HREF: name if printed.is_package else f"{name}.jpg"})
    _add_table(section, printed.paper)


def _add_table(section: Element, paper: Paper) -> None:
    wrap = add(section, "table-wrap", id="t1")
    add(wrap, "label", "Table 1")
    add(add(wrap, "caption"), "p", f"What is known of {paper.disease.name}.")
    table = add(wrap, "table")
    head = add(add(table, "thead"), "tr")
    for title in ("Property", "Value"):
        add(head, "th", title)
    rows = add(table, "tbody")
    for relation in RELATIONS:
        row = add(rows, "tr")
        add(row, "td", start_upper(relation))
        add(row, "td", value_of(paper.disease, relation))


def _add_discussion(body: Element, paper: Paper) -> None:
    section = _add_section(body, "s4", "Discussion")
    facts = " ".join(state_fact(paper.disease, relation, 1) for relation in RELATIONS)
    add(section, "p", f"{facts} The number of patients was small.")


def _add_reference(references: Element, number: int, paper: Paper) -> None:
    reference = add(references, "ref", id=f"b{number}")
    add(reference, "label", str(number))
    cited = add(reference, "mixed-citation", **{"publication-type": "journal"})
    add(cited, "article-title", paper.title.rstrip("."))
    add(cited, "source", paper.journal.short)
    add(cited, "year", str(paper.year))
    add(cited, "pub-id", paper.pmid, **{"pub-id-type": "pmid"})
