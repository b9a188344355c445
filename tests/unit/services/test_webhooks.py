"""The operator's document of webhooks, and the signature that goes with what is sent."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from policyengine.services.events.occurrences import TYPES
from policyengine.services.events.signing import SecretError, read_secrets, signed_headers
from policyengine.services.events.webhooks import MAX_WEBHOOKS, WebhooksError, read_webhooks

GOOD = {"name": "soc", "url": "https://soc.example/hook", "secret_file": "soc.secret"}


def document(*webhooks: Mapping[str, object]) -> bytes:
    return json.dumps({"webhooks": list(webhooks)}).encode()


def test_a_webhook_without_more_is_told_of_everything_and_of_every_device() -> None:
    (webhook,) = read_webhooks(document(GOOD))
    assert (webhook.types, webhook.models, webhook.private_network) == (TYPES, None, False)


@pytest.mark.parametrize(
    "url",
    [
        "http://soc.example/",
        "https:///hook",
        "https://user:secret@soc.example/",
        "https://soc.example/#part",
        "https://soc.example:99999/",
        "https://[::1/",
        "file:///etc/passwd",
        "https://soc.example/\r\nX: y",
        "https://soc.example/ä",
    ],
)
def test_anything_but_a_plain_https_address_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(WebhooksError) as caught:
        read_webhooks(document({**GOOD, "url": url}))
    assert caught.value.message == "`url` of `soc` is no plain https address"


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "SOC"},
        {"name": "a/b"},
        {"secret_file": ""},
        {"types": []},
        {"types": ["policyengine.device.chnged"]},
        {"models": []},
        {"models": [1]},
        {"private_network": "yes"},
        {"secret": "whsec_"},
    ],
)
def test_what_is_not_understood_is_refused(wrong: Mapping[str, object]) -> None:
    with pytest.raises(WebhooksError):
        read_webhooks(document({**GOOD, **wrong}))


@pytest.mark.parametrize("content", [b"", b"[]", b'{"webhooks": {}}', b'{"webhooks": [], "more": 1}'])
def test_a_document_of_another_shape_is_refused(content: bytes) -> None:
    with pytest.raises(WebhooksError):
        read_webhooks(content)


def test_a_name_that_stands_there_twice_is_refused() -> None:
    with pytest.raises(WebhooksError, match="twice"):
        read_webhooks(document(GOOD, GOOD))


def test_more_webhooks_than_threads_are_refused() -> None:
    with pytest.raises(WebhooksError, match="at most"):
        read_webhooks(document(*({**GOOD, "name": f"w{at}"} for at in range(MAX_WEBHOOKS + 1))))


def test_the_signature_is_that_of_the_example_of_standard_webhooks() -> None:
    """Standard Webhooks, the example of its specification and libraries."""
    keys = read_secrets(b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n")
    headers = signed_headers(keys, message="msg_p5jXN8AQM9LWM0D4loKWxJek", at=1614265330, body=b'{"test": 2432232314}')
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"whsec_",
        b"whsec_c2hvcnQ=",  # 5 bytes
        b"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS!",
        b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n" * 3,
        b"\xff\xfe",
    ],
)
def test_a_secret_that_is_short_or_misspelt_is_refused(content: bytes) -> None:
    with pytest.raises(SecretError):
        read_secrets(content)
