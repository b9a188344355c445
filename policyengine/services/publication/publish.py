"""Publishing and activating policy bundles."""

from __future__ import annotations

from datetime import datetime

from policyengine.errors import PolicyEngineError
from policyengine.language.bundle import BundleFile, CorruptBundleError, decode, decode_file, encode
from policyengine.model.ids import Digest, digest_of
from policyengine.model.policy import Bundle
from policyengine.services.actors import Principal, Right, demand, demand_whole_fleet
from policyengine.services.changes import SALT_SIZE, Act, ActivateBundle, Document, StoreBundle
from policyengine.services.errors import ConflictError, MissingError
from policyengine.services.policies import compiled
from policyengine.services.ports import Clock, Entropy, PageRequest, Store
from policyengine.services.publication.bundle_order import OlderBundleError, Standing, demand_not_older
from policyengine.services.records import Activation, BundleRecord, Page


class Bundles:
    """The bundles of this fleet and which one is in force."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy

    def publish_file(self, actor: Principal, content: bytes) -> Digest:
        """Return the digest of a stored bundle file made by `policyengine build`.

        Raises CorruptBundleError, BundleDigestError, BundleShapeError (`bundle.*`), UntranslatableError and
        ProfileError for what cannot be put in force, ConflictError (`bundle.older`) for what is older than the bundle
        in force, ForbiddenError.
        """
        demand(actor, Right.PUBLISH)
        file = decode_file(content)
        self._demand_not_older(Standing(digest=file.digest, height=file.height, bundle=file.bundle))
        self._store_bundle(actor, file)
        return file.digest

    def activate(self, actor: Principal, digest: Digest, *, expected_generation: int | None) -> Activation:
        """Put a published bundle in force; `expected_generation` is the one the actor saw (None: none yet).

        Raises MissingError, CorruptBundleError; ConflictError when someone activated in between (`bundle.generation`)
        or the bundle is older than the one in force or was published before it (`bundle.older`).
        """
        demand(actor, Right.ACTIVATE)
        demand_whole_fleet(actor)
        record = self._record(digest)
        current = self._store.activation()
        self._demand_newer(record, current)
        self._demand_not_older(Standing(digest=digest, height=record.height, bundle=self._stored(digest)))
        self._demand_no_older_tags(self._stored(digest))
        now = self._clock.now()
        activation = Activation(
            generation=(expected_generation or 0) + 1, digest=digest, activated_at=now, actor=actor.name
        )
        self._store.apply(
            ActivateBundle(
                activation=activation, act=self._act(actor, "bundle.activate", digest, activation.generation)
            )
        )
        return activation

    def list(self, page: PageRequest, *, as_of: datetime | None = None) -> Page[BundleRecord]:
        """Return published bundles, newest first; with `as_of` those of then, and which of them was in force."""
        return self._store.bundles(page, at=as_of)

    def show(self, digest: Digest) -> tuple[BundleRecord, bytes]:
        """Return a bundle's record and its canonical bytes. Raises MissingError."""
        record, content = self._record(digest), self._store.document(digest)
        if content is None:
            raise MissingError(f"bundle `{digest}` is not stored", code="bundle.missing")
        return record, content

    def active(self, *, as_of: datetime | None = None) -> Activation | None:
        """Return which bundle is in force, or was at `as_of`."""
        return self._store.activation() if as_of is None else self._store.activation_at(as_of)

    def _record(self, digest: Digest) -> BundleRecord:
        record = self._store.bundle(digest)
        if record is None:
            raise MissingError(f"bundle `{digest}` is not published", code="bundle.missing")
        return record

    def _demand_newer(self, record: BundleRecord, current: Activation | None) -> None:
        if current is not None and record.published_at < self._record(current.digest).published_at:
            raise ConflictError(
                "the bundle was published before the one in force", code="bundle.older", current=current.digest
            )

    def _demand_not_older(self, new: Standing) -> None:
        current = self._store.activation()
        if current is None:
            return
        seen = Standing(
            digest=current.digest, height=self._record(current.digest).height, bundle=self._readable(current.digest)
        )
        try:
            demand_not_older(new, seen)
        except OlderBundleError as cause:
            raise ConflictError(cause.message, code=cause.code, current=current.digest) from cause

    def _stored(self, digest: Digest) -> Bundle:
        """Return a published bundle; raises CorruptBundleError when its bytes are not what its name says."""
        content = self._store.document(digest)
        if content is None or digest_of(content) != digest:
            raise CorruptBundleError(f"the stored bundle is not `{digest}`")
        return decode(content)

    def _readable(self, digest: Digest) -> Bundle | None:
        """Return a published bundle, None if it was damaged: a good one must still be able to follow it."""
        try:
            return self._stored(digest)
        except PolicyEngineError:
            return None

    def _demand_no_older_tags(self, new: Bundle) -> None:
        """Raise ConflictError if a CoRIM's tag would go back (draft-ietf-rats-corim section 5.1.1.2)."""
        current = self._store.activation()
        seen = None if current is None else self._readable(current.digest)
        before, after = {} if seen is None else _tags(seen), _tags(new)
        older = sorted(tag for tag, version in after.items() if version < before.get(tag, 0))
        if older:
            raise ConflictError(
                f"CoRIM tag `{older[0]}` is in force in version {before[older[0]]}, the bundle has an older one",
                code="corim.older",
                tag=older[0],
            )

    def _store_bundle(self, actor: Principal, file: BundleFile) -> None:
        compiled(file.bundle, digest=file.digest, commit=file.commit)  # what cannot be run is not stored
        record = BundleRecord(
            digest=file.digest,
            commit=file.commit,
            published_at=self._clock.now(),
            published_by=actor.name,
            height=file.height,
        )
        document = Document(digest=file.digest, kind="bundle", body=encode(file.bundle))
        act = self._act(actor, "bundle.publish", file.digest, None)
        self._store.apply(StoreBundle(record=record, document=document, act=act))

    def _act(self, actor: Principal, action: str, digest: Digest, generation: int | None) -> Act:
        return Act(
            actor=actor.name,
            at=self._clock.now(),
            action=action,
            subject=digest,
            detail={} if generation is None else {"generation": generation},
            salt=self._entropy.draw(SALT_SIZE),
        )


def _tags(bundle: Bundle) -> dict[str, int]:
    return {tag.tag: tag.version for each in bundle.reference_values for tag in each.tags}
