"""The OpenAPI 3.1 description: what FastAPI derives from the routes, with who may call them and how they refuse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from api.auth import Permission, permission_of
from api.examples import example_for
from api.problems import MEDIA_TYPE
from api.selection import FIELDS, JSON, MAX_FIELDS, PART
from api.strict import StrictRoute

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
                    operation = document["paths"][route.path_format][method.lower()]
                    _complete(operation, permission_of(route))
                    if isinstance(route, StrictRoute) and route.fields:
                        _select(operation, route.fields, schemas)
                    _exemplify(operation, route.name, schemas)
        app.openapi_schema = document
    return app.openapi_schema


def _complete(operation: dict[str, Any], permission: Permission) -> None:
    responses = operation["responses"]
    responses.pop("422", None)
    responses |= {"4XX": _REFUSED, "5XX": _REFUSED}
    operation["x-permission"] = permission.label
    if permission.right is not None:
        operation["security"] = [{"token": []}]


def _select(operation: dict[str, Any], fields: frozenset[str], schemas: Mapping[str, Any]) -> None:
    """Say which members of an answer can be chosen, and that it then has only those."""
    parameter = {
        "name": FIELDS,
        "in": "query",
        "required": False,
        "description": f"only these members, separated by commas: {', '.join(sorted(fields))}",
        "schema": {"type": "string", "maxLength": MAX_FIELDS, "examples": [min(fields)]},
    }
    operation.setdefault("parameters", []).append(parameter)
    content = operation["responses"]["200"]["content"]
    whole = content[JSON]["schema"]
    is_list = whole.get("type") == "array"
    shape = schemas[str((whole["items"] if is_list else whole)["$ref"]).rpartition("/")[2]]
    part = {"type": "object", "properties": shape["properties"], "additionalProperties": False}
    content[PART] = {"schema": {"type": "array", "items": part} if is_list else part}


def _exemplify(operation: dict[str, Any], name: str, schemas: Mapping[str, Any]) -> None:
    """Give an example of every JSON body."""
    answers = [answer for status, answer in operation["responses"].items() if status.startswith("2")]
    for holder in (*answers, operation.get("requestBody", {})):
        for media_type, body in holder.get("content", {}).items():
            if media_type in {JSON, PART}:
                body.setdefault("example", example_for(name, body["schema"], schemas))
