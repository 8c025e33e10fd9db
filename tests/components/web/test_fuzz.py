"""All that the OpenAPI document allows, and what it forbids: no fault, no undeclared answer."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

pytestmark = pytest.mark.services

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
)


OPERATIONS = [
    ("/api/ask", "POST", GenerationMode.POSITIVE),
    ("/api/ask", "POST", GenerationMode.NEGATIVE),
    ("/api/see", "POST", GenerationMode.POSITIVE),
    ("/api/see", "POST", GenerationMode.NEGATIVE),
    ("/api/model", "GET", GenerationMode.POSITIVE),
    ("/api/examples", "GET", GenerationMode.POSITIVE),
    ("/health", "GET", GenerationMode.POSITIVE),
]


def test_every_address_of_the_document_is_asked(server: str) -> None:
    schema = schemathesis.openapi.from_url(f"{server}/openapi.json")
    known = {(found.ok().path, found.ok().method.upper()) for found in schema.get_all_operations()}
    assert known == {(path, method) for path, method, _ in OPERATIONS}


@pytest.mark.parametrize(("path", "method", "mode"), OPERATIONS)
def test_every_answer_is_as_declared(
    server: str, path: str, method: str, mode: GenerationMode
) -> None:
    """Bodies that the schema allows may be refused, as text is no image; then as declared, too."""
    # What breaks the type of a form's field is a text like any other once it is sent.
    is_negative = mode is GenerationMode.NEGATIVE
    media_type = "application/json" if is_negative else None
    operation = schemathesis.openapi.from_url(f"{server}/openapi.json")[path][method]
    checks = [*CHECKS, *([negative_data_rejection] if is_negative else [])]

    @settings(
        max_examples=60 if method == "POST" else 3, deadline=None, derandomize=True,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(operation.as_strategy(mode, media_type=media_type))
    def ask(case: Case) -> None:
        case.call_and_validate(checks=checks, timeout=60)

    ask()
