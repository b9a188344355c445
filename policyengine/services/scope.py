"""What a viewer may see: a vendor's people only their models; the rest is answered as if it were not there."""

from __future__ import annotations

from dataclasses import replace

from policyengine.model.ids import DeviceId
from policyengine.services.actors import Principal
from policyengine.services.errors import InvalidRequestError, MissingError
from policyengine.services.ports import CheckInReads, DeviceFilter
from policyengine.services.records import DeviceView


def filtered(viewer: Principal, where: DeviceFilter) -> DeviceFilter:
    """Return `where` narrowed to what `viewer` may see. Raises InvalidRequestError for text that no name can be."""
    texts = (where.site, where.zone, where.text, *(where.models or ()))
    if any(text is not None and "\x00" in text for text in texts):
        raise InvalidRequestError("a filter holds a NUL character", code="request.filter")
    if viewer.models is None:
        return where
    return replace(where, models=viewer.models if where.models is None else where.models & viewer.models)


def visible_view(reads: CheckInReads, viewer: Principal, device_id: DeviceId) -> DeviceView:
    """Return the device, if there is one that `viewer` may see; raises MissingError."""
    view = reads.view(device_id)
    if view is None or not _is_in_scope(viewer, view):
        raise missing("no device has that id", "device.missing")
    return view


def sees(reads: CheckInReads, viewer: Principal, device_id: DeviceId) -> bool:
    """Return whether `viewer` may see what is about a device: for what must answer as if it were itself not there."""
    view = reads.view(device_id)
    return view is not None and _is_in_scope(viewer, view)


def _is_in_scope(viewer: Principal, view: DeviceView) -> bool:
    return viewer.models is None or view.device.model in viewer.models


def missing(message: str, code: str) -> MissingError:
    """Return the error for what is not there, or not for this viewer."""
    return MissingError(message, code=code)
