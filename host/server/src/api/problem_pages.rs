//! `/problems/{code}`: what a problem's `type` opens. A page of meaning and action, for people.

use super::operation::{Answers, Describer};
use super::path::Path;
use super::problem;
use super::routes::Routes;
use attiva_core::FaultKind;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::collections::HashMap;
use std::sync::LazyLock;

/// What is written for people is what is served to them.
const DOCUMENT: &str = include_str!("../../../../docs/troubleshooting.md");

/// One of our own codes.
struct Entry<'a> {
    /// One, for most. Where somebody else's answer decides who acts, each that it may be.
    kinds: Vec<FaultKind>,
    meaning: &'a str,
    action: &'a str,
}

const KINDS: [FaultKind; 9] = [
    FaultKind::Config,
    FaultKind::Auth,
    FaultKind::Scope,
    FaultKind::RateLimited,
    FaultKind::Quota,
    FaultKind::Transient,
    FaultKind::Data,
    FaultKind::Unsupported,
    FaultKind::Internal,
];

/// The row of a code: `| code | kind | meaning | action |`; several kinds have commas between them.
fn entry(line: &str) -> Option<(&str, Entry<'_>)> {
    let row = line.strip_prefix("| `")?.strip_suffix(" |")?;
    let (code, rest) = row.split_once("` | ")?;
    let mut cells = rest.split(" | ");
    let (kinds, meaning, action) = (cells.next()?, cells.next()?, cells.next()?);
    let known = |kind: &str| KINDS.into_iter().find(|known| known.as_str() == kind);
    let kinds = kinds.split(", ").map(known).collect::<Option<_>>()?;
    Some((code, Entry { kinds, meaning, action }))
}

static ENTRIES: LazyLock<HashMap<&str, Entry<'_>>> = LazyLock::new(|| DOCUMENT.lines().filter_map(entry).collect());

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
    if let Some(entry) = ENTRIES.get(code) {
        let said = |kind: &FaultKind| format!("{}: {}.", kind.as_str(), problem::title(*kind));
        let kinds: Vec<String> = entry.kinds.iter().map(said).collect();
        let (kinds, Entry { meaning, action, .. }) = (kinds.join("\n\n"), entry);
        return format!("# {shown}\n\n{kinds}\n\n{meaning}\n\n**What to do.** {action}\n");
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever looks like a row of a code is one, and is served.
    #[test]
    fn every_row_is_a_page() {
        let rows: Vec<&str> = DOCUMENT.lines().filter(|line| line.matches(" | ").count() >= 3).collect();
        let rows: Vec<&str> = rows.into_iter().filter(|line| line.starts_with("| `")).collect();
        assert!(rows.len() > 200, "{}", rows.len());
        for row in &rows {
            let (code, Entry { kinds, meaning, action }) = entry(row).unwrap_or_else(|| panic!("no row: {row}"));
            assert!(meaning.ends_with(['.', '`']) && action.len() > 3, "{row}");
            assert!(text(code).contains(meaning) && text(code).contains(action), "{}", text(code));
            assert!(kinds.iter().all(|kind| text(code).contains(&format!("{}: ", kind.as_str()))), "{}", text(code));
        }
        assert_eq!(rows.len(), ENTRIES.len(), "a code stands there twice");
    }

    #[test]
    fn what_stands_in_no_row_is_somebody_elses_or_missing() {
        assert!(text("marketo.606").contains("A code of a connector"));
        assert!(text("connection.missing").contains("There is no connection"));
        assert!(text("key.missing").contains("carries no API key"), "its row goes before");
    }
}
