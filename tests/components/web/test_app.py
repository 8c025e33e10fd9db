"""The endpoints of a real server: what they answer, and how they refuse."""

from __future__ import annotations

import base64
import io
import json
import logging
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from components.sample.dicom import encode_dicom
from components.serving.served import load
from components.web.guard import HEADERS
from components.web.refusals import CODES
from components.web.serve import open_house
from tests.components.web.conftest import running

pytestmark = pytest.mark.services

QUESTION = "Is the lung clear?"


def draw(seed: int = 0, size: tuple[int, int] = (60, 40), kind: str = "PNG") -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def ask(server: str, image: bytes | None = None, **fields: Any) -> httpx.Response:
    content = {} if image is None else {"image": ("a name", image)}
    return httpx.post(f"{server}/api/ask", data=fields, files=content or None, timeout=60)


def refused(response: httpx.Response, code: str) -> str:
    """The words of a refusal, which must be whole."""
    assert response.status_code == CODES[code][0], response.text
    body = response.json()
    assert body["code"] == code and set(body) == {"code", "message", "next"}
    assert body["message"].endswith(".") and body["next"], body
    assert "Traceback" not in response.text
    return str(body["message"])


def test_an_answer_is_that_of_predict_in_a_form_and_in_json(
    server: str, model_folder: Path
) -> None:
    image = draw(size=(300, 200))
    expected = load(model_folder, "cpu").ask(image, QUESTION)
    formed = ask(server, image, question=QUESTION).json()
    body = {"image": base64.b64encode(image).decode(), "question": QUESTION}
    told = httpx.post(f"{server}/api/ask", json=body, timeout=60).json()
    for answer in (formed, told):
        assert answer["said"]["answer"] == expected.text
        assert answer["said"]["probability"] == pytest.approx(expected.confidence.value, abs=1e-4)
        assert sum(c["probability"] for c in answer["said"]["candidates"]) == pytest.approx(1)
        assert answer["note"] == "Research only, not for clinical use."
        assert answer["without_image"] is None and answer["attention"] is None


def test_explaining_adds_the_blank_image_and_where_it_read(server: str) -> None:
    found = ask(server, draw(), question=QUESTION, explain="true").json()
    blank, seen = found["without_image"], found["attention"]
    assert blank["words"] and 0 < blank["shift"] < 1
    assert np.array(seen["cells"]).sum() == pytest.approx(1, abs=1e-4)
    assert "ross-attention" in seen["method"] and "not why" in seen["limits"]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF", "GIF", "WEBP"])
def test_images_of_each_format_are_seen_whatever_their_name(server: str, kind: str) -> None:
    response = httpx.post(
        f"{server}/api/see", files={"image": ("x.txt", draw(kind=kind))}, timeout=60
    )
    seen = response.json()
    assert (seen["format"], seen["width"], seen["height"]) == (kind, 60, 40)
    for name, size in (("shown", (60, 40)), ("given", (32, 32)), ("tokens", (128, 128))):
        png = base64.b64decode(seen[name].removeprefix("data:image/png;base64,"))
        assert Image.open(io.BytesIO(png)).size == size
    assert seen["num_tokens"] == 256


def test_a_dicom_file_is_seen_and_asked_about(server: str) -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (50, 70), np.uint8)
    content = encode_dicom(pixels, {0x00280301: ("CS", "YES")}, "1.2.3.4")
    seen = httpx.post(f"{server}/api/see", files={"image": content}, timeout=60).json()
    assert (seen["format"], seen["width"], seen["height"]) == ("DICOM", 70, 50)
    assert ask(server, content, question=QUESTION).status_code == 200
    assert "damaged" in refused(ask(server, content[:900], question=QUESTION), "wrong-type")


def test_the_model_tells_what_it_is(server: str, model_folder: Path) -> None:
    facts = httpx.get(f"{server}/api/model").json()
    assert facts["takes"]["image"] == "needed" and facts["takes"]["question"]
    assert facts["answers"] == "closed" and facts["num_answers"] == 2
    artifact = json.loads((model_folder / "artifact.json").read_text())
    assert facts["version"]["weights, sha256"] == artifact["files"]["model.safetensors"]["sha256"]
    told_by_predict = load(model_folder, "cpu").version.model
    assert facts["version"]["model, sha256 of its manifest"] == told_by_predict
    assert str(model_folder.parent) not in json.dumps(facts)
    examples = httpx.get(f"{server}/api/examples").json()
    assert len(examples) == 4 and all(example["questions"] for example in examples)
    health = httpx.get(f"{server}/health").json()
    assert health["status"] == "ok" and health["requests"] == 0


