"""PMC's bucket on this machine: a real S3 server, and a line to it that fails when told to."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest

from components.acquire.pmc_bucket import BUCKET, INVENTORY, PmcBucket
from components.acquire.transfer import Terms
from components.storage import PublicBucket

FIGURE = b"\xff\xd8 a figure "
ARTICLE = """<!DOCTYPE article SYSTEM "JATS.dtd">
<article xmlns:xlink="http://www.w3.org/1999/xlink"><front><article-meta/></front>
<body>{figures}</body></article>"""


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


@dataclass
class Fault:
    """What the line does instead of passing one request on: an answer, or ``cut`` bytes of it."""

    status: int = 0
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None


@dataclass
class BucketSite:
    """A bucket that a test fills, the address of the line to it, and what was asked through it."""

    endpoint: str
    client: Any
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    signed: list[str] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)

    def put(self, key: str, content: bytes) -> None:
        """Store an object."""
        self.client.put_object(Bucket=BUCKET, Key=key, Body=content, ACL="public-read")

    def fail(self, key: str, *faults: Fault) -> None:
        """Let the next requests for an object go wrong."""
        self.faults[f"/{BUCKET}/{key}"] = list(faults)

    def put_article(
        self,
        stem: str,
        figures: dict[str, bytes] | None = None,
        *,
        beside: bool = True,
        graphics: list[str] | None = None,
        **changes: Any,
    ) -> dict[str, Any]:
        """Store a version with its XML, metadata (in one of its places), and media."""
        media = {"gr1.jpg": FIGURE} if figures is None else figures
        names = [name.rsplit(".", 1)[0] for name in media] if graphics is None else graphics
        nodes = (f'<fig><graphic xlink:href="{name}"/></fig>' for name in names)
        text = ARTICLE.format(figures="".join(nodes)).encode()
        pmcid, _, number = stem.partition(".")
        metadata: dict[str, Any] = {
            "pmcid": pmcid,
            "version": int(number),
            "is_pmc_openaccess": True,
            "is_retracted": False,
            "license_code": "CC BY",
            "xml_url": f"s3://{BUCKET}/{stem}/{stem}.xml?md5={md5(text)}",
            "media_urls": [f"s3://{BUCKET}/{stem}/{n}?md5={md5(b)}" for n, b in media.items()],
            "a_field_of_tomorrow": {"deep": [1, None]},
        }
        metadata |= changes
        metadata = {key: value for key, value in metadata.items() if value is not ...}
        place = f"{stem}/{stem}.json" if beside else f"metadata/{stem}.json"
        self.put(place, json.dumps(metadata).encode())
        for name, content in {f"{stem}.xml": text, f"{stem}.pdf": b"%PDF", **media}.items():
            self.put(f"{stem}/{name}", content)
        return metadata

    def put_inventory(self, date: str, *files: list[str], **changes: Any) -> None:
        """Store an inventory: a manifest, and a gzipped CSV file of keys for each list."""
        listed = []
        for number, keys in enumerate(files):
            rows = "".join(f'"{BUCKET}","{key}","2026-09-14T00:00:00.000Z","0"\n' for key in keys)
            packed = gzip.compress(rows.encode(), mtime=0)
            key = f"{INVENTORY}data/{date}-{number}.csv.gz"
            self.put(key, packed)
            listed.append({"key": key, "size": len(packed), "MD5checksum": md5(packed)})
        manifest = {
            "sourceBucket": BUCKET,
            "fileFormat": "CSV",
            "fileSchema": "Bucket, Key, LastModifiedDate, ETag",
            "files": listed,
            **changes,
        }
        self.put(f"{INVENTORY}{date}/manifest.json", json.dumps(manifest).encode())

    def open(self, **changes: Any) -> PmcBucket:
        """The bucket as the project reads it, without waiting."""
        terms = Terms(**{"timeout_s": 10.0, "retries": 3, "sleep": self.pauses.append} | changes)
        return PmcBucket(PublicBucket(BUCKET, endpoint=self.endpoint, timeout_s=10.0), terms)


def make_line(site: BucketSite, address: str) -> type[BaseHTTPRequestHandler]:
    """A request handler that passes requests on to the server, but for the faults of a site."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            site.asked.append(f"{self.path} {self.headers.get('Range', '')}".strip())
            site.signed += [v for k, v in self.headers.items() if k.lower() == "authorization"]
            faults = site.faults.get(path)
            fault = faults.pop(0) if faults else Fault()
            if fault.status:
                self.answer(fault.status, fault.headers, fault.body, None)
                return
            line = http.client.HTTPConnection(urlsplit(address).netloc)
            headers = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "expect")}
            line.request("GET", self.path, headers=headers)
            response = line.getresponse()
            body = response.read()
            kept = {
                name: value
                for name, value in response.getheaders()
                if name.lower() not in ("connection", "transfer-encoding", "content-length")
            }
            self.answer(response.status, kept, body, fault.cut)
            line.close()

        def answer(
            self, status: int, headers: dict[str, str], body: bytes, cut: int | None
        ) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[:cut])

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler


@pytest.fixture(scope="session")
def s3_address() -> Iterator[str]:
    """A server of S3 in this process; without a signature it gives what is public, and 403 else."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket_site(s3_address: str) -> Iterator[BucketSite]:
    """PMC's bucket, empty, and a line to it."""
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url=s3_address,
        region_name="us-east-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
    )
    line = http.client.HTTPConnection(urlsplit(s3_address).netloc)
    line.request("POST", "/moto-api/reset")
    line.getresponse().read()
    line.close()
    client.create_bucket(Bucket=BUCKET)
    site = BucketSite("", client)
    server = ThreadingHTTPServer(("127.0.0.1", 0), make_line(site, s3_address))
    site.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield site
    server.shutdown()
    thread.join()
    server.server_close()
