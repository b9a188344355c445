"""Which document may stand where: a path says the kinds, and whose they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from policyengine.language.page import Page
from policyengine.language.surroundings import Surroundings, owner_of
from policyengine.model.diagnostic import Diagnostic, Level
from policyengine.model.policy import Role

REQUIRED_FILES = {"fleet.yaml": "what the fleet consists of", "parties.yaml": "who may write policies, and which"}

_SINGLE_FILES = {"fleet.yaml": "Fleet", "parties.yaml": "Party"}
_DIRECTORIES = {
    "facts": "FactSchema",
    "waivers": "Waiver",
    "profiles": "CertificateProfile",
    "controls": "ControlCatalog",
    "trust-anchors": "TrustAnchors",
    "reference-values": "ReferenceValues",
}
_ROLE_DIRECTORIES = {"it": Role.IT, "engineering": Role.ENGINEERING, "operations": Role.OPERATIONS}
_ABOUT_A_POLICY = frozenset({"Policy", "Binding", "PolicyTest", "Waiver"})
_HELP = (
    "documents live in fleet.yaml, parties.yaml, it/, engineering/, operations/, vendors/<party>/, waivers/, "
    "reference-values/<party>/, trust-anchors/, profiles/, controls/ and facts/"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """What a path allows: some kinds, of parties with `role`, or of `party` alone."""

    kinds: frozenset[str]
    role: Role | None = None
    party: str | None = None


def home_of(path: str) -> Home | None:
    """Return what the file at `path` may hold, or None when nothing of ours belongs there."""
    if path in _SINGLE_FILES:
        return Home(kinds=frozenset({_SINGLE_FILES[path]}))
    top, *below = path.split("/")
    if top == "reference-values":
        return Home(kinds=frozenset({"ReferenceValues"}), party=below[0]) if len(below) > 1 else None
    if top in _DIRECTORIES and below:
        return Home(kinds=frozenset({_DIRECTORIES[top]}))
    if top in _ROLE_DIRECTORIES and below:
        return Home(kinds=_rules_or_tests(path), role=_ROLE_DIRECTORIES[top])
    if top == "vendors" and len(below) > 1:
        return Home(kinds=_rules_or_tests(path), role=Role.VENDOR, party=below[0])
    return None


def _rules_or_tests(path: str) -> frozenset[str]:
    return frozenset({"PolicyTest"} if path.endswith("_test.yaml") else {"Policy", "Binding"})


def is_document(path: str) -> bool:
    """Return whether `path` is one that we read as YAML; hidden files belong to other programs."""
    return path.endswith((".yaml", ".yml")) and not any(part.startswith(".") for part in path.split("/"))


def is_wanted(path: str) -> bool:
    """Return whether the compiler reads the file at `path`: documents, and what documents name beside them."""
    beside = {"trust-anchors": ".pem", "reference-values": ".corim"}.get(path.split("/", 1)[0])
    return is_document(path) or (beside is not None and path.endswith(beside))


def is_about_a_policy(path: str) -> bool:
    """Return whether the file at `path` may only hold documents that are, or are about, a single policy each."""
    home = home_of(path)
    return home is not None and home.kinds <= _ABOUT_A_POLICY


def check_path(path: str) -> Diagnostic | None:
    """Return why a YAML file may not stand at `path`, or None."""
    if path.endswith(".yml"):
        message, advice = "the file name ends in `.yml`", "rename it to end in `.yaml`, so that each has one spelling"
        return _at_top(path, "layout.extension", message, advice)
    if home_of(path) is None:
        return _at_top(path, "layout.unexpected-file", "no document belongs here", _HELP)
    return None


def missing_files(files: Mapping[str, bytes]) -> tuple[Diagnostic, ...]:
    """Return one diagnostic for each file that every repository must have."""
    return tuple(
        _at_top(path, "layout.missing-file", f"there is no {path}", f"write it: it says {meaning}")
        for path, meaning in REQUIRED_FILES.items()
        if path not in files
    )


def check_kind(page: Page) -> bool:
    """Return whether the document's kind may stand in its file; reports it when not."""
    home = home_of(page.file)
    if home is None or page.kind in home.kinds:
        return home is not None
    allowed = " or ".join(sorted(home.kinds))
    message = f"a {page.kind} may not stand in `{page.file}`"
    page.error(page.node("kind"), "layout.wrong-kind", message, f"this file may hold: {allowed}")
    return False


def check_owner(page: Page, around: Surroundings) -> None:
    """Report an owner that does not exist, and a document in a directory of another role or party than its owner's."""
    home = home_of(page.file)
    owner = owner_of(page, around)
    if home is None or owner is None:
        return
    role_fits = home.role is None or owner.role is home.role
    party_fits = home.party is None or owner.name == home.party
    if not (role_fits and party_fits):
        own = f"vendors/{owner.name}" if owner.role is Role.VENDOR else owner.role.value
        message = f"`{page.file}` does not belong to party `{owner.name}`"
        page.error(page.node("metadata", "owner"), "layout.wrong-owner", message, f"move the document below {own}/")


def _at_top(path: str, code: str, message: str, advice: str) -> Diagnostic:
    return Diagnostic(file=path, line=1, column=1, code=code, severity=Level.ERROR, message=message, help=advice)
