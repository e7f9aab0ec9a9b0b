//! `/problems/{code}`: what a problem's `type` opens. A page of meaning and action, for people.

use super::operation::{Answers, Describer};
use super::path::Path;
use super::problem;
use super::routes::Routes;
use attiva_core::FaultKind;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// One of our own codes.
struct Entry {
    code: &'static str,
    kind: FaultKind,
    meaning: &'static str,
    action: &'static str,
}

const fn entry(code: &'static str, kind: FaultKind, meaning: &'static str, action: &'static str) -> Entry {
    Entry { code, kind, meaning, action }
}

use FaultKind::{Auth, Config, Internal, Quota, RateLimited, Scope, Transient, Unsupported};

const ENTRIES: &[Entry] = &[
    entry("key.missing", Auth, "The request carries no API key.", "Send `Authorization: Bearer atv_...`."),
    entry(
        "privacy.ambiguous",
        Config,
        "More than one profile carries the identity that a request about personal data names.",
        "`errors` names the profiles: repeat it for one, by `{\"namespace\": \"profile\"}`, or with `everybody`.",
    ),
    entry(
        "connection.has-data",
        Config,
        "The connection brought records or events: without it nobody could say what they are.",
        "Remove it with what it brought: `POST …/connections/{connection}/removal`; `…/removal/preview` shows first what becomes of profiles, audiences and activations.",
    ),
    entry("key.refused", Auth, "The API key is unknown, wrong or revoked.", "Make a new key with `attiva key create`."),
    entry(
        "key.scope",
        Scope,
        "The key may not do this: its role and scopes do not hold what the request asks for. `detail` names the scope. Nobody makes, rotates or revokes a key that may do more than the own one.",
        "Use a key that has the scope, or ask whoever has one to make it: `action` names the roles, `attiva key roles` shows all.",
    ),
    entry("backup.in-progress", Config, "A backup is being made.", "Wait for its end: `attiva backup list`."),
    entry(
        "backup.corrupt",
        Config,
        "A file of the backup is missing, or not what was backed up, or the manifest cannot be read. Nothing was restored.",
        "Use another backup, or fetch this one again from where it is kept; `attiva backup verify` looks at all of it.",
    ),
    entry(
        "backup.too-new",
        Config,
        "The backup was made by a newer version of Attiva.",
        "Restore it with that version, or a newer one.",
    ),
    entry(
        "backup.not-empty",
        Config,
        "A backup is restored into a data directory that is empty or not there.",
        "Name another directory, or move away what is in this one.",
    ),
    entry("key.revoked", Config, "The key was revoked, which is for good.", "Make another one: `attiva key create`."),
    entry(
        "connection.instance-taken",
        Config,
        "The vendor's instance is used by as many organisations of this host as its connector allows. For a source that is often one: what is read from it belongs to that organisation.",
        "Connect another instance, or work in the organisation that has this one: it may use it in any number of sandboxes. The instance is free once its last connection there is removed.",
    ),
    entry(
        "sandbox.in-use",
        Config,
        "Something is going on in the sandbox that is to be removed.",
        "`errors` names it: cancel it or wait for its end, then repeat.",
    ),
    entry(
        "sandbox.removing",
        Config,
        "The sandbox is being removed. A kill does not stop that.",
        "Wait until it is gone.",
    ),
    entry(
        "organisation.in-use",
        Config,
        "Something is going on in a sandbox of the organisation that is to be removed.",
        "`errors` names it: cancel it or wait for its end, then repeat.",
    ),
    entry(
        "organisation.own",
        Config,
        "A key cannot remove the organisation it is bound to.",
        "Use an operator's key of another organisation.",
    ),
    entry("organisation.removing", Config, "The organisation is being removed.", "Wait until it is gone."),
    entry(
        "request.invalid",
        Config,
        "The body is JSON, but not what this call takes: a key is unknown or missing, or a value is of the wrong type.",
        "`errors` names each field by a JSON pointer; correct them and repeat.",
    ),
    entry("request.malformed", Config, "The body or the query cannot be read at all.", "Correct the request."),
    entry(
        "request.cursor",
        Config,
        "The cursor was not given by this host, or was cut.",
        "List again without a cursor.",
    ),
    entry("request.header", Config, "A header is not what it should be.", "`detail` names the header."),
    entry("request.media-type", Config, "The body is of another media type.", "Set Content-Type."),
    entry("request.method", Config, "The path exists, but not for this method.", "See the list of paths."),
    entry("request.too-large", Config, "The body is over the host's limit.", "Send less, or raise the limit."),
    entry(
        "request.overloaded",
        Transient,
        "The host works on as many requests as it may (limits.requests_at_once), and this one has waited for its turn as long as one may (limits.queue_ms).",
        "Repeat it after the time in Retry-After.",
    ),
    entry(
        "request.rate",
        RateLimited,
        "The key asked more often than the host lets one key ask (limits.key_requests in limits.key_window_seconds).",
        "Wait as long as Retry-After says. Every answer tells what is left of the quota (`RateLimit`) and what it is (`RateLimit-Policy`).",
    ),
    entry(
        "request.timed-out",
        Transient,
        "The host did not answer in time. What was begun goes on.",
        "Repeat it with the same Idempotency-Key: it answers once the first is done.",
    ),
    entry(
        "idempotency.in-progress",
        Config,
        "The first request with this key is not answered yet.",
        "Wait and repeat.",
    ),
    entry("idempotency.reused", Config, "The key was used for a different request.", "Use a new key for each request."),
    entry(
        "segment.expression",
        Config,
        "The text cannot be a segment: it is no condition, names what there is not, cannot be evaluated as asked for, or its audience hangs on itself.",
        "`errors` has each problem with its place in the text and, where there is one, a suggestion.",
    ),
    entry(
        "segment.in-use",
        Config,
        "Other segments ask for the audience, or activations use it.",
        "The message names them: change or remove those first.",
    ),
    entry(
        "segment.name-taken",
        Config,
        "Another segment has that name, and is asked for by it.",
        "Choose another name.",
    ),
    entry(
        "segment.budget",
        Quota,
        "The evaluation of the segment looks at more records than it may, and was given up. Its members stay as they were.",
        "Narrow the sets it asks for, or make parts of it segments of their own.",
    ),
    entry(
        "activation.entity",
        Unsupported,
        "Accounts were to be sent to a target that takes persons, or persons to one that takes accounts.",
        "Of accounts, say with `expansion` which people are sent; of persons, make a segment of accounts on top of them.",
    ),
    entry(
        "activation.usage",
        Config,
        "The activation would use a field for something it is labelled as not for, by the way that is named.",
        "Make it without the field or the segment, name another target, or have the labels changed.",
    ),
    entry(
        "activation.readback",
        Config,
        "The target cannot be read back as was asked: its destination cannot be asked who is in it, or not so often.",
        "Do what the field's message says.",
    ),
    entry(
        "readback.unsupported",
        Unsupported,
        "The destination cannot be asked who is in a target.",
        "What it last acknowledged is listed by `…/activations/{activation}/members`.",
    ),
    entry("readback.empty", Config, "Nothing was delivered to the target yet.", "Deliver first."),
    entry("readback.in-progress", Config, "The target is being read already.", "Wait until that has ended."),
    entry(
        "readback.declared",
        Internal,
        "The connector declares that it can tell who is in a target, and cannot.",
        "Report it to the connector's publisher.",
    ),
    entry(
        "activation.schedule",
        Config,
        "The schedule does not fit how the segment is evaluated, or how the target takes state.",
        "Do what the field's message says.",
    ),
    entry(
        "store.version-mismatch",
        Config,
        "Somebody changed the document after you read it.",
        "Read it again, apply your change, and send the new ETag in If-Match.",
    ),
    entry("store.exists", Config, "There is one already.", "Choose another name, or change the existing one."),
    entry("store.full", Transient, "The disk is full. Nothing is lost; nothing new is accepted.", "Free disk space."),
    entry("host.internal", Internal, "A defect of the host.", "Report it with the request's x-request-id."),
];

