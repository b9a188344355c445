"""Certificate profiles that the issuing CA cannot carry out: their names are outside its constraints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cryptography import x509

from pki.constraints import Budget, refusal
from pki.names import PLACEHOLDERS, fill_dns
from pki.profile import Profile
from pki.reading import extension
from policyengine.services.findings import Finding, error

_ANY = dict.fromkeys(PLACEHOLDERS, "x")
_ADVICE = "change the profile's domain, or let a CA follow with `policyengine pki rotate prepare --domain`"


def misfits(profiles: Iterable[Profile], issuing: x509.Certificate) -> Iterator[Finding]:
    """Yield each profile by which `issuing` could sign nothing; by the constant end of its dNSNames."""
    found = extension(issuing.extensions, x509.NameConstraints)
    if found is None:
        return
    for profile in sorted({each.name: each for each in profiles}.values(), key=lambda each: each.name):
        names = {fill_dns(template, _ANY) for terms in profile.tiers.values() for template in terms.dns}
        refused = refusal(map(x509.DNSName, sorted(names)), found.value, Budget())
        if refused is not None:
            message = f"nothing is issued by profile `{profile.name}`: {refused} of the issuing CA"
            yield error("issue.profile", message, _ADVICE)
