// A whole source: the contacts of a made-up CRM, page by page over HTTP, with deletions. `GET /v1/contacts?after=ID&limit=N`
// answers `{"contacts": [{"id", "email", "name", "score", "updated_ms", "deleted"}], "more": true}`.
//
// The configuration comes without its secrets, the request names an origin and a credential, and the host does the rest.

import { cursorOf, cursorValue, fault, page, sendJson } from "../attiva.js";

const STATE_VERSION = 1;
const COLUMNS = { email: "text", name: "text", score: "integer", updated: "timestamp" };

// Made once, when the component is built: `spec` must be the same bytes every time.
const SPEC = JSON.stringify({
    name: "source-contacts-js", version: "0.1.0", publisher: "example", title: "Contacts (JavaScript)",
    description: "Contacts of a made-up CRM.", state_version: STATE_VERSION,
    configuration: {
        type: "object", additionalProperties: false, required: ["tenant", "client_id", "client_secret"],
        properties: {
            tenant: { type: "string", title: "Tenant" }, client_id: { type: "string", title: "Client id" },
            client_secret: { type: "string", title: "Client secret", writeOnly: true },
        },
    },
    credentials: [{
        name: "crm", method: "oauth2-client-credentials", origin: "api", path: "/oauth/token",
        client_id: "{client_id}", client_secret: "{client_secret}",
    }],
    origins: [{
        name: "api", url: "https://{tenant}.crm.example", domains: ["crm.example"],
        rules: [{ methods: ["GET"], path: "/v1/", access: "read", credential: "crm" }],
    }],
    instance: { system: "ExampleCrm", id: "{tenant}" },
    mappings: [{ stream: "contacts", entity: "person", fields: { email: "record.email" } }],
});

export const plugin = {
    spec: () => SPEC,
    migrateState: () => { throw fault("unsupported", "contacts.state", "there was no version before this one"); },
};

export const source = {
    check: () => {
        const result = { name: "read-contacts", title: "Contacts can be read", fault: null, skipped: null };
        try {
            contacts(0, 1);
            return [result];
        } catch (error) {
            if (error.kind === undefined) throw error;
            return [{ ...result, fault: error }];
        }
    },

    discover: () => [{
        name: "contacts", title: "Contacts", key: "id", cursorColumn: "updated", deletes: true, keyedBy: null, suggested: true,
        columns: Object.entries(COLUMNS).map(([name, dataType]) => ({ name, dataType, nullable: true, label: "" })),
    }],

    read: (config, stream, fields, cursor, keys, limits) => {
        if (stream !== "contacts") throw fault("unsupported", "contacts.stream", `there is no stream ${stream}`);
        const after = cursorValue(cursor, 0);
        const answer = contacts(after, Math.min(limits.maxRows, 1000));
        const types = Object.fromEntries(Object.entries(COLUMNS).filter(([name]) => !fields.length || fields.includes(name)));
        const rows = answer.contacts.map((contact) => ({
            key: String(contact.id), kind: contact.deleted ? "tombstone" : "full", time: contact.updated_ms,
            values: contact.deleted
                ? {}
                : { email: contact.email, name: contact.name, score: contact.score, updated: contact.updated_ms },
        }));
        const last = answer.contacts.length ? answer.contacts[answer.contacts.length - 1].id : after;
        return page(types, rows, { next: cursorOf(STATE_VERSION, last), more: answer.more === true });
    },

    release: () => { throw fault("unsupported", "contacts.release", "a cursor holds nothing at the vendor"); },
};

function contacts(after, limit) {
    const answer = sendJson({ origin: "api", path: `/v1/contacts?after=${after}&limit=${limit}`, credential: "crm" });
    if (!Array.isArray(answer.contacts)) throw fault("data", "contacts.answer", "the answer has no list of contacts");
    return answer;
}
