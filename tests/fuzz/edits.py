"""Mutations of good evidence: of its bytes, and of what the bytes mean as CBOR, JSON, JOSE or DER."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import cbor2
from hypothesis import strategies as st

MAX_GROWTH = 100_000  # bytes: past every limit of the doors, so that the limits themselves are met
_FAVOUR = 12  # bytes changed blindly mostly end at the door; changed meanings get behind it
_NESTING = 600  # deeper than any door goes

Draw = Callable[[st.SearchStrategy[Any]], Any]
Edit = Callable[[bytes, Draw], bytes]

_INTEGERS = st.one_of(
    st.sampled_from([0, 1, -1, 23, 24, 255, 256, 2**16, 2**31 - 1, 2**32, 2**53, 2**63, 2**64 - 1, -(2**63)]),
    st.integers(-(2**64), 2**64 - 1),
)
_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    _INTEGERS,
    st.floats(),
    st.binary(max_size=80),
    st.text(max_size=40),
    st.sampled_from(["", "\x00", "x" * 2000, b"", bytes(33), bytes(70_000)]),
)
_JSON_LEAVES = _LEAVES.filter(lambda value: not isinstance(value, bytes))


def mutated(seed: bytes, others: tuple[bytes, ...], draw: Draw) -> bytes:
    """Return `seed` after one to three edits; `others` are good evidence that may be spliced in."""
    edits: list[Edit] = [*BYTE_EDITS, _splice(others)]
    edits += [edit for edit in SHAPE_EDITS if edit.applies(seed)] * _FAVOUR
    for _ in range(draw(st.integers(1, 3))):
        seed = draw(st.sampled_from(edits))(seed, draw)[: len(seed) + MAX_GROWTH]
    return seed


def _flip(data: bytes, draw: Draw) -> bytes:
    bit = draw(st.integers(0, max(len(data) * 8 - 1, 0)))
    return data and data[: bit // 8] + bytes((data[bit // 8] ^ 1 << bit % 8,)) + data[bit // 8 + 1 :]


def _truncate(data: bytes, draw: Draw) -> bytes:
    return data[: draw(st.integers(0, len(data)))]


def _append(data: bytes, draw: Draw) -> bytes:
    return data + draw(st.binary(min_size=1, max_size=16))


def _number(data: bytes, draw: Draw) -> bytes:
    """Overwrite a big-endian or little-endian number: lengths, counts and tags are such."""
    size = draw(st.sampled_from([1, 2, 4, 8]))
    at = draw(st.integers(0, max(len(data) - size, 0)))
    value = draw(st.sampled_from([0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**31, 2**32 - 1, 2**64 - 1]))
    encoded = (value % 2 ** (8 * size)).to_bytes(size, draw(st.sampled_from(["big", "little"])))
    return data[:at] + encoded + data[at + size :]


def _repeat(data: bytes, draw: Draw) -> bytes:
    start, end = _slice(data, draw)
    times = draw(st.sampled_from([2, 3, 64, 4096]))
    return data[:start] + (data[start:end] * times)[:MAX_GROWTH] + data[end:]


def _remove(data: bytes, draw: Draw) -> bytes:
    start, end = _slice(data, draw)
    return data[:start] + data[end:]


def _slice(data: bytes, draw: Draw) -> tuple[int, int]:
    start = draw(st.integers(0, len(data)))
    return start, min(len(data), start + draw(st.integers(0, 64)))


def _splice(others: tuple[bytes, ...]) -> Edit:
    def edit(data: bytes, draw: Draw) -> bytes:
        other = draw(st.sampled_from(others))
        start, end = _slice(data, draw)
        from_, to = _slice(other, draw)
        return data[:start] + other[from_:to] + data[end:]

    return edit


BYTE_EDITS: tuple[Edit, ...] = (_flip, _truncate, _append, _number, _repeat, _remove)


class _TreeEdit:
    """An edit of evidence as a tree of maps and arrays; `read` and `write` are its encoding."""

    def __init__(
        self, read: Callable[[bytes], Any], write: Callable[[Any], bytes], leaves: st.SearchStrategy[Any]
    ) -> None:
        self._read, self._write, self._leaves = read, write, leaves

    def applies(self, data: bytes) -> bool:
        return isinstance(self._parsed(data), list | dict)

    def __call__(self, data: bytes, draw: Draw) -> bytes:
        tree: list[Any] = [self._parsed(data)]
        places = list(_places(tree))
        _change(*draw(st.sampled_from(places)), leaves=self._leaves, trees=places, draw=draw)
        try:
            return self._write(tree[0])
        except (ValueError, TypeError, RecursionError, cbor2.CBOREncodeError):
            return data  # what this encoding cannot say is another's to try

    def _parsed(self, data: bytes) -> Any:
        try:
            return self._read(data)
        except (ValueError, cbor2.CBORError, RecursionError):
            return None


class _Tagged(list[Any]):
    """A CBOR tag, as a list of its one item."""

    tag = 0


class _Embedded(list[Any]):
    """A byte string that holds CBOR, as a list of its one item: protected headers and payloads are such."""


def _read_cbor(data: bytes) -> Any:
    return _thawed(cbor2.loads(data))


def _thawed(value: Any) -> Any:
    """Return `value` made of what can be edited; a token within a byte string is opened."""
    if isinstance(value, cbor2.CBORTag):
        tagged = _Tagged([_thawed(value.value)])
        tagged.tag = value.tag
        return tagged
    if isinstance(value, dict | cbor2.frozendict):
        return {key: _thawed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_thawed(item) for item in value]
    if isinstance(value, bytes) and value[:1] >= b"\x81":
        try:
            inside = _thawed(cbor2.loads(value))
        except (ValueError, cbor2.CBORError, RecursionError):
            return value
        return (
            _Embedded([inside]) if isinstance(inside, list | dict) and cbor2.dumps(_frozen(inside)) == value else value
        )
    return value


def _write_cbor(tree: Any) -> bytes:
    return cbor2.dumps(_frozen(tree))


def _frozen(value: Any) -> Any:
    if isinstance(value, _Tagged):
        return cbor2.CBORTag(value.tag, _frozen(value[0] if value else None))
    if isinstance(value, _Embedded):
        return cbor2.dumps(_frozen(value[0])) if value else b""
    if isinstance(value, dict):
        return {key: _frozen(item) for key, item in value.items()}
    return [_frozen(item) for item in value] if isinstance(value, list) else value


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every (container, key) of `tree`, the whole included."""
    pairs = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in list(pairs):
        yield tree, key
        yield from _places(value)