@pytest.mark.parametrize(
    ("image", "fields", "code", "words"),
    [
        (None, {"question": QUESTION}, "wrong-type", "must be"),  # httpx sends no form of files
        (b"", {"question": QUESTION}, "unfit", "empty file"),
        (b"only words\n" * 50, {"question": QUESTION}, "wrong-type", "no image"),
        (draw()[:300], {"question": QUESTION}, "wrong-type", "damaged"),
        (draw(), {"question": " \n "}, "unfit", "question is empty"),
        (draw(), {}, "unfit", "question is empty"),
        (draw(), {"question": "x" * 2001}, "unfit", "2,001 characters"),
        (draw(), {"question": "x" * 10_000_000}, "too-large", "too long"),
        (draw(), {"question": QUESTION, "text": "a report"}, "unfit", "takes no text"),
        (draw(), {"question": QUESTION, "option": ["a", "b"]}, "unfit", "takes no options"),
        (draw(), {"question": QUESTION, "secret": "1"}, "unfit", "not taken"),
        (draw(), {"question": QUESTION, "explain": "perhaps"}, "unfit", "neither"),
    ],
)
def test_what_does_not_fit_is_told(
    server: str, image: bytes | None, fields: dict[str, Any], code: str, words: str
) -> None:
    assert words in refused(ask(server, image, **fields), code)


def test_a_form_without_an_image_is_told(server: str) -> None:
    form = {"question": (None, QUESTION)}
    response = httpx.post(f"{server}/api/ask", files=form)
    assert "no image" in refused(response, "unfit")


def test_an_image_of_30000_pixels_a_side_is_refused_before_it_is_decoded(server: str) -> None:
    buffer = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(buffer, "PNG")
    words = refused(ask(server, buffer.getvalue(), question=QUESTION), "too-large")
    assert "too many pixels" in words and "25 million" in words


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        (b"{", "application/json", "malformed"),
        (b"\xff\xfe", "application/json", "malformed"),
        (b"[]", "application/json", "unfit"),
        (b'{"image": 5}', "application/json", "unfit"),
        (b'{"image": "%%%", "question": "q"}', "application/json", "unfit"),
        (b'{"question": "q", "more": 1}', "application/json", "unfit"),
        (b"[" * 100_000, "application/json", "malformed"),
        (b"question=q", "application/x-www-form-urlencoded", "wrong-type"),
        (b"", "", "wrong-type"),
        (b"x", "multipart/form-data", "malformed"),
        (b"x", "multipart/form-data; boundary=b", "malformed"),
        (b"--b\r\nx", "multipart/form-data; boundary=b", "unfit"),
    ],
)
def test_a_body_that_cannot_be_read_is_told(server: str, body: bytes, kind: str, code: str) -> None:
    response = httpx.post(f"{server}/api/ask", content=body, headers={"Content-Type": kind})
    assert "q" not in re.sub(r"[a-z]q|q[a-z]", "", refused(response, code))


def test_a_body_above_the_limit_is_refused_as_it_arrives(serve: Callable[..., str]) -> None:
    server = serve(image_bytes=100_000)
    assert "at most" in refused(ask(server, b"x" * 100_001, question=QUESTION), "too-large")
    assert "too large" in refused(ask(server, b"x" * 2_000_000, question=QUESTION), "too-large")

    def pieces() -> Any:
        for _ in range(100):
            yield b"x" * 20_000

    response = httpx.post(f"{server}/api/ask", content=pieces(),
                          headers={"Content-Type": "application/json"})  # fmt: skip
    assert "too large" in refused(response, "too-large")


def test_a_slow_upload_is_ended(serve: Callable[..., str]) -> None:
    server = serve(upload_s=0.5)

    def pieces() -> Any:
        yield b'{"question": '
        time.sleep(2)
        yield b'"q"}'

    response = httpx.post(f"{server}/api/ask", content=pieces(),
                          headers={"Content-Type": "application/json"})  # fmt: skip
    assert "did not arrive" in refused(response, "slow-upload")


def test_no_more_are_taken_than_there_are_seats(serve: Callable[..., str]) -> None:
    server = serve(seats=2)
    held = threading.Event()
    statuses: list[int] = []

    def slowly() -> Any:
        yield b'{"question": '
        held.wait(30)
        yield b'"q"}'

    def hold() -> None:
        response = httpx.post(f"{server}/api/ask", content=slowly(), timeout=60,
                              headers={"Content-Type": "application/json"})  # fmt: skip
        statuses.append(response.status_code)

    threads = [threading.Thread(target=hold) for _ in range(2)]
    for thread in threads:
        thread.start()
    while httpx.get(f"{server}/health").json()["requests"] < 2:
        time.sleep(0.05)
    response = ask(server, draw(), question=QUESTION)
    assert "waiting already" in refused(response, "busy")
    assert int(response.headers["Retry-After"]) >= 1
    held.set()
    for thread in threads:
        thread.join()
    assert statuses == [422, 422]  # there is no image in them; they were heard out
    assert ask(server, draw(), question=QUESTION).status_code == 200


