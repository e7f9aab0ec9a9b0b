"""A whole source: the contacts of a made-up CRM, page by page over HTTP, with deletions.

`GET /v1/contacts?after=ID&limit=N` answers `{"contacts": [{"id", "email", "name", "score", "updated_ms", "deleted"}],
"more": true}`. The configuration comes without its secrets, the request names an origin and a credential, and the host
does the rest.
"""

import json
from typing import Any, Optional

from attiva import cursor_of, cursor_value, fault, page, send_json
from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.source import ColumnSpec, Limits, Page, RowKind, Stream
from wit_world.imports.types import CheckResult, Cursor, DataType, FaultKind

STATE_VERSION = 1
COLUMNS = {
    "email": DataType.TEXT,
    "name": DataType.TEXT,
    "score": DataType.INTEGER,
    "updated": DataType.TIMESTAMP,
}

# Made once, when the component is built: `spec` must be the same bytes every time.
SPEC = json.dumps(
    {
        "name": "source-contacts-py",
        "version": "0.1.0",
        "publisher": "example",
        "title": "Contacts (Python)",
        "description": "Contacts of a made-up CRM.",
        "state_version": STATE_VERSION,
        "configuration": {
            "type": "object",
            "additionalProperties": False,
            "required": ["tenant", "client_id", "client_secret"],
            "properties": {
                "tenant": {"type": "string", "title": "Tenant"},
                "client_id": {"type": "string", "title": "Client id"},
                "client_secret": {"type": "string", "title": "Client secret", "writeOnly": True},
            },
        },
        "credentials": [
            {
                "name": "crm",
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
                "url": "https://{tenant}.crm.example",
                "domains": ["crm.example"],
                "rules": [{"methods": ["GET"], "path": "/v1/", "access": "read", "credential": "crm"}],
            }
        ],
        "instance": {"system": "ExampleCrm", "id": "{tenant}"},
        "mappings": [{"stream": "contacts", "entity": "person", "fields": {"email": "record.email"}}],
    }
)


class Plugin(exports.Plugin):
    def spec(self) -> str:
        return SPEC

    def migrate_state(self, from_version: int, state: bytes) -> bytes:
        raise fault(FaultKind.UNSUPPORTED, "contacts.state", "there was no version before this one")


class Source(exports.Source):
    def check(self, config: str) -> list[CheckResult]:
        found = None
        try:
            _contacts(0, 1)
        except Err as error:
            found = error.value
        return [CheckResult("read-contacts", "Contacts can be read", found, None)]

    def discover(self, config: str) -> list[Stream]:
        columns = [ColumnSpec(name, kind, True, "") for name, kind in COLUMNS.items()]
        return [Stream("contacts", "Contacts", columns, "id", "updated", True, None, True)]

    def read(
        self, config: str, stream: str, fields: list[str], cursor: Optional[Cursor], keys: list[str], limits: Limits
    ) -> Page:
        if stream != "contacts":
            raise fault(FaultKind.UNSUPPORTED, "contacts.stream", f"there is no stream {stream}")
        after = cursor_value(cursor, 0)
        answer = _contacts(after, min(limits.max_rows, 1000))
        types = {name: kind for name, kind in COLUMNS.items() if not fields or name in fields}
        last = answer["contacts"][-1]["id"] if answer["contacts"] else after
        rows = [_row(contact) for contact in answer["contacts"]]
        return page(types, rows, cursor_of(STATE_VERSION, last), answer.get("more") is True)

    def release(self, config: str, stream: str, cursor: Cursor) -> None:
        raise fault(FaultKind.UNSUPPORTED, "contacts.release", "a cursor holds nothing at the vendor")


def _row(contact: dict) -> dict:
    key, time = str(contact["id"]), contact["updated_ms"]
    if contact.get("deleted"):
        return {"key": key, "kind": RowKind.TOMBSTONE, "time": time}
    values = {"email": contact.get("email"), "name": contact.get("name"), "score": contact.get("score"), "updated": time}
    return {"key": key, "time": time, "values": values}


def _contacts(after: int, limit: int) -> dict[str, Any]:
    answer = send_json("api", f"/v1/contacts?after={after}&limit={limit}", credential="crm")
    if not isinstance(answer, dict) or not isinstance(answer.get("contacts"), list):
        raise fault(FaultKind.DATA, "contacts.answer", "the answer has no list of contacts")
    return answer
