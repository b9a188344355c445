"""Publishing and activating policy bundles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from policyengine.model.ids import Digest
from policyengine.services.actors import Principal
from policyengine.services.ports import PageRequest
from policyengine.services.records import Activation, BundleRecord, Page


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What came of publishing: `digest` None when `diagnostics` (language.diagnostics.Diagnostic) hold an error."""

    digest: Digest | None
    diagnostics: tuple[object, ...]


class Bundles:
    """The bundles of this fleet and which one is in force."""

    def publish_tree(self, actor: Principal, files: Mapping[str, bytes], *, commit: str | None) -> Publication:
        """Return the digest of the stored bundle compiled from `files` (path to content), or all diagnostics."""
        raise NotImplementedError

    def publish_file(self, actor: Principal, content: bytes) -> Digest:
        """Return the digest of a bundle file made by `policyengine build`; raises BundleError when it is damaged."""
        raise NotImplementedError

    def activate(self, actor: Principal, digest: Digest, *, expected_generation: int | None) -> Activation:
        """Put a published bundle in force; `expected_generation` is the one the actor saw (None: none yet).

        Raises MissingError, ConflictError (someone activated in between, or an older bundle than one already seen).
        """
        raise NotImplementedError

    def list(self, page: PageRequest) -> Page[BundleRecord]:
        """Return published bundles, newest first."""
        raise NotImplementedError

    def show(self, digest: Digest) -> tuple[BundleRecord, bytes]:
        """Return a bundle's record and its canonical bytes. Raises MissingError."""
        raise NotImplementedError

    def active(self) -> Activation | None:
        """Return which bundle is in force."""
        raise NotImplementedError
