"""Object storage: a public bucket read without a signature, and faults told in plain words."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.acquire.pmc_bucket import BUCKET
from components.storage import (
    Bucket,
    BusyError,
    ChangedError,
    NotStoredError,
    PublicBucket,
    StorageError,
)
from tests.components.acquire.s3 import BucketSite, Fault, bucket_site, md5, s3_address
from tests.components.training.s3_line import BUCKET as OWN
from tests.components.training.s3_line import Line, line

__all__ = ["bucket_site", "line", "s3_address"]
pytestmark = pytest.mark.services
BODY = bytes(range(256)) * 40


@pytest.fixture
def bucket(bucket_site: BucketSite) -> PublicBucket:
    return PublicBucket(BUCKET, endpoint=bucket_site.endpoint, timeout_s=10.0)


def read(bucket: PublicBucket, key: str, begin: int = 0, tag: str = "") -> bytes:
    with bucket.open(key, begin, tag) as part:
        return b"".join(iter(lambda: part.body.read(1000), b""))


def test_requests_are_not_signed_whatever_the_environment_holds(
    bucket_site: BucketSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    bucket_site.put("a/b", BODY)
    bucket = PublicBucket(BUCKET, endpoint=bucket_site.endpoint, timeout_s=10.0)
    assert read(bucket, "a/b") == BODY
    assert bucket_site.signed == []
    bucket_site.client.put_object(Bucket=BUCKET, Key="private", Body=BODY, ACL="private")
    with pytest.raises(StorageError, match="403"):
        read(bucket, "private")


def test_listings_go_over_pages(bucket_site: BucketSite, bucket: PublicBucket) -> None:
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.s3.models import s3_backends

    store = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]  # a thousand requests would take seconds
    for number in range(1005):
        store.put_object(BUCKET, f"many/{number:04d}/x", b"%d" % number)
    found = bucket.objects("many/")
    assert [stored.key for stored in found] == [f"many/{n:04d}/x" for n in range(1005)]
    assert (found[7].size, found[7].md5) == (1, md5(b"7"))
    assert bucket.folders("many/")[:2] == ["many/0000/", "many/0001/"]
    assert len(bucket.folders("many/")) == 1005
    assert (bucket.objects("none/"), bucket.folders("none/")) == ([], [])


def test_a_part_is_given_where_the_object_is_the_same(
    bucket_site: BucketSite, bucket: PublicBucket
) -> None:
    bucket_site.put("k", BODY)
    with bucket.open("k") as part:
        assert (part.begin, part.size, part.md5) == (0, len(BODY), md5(BODY))
        tag = part.tag
    with bucket.open("k", 1000, tag) as part:
        assert (part.begin, part.size) == (1000, len(BODY))
        assert part.body.read(5) == BODY[1000:1005]
    assert read(bucket, "k", 1000, tag) == BODY[1000:]
    bucket_site.put("k", BODY[::-1])
    with pytest.raises(ChangedError):
        read(bucket, "k", 1000, tag)
    with pytest.raises(ChangedError):
        read(bucket, "k", len(BODY), f'"{md5(BODY[::-1])}"')


def test_an_upload_in_parts_has_no_md5(bucket_site: BucketSite, bucket: PublicBucket) -> None:
    client = bucket_site.client
    upload = client.create_multipart_upload(Bucket=BUCKET, Key="big", ACL="public-read")["UploadId"]
    name = {"Bucket": BUCKET, "Key": "big", "UploadId": upload}
    done = client.upload_part(**name, PartNumber=1, Body=BODY)
    parts = {"Parts": [{"PartNumber": 1, "ETag": done["ETag"]}]}
    client.complete_multipart_upload(**name, MultipartUpload=parts)
    assert bucket.objects("big")[0].md5 == ""
    with bucket.open("big") as part:
        assert (part.md5, part.tag != "") == ("", True)


@pytest.mark.parametrize(
    ("fault", "kind", "pause"),
    [
        (Fault(503, headers={"Retry-After": "7"}), BusyError, 7.0),
        (Fault(500), BusyError, 0.0),
        (Fault(429, headers={"Retry-After": "soon"}), BusyError, 0.0),
        (Fault(503, b"<Error><Code>SlowDown</Code></Error>"), BusyError, 0.0),
        (Fault(200, b"", {}, None), None, 0.0),
        (Fault(403, b"<Error><Code>AccessDenied</Code></Error>"), StorageError, 0.0),
        (Fault(404, b"<html>no</html>"), NotStoredError, 0.0),
    ],
)
def test_each_refusal_says_what_may_be_done(
    bucket_site: BucketSite,
    bucket: PublicBucket,
    fault: Fault,
    kind: type[StorageError] | None,
    pause: float,
) -> None:
    bucket_site.put("k", BODY)
    bucket_site.fail("k", fault)
    if kind is None:
        assert read(bucket, "k") == b""
        return
    with pytest.raises(kind) as caught:
        read(bucket, "k")
    assert type(caught.value) is kind
    assert getattr(caught.value, "pause_s", 0.0) == pause
    assert len(bucket_site.asked) == 1  # whoever asks decides what to do


def test_what_is_not_there_and_lines_that_break(
    bucket_site: BucketSite, bucket: PublicBucket
) -> None:
    with pytest.raises(NotStoredError, match="404 NoSuchKey"):
        read(bucket, "absent")
    with pytest.raises(NotStoredError):
        PublicBucket("no-such-bucket", endpoint=bucket_site.endpoint).objects("a")
    bucket_site.put("k", BODY)
    bucket_site.fail("k", Fault(cut=1000))
    with pytest.raises(BusyError):
        read(bucket, "k")
    with pytest.raises(BusyError, match="EndpointConnectionError"):
        PublicBucket(BUCKET, endpoint="http://127.0.0.1:9", timeout_s=1.0).objects("a")


def test_a_bucket_of_aws_has_an_address_of_its_own() -> None:
    bucket = PublicBucket(BUCKET)
    address = bucket._client.generate_presigned_url(
        "get_object", Params={"Bucket": BUCKET, "Key": "PMC1.1/PMC1.1.xml"}
    )
    assert address == f"https://{BUCKET}.s3.amazonaws.com/PMC1.1/PMC1.1.xml"


def test_a_bucket_of_one_s_own_takes_gives_and_forgets(line: Line, tmp_path: Path) -> None:
    bucket, file = Bucket(OWN), tmp_path / "file"
    file.write_bytes(BODY)
    for key in ("b/1", "a/2"):
        bucket.upload(file, key)
    assert bucket.keys("") == ["a/2", "b/1"]
    assert bucket.keys("b/") == ["b/1"]
    bucket.download("a/2", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == BODY
    bucket.remove("a/2")
    bucket.remove("a/2")
    assert line.held() == ["b/1"]
    with pytest.raises(NotStoredError, match="404"):
        bucket.download("a/2", tmp_path / "absent")
    assert not (tmp_path / "absent").exists()
    with pytest.raises(StorageError, match="ParamValidationError"):
        Bucket("no bucket is named so").keys("")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_a_full_disk_is_this_machine_s_and_no_fault_of_the_server(
    line: Line, tmp_path: Path
) -> None:
    bucket, file = Bucket(OWN), tmp_path / "file"
    file.write_bytes(BODY)
    bucket.upload(file, "k")
    with pytest.raises(OSError, match="No space left"):
        bucket.download("k", Path("/dev/full"))


def test_a_bucket_of_one_s_own_asks_again_only_what_may_pass(line: Line, tmp_path: Path) -> None:
    bucket, file = Bucket(OWN, attempts=3), tmp_path / "file"
    file.write_bytes(BODY)
    for status, times, kind in ((500, 2, None), (503, 9, BusyError), (403, 9, StorageError)):
        line.faults.clear()
        line.asked.clear()
        line.fail(status, "PUT", times=times)
        if kind is None:
            bucket.upload(file, "k")
        else:
            with pytest.raises(kind, match=str(status)):
                bucket.upload(file, "k")
        assert len(line.asked) == (1 if status == 403 else 3)
