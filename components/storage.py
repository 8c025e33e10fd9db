"""Object storage that speaks S3: the only door to boto3 and botocore."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from components import __version__
from components.errors import REFUSALS

MD5 = re.compile(r"[0-9a-f]{32}")
MISSING = frozenset({"404", "NoSuchKey", "NotFound", "NoSuchBucket"})
CHANGED = frozenset(
    {"412", "PreconditionFailed", "416", "InvalidRange", "ConditionalRequestConflict"}
)
BUSY = frozenset({"429", "SlowDown", "RequestTimeout", "TooManyRequests", "Throttling"})

S3 = "s3://"
ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")  # environment: another server than AWS's


class StorageError(Exception):
    """A request that failed; the message says how. Its subclasses say what may be done."""


class NotStoredError(StorageError):
    """There is no such object, or no such bucket."""


class ChangedError(StorageError):
    """The object is another than the tag says, or shorter than the range asked for."""


class BusyError(StorageError):
    """What may pass: a broken line, a server that is busy, for ``pause_s`` where it says so."""

    def __init__(self, why: str, pause_s: float = 0.0) -> None:
        super().__init__(why)
        self.pause_s = pause_s


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as a listing tells of it; its ETag is without quotes."""

    key: str
    size: int
    etag: str

    @property
    def md5(self) -> str:
        """The ETag where it is an md5, else ""."""
        return _md5(self.etag)


@dataclass(frozen=True, slots=True)
class StoredPart:
    """An object's content from byte ``begin`` on; ``size`` is the whole object's."""

    body: _Body
    begin: int
    size: int | None
    tag: str
    md5: str


def split_address(address: str) -> tuple[str, str]:
    """Bucket and prefix of ``s3://bucket/prefix``; the prefix ends with a slash, or is empty."""
    name, *folders = [*filter(None, address.removeprefix(S3).split("/"))] or [""]
    return name, "/".join([*folders, ""])


class ReadableBucket:
    """What can be read of any bucket."""

    name: str
    _client: Any

    def folders(self, prefix: str) -> list[str]:
        """What stands between the prefix and the next slash, each with the prefix, sorted."""
        pages = _list_pages(self._client, self.name, prefix, Delimiter="/")
        return sorted(item["Prefix"] for page in pages for item in page.get("CommonPrefixes", []))

    def objects(self, prefix: str) -> list[StoredObject]:
        """The objects whose keys begin with the prefix, by key."""
        pages = _list_pages(self._client, self.name, prefix)
        made = (
            StoredObject(item["Key"], int(item.get("Size", 0)), item.get("ETag", "").strip('"'))
            for page in pages
            for item in page.get("Contents", [])
        )
        return sorted(made, key=lambda stored: stored.key)

    @contextmanager
    def open(self, key: str, begin: int = 0, tag: str = "") -> Iterator[StoredPart]:
        """An object's content, from byte ``begin`` on if it still has the tag.

        Raises NotStoredError, ChangedError, BusyError, and StorageError for any other refusal.
        """
        with _open_part(self._client, self.name, key, begin, tag) as part:
            yield part


class Bucket(ReadableBucket):
    """A bucket of one's own. Credentials, region and endpoint are those that AWS's tools would use.

    ``endpoint`` is the address of another server than AWS's, where the environment names none.
    A request that fails and may succeed is made ``attempts`` times, after random pauses up to
    twice as long each time (botocore's mode "standard"); one that is refused is made once. Raises
    as PublicBucket. One object serves many threads.
    """

    def __init__(
        self, name: str, *, endpoint: str = "", attempts: int = 5, timeout_s: float = 60.0
    ) -> None:
        from boto3.session import Session
        from botocore.config import Config

        self.name, elsewhere = name, endpoint or any(map(os.environ.get, ENDPOINTS))
        config = Config(
            connect_timeout=timeout_s,
            read_timeout=timeout_s,
            retries={"mode": "standard", "total_max_attempts": attempts},
            # by IP or by name: few servers other than AWS's have a host for each bucket
            s3={"addressing_style": "path"} if elsewhere else None,
            # nor do all of them know the newer checksums
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            user_agent_extra=f"biomedgpt/{__version__}",
        )
        with _told():
            self._client = Session().client("s3", endpoint_url=endpoint or None, config=config)

    def keys(self, prefix: str) -> list[str]:
        """The keys that begin with the prefix, sorted."""
        return [stored.key for stored in self.objects(prefix)]

    def create(self, content: bytes, key: str) -> bool:
        """Store an object under a key that is free; False where another one was first.

        The server decides (``If-None-Match``), so that of two who ask at once one hears False.
        """
        try:
            with _told():
                self._client.put_object(Bucket=self.name, Key=key, Body=content, IfNoneMatch="*")
        except ChangedError:
            return False
        return True

    def upload(self, file: Path | BinaryIO, key: str) -> None:
        """Store a file, in parts side by side where it is large; it appears when it is whole."""
        opened = file.open("rb") if isinstance(file, Path) else nullcontext(file)
        with opened as content, _told():
            self._client.upload_fileobj(content, self.name, key)

    def download(self, key: str, file: Path) -> None:
        """Fetch an object into a file; it appears when it is whole."""
        with _told():
            self._client.download_file(self.name, key, str(file))

    def remove(self, key: str) -> None:
        """Remove an object; one that is not there is no error."""
        with _told():
            self._client.delete_object(Bucket=self.name, Key=key)


