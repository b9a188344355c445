"""The typed fact schema (DESIGN section 5): which facts exist, their types, and what they mean.

Policies compile against it, ingest refuses what it does not declare, and `policyengine facts` prints it. A fleet adds
its own facts below `org` with documents of kind FactSchema.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from policyengine.errors import PolicyEngineError
from policyengine.model.types import (
    BOOL,
    DOUBLE,
    DURATION,
    INT,
    STRING,
    TIMESTAMP,
    VERSION,
    Kind,
    Type,
    list_of,
    map_of,
    struct,
)

MAX_SOFTWARE = 256  # measured components of one device; a PSA or DICE device has fewer than ten
MAX_COMPONENTS = 4096  # SBOM rows kept per device; larger SBOMs are cut by the vendor, not by us
MAX_VULNERABILITIES = 1024
MAX_LIST = 256  # ports, names, services of one device
MAX_MAP = 256  # labels and PCR values
MAX_FLOWS = 256  # kinds of connections that a MUD file allows one way; those in public have some tens
PEER_KINDS = (  # of a MUD file's connections (RFC 8520 sections 4 and 8)
    "dns",
    "network",
    "local-networks",
    "controller",
    "my-controller",
    "manufacturer",
    "same-manufacturer",
    "model",
    "any",
)


class UnknownFactError(PolicyEngineError):
    """A path that the fact schema does not declare."""

    code = "facts.undeclared"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldSpec:
    """One fact: type, meaning, unit, the values it usually has, and the bound of a list or map."""

    type: Type
    meaning: str
    unit: str = ""
    values: tuple[str, ...] = ()
    maximum: int | None = None


Structs = Mapping[str, Mapping[str, FieldSpec]]


@dataclass(frozen=True, slots=True, kw_only=True)
class FactSchema:
    """All facts: `roots` are the groups, `structs` the fields of each structure by its name."""

    roots: Mapping[str, FieldSpec]
    structs: Structs

    def field(self, path: tuple[str, ...]) -> FieldSpec:
        """Return the declaration of the fact at `path`, element names without index: `("software", "version")`.

        Raises UnknownFactError when any step is not declared.
        """
        spec = self.roots.get(path[0]) if path else None
        for step in path[1:]:
            spec = self._step(spec, step)
        if spec is None:
            raise UnknownFactError(f"fact `{'.'.join(path)}` is not declared", path=".".join(path))
        return spec

    def _step(self, spec: FieldSpec | None, step: str) -> FieldSpec | None:
        if spec is None:
            return None
        inner = spec.type.parameters[0] if spec.type.kind is Kind.LIST else spec.type
        if inner.kind is Kind.STRUCT:
            return self.structs[inner.name].get(step)
        return FieldSpec(type=inner.parameters[1], meaning=spec.meaning) if inner.kind is Kind.MAP else None

    def type_of(self, path: tuple[str, ...]) -> Type:
        """Return the type of the fact at `path`; raises UnknownFactError."""
        return self.field(path).type

    def leaves(self) -> Iterator[tuple[tuple[str, ...], FieldSpec]]:
        """Yield every fact that is not itself a structure, in declaration order; list elements without index."""
        for name, spec in self.roots.items():
            yield from self._below((name,), spec)

    def _below(self, path: tuple[str, ...], spec: FieldSpec) -> Iterator[tuple[tuple[str, ...], FieldSpec]]:
        inner = spec.type.parameters[0] if spec.type.kind is Kind.LIST else spec.type
        if inner.kind is not Kind.STRUCT:
            yield path, spec
            return
        for name, field in self.structs[inner.name].items():
            yield from self._below((*path, name), field)

    def with_org(self, facts: Mapping[str, Type]) -> FactSchema:
        """Return this schema with the fleet's own facts below `org`, each by its name."""
        fields = {name: FieldSpec(type=kind, meaning="declared by this fleet") for name, kind in facts.items()}
        return replace(self, structs=MappingProxyType({**self.structs, "org": MappingProxyType(fields)}))


def _text(meaning: str, *values: str) -> FieldSpec:
    return FieldSpec(type=STRING, meaning=meaning, values=values)


def _flag(meaning: str) -> FieldSpec:
    return FieldSpec(type=BOOL, meaning=meaning)


def _count(meaning: str, unit: str = "") -> FieldSpec:
    return FieldSpec(type=INT, meaning=meaning, unit=unit)


def _score(meaning: str, unit: str) -> FieldSpec:
    return FieldSpec(type=DOUBLE, meaning=meaning, unit=unit)


def _time(meaning: str) -> FieldSpec:
    return FieldSpec(type=TIMESTAMP, meaning=meaning)


def _version(meaning: str) -> FieldSpec:
    return FieldSpec(type=VERSION, meaning=meaning)


def _texts(meaning: str) -> FieldSpec:
    return FieldSpec(type=list_of(STRING), meaning=meaning, maximum=MAX_LIST)


