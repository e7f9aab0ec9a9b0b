"""What a connector in Python needs beside the contract: rows to columns, faults, cursors, and a request that answers JSON.

The contract itself is the module `wit_world`, made from `wit/` when the component is built. There is no WASI behind the
interpreter: `time.time()` and `random` trap or stand still, sockets and files are not there. The time is
`wit_world.imports.clock.now_ms()`, randomness `wit_world.imports.random.bytes(n)`.
"""

import json
import re
from typing import Any, Optional

from componentize_py_types import Err
from wit_world.exports.source import Page, Reject, RowKind
from wit_world.imports import http
from wit_world.imports.types import (
    BytesArray,
    Column,
    ColumnValues_Boolean,
    ColumnValues_Date,
    ColumnValues_Decimal,
    ColumnValues_Float,
    ColumnValues_Integer,
    ColumnValues_Json,
    ColumnValues_Text,
    ColumnValues_Timestamp,
    Cursor,
    DataType,
    Fault,
    FaultKind,
)

_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_I64 = range(-(2**63), 2**63)


def fault(kind: FaultKind, code: str, message: str, action: str = "", retry_after_ms: Optional[int] = None) -> Err:
    """Raise this: `raise fault(FaultKind.TRANSIENT, "acme.busy", "Acme is busy")`. `kind` says who acts next."""
    return Err(Fault(kind, code, message, action, retry_after_ms, None))


def send_json(origin: str, path: str, credential: Optional[str] = None, method: str = "GET", body: Any = None) -> Any:
    """Sends a request and reads its answer as JSON. Statuses become faults."""
    headers = [] if body is None else [("content-type", "application/json")]
    sent = None if body is None else json.dumps(body).encode()
    answer = http.send(http.Request(origin, method, path, headers, sent, credential, None))
    said = f"{method} {path.split('?')[0]} was answered with status {answer.status}"
    if answer.status == 401:
        raise fault(FaultKind.AUTH, "http.401", said, "Check the connection's credential.")
    if answer.status == 403:
        raise fault(FaultKind.SCOPE, "http.403", said)
    if answer.status == 429:
        raise fault(FaultKind.RATE_LIMITED, "http.429", said, retry_after_ms=_retry_after_ms(answer.headers))
    if answer.status >= 500:
        raise fault(FaultKind.TRANSIENT, f"http.{answer.status}", said)
    if not 200 <= answer.status <= 299:
        raise fault(FaultKind.DATA, f"http.{answer.status}", said)
    try:
        return json.loads(answer.body)
    except ValueError:
        raise fault(FaultKind.DATA, "http.json", f"{said}, and what came is no JSON") from None


def _retry_after_ms(headers: list[tuple[str, str]]) -> Optional[int]:
    seconds = dict(headers).get("retry-after", "")
    return int(seconds) * 1000 if seconds.isascii() and seconds.isdigit() else None


def cursor_of(state_version: int, value: Any) -> Cursor:
    """A cursor of any value that is JSON."""
    return Cursor(state_version, json.dumps(value).encode())


def cursor_value(cursor: Optional[Cursor], first: Any) -> Any:
    """What `cursor_of` was given; `first` where the stream begins."""
    # As UTF-8, and not as whatever `json` takes it for: there are no other codecs where a connector runs.
    return first if cursor is None else json.loads(cursor.bytes.decode())


def page(types: dict[str, DataType], rows: list[dict], next: Cursor, more: bool, wait_ms: Optional[int] = None) -> Page:
    """A page. Each row is `{"key": .., "kind": RowKind.FULL, "time": 0, "values": {..}}`; a value that is `None` or not
    there is null. A row that cannot be one becomes a reject, never a fault."""
    good, rejects = [], []
    for row in rows:
        problem = _problem(types, row)
        if problem is None:
            good.append(row)
        else:
            rejects.append(problem)
    columns = [_column(name, kind, [row.get("values", {}).get(name) for row in good]) for name, kind in types.items()]
    keys = _bytes_array([row["key"].encode() for row in good])
    kinds = [row.get("kind", RowKind.FULL) for row in good]
    times = [row.get("time", 0) for row in good]
    return Page(len(good), keys, kinds, times, columns, [], rejects, next, more, wait_ms, None, [])


def _problem(types: dict[str, DataType], row: dict) -> Optional[Reject]:
    key, values = row.get("key"), row.get("values", {})
    is_key = isinstance(key, str) and 1 <= len(key.encode(errors="replace")) <= 512

    def reject(code: str, field: Optional[str], message: str) -> Reject:
        return Reject(key if is_key else None, code, field, message, json.dumps(values, default=str))

    if not is_key:
        return reject("key-missing", None, "the record has no key of 1 to 512 bytes")
    for name, kind in types.items():
        value = values.get(name)
        if value is not None and not _is_of(kind, value):
            return reject("wrong-type", name, f"the value is no {kind.name.lower()}")
    return None


def _is_of(kind: DataType, value: Any) -> bool:
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if kind is DataType.BOOLEAN:
        return isinstance(value, bool)
    if kind in (DataType.INTEGER, DataType.TIMESTAMP):
        return is_whole and value in _I64
    if kind is DataType.DATE:
        return is_whole and -(2**31) <= value < 2**31
    if kind is DataType.FLOAT:
        return isinstance(value, float) or is_whole
    if kind is DataType.DECIMAL:
        return isinstance(value, str) and _DECIMAL.fullmatch(value) is not None
    if kind is DataType.TEXT:
        return isinstance(value, str) and not any("\ud800" <= c <= "\udfff" for c in value)
    if kind is DataType.JSON:
        return True
    raise TypeError(f"columns of type {kind} are not made here")


def _column(name: str, kind: DataType, values: list) -> Column:
    or_zero = [0 if value is None else value for value in values]
    text = [b"" if value is None else str(value).encode() for value in values]
    if kind is DataType.BOOLEAN:
        made = ColumnValues_Boolean(_bits([value is True for value in values]))
    elif kind is DataType.INTEGER:
        made = ColumnValues_Integer(or_zero)
    elif kind is DataType.TIMESTAMP:
        made = ColumnValues_Timestamp(or_zero)
    elif kind is DataType.DATE:
        made = ColumnValues_Date(or_zero)
    elif kind is DataType.FLOAT:
        made = ColumnValues_Float([float(value) for value in or_zero])
    elif kind is DataType.DECIMAL:
        made = ColumnValues_Decimal(_bytes_array(text))
    elif kind is DataType.TEXT:
        made = ColumnValues_Text(_bytes_array(text))
    else:
        made = ColumnValues_Json(_bytes_array([b"" if v is None else json.dumps(v).encode() for v in values]))
    validity = _bits([value is not None for value in values]) if None in values else None
    return Column(name, made, validity, None)


def _bits(values: list[bool]) -> bytes:
    """One bit per value, least significant first."""
    made = bytearray((len(values) + 7) // 8)
    for at, value in enumerate(values):
        if value:
            made[at >> 3] |= 1 << (at & 7)
    return bytes(made)


def _bytes_array(values: list[bytes]) -> BytesArray:
    """Arrow's layout of values of different lengths."""
    offsets, end = [0], 0
    for value in values:
        end += len(value)
        offsets.append(end)
    return BytesArray(offsets, b"".join(values))
