"""What can be wrong with an export."""

from __future__ import annotations

from policyengine.services.errors import ServiceError


class ExportError(ServiceError):
    """A file that is no evidence export, or not as it was written; `fields["member"]` says where, if anything does."""

    code = "export.damaged"


class ExportTooLargeError(ServiceError):
    """An export that would not fit into one file."""

    code = "export.too-large"