def _change(place: Any, key: Any, *, leaves: st.SearchStrategy[Any], trees: list[tuple[Any, Any]], draw: Draw) -> None:
    how = draw(st.sampled_from(["value", "value", "other", "delete", "add", "nest", "wide", "inside"]))
    value = place[key]
    if how == "delete" and len(place) > 1:
        del place[key]
    elif how == "add" and isinstance(place, dict):
        place[draw(st.one_of(st.integers(-80000, 3000), st.text(max_size=8)))] = draw(leaves)
    elif how == "other":
        where, at = draw(st.sampled_from(trees))
        place[key] = _copied(where[at]) if _has(where, at) else None
    elif how == "nest":
        for _ in range(draw(st.sampled_from([1, 4, 20, _NESTING]))):
            value = [value]
        place[key] = value
    elif how == "wide":
        place[key] = [value] * draw(st.sampled_from([2, 300, 5000]))
    elif how == "inside" and isinstance(value, bytes) and value:
        place[key] = draw(st.sampled_from(BYTE_EDITS))(value, draw)[:MAX_GROWTH]
    else:
        place[key] = draw(leaves)


def _copied(value: Any) -> Any:
    """Return a copy that shares no list or map, so that a tree never comes to hold itself."""
    if isinstance(value, _Tagged):
        tagged = _Tagged([_copied(item) for item in value])
        tagged.tag = value.tag
        return tagged
    if isinstance(value, list):
        return type(value)(_copied(item) for item in value)
    return {key: _copied(item) for key, item in value.items()} if isinstance(value, dict) else value