def _text_map(meaning: str) -> FieldSpec:
    return FieldSpec(type=map_of(STRING, STRING), meaning=meaning, maximum=MAX_MAP)


def _rows(name: str, meaning: str, maximum: int) -> FieldSpec:
    return FieldSpec(type=list_of(struct(name)), meaning=meaning, maximum=maximum)


_STRUCTS: Structs = {
    "device": {
        "id": _text("name of the device in the registry"),
        "vendor": _text("party that made it"),
        "model": _text("model name as in fleet.yaml"),
        "class": _text("class of its model, such as gateway or sensor"),
        "hw_version": _text("hardware version"),
        "serial": _text("serial number given by the vendor"),
        "site": _text("site it stands at"),
        "zone": _text("network zone it belongs to"),
        "labels": _text_map("free labels set by operations"),
        "criticality": _text("how much depends on it", "low", "medium", "high", "life-safety"),
        "lifecycle": _text("state in the registry", "expected", "pending", "operational", "retired"),
        "enrolled_at": _time("when it first proved its identity to us"),
    },
    "identity": {
        "kind": _text("what proved who it is", "idevid", "ak", "iak", "dice", "token", "legacy", "gateway"),
        "key_thumbprint": _text("SHA-256 of the public key (SPKI) that signs its evidence, `sha256:` and hex"),
        "anchor": _text("trust anchor its identity chains to"),
        "verified": _flag("the chain or endorsement was verified"),
    },
    "evidence": {
        "format": _text("format of the evidence", "psa", "eat", "cca", "tpm2", "dice", "pop"),
        "profile": _text("profile the evidence names"),
        "verified": _flag("signature and all mandatory checks held"),
        "fresh": _flag("it answers a nonce that we issued"),
        "age": FieldSpec(type=DURATION, meaning="time since its nonce was issued"),
        "algorithm": _text("signature algorithm", "ES256", "ES384", "ES512", "EdDSA"),
        "digest": _text("SHA-256 of the evidence, `sha256:` and hex"),
    },
    "boot": {
        "secure": _flag("only signed images could start"),
        "mode": _text("boot mode", "production", "locked", "debug", "unknown"),
        "debug": _text("state of the debug ports", "disabled", "permanent-off", "enabled"),
        "lifecycle": _text("silicon lifecycle", "secured", "provisioning", "debug", "decommissioned"),
        "svn": _count("security version number of the running firmware"),
        "count": _count("boots so far"),
        "reset_count": _count("TPM resets so far"),
        "seed": _text("random value of this boot, hex"),
    },
    "software": {
        "name": _text("component name"),
        "type": _text("component type"),
        "version": _version("component version"),
        "svn": _count("security version number"),
        "digest": _text("measured digest, hex"),
        "digest_alg": _text("digest algorithm", "sha-256", "sha-384", "sha-512"),
        "signer": _text("hash of the key that signed the image, hex"),
        "layer": _text("boot layer it belongs to"),
        "match": _text("how it compares with the reference values", "endorsed", "unknown", "revoked", "none"),
    },
    "tpm": {
        "manufacturer": _text("TPM manufacturer id"),
        "model": _text("TPM model"),
        "fw_version": _text("TPM firmware version"),
    },
    "cert": {
        "subject": _text("subject of the operational certificate, RFC 4514"),
        "issuer": _text("issuer, RFC 4514"),
        "serial": _text("serial number, hex"),
        "profile": _text("certificate profile it was issued under"),
        "not_before": _time("start of validity"),
        "not_after": _time("end of validity"),
        "key_type": _text("key type", "p256", "p384", "ed25519", "rsa"),
        "key_bits": _count("key size", "bit"),
        "signature_algorithm": _text("algorithm it is signed with"),
        "san": _texts("subject alternative names, `dns:`, `uri:` or `ip:` and the name"),
        "status": _text("state in our CA", "good", "hold", "revoked"),
        "key_thumbprint": _text("SHA-256 of its public key (SPKI), `sha256:` and hex"),
    },
    "csr": {
        "key_type": _text("type of the key asked for", "p256", "p384", "ed25519", "rsa"),
        "key_bits": _count("size of the key asked for", "bit"),
        "subject": _text("subject asked for, RFC 4514"),
        "san": _texts("subject alternative names asked for"),
    },
    "ca": {
        "subject": _text("subject of our issuing CA, RFC 4514"),
        "not_after": _time("end of validity of our issuing CA"),
        "key_type": _text("key type of our issuing CA"),
        "key_bits": _count("key size of our issuing CA", "bit"),
    },
    "endorsement": {
        "matched": _flag("what was measured is one current release, whole; false if it is none"),
        "corim_id": _text("id of the CoRIM that matched"),
        "signer": _text("who signed it"),
        "valid_until": _time("when it ends"),
        "min_svn": _count("lowest security version the vendor still endorses"),
    },
    "model": {
        "support_until": _time("end of the vendor's security support"),
        "latest_version": _version("latest released firmware"),
        "min_version": _version("lowest firmware the vendor still supports"),
        "max_version": _version("highest firmware operations has approved"),
    },
    "sbom": {
        "present": _flag("an SBOM for the running release is on file"),
        "subject_version": _text("version the SBOM describes"),
        "components": _rows("component", "components of the running release", MAX_COMPONENTS),
    },
    "component": {
        "purl": _text("package URL"),
        "name": _text("component name"),
        "version": _version("component version"),
        "license": _text("SPDX licence expression"),
        "digest": _text("SHA-256 of the component, hex"),
    },
    "vuln": {
        "id": _text("vulnerability id, such as CVE-2026-1234"),
        "severity": _text("severity", "low", "medium", "high", "critical"),
        "cvss": _score("CVSS base score", "0 to 10"),
        "kev": _flag("known to be exploited"),
        "epss": _score("probability of exploitation in 30 days", "0 to 1"),
        "vex": _text("supplier's statement", "not_affected", "affected", "fixed", "under_investigation"),
        "component": _text("component it is in"),
        "vex_by": _text("who made that statement; absent where the advisory itself is all there is"),
        "justification": _text("why it is not affected, in the statement's words"),
    },
    "net": {
        "open_ports": FieldSpec(type=list_of(INT), meaning="listening ports", maximum=MAX_LIST),
        "protocols": _texts("application protocols in use"),
        "tls_min": _text("lowest TLS version offered", "1.0", "1.1", "1.2", "1.3"),
        "mud_conformant": _flag("observed flows stay inside its MUD profile"),
    },
    "mud": {
        "present": _flag("a MUD file of the model or the running release is on file"),
        "url": _text("URL that names the MUD file"),
        "last_update": _time("when its maker changed it last"),
        "valid_until": _time("when it must be fetched again: after that nothing is known of it"),
        "is_supported": _flag("its maker still supports the device"),
        "mfg_name": _text("its maker's name"),
        "model_name": _text("its maker's name of the model"),
        "system_info": _text("what the device is, in its maker's words"),
        "signer": _text("subject of the certificate that signed it, RFC 4514"),
        "inbound": _rows("flow", "connections that others may open to the device", MAX_FLOWS),
        "outbound": _rows("flow", "connections that the device may open", MAX_FLOWS),
    },
    "flow": {
        "peer_kind": _text("what the other end is", *PEER_KINDS),
        "peer": _text("the other end: a name, a network, or a URI; absent where its kind says all"),
        "protocol": _text("protocol, or its number", "tcp", "udp", "icmp", "icmpv6", "any"),
        "port_from": _count("first port of the end that is called; absent for protocols without ports"),
        "port_to": _count("last port of that end"),
    },
    "config": {
        "default_credentials": _flag("a default or shared credential still works"),
        "debug_services": _texts("debug services that run"),
        "auto_update": _flag("automatic updates are on"),
        "log_enabled": _flag("security logging is on"),
    },
    "ops": {
        "last_seen": _time("last authenticated check-in"),
        "window_open": _flag("a maintenance window is open now"),
    },
    "fleet": {
        "key_reuse_count": _count("devices of this fleet with the same evidence key, itself included"),
        "identity_duplicates": _count("other devices of this fleet with the same vendor and serial"),
    },
    "org": {},
}