pub(super) fn routes() -> Routes {
    Routes::of("problems", "What problems mean.").get(
        "/problems/{code}",
        "page",
        "Tell what a problem means, and what to do",
        page,
    )
}

async fn page(Path(code): Path<String>) -> Page {
    Page(text(&code))
}

struct Page(String);

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "text/markdown; charset=utf-8")], self.0).into_response()
    }
}

impl Answers for Page {
    fn describe(to: &mut Describer<'_>) {
        to.answers_with(StatusCode::OK, "A page.", &[], &[("text/markdown", json!({ "type": "string" }))]);
    }
}

fn text(code: &str) -> String {
    let shown = crate::app::refusal::shown(code);
    if let Some(entry) = ENTRIES.iter().find(|e| e.code == code) {
        return format!(
            "# {shown}\n\n{}: {}.\n\n{}\n\n**What to do.** {}\n",
            entry.kind.as_str(),
            problem::title(entry.kind),
            entry.meaning,
            entry.action
        );
    }
    if let Some(kind) = code.strip_suffix(".missing") {
        let kind = crate::app::refusal::shown(kind);
        return format!(
            "# {shown}\n\nThere is no {kind} of this id or name where you looked.\n\n**What to do.** Check the id, and the sandbox in the path.\n"
        );
    }
    // Codes are an open set: connectors bring their own, and vendors theirs.
    format!(
        "# {shown}\n\nA code of a connector or of its vendor.\n\n**What to do.** The problem document's `detail` and `action` say it for the case at hand; `kind` says who acts.\n"
    )
}
