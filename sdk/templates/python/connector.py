"""Persons of an Example CRM: all of them once, then what changes. The whole connector, to be made yours.

It reads `GET /v1/persons?limit=..&since=..&after=..`, whose answer is `{"items": [..], "next": ".."}`, oldest change first.
What to change first: the address and the rules in SPEC, the columns, the question in `read`. `attiva connector test` proves
it after each step.
"""

import json
from datetime import datetime
from typing import Any, Optional
from urllib.parse import quote

from attiva import cursor_of, cursor_value, fault, page, send_json
from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.source import ColumnSpec, Limits, Merge, Page, RowKind, Stream
from wit_world.imports import http
from wit_world.imports.types import CheckResult, Cursor, DataType, FaultKind

CREDENTIAL = "example"
STATE_VERSION = 1
COLUMNS = {
    "id": DataType.TEXT,
    "email": DataType.TEXT,
    "name": DataType.TEXT,
    "score": DataType.INTEGER,
    "amount": DataType.DECIMAL,
    "updated_at": DataType.TIMESTAMP,
}


def _text(title: str, description: str, **more: Any) -> dict:
    return {"type": "string", "title": title, "description": description, "minLength": 1, **more}


# Made once, when the component is built: `spec` must be the same bytes every time.
SPEC = json.dumps(
    {
        "name": "source-example",
        "version": "0.1.0",
        "publisher": "example",
        "title": "Example CRM",
        "description": "Persons of an Example CRM.",
        "state_version": STATE_VERSION,
        "configuration": {
            "type": "object",
            "additionalProperties": False,
            "required": ["team", "client_id", "client_secret"],
            "properties": {
                "team": _text("Team", "The part of the address before .crm.example.com."),
                "client_id": _text("Client id", "Of the app made for this connection, under Settings > Apps."),
                "client_secret": _text(
                    "Client secret", "Of the same app; shown once, when it is made.", writeOnly=True
                ),
            },
        },
        "credentials": [
            {
                "name": CREDENTIAL,
                "method": "oauth2-client-credentials",
                "origin": "api",
                "path": "/oauth/token",
                "client_id": "{client_id}",
                "client_secret": "{client_secret}",
            }
        ],
        "origins": [
            {
                "name": "api",
                "url": "https://{team}.crm.example.com",
                "domains": ["crm.example.com"],
                "rules": [{"methods": ["GET"], "path": "/v1/", "access": "read", "credential": CREDENTIAL}],
            }
        ],
        "rates": [{"kind": "window", "calls": 100, "seconds": 10}],
        "instance": {"system": "ExampleCrm", "id": "{team}"},
        "mappings": [
            {
                "stream": "persons",
                "entity": "person",
                "fields": {"email": "record.email", "last_updated_date": "record.updated_at"},
            }
        ],
    }
)


class Plugin(exports.Plugin):
    def spec(self) -> str:
        return SPEC

    def migrate_state(self, from_version: int, state: bytes) -> bytes:
        if from_version == STATE_VERSION:
            return state
        raise fault(FaultKind.UNSUPPORTED, "state.version", f"no way from state version {from_version}", "Read anew.")


class Source(exports.Source):
    def check(self, config: str) -> list[CheckResult]:
        found = None
        try:
            _get("/v1/me")
        except Err as error:
            found = error.value
        return [CheckResult("log-in", "Log in and read the account", found, None)]

    def discover(self, config: str) -> list[Stream]:
        columns = [ColumnSpec(name, kind, name != "id", "") for name, kind in COLUMNS.items()]
        return [Stream("persons", "Persons", columns, "id", "updated_at", True, None, True)]

    def read(
        self, config: str, stream: str, fields: list[str], cursor: Optional[Cursor], keys: list[str], limits: Limits
    ) -> Page:
        if stream != "persons":
            raise fault(FaultKind.CONFIG, "stream.unknown", f"there is no stream {stream}", "Discover again.")
        since, newest, after = _place(cursor)
        behind = "" if after is None else f"&after={quote(after, safe='')}"
        answer = _get(f"/v1/persons?limit={min(limits.max_rows, 100)}&since={since}{behind}")
        if not isinstance(answer, dict) or not isinstance(answer.get("items"), list):
            raise fault(FaultKind.DATA, "example.answer", "the answer has no list of persons")
        types = {name: kind for name, kind in COLUMNS.items() if not fields or name in fields}
        rows = [_row(item) for item in answer["items"]]
        newest = max([newest, *(row["time"] for row in rows)])
        more = answer.get("next") is not None
        # After the end, those of the newest millisecond are read again: one of them may have changed since.
        place = [since if more else newest, newest, answer.get("next")]
        made = page(types, rows, cursor_of(STATE_VERSION, place), more)
        into = [row["into"] for row in rows if row["kind"] is RowKind.MERGE]
        places = [at for at, kind in enumerate(made.kinds) if kind is RowKind.MERGE]
        made.merges = [Merge(at, key) for at, key in zip(places, into)]
        return made

    def release(self, config: str, stream: str, cursor: Cursor) -> None:
        raise fault(FaultKind.UNSUPPORTED, "example.release", "a cursor holds nothing at the vendor")


def _place(cursor: Optional[Cursor]) -> tuple[int, int, Optional[str]]:
    try:
        since, newest, after = cursor_value(cursor, [0, 0, None])
        return int(since), int(newest), after
    except (ValueError, TypeError):
        raise fault(FaultKind.INTERNAL, "state.decode", "the stored cursor cannot be read") from None


def _row(item: dict) -> dict:
    time = _ms(item.get("updated_at"))
    row = {"key": item.get("id"), "time": time, "kind": RowKind.FULL, "values": {}}
    if item.get("deleted"):
        return {**row, "kind": RowKind.TOMBSTONE}
    if item.get("merged_into"):
        return {**row, "kind": RowKind.MERGE, "into": item["merged_into"]}
    return {**row, "values": {**item, "updated_at": time}}


def _ms(text: Any) -> int:
    try:
        return round(datetime.fromisoformat(text).timestamp() * 1000)
    except (ValueError, TypeError):
        return 0


def _get(path: str) -> Any:
    """One call. A token that the vendor no longer takes is renewed, once."""
    try:
        return send_json("api", path, credential=CREDENTIAL)
    except Err as error:
        if error.value.code == "http.401":
            http.renew_credential(CREDENTIAL)
            return send_json("api", path, credential=CREDENTIAL)
        if error.value.code == "http.403":
            error.value.action = "Ask the vendor's administrator for the permission."
        raise