_MEANINGS = {
    "device": "who it is and where it stands, from identity and registry",
    "identity": "how it proved who it is",
    "evidence": "the last evidence it gave",
    "boot": "how it started",
    "tpm": "its TPM",
    "cert": "its current operational certificate",
    "csr": "the certificate request of this check-in",
    "ca": "our issuing CA",
    "endorsement": "the endorsement that matched",
    "model": "what its vendor says of the model",
    "sbom": "its software bill of materials",
    "net": "its network behaviour",
    "mud": "what its MUD file (RFC 8520) allows it",
    "config": "its configuration",
    "ops": "its operation",
    "fleet": "comparisons across the fleet",
    "org": "facts this fleet declares itself",
}


def _roots() -> dict[str, FieldSpec]:
    roots = {name: FieldSpec(type=struct(name), meaning=meaning) for name, meaning in _MEANINGS.items()}
    roots["software"] = _rows("software", "measured software components", MAX_SOFTWARE)
    roots["vuln"] = _rows("vuln", "known vulnerabilities of the running release", MAX_VULNERABILITIES)
    roots["pcrs"] = _text_map("TPM PCR values, `bank:index` to hex")
    return roots


CORE_SCHEMA = FactSchema(
    roots=MappingProxyType(_roots()),
    structs=MappingProxyType({name: MappingProxyType(dict(fields)) for name, fields in _STRUCTS.items()}),
)
