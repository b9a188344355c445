"""A policy repository on disk, compiled for a command that only reads it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from policyengine.errors import PolicyEngineError, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from policyengine.language.compiler import Compilation
    from policyengine.model.ids import Digest
    from policyengine.model.policy import Bundle


class PoliciesInvalidError(PolicyEngineError):
    """The policy repository does not compile."""

    code = "policies.invalid"


class UnknownModelError(PolicyEngineError):
    """The fleet has no model of that name."""

    code = "fleet.unknown-model"


def compilation_of(directory: Path) -> Compilation:
    """Return what the compiler says of `directory` now; raises what reading the tree raises."""
    return compiled_files(directory)[1]


def compiled_files(directory: Path) -> tuple[Mapping[str, bytes], Compilation]:
    """Return the files of `directory` and what the compiler says of them now; raises what reading the tree raises."""
    from policyengine.adapters.clock import SystemClock
    from policyengine.adapters.tree import read_tree
    from policyengine.attestation.corim.states import read_endorsed
    from policyengine.language.compiler import compile_tree

    files = read_tree(directory)
    return files, compile_tree(files, now=SystemClock().now(), corims=read_endorsed)


def compiled_bundle(directory: Path) -> tuple[Bundle, Digest]:
    """Return the bundle that `directory` compiles to and its digest; raises PoliciesInvalidError."""
    compilation = compilation_of(directory)
    if compilation.bundle is None or compilation.digest is None:
        raise PoliciesInvalidError(f"`{directory}` does not compile; run `policyengine check {directory}`")
    return compilation.bundle, compilation.digest


def demand_model(bundle: Bundle, model: str | None) -> None:
    """Raise UnknownModelError for a `model` that fleet.yaml does not have; None stands for all of them."""
    if model is not None and model not in bundle.fleet.models:
        known = ", ".join(map(quoted, sorted(bundle.fleet.models)))
        raise UnknownModelError(f"there is no model {quoted(model)} in fleet.yaml; known: {known}")


def judging_bundle(name: str, files: Mapping[str, bytes], now: datetime) -> Bundle:
    """Return what the `files` of `name` compile to, without waivers that are wrong; raises PoliciesInvalidError."""
    from policyengine.attestation.corim.states import read_endorsed
    from policyengine.language.compiler import compile_tree

    bundle = compile_tree(files, now=now, corims=read_endorsed).judging
    if bundle is None:
        raise PoliciesInvalidError(f"`{name}` does not compile; run `policyengine check` on it")
    return bundle
