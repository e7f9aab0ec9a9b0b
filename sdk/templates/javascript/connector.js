// Persons of an Example CRM: all of them once, then what changes. The whole connector, to be made yours.
//
// It reads `GET /v1/persons?limit=..&since=..&after=..`, whose answer is `{"items": [..], "next": ".."}`, oldest change first.
// What to change first: the address and the rules in SPEC, the columns, the question in `read`. `attiva connector test`
// proves it after each step.

import http from "attiva:connector/http@0.1.0";
import { cursorOf, cursorValue, fault, page, sendJson } from "./sdk/attiva.js";

const CREDENTIAL = "example";
const STATE_VERSION = 1;
const COLUMNS = { id: "text", email: "text", name: "text", score: "integer", amount: "decimal", updated_at: "timestamp" };

const text = (title, description) => ({ type: "string", title, description, minLength: 1 });

// Made once, when the component is built: `spec` must be the same bytes every time.
const SPEC = JSON.stringify({
    name: "source-example", version: "0.1.0", publisher: "example", title: "Example CRM",
    description: "Persons of an Example CRM.", state_version: STATE_VERSION,
    configuration: {
        type: "object", additionalProperties: false, required: ["team", "client_id", "client_secret"],
        properties: {
            team: text("Team", "The part of the address before .crm.example.com."),
            client_id: text("Client id", "Of the app made for this connection, under Settings > Apps."),
            client_secret: { ...text("Client secret", "Of the same app; shown once, when it is made."), writeOnly: true },
        },
    },
    credentials: [{
        name: CREDENTIAL, method: "oauth2-client-credentials", origin: "api", path: "/oauth/token",
        client_id: "{client_id}", client_secret: "{client_secret}",
    }],
    origins: [{
        name: "api", url: "https://{team}.crm.example.com", domains: ["crm.example.com"],
        rules: [{ methods: ["GET"], path: "/v1/", access: "read", credential: CREDENTIAL }],
    }],
    rates: [{ kind: "window", calls: 100, seconds: 10 }],
    instance: { system: "ExampleCrm", id: "{team}" },
    mappings: [{ stream: "persons", entity: "person", fields: { email: "record.email", last_updated_date: "record.updated_at" } }],
});

export const plugin = {
    spec: () => SPEC,
    migrateState: (from, state) => {
        if (from === STATE_VERSION) return state;
        throw fault("unsupported", "state.version", `no way from state version ${from}`, { action: "Read from the start." });
    },
};

export const source = {
    check: () => {
        const result = { name: "log-in", title: "Log in and read the account", fault: null, skipped: null };
        try {
            get("/v1/me");
            return [result];
        } catch (error) {
            // What the host refuses comes as the payload of an error, what is thrown here as it is.
            const said = error.payload ?? error;
            if (said.kind === undefined) throw error;
            return [{ ...result, fault: said }];
        }
    },

    discover: () => [{
        name: "persons", title: "Persons", key: "id", cursorColumn: "updated_at", deletes: true, keyedBy: null, suggested: true,
        columns: Object.entries(COLUMNS).map(([name, dataType]) => ({ name, dataType, nullable: name !== "id", label: "" })),
    }],

    read: (config, stream, fields, cursor, keys, limits) => {
        if (stream !== "persons") throw fault("config", "stream.unknown", `there is no stream ${stream}`, { action: "Discover again." });
        const place = placeOf(cursor);
        const after = place.after === null ? "" : `&after=${encodeURIComponent(place.after)}`;
        const answer = get(`/v1/persons?limit=${Math.min(limits.maxRows, 100)}&since=${place.since}${after}`);
        if (!Array.isArray(answer.items)) throw fault("data", "example.answer", "the answer has no list of persons");
        const types = Object.fromEntries(Object.entries(COLUMNS).filter(([name]) => !fields.length || fields.includes(name)));
        let newest = place.newest;
        const merges = [];
        const rows = answer.items.map((item) => {
            const time = Date.parse(item.updated_at) || 0;
            newest = Math.max(newest, time);
            const row = { key: item.id, time, values: { ...item, updated_at: time } };
            if (item.deleted) return { ...row, kind: "tombstone", values: {} };
            if (item.merged_into) return { ...row, kind: "merge", values: {}, into: item.merged_into };
            return row;
        });
        const made = page(types, rows, {
            // After the end, those of the newest millisecond are read again: one of them may have changed since.
            next: cursorOf(STATE_VERSION, { since: answer.next ? place.since : newest, newest, after: answer.next ?? null }),
            more: Boolean(answer.next),
        });
        made.kinds.forEach((kind, row) => {
            if (kind === "merge") merges.push({ row, intoKey: rows.filter((r) => r.kind === "merge")[merges.length].into });
        });
        return { ...made, merges };
    },

    release: () => { throw fault("unsupported", "example.release", "a cursor holds nothing at the vendor"); },
};

function placeOf(cursor) {
    try {
        const place = cursorValue(cursor, { since: 0, newest: 0, after: null });
        if (Number.isSafeInteger(place.since) && Number.isSafeInteger(place.newest)) return place;
    } catch { /* what is no JSON is no cursor of ours, either */ }
    throw fault("internal", "state.decode", "the stored cursor cannot be read");
}

/** One call. A token that the vendor no longer takes is renewed, once. */
function get(path) {
    const request = { origin: "api", path, credential: CREDENTIAL };
    try {
        return sendJson(request);
    } catch (error) {
        if (error.code === "http.401") {
            http.renewCredential(CREDENTIAL);
            return sendJson(request);
        }
        if (error.code === "http.403") throw { ...error, action: "Ask the vendor's administrator for the permission." };
        throw error;
    }
}