class PublicBucket(ReadableBucket):
    """A bucket that anyone may read; requests are not signed and no credentials are looked for.

    ``endpoint`` is the address of another server than AWS's, "" for AWS. Each request is made
    once: whoever asks decides what to do about BusyError. One object serves many threads.
    """

    def __init__(
        self,
        name: str,
        *,
        endpoint: str = "",
        region: str = "us-east-1",
        timeout_s: float = 60.0,
        connections: int = 10,
    ) -> None:
        from boto3.session import Session
        from botocore import UNSIGNED
        from botocore.config import Config

        self.name = name
        config = Config(
            signature_version=UNSIGNED,
            connect_timeout=timeout_s,
            read_timeout=timeout_s,
            max_pool_connections=connections,
            retries={"mode": "standard", "total_max_attempts": 1},
            s3={"addressing_style": "path" if endpoint else "virtual"},
            ignore_configured_endpoint_urls=True,  # the environment sends nobody elsewhere
            user_agent_extra=f"biomedgpt/{__version__}",
        )
        self._client = Session().client(
            "s3", region_name=region, endpoint_url=endpoint or None, config=config
        )


def _list_pages(client: Any, bucket: str, prefix: str, **more: str) -> list[dict[str, Any]]:
    pages = client.get_paginator("list_objects_v2")
    with _told():
        return list(pages.paginate(Bucket=bucket, Prefix=prefix, **more))


@contextmanager
def _open_part(client: Any, bucket: str, key: str, begin: int, tag: str) -> Iterator[StoredPart]:
    wanted: dict[str, Any] = {"Bucket": bucket, "Key": key}
    if begin:
        wanted |= {"Range": f"bytes={begin}-", "IfMatch": tag}
    with _told():
        answer = client.get_object(**wanted)
    stream, found = answer["Body"], _begin(answer.get("ContentRange"))
    tag = str(answer.get("ETag", ""))
    with stream:
        yield StoredPart(
            # botocore's own stream reads whole chunks only, and hides the one that need not
            body=_Body(stream._raw_stream),
            begin=found,
            size=found + int(answer["ContentLength"]) if "ContentLength" in answer else None,
            tag="" if tag.startswith("W/") else tag,
            md5="" if "kms" in answer.get("ServerSideEncryption", "") else _md5(tag),
        )


@dataclass(frozen=True, slots=True)
class _Body:
    """The stream of an object; what breaks it off is told in this module's words.

    Bytes as they come: a slow line gives what it has, and does not wait for a whole chunk.
    """

    stream: Any

    def read(self, size: int, /) -> bytes:
        with _told():
            chunk = bytes(self.stream.read1(size))
        if not chunk and self.stream.length_remaining:
            raise BusyError(f"IncompleteRead: {self.stream.length_remaining} bytes are missing")
        return chunk


@contextmanager
def _told() -> Iterator[None]:
    """Turn botocore's errors into those of this module."""
    from boto3.exceptions import RetriesExceededError
    from botocore import exceptions as told
    from urllib3.exceptions import HTTPError

    try:
        yield
    except told.ClientError as error:
        raise _explain(error.response) from None
    except (
        told.NoCredentialsError,
        told.PartialCredentialsError,
        told.ProfileNotFound,
        told.ParamValidationError,
        ValueError,  # botocore's word on an endpoint that is no address
    ) as error:  # nothing was asked
        raise StorageError(f"{type(error).__name__}: {error}") from None
    # no answer, or none that can be read
    except (told.BotoCoreError, RetriesExceededError, HTTPError, OSError) as error:
        if getattr(error, "errno", None) in REFUSALS:  # this machine's own disk, not the server
            raise
        raise BusyError(f"{type(error).__name__}: {error}") from None


def _explain(answer: Any) -> StorageError:
    head = answer.get("ResponseMetadata", {})
    status = int(head.get("HTTPStatusCode", 0))
    code, words = str(answer["Error"].get("Code", "")), answer["Error"].get("Message", "")
    why = f"the server answers {status} {code}: {words}".rstrip(": ")
    if code in MISSING or status == 404:
        return NotStoredError(why)
    if code in CHANGED or status in (412, 416):
        return ChangedError(why)
    if code in BUSY or status == 429 or status >= 500:
        pause = str(head.get("HTTPHeaders", {}).get("retry-after", ""))
        return BusyError(why, float(pause) if pause.isdecimal() else 0.0)
    return StorageError(why)


def _begin(content_range: str | None) -> int:
    found = re.match(r"bytes (\d+)-", content_range or "")
    return int(found.group(1)) if found else 0


def _md5(etag: str) -> str:
    """The md5 that an ETag is, "" for one of an upload in parts (S3 writes ``...-N``)."""
    plain = etag.strip('"')
    return plain if MD5.fullmatch(plain) else ""
