"""Small bundles and facts for tests of decisions; everything has a default that a test can name to change."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from policyengine.decision.program import Program, compile_program
from policyengine.model.decision import Decision, Prior
from policyengine.model.expression import Node
from policyengine.model.facts import Facts, Provenance, Source
from policyengine.model.ids import BindingName, PartyName, PolicyName, device_id, digest_of, rule_name
from policyengine.model.policy import (
    Action,
    Binding,
    Bundle,
    Clause,
    Enforcement,
    EvidenceNeed,
    Fleet,
    Mode,
    Model,
    ParamSpec,
    Phase,
    Place,
    Policy,
    Rule,
    Selector,
    Severity,
    UnknownDevices,
    Waiver,
    WaiverTerms,
)

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PLACE = Place(file="engineering/p.yaml", line=7)
BOTH = frozenset(Phase)


def where(**keys: tuple[str, ...] | str) -> Selector:
    """Select by `key=("a", "b")`; `not_key` negates; `device_class` is the key `class`."""
    clauses = []
    for name, values in keys.items():
        key = name.removeprefix("not_").replace("device_class", "class").replace("labels_", "labels.")
        listed = (values,) if isinstance(values, str) else values
        clauses.append(Clause(key=key, values=listed, negated=name.startswith("not_")))
    return Selector(clauses=tuple(clauses))


def rule(
    require: Node,
    *,
    name: str = "r",
    policy: str = "engineering/p",
    evidence: EvidenceNeed | None = None,
    message: str = "it failed",
    phases: frozenset[Phase] = BOTH,
) -> Rule:
    return Rule(
        name=rule_name(PolicyName(policy), name),
        id=name,
        require=require,
        text="...",
        evidence=evidence or EvidenceNeed(),
        message=message,
        remediation="fix it",
        phases=phases,
        place=PLACE,
    )


def policy(
    *rules: Rule,
    name: str = "engineering/p",
    select: Selector | None = None,
    scope: Selector | None = None,
    exclude: Selector | None = None,
    params: Mapping[str, ParamSpec] | None = None,
    ceiling: Action = Action.DENY,
    waivers: WaiverTerms | None = None,
) -> Policy:
    return Policy(
        name=PolicyName(name),
        version="1.0.0",
        owner=PartyName("engineering"),
        title="a policy",
        severity=Severity.HIGH,
        controls=("etsi:5.7-1",),
        select=select or Selector(),
        scope=scope or Selector(),
        exclude=exclude,
        params=params or {},
        rules=rules,
        ceiling=ceiling,
        waivers=waivers,
        place=PLACE,
    )


def binding(
    *,
    name: str = "operations/b",
    policy: str = "engineering/p",
    selector: Selector | None = None,
    params: Mapping[str, object] | None = None,
    mode: Mode = Mode.ENFORCE,
    action: Action = Action.QUARANTINE,
) -> Binding:
    return Binding(
        name=BindingName(name),
        policy=PolicyName(policy),
        where=selector or Selector(),
        params=params or {},
        mode=mode,
        action=action,
        caps={},
        place=PLACE,
    )


def waiver(
    *rules: Rule, expires: datetime, name: str = "w", selector: Selector | None = None, policy: str = "engineering/p"
) -> Waiver:
    return Waiver(
        name=name,
        policy=PolicyName(policy),
        rules=frozenset(found.name for found in rules),
        where=selector or Selector(),
        reason="spare part ordered",
        ticket="OPS-1",
        compensating_control="",
        approvals=(PartyName("it"),),
        expires=expires,
        unknown=False,
        place=PLACE,
    )


def bundle(
    *policies: Policy,
    bindings: tuple[Binding, ...] = (),
    waivers: tuple[Waiver, ...] = (),
    enforcement: Enforcement = Enforcement.ENFORCE,
) -> Bundle:
    model = Model(name="gw-200", vendor="vendor-acme", device_class="gateway", version_scheme="semver")
    fleet = Fleet(
        name="test",
        enforcement=enforcement,
        unknown_devices=UnknownDevices.REFUSE,
        sites=("plant-a",),
        zones=(),
        models={"gw-200": model},
    )
    return Bundle(
        fleet=fleet,
        parties={},
        policies={found.name: found for found in policies},
        bindings=bindings,
        waivers=waivers,
        profiles=(),
        anchors=(),
        reference_values=(),
        controls={},
    )


def program(*policies: Policy, **rest: object) -> Program:
    return compile_program(bundle(*policies, **rest), digest_of(b"bundle"))  # type: ignore[arg-type]


def seen(
    source: Source = Source.ATTESTED,
    *,
    age: timedelta = timedelta(minutes=1),
    complete: bool = False,
    at: datetime = NOW,
) -> Provenance:
    return Provenance(source=source, observed_at=at - age, complete=complete)


def facts(
    values: Mapping[str, object] | None = None,
    provenance: Mapping[str, Provenance] | None = None,
    *,
    model: str = "gw-200",
    **rest: Provenance,
) -> Facts:
    """Facts of device gw-1: attested a minute ago unless said; `device` is certified."""
    given = {} if values is None else dict(values)
    device = {"model": model, **given.pop("device", {})}  # type: ignore[dict-item]
    kept = {"": seen(), "device": seen(Source.CERTIFIED), **(provenance or {}), **rest}
    return Facts(device_id=device_id("gw-1"), values={"device": device, **given}, provenance=kept)


def decide(
    compiled: Program,
    device: Facts,
    *,
    prior: Prior | None = None,
    now: datetime = NOW,
    phase: Phase = Phase.OPERATE,
) -> Decision:
    return compiled.decide(device, prior=prior, now=now, phase=phase)
