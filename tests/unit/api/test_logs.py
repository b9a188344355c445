"""Logs: one JSON line a record, and nothing a client sent can forge one (research: classes 35 and 37)."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from api.logs import JsonLines
from tests.unit.api import fakes
from tests.unit.api.test_device_protocol import BODY


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    logger = logging.getLogger("policyengine.http")
    logger.addHandler(handler)
    before = logger.level
    logger.setLevel(logging.DEBUG)  # not by the attribute: what `isEnabledFor` remembers would stay
    yield stream
    logger.removeHandler(handler)
    logger.setLevel(before)


def test_a_hostile_text_stays_inside_its_line() -> None:
    record = logging.LogRecord("x", logging.INFO, "f", 1, 'a\n{"level": "error"}\x1b[31m\u202e', None, None)
    line = JsonLines().format(record)
    assert "\n" not in line
    assert line.isascii()
    assert json.loads(line)["level"] == "info"


def test_a_record_carries_only_known_fields() -> None:
    record = logging.LogRecord("x", logging.INFO, "f", 1, "m", None, None)
    record.secret, record.status = "canary", 200
    assert json.loads(JsonLines().format(record)).keys() == {"at", "level", "logger", "message", "status"}


def test_a_fault_is_logged_by_place_and_never_by_text(lines: io.StringIO) -> None:
    services = fakes.services()
    services.checkins.error = ValueError("canary-in-the-fault")
    fakes.Client(fakes.application(services)).post("/v1/checkins", json=BODY)
    logged = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert logged[0]["fault"] == "ValueError"
    assert any("fakes.py" in frame for frame in logged[0]["where"])
    assert "canary" not in lines.getvalue()


def test_a_refusal_is_logged_by_its_code(lines: io.StringIO) -> None:
    fakes.Client(fakes.application(fakes.services())).get("/v1/certificates/ff", role="auditor")
    assert json.loads(lines.getvalue())["code"] == "object.missing"


def test_a_question_that_is_refused_under_status_200_is_logged(lines: io.StringIO) -> None:
    """RFC 6960 section 2.3: an OCSP error is no error of HTTP."""
    client = fakes.Client(fakes.application(fakes.services()))
    client.post("/pki/ocsp", content=b"nonsense", headers={"Content-Type": "application/ocsp-request"})
    logged = json.loads(lines.getvalue())
    assert (logged["status"], logged["code"]) == (200, "ocsp.malformed-request")


def test_a_client_certificate_that_is_only_claimed_is_logged_as_ignored(lines: io.StringIO) -> None:
    """RFC 9440 section 4: the header counts from configured proxies alone."""
    client = fakes.Client(fakes.application(fakes.services()))
    client.get("/v1/certificates/ff", role="auditor", headers={"Client-Cert": ":MIIB:"})
    assert json.loads(lines.getvalue())["ignored"] == "client-cert"


def test_no_secret_of_a_request_reaches_the_log(lines: io.StringIO) -> None:
    client = fakes.Client(fakes.application(fakes.services()))
    client.post("/v1/checkins?x=canary1", json={**BODY, "token": "canary2"}, headers={"Cookie": "canary3"})
    client.get("/v1/devices/canary4", role="canary5")
    client.post("/login", content="token=canary6", headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert len(lines.getvalue().splitlines()) == 3
    assert "canary" not in lines.getvalue()
