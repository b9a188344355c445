"""Whether a bundle is older than one that was already seen: by its commit's history, and by its policies' versions."""

from __future__ import annotations

from dataclasses import dataclass

from policyengine.errors import PolicyEngineError
from policyengine.model.ids import Digest
from policyengine.model.policy import Bundle
from policyengine.model.version import VersionError, semver_key


class OlderBundleError(PolicyEngineError):
    """A bundle that is older than one already seen, or that does not say where it stands when that one does."""

    code = "bundle.older"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A bundle and its place in history. `bundle` is None where it cannot be read any more."""

    digest: Digest
    height: int | None
    bundle: Bundle | None


def demand_not_older(new: Standing, seen: Standing) -> None:
    """Raise OlderBundleError if `new` is older than `seen`: by height, or by policy versions where `seen` has none.

    To go back, commit what restores the old content: the new commit comes after both.
    """
    if new.digest == seen.digest:
        return
    if seen.height is None:
        _demand_versions(new, seen)
    else:
        _demand_height(new, seen.height, seen.digest)


def _demand_height(new: Standing, height: int, seen: Digest) -> None:
    if new.height is None:
        raise OlderBundleError(
            f"the bundle does not say where it stands in history, and the one seen does ({height} commits); "
            "build it from a clean commit of a whole clone",
            seen=seen,
        )
    if new.height < height:
        raise OlderBundleError(
            f"the bundle's commit has {new.height} commits of history, the one seen has {height}; "
            "to go back, commit what restores the old content and build that",
            seen=seen,
        )


def _demand_versions(new: Standing, seen: Standing) -> None:
    """A policy's version rises with its content, so one that fell was taken from an older state."""
    if new.bundle is None or seen.bundle is None:
        return
    for name, policy in sorted(new.bundle.policies.items()):
        known = seen.bundle.policies.get(name)
        if known is not None and _is_lower(policy.version, known.version):
            raise OlderBundleError(
                f"policy `{name}` has version {policy.version}, the bundle seen has {known.version}; "
                "raise the version, also when restoring old content",
                seen=seen.digest,
            )


def _is_lower(new: str, seen: str) -> bool:
    try:
        return semver_key(new) < semver_key(seen)
    except VersionError:
        return False
