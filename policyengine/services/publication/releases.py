"""Releases of a model: what is endorsed, what was seen and is not, and what a vendor would have endorsed.

Nothing here endorses anything. Reference values change in the policy repository only, signed off by their owner and by
engineering, because they loosen what devices are held to (docs/adr/0019-releases-come-through-git.md).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from policyengine.attestation.corim.states import read_endorsed
from policyengine.errors import quoted
from policyengine.language.kinds.corim import foreign_names, signers_of
from policyengine.model.corim import EndorsedCorim, RefusedCorim
from policyengine.model.endorsements import Release
from policyengine.model.ids import PartyName
from policyengine.model.policy import Bundle
from policyengine.services.actors import Principal, Right, demand
from policyengine.services.errors import ForbiddenError, InvalidRequestError
from policyengine.services.policies import Policies, PolicyShelf
from policyengine.services.ports import Clock, Store
from policyengine.services.records import Unmatched
from policyengine.services.scope import missing

MAX_UNMATCHED = 500  # rows that a person would still read
MAX_CORIM_BYTES = 64 * 1024  # as much as the door for CBOR lets through
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]{0,63}", re.ASCII)  # it becomes part of file names and of YAML
_SIGN_OFFS = ("engineering",)  # beside the owner


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A CoRIM that would be believed: what to add to the policy repository, and who must sign the change off."""

    files: Mapping[str, bytes]
    corim: EndorsedCorim
    required_signoffs: tuple[str, ...]


class Releases:
    """The use cases."""

    def __init__(self, store: Store, clock: Clock, shelf: PolicyShelf) -> None:
        self._store = store
        self._clock = clock
        self._shelf = shelf

    def endorsed(self, viewer: Principal, model: str, *, as_of: datetime | None = None) -> tuple[Release, ...]:
        """Return the releases that the bundle in force, or at `as_of`, knows of `model`.

        Raises ForbiddenError, MissingError.
        """
        self._demand_visible(viewer, model)
        found = self._in_force(as_of).endorsements.get(model)
        return () if found is None else found.releases

    def _in_force(self, as_of: datetime | None) -> Policies:
        if as_of is None:
            return self._shelf.active().policies
        activation = self._store.activation_at(as_of)
        if activation is None:
            raise missing("no bundle was in force then", "bundle.missing")
        return self._shelf.by_digest(activation.digest)

    def unmatched(self, viewer: Principal, model: str) -> tuple[Unmatched, ...]:
        """Return what devices of `model` measured and no release knows, also today. Raises as `endorsed`."""
        self._demand_visible(viewer, model)
        known = self._shelf.active().policies.endorsements.get(model)
        seen = self._store.unmatched(model, MAX_UNMATCHED)
        if known is None:
            return seen
        return tuple(each for each in seen if (each.measured.component, each.measured.digest) not in known.by_component)

    def candidate(self, actor: Principal, model: str, *, version: str, content: bytes) -> Candidate:
        """Return what to commit so that a signed CoRIM is proposed for `model`; nothing is stored and nothing endorsed.

        Raises ForbiddenError (not the model's vendor), MissingError, InvalidRequestError (`corim.*`).
        """
        demand(actor, Right.PROPOSE)
        bundle = self._demand_visible(actor, model)
        party = bundle.parties.get(PartyName(bundle.fleet.models[model].vendor))
        if party is None or actor.party not in {None, party.name}:
            raise ForbiddenError("only the model's vendor and staff may propose its releases", permission="release")
        if len(content) > MAX_CORIM_BYTES:
            raise InvalidRequestError("the CoRIM is too large", code="request.size", field="corim")
        if not _VERSION.fullmatch(version):
            raise InvalidRequestError(
                "a version is 1 to 64 letters, digits and `.+_-`", code="request.version", field="version"
            )
        found = read_endorsed(content, signers_of(party, (model,), bundle.anchors), self._clock.now())
        if isinstance(found, RefusedCorim):
            raise InvalidRequestError(f"the CoRIM is refused: {found.reason}", code=found.check, field="corim")
        foreign = foreign_names(found, party, (model,))
        if foreign:
            raise InvalidRequestError(
                f"the CoRIM endorses {quoted(foreign[0])}", code="reference.corim-scope", field="corim"
            )
        folder = f"reference-values/{party.name}"
        name = f"{model}-{version}.corim"
        text = _DOCUMENT if found.states or not found.keys else _KEYS
        document = text.format(model=model, party=party.name, version=version, corim=name)
        return Candidate(
            files={f"{folder}/{name}": content, f"{folder}/{model}-{version}.yaml": document.encode()},
            corim=found,
            required_signoffs=(party.name, *_SIGN_OFFS),
        )

    def _demand_visible(self, viewer: Principal, model: str) -> Bundle:
        demand(viewer, Right.READ)
        bundle = self._shelf.active().policies.bundle
        if model not in bundle.fleet.models or (viewer.models is not None and model not in viewer.models):
            raise missing(f"there is no model called {quoted(model)}", "model.missing")
        return bundle


_DOCUMENT = """apiVersion: policyengine/v1
kind: ReferenceValues
metadata: {{name: {model}-{version}, owner: {party}}}
spec:
  models: [{model}]
  releases:
    - {{version: "{version}", corim: {corim}}}
"""
# Of a CoRIM that measures nothing and lists the keys of devices.
_KEYS = """apiVersion: policyengine/v1
kind: ReferenceValues
metadata: {{name: {model}-{version}, owner: {party}}}
spec:
  models: [{model}]
  attest_keys:
    - {{corim: {corim}}}
"""
