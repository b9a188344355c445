"""All use cases of one fleet's server, as the composition root hands them to HTTP and command line."""

from __future__ import annotations

from dataclasses import dataclass

from policyengine.services.audit import Audit
from policyengine.services.certificates import Certificates
from policyengine.services.challenge import Challenges
from policyengine.services.checkin import CheckIns
from policyengine.services.devices import Devices
from policyengine.services.health import HealthCheck
from policyengine.services.ports import ResultSigner
from policyengine.services.publish import Bundles
from policyengine.services.sweep import Sweep
from policyengine.services.tokens import Tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """One of each. `ca_bundle` is PEM: issuing CA first, root last."""

    challenges: Challenges
    checkins: CheckIns
    devices: Devices
    bundles: Bundles
    certificates: Certificates
    audit: Audit
    tokens: Tokens
    sweep: Sweep
    health: HealthCheck
    results: ResultSigner
    ca_bundle: bytes
