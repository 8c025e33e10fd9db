"""What MkDocs is given beside this folder's pages: the front page, and the reference.

README, CONTRIBUTING and the benchmarks' results are read where a repository's reader looks for
them. The reference is made of the code at every build, so that no page of it can be out of date.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from components.reference.pages import make_pages
from flows.cli import build_parser

ROOT = Path(__file__).resolve().parents[1]
ELSEWHERE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "reporting.md",
    "benchmarks/RESULTS.md": "measurements.md",
}
TO_TEST = re.compile(r"\[(`\w+`)\]\(\.\./(tests/[^)]+)\)")  # which the site does not hold
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)#\s]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that do not lie in this folder."""
    for source, page in ELSEWHERE.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=text))
    for name, text in make_pages(build_parser()).items():
        files.append(File.generated(config, f"reference/{name}.md", content=text))
    return files


def on_page_markdown(markdown: str, page: Page, **_others: object) -> str:
    """Lead links, which are those of the repository, to where the site has what they name."""
    published = page.file.src_uri
    source = next((key for key, value in ELSEWHERE.items() if value == published), None)
    folder = posixpath.dirname(source or f"docs/{published}")

    def lead(link: re.Match[str]) -> str:
        named = posixpath.normpath(posixpath.join(folder, link[1]))
        return posixpath.relpath(
            ELSEWHERE.get(named, named.removeprefix("docs/")), posixpath.dirname(published) or "."
        )

    return LINK.sub(lead, TO_TEST.sub(r"\1 of `\2`", markdown))
