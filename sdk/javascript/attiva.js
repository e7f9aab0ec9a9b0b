// What a connector in JavaScript needs beside the contract: text to bytes and back, rows to columns, faults, and a request
// that answers JSON. The contract itself is imported by name: `import http from "attiva:connector/http@0.1.0"`.
//
// The engine (QuickJS) has no TextEncoder, no fetch, no timers. `Date.now` and `Math.random` stand still, since there is
// no WASI behind them: take the time from "attiva:connector/clock@0.1.0" and randomness from ".../random@0.1.0".

import http from "attiva:connector/http@0.1.0";

/** Throw this: `throw fault("transient", "acme.busy", "Acme is busy")`. `kind` says who acts next, see wit/types.wit. */
export function fault(kind, code, message, more = {}) {
    return { kind, code, message, action: "", retryAfterMs: null, field: null, ...more };
}

/** Text to UTF-8. A half of a surrogate pair becomes U+FFFD. */
export function encode(text) {
    const bytes = new Uint8Array(text.length * 3);
    let length = 0;
    for (const character of text) {
        let code = character.codePointAt(0);
        if (code >= 0xd800 && code <= 0xdfff) code = 0xfffd;
        if (code < 0x80) {
            bytes[length++] = code;
        } else if (code < 0x800) {
            bytes[length++] = 0xc0 | (code >> 6);
            bytes[length++] = 0x80 | (code & 63);
        } else if (code < 0x10000) {
            bytes[length++] = 0xe0 | (code >> 12);
            bytes[length++] = 0x80 | ((code >> 6) & 63);
            bytes[length++] = 0x80 | (code & 63);
        } else {
            bytes[length++] = 0xf0 | (code >> 18);
            bytes[length++] = 0x80 | ((code >> 12) & 63);
            bytes[length++] = 0x80 | ((code >> 6) & 63);
            bytes[length++] = 0x80 | (code & 63);
        }
    }
    return bytes.slice(0, length);
}

/** UTF-8 to text; throws a URIError where it is none. */
export function decode(bytes) {
    let text = "";
    let escaped = false;
    // In pieces: a function takes only so many arguments.
    for (let at = 0; at < bytes.length; at += 4096) {
        text += String.fromCharCode(...bytes.slice(at, at + 4096));
    }
    for (let at = 0; at < bytes.length && !escaped; at++) escaped = bytes[at] >= 0x80;
    return escaped ? decodeURIComponent(escape(text)) : text;
}

/** Sends a request and reads its answer as JSON. Statuses become faults; `request` is the contract's, without what is null. */
export function sendJson(request) {
    const answer = http.send({
        method: "GET", headers: [], body: null, credential: null, timeoutMs: null, ...request,
    });
    const said = `${request.method ?? "GET"} ${request.path.split("?")[0]} was answered with status ${answer.status}`;
    if (answer.status === 401) throw fault("auth", "http.401", said, { action: "Check the connection's credential." });
    if (answer.status === 403) throw fault("scope", "http.403", said);
    if (answer.status === 429) throw fault("rate-limited", "http.429", said, { retryAfterMs: retryAfterMs(answer.headers) });
    if (answer.status >= 500) throw fault("transient", `http.${answer.status}`, said);
    if (answer.status < 200 || answer.status > 299) throw fault("data", `http.${answer.status}`, said);
    try {
        return JSON.parse(decode(answer.body));
    } catch {
        throw fault("data", "http.json", `${said}, and what came is no JSON`);
    }
}

function retryAfterMs(headers) {
    const seconds = Number(headers.find(([name]) => name === "retry-after")?.[1]);
    return Number.isFinite(seconds) && seconds >= 0 ? Math.round(seconds * 1000) : null;
}

/** A cursor of any value that is JSON. */
export function cursorOf(stateVersion, value) {
    return { stateVersion, bytes: encode(JSON.stringify(value)) };
}

/** What `cursorOf` was given; `first` where the stream begins. */
export function cursorValue(cursor, first) {
    return cursor === null || cursor === undefined ? first : JSON.parse(decode(cursor.bytes));
}

/**
 * A page. `types` names the columns: `{ email: "text", score: "integer" }`, types as in wit/types.wit. Each row is
 * `{ key, kind = "full", time = 0, values }`; a value that is null or not there is null. A row that cannot be one becomes a
 * reject, never a fault. `more` holds what else a page has: `{ next, more, waitMs, estimate }`.
 */
export function page(types, rows, more) {
    const rejects = [];
    const good = rows.filter((row) => {
        const problem = problemOf(types, row);
        if (problem) rejects.push(problem);
        return !problem;
    });
    return {
        rows: good.length,
        keys: bytesArray(good.map((row) => encode(row.key))),
        kinds: good.map((row) => row.kind ?? "full"),
        sourceTimes: good.map((row) => row.time ?? 0),
        columns: Object.entries(types).map(([name, type]) => column(name, type, good.map((row) => row.values?.[name] ?? null))),
        merges: [], rejects, warnings: [], waitMs: null, estimate: null,
        ...more,
    };
}

function problemOf(types, row) {
    const reject = (code, field, message) => ({
        key: typeof row.key === "string" ? row.key : null, code, field, message, sample: JSON.stringify(row.values ?? null),
    });
    if (typeof row.key !== "string" || row.key === "" || encode(row.key).length > 512) {
        return reject("key-missing", null, "the record has no key of 1 to 512 bytes");
    }
    for (const [name, type] of Object.entries(types)) {
        const value = row.values?.[name] ?? null;
        if (value !== null && !isOf(type, value)) return reject("wrong-type", name, `the value is no ${type}`);
    }
    return null;
}

function isOf(type, value) {
    switch (type) {
        case "boolean": return typeof value === "boolean";
        // Beyond 2^53 a number of JavaScript is another one: such values are text or decimal.
        case "integer": case "timestamp": return Number.isSafeInteger(value);
        case "date": return Number.isInteger(value) && Math.abs(value) < 2 ** 31;
        case "float": return typeof value === "number";
        case "decimal": return typeof value === "string" && /^-?[0-9]+(\.[0-9]+)?$/.test(value);
        case "text": return typeof value === "string";
        case "json": return true;
        default: throw new Error(`columns of type ${type} are not made here`);
    }
}

function column(name, type, values) {
    const orZero = () => values.map((value) => value ?? 0);
    const made = {
        boolean: () => bits(values.map((value) => value === true)),
        integer: orZero, timestamp: orZero, date: orZero, float: orZero,
        text: () => bytesArray(values.map((value) => encode(value ?? ""))),
        decimal: () => bytesArray(values.map((value) => encode(value ?? ""))),
        json: () => bytesArray(values.map((value) => encode(value === null ? "" : JSON.stringify(value)))),
    };
    const hasNulls = values.includes(null);
    return {
        name, values: { tag: type, val: made[type]() },
        validity: hasNulls ? bits(values.map((value) => value !== null)) : null, presence: null,
    };
}

/** One bit per value, least significant first. */
function bits(values) {
    const bytes = new Uint8Array(Math.ceil(values.length / 8));
    values.forEach((value, at) => { if (value) bytes[at >> 3] |= 1 << (at & 7); });
    return bytes;
}

/** Arrow's layout of values of different lengths. */
function bytesArray(values) {
    const offsets = [0];
    for (const value of values) offsets.push(offsets[offsets.length - 1] + value.length);
    const bytes = new Uint8Array(offsets[offsets.length - 1]);
    values.forEach((value, at) => bytes.set(value, offsets[at]));
    return { offsets, bytes };
}