def _has(container: Any, key: Any) -> bool:
    return key in container if isinstance(container, dict) else key < len(container)


def _read_json(data: bytes) -> Any:
    return json.loads(data)


def _write_json(tree: Any) -> bytes:
    return json.dumps(tree).encode()


class _JoseEdit:
    """An edit inside one of the three parts of a compact JWS."""

    def __init__(self, inner: _TreeEdit) -> None:
        self._inner = inner

    def applies(self, data: bytes) -> bool:
        return data.count(b".") == 2 and any(self._inner.applies(part) for part in self._parts(data))

    def __call__(self, data: bytes, draw: Draw) -> bytes:
        parts = self._parts(data)
        if len(parts) != 3:
            return data
        at = draw(st.integers(0, 2))
        edit = self._inner if self._inner.applies(parts[at]) else draw(st.sampled_from(BYTE_EDITS))
        parts[at] = edit(parts[at], draw)
        return b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)

    def _parts(self, data: bytes) -> list[bytes]:
        try:
            return [base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4)) for part in data.split(b".")]
        except ValueError:
            return []


class _DerEdit:
    """An edit of one DER element, the lengths around it made right again."""

    def applies(self, data: bytes) -> bool:
        return data[:1] == b"\x30" and _elements(data) is not None

    def __call__(self, data: bytes, draw: Draw) -> bytes:
        found = _elements(data)
        if not found:
            return data
        path: list[tuple[int, list[Any]]] = []
        while True:
            at = draw(st.integers(0, len(found) - 1))
            path.append((at, found))
            inside = _elements(found[at][1]) if found[at][0] & 0x20 else None
            if not inside or draw(st.integers(0, 3)) == 0:
                break
            found = inside
        return _rebuilt(path, draw)


def _elements(data: bytes) -> list[tuple[int, bytes]] | None:
    """Return the (tag, content) of every element of `data`, or None if it is not DER with one-byte tags."""
    found: list[tuple[int, bytes]] = []
    while data:
        if len(data) < 2:
            return None
        size, head = data[1], 2
        if size & 0x80:
            head += size & 0x7F
            size = int.from_bytes(data[2:head], "big")
        if size > len(data) - head:
            return None
        found.append((data[0], data[head : head + size]))
        data = data[head + size :]
    return found


def _rebuilt(path: list[tuple[int, list[Any]]], draw: Draw) -> bytes:
    at, elements = path[-1]
    tag, content = elements[at]
    how = draw(st.sampled_from(["tag", "content", "delete", "twice", "nest"]))
    if how == "tag":
        elements[at] = (draw(st.integers(0, 255)), content)
    elif how == "delete":
        del elements[at]
    elif how == "twice":
        elements.insert(at, elements[at])
    elif how == "nest":
        elements[at] = (0x30, _written([(tag, content)]))
    else:
        elements[at] = (tag, draw(st.sampled_from(BYTE_EDITS))(content, draw)[:MAX_GROWTH])
    encoded = _written(elements)
    for at, outer in reversed(path[:-1]):
        outer[at] = (outer[at][0], encoded)
        encoded = _written(outer)
    return encoded


def _written(elements: list[tuple[int, bytes]]) -> bytes:
    return b"".join(bytes((tag,)) + _length(len(content)) + content for tag, content in elements)


def _length(size: int) -> bytes:
    if size < 0x80:
        return bytes((size,))
    encoded = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((0x80 | len(encoded),)) + encoded


_json = _TreeEdit(_read_json, _write_json, _JSON_LEAVES)
SHAPE_EDITS = (_TreeEdit(_read_cbor, _write_cbor, _LEAVES), _json, _JoseEdit(_json), _DerEdit())
