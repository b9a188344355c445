"""The OpenAPI 3.1 description: what FastAPI derives from the routes, with who may call them and how they refuse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from api.auth import Permission, permission_of
from api.problems import MEDIA_TYPE

PROBLEM: Mapping[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "Why a request was refused (RFC 9457); `type` is an address on this server that explains `code`.",
    "required": ["type", "title", "status", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "stable"},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
        "path": {"type": "string", "description": "what in the request it is about"},
    },
    "examples": [
        {
            "type": "/problems/device.missing",
            "title": "There is nothing of that name",
            "status": 404,
            "code": "device.missing",
            "detail": "no device has that id",
            "request_id": "b7a1c0de",
        }
    ],
}
_TOKEN = {"type": "http", "scheme": "bearer", "description": "an API token"}
_REFUSED = {
    "description": "A problem document (RFC 9457)",
    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
_REPLACED = ("HTTPValidationError", "ValidationError")  # FastAPI's own errors, which this server never answers


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the description of `app`; made once."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes, tags=app.openapi_tags
        )
        components = document.setdefault("components", {})
        schemas = components.setdefault("schemas", {})
        for name in _REPLACED:
            schemas.pop(name, None)
        schemas["Problem"] = dict(PROBLEM)
        components["securitySchemes"] = {"token": _TOKEN}
        for route in app.routes:
            if isinstance(route, APIRoute) and route.include_in_schema:
                for method in route.methods or ():
                    _complete(document["paths"][route.path_format][method.lower()], permission_of(route))
        app.openapi_schema = document
    return app.openapi_schema


def _complete(operation: dict[str, Any], permission: Permission) -> None:
    responses = operation["responses"]
    responses.pop("422", None)
    responses |= {"4XX": _REFUSED, "5XX": _REFUSED}
    operation["x-permission"] = permission.label
    if permission.right is not None:
        operation["security"] = [{"token": []}]
