"""A server that does not know conditional writes is no place for artifacts."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.artifacts.places import TRIED, BucketPlace
from components.errors import UserError
from tests.remote.conftest import Server, access, serve_rclone

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("remote")]


def test_a_server_that_writes_over_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "held").mkdir()
    (tmp_path / "none").touch()
    with serve_rclone(tmp_path / "held", "a-key", "a-secret") as server:
        server.client().create_bucket(Bucket="shared")
        open_to(server, tmp_path / "none", monkeypatch)
        with pytest.raises(UserError, match="cannot keep two publishers apart") as caught:
            BucketPlace("s3://shared/models").check()
    assert "If-None-Match" in caught.value.why
    assert (tmp_path / "held/shared/models" / TRIED).is_file()


def test_a_server_that_keeps_them_is_taken(
    server: Server, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "none").touch()
    open_to(server, tmp_path / "none", monkeypatch)
    place = BucketPlace(f"s3://{bucket}/models")
    if place.create(b"one", "k") and place.create(b"two", "k"):
        pytest.skip("this server (rclone) does not know conditional writes")
    place.check()
    place.check()
    assert place.read("k") == b"one"


def open_to(server: Server, nothing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process ask the server."""
    for name, value in access(server, nothing).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.address)