def test_an_answer_that_takes_too_long_is_called_off(serve: Callable[..., str]) -> None:
    server = serve(answer_s=0.0)
    assert "no answer within" in refused(ask(server, draw(), question=QUESTION), "timed-out")
    assert httpx.get(f"{server}/health").json()["requests"] == 0


def test_whoever_could_not_be_answered_in_time_is_told_at_once(model_folder: Path) -> None:
    held, house = threading.Event(), open_house(model_folder, "cpu")
    with running(house) as server:
        house.desk.run(lambda: held.wait(60))
        first = threading.Thread(target=ask, args=(server, draw()), kwargs={"question": QUESTION})
        first.start()
        while httpx.get(f"{server}/health").json()["requests"] < 1:
            time.sleep(0.05)
        house.desk.seconds_each = 2 * house.limits.answer_s  # as after some very slow answers
        response = ask(server, draw(), question=QUESTION)
        held.set()
        first.join()
    refused(response, "busy")
    assert int(response.headers["Retry-After"]) == 60


def test_a_question_whose_client_has_gone_is_called_off(model_folder: Path) -> None:
    held, house = threading.Event(), open_house(model_folder, "cpu")
    with running(house) as server:
        house.desk.run(lambda: held.wait(60))
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{server}/api/ask", data={"question": QUESTION},
                       files={"image": draw()}, timeout=1)  # fmt: skip
        begun = time.monotonic()
        while httpx.get(f"{server}/health").json()["requests"]:
            assert time.monotonic() - begun < 30
            time.sleep(0.1)
        assert not held.is_set()
        held.set()
        assert ask(server, draw(), question=QUESTION).status_code == 200


def test_every_answer_carries_the_headers_of_safety(server: str) -> None:
    for response in (
        httpx.get(server), httpx.get(f"{server}/nothing"), httpx.get(f"{server}/api/model"),
        httpx.delete(f"{server}/health"), ask(server, b"", question=QUESTION),
        httpx.get(server, headers={"Host": "elsewhere.example"}),
    ):  # fmt: skip
        for name, value in HEADERS.items():
            assert response.headers[name] == value, response.request
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "script-src 'self';" in policy
        assert "unsafe" not in policy and "frame-ancestors 'none'" in policy
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert (
            response.headers["Cache-Control"] == "no-store"
        )  # it holds what a patient's file says
        assert "access-control-allow-origin" not in response.headers
        assert "server" not in response.headers


def test_a_monitor_may_ask_by_head(server: str) -> None:
    for address in ("/", "/page.js", "/health"):
        response = httpx.head(f"{server}{address}")
        assert (response.status_code, response.content) == (200, b"")
    assert list(httpx.get(f"{server}/openapi.json").json()["paths"]["/health"]) == ["get"]


def test_only_own_names_and_own_pages_may_ask(server: str) -> None:
    port = server.rsplit(":", 1)[1]
    for host in (f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}", "192.168.0.9"):
        assert httpx.get(f"{server}/health", headers={"Host": host}).status_code == 200
    for host in (f"elsewhere.example:{port}", "localhost.elsewhere.example", "", "[", "a b"):
        refused(httpx.get(f"{server}/health", headers={"Host": host}), "foreign")
    own = httpx.post(f"{server}/api/ask", headers={"Origin": server})
    refused(own, "wrong-type")
    for origin in ("http://elsewhere.example", "null", "http://127.0.0.1:1"):
        refused(httpx.post(f"{server}/api/ask", headers={"Origin": origin}), "foreign")


def test_nothing_of_what_was_asked_is_in_the_log(
    server: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        ask(server, draw(), question="the CANARY of a patient")
        ask(server, b"CANARY", question="the CANARY of a patient")
        httpx.get(f"{server}/CANARY?CANARY=1")
        httpx.post(f"{server}/api/ask", json={"question": "CANARY", "CANARY": "CANARY"})
    own = [r for r in caplog.records if not r.name.startswith(("httpx", "httpcore"))]
    assert any("POST /api/ask 200" in record.getMessage() for record in own)
    assert not any("CANARY" in record.getMessage() for record in own)


def test_the_document_names_every_refusal_and_its_examples_are_answered(server: str) -> None:
    document = httpx.get(f"{server}/openapi.json").json()
    post = document["paths"]["/api/ask"]["post"]
    assert set(post["responses"]) == {"200", *(str(status) for status, _ in CODES.values())}
    body = post["requestBody"]["content"]["application/json"]
    for example in body["examples"].values():
        response = httpx.post(f"{server}/api/ask", json=example["value"], timeout=60)
        assert response.status_code == 200, response.text
