//! Every type of problem that the host makes has its row in `docs/troubleshooting.md`, and every row is of one.

use crate::repository::{found, none, text, texts};
use std::collections::{BTreeMap, BTreeSet};

const PAGE: &str = "docs/troubleshooting.md";

/// What makes a fault, a reject, or the reason of a member, with the code among its first arguments.
const MAKERS: &[&str] = &[
    "Fault::new(",
    "Refusal::invalid(",
    "Why::excluded(",
    "denied(",
    "exceeded(",
    "network(",
    "broken(",
    "limited(",
    "reject(",
    "found(",
];

/// Beginnings that only codes have: wherever such a text stands, it is one.
const OF_CODES: &[&str] = &[
    "auth.",
    "authorization.",
    "credential.",
    "egress.",
    "expr.",
    "fetch.",
    "limit.",
    "network.",
    "outcomes.",
    "rate.",
    "spool.",
    "store.",
];

/// Files and audited actions that look like codes.
const NO_CODES: &[&str] = &["store.db", "egress.domains", "connection.consent-given", "connection.consent-refused"];

fn is_code(text: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    text.contains('.') && text.split('.').all(plain) && text.starts_with(|c: char| c.is_ascii_lowercase())
}

/// Texts in quotes, each with what stands before it.
fn literals(source: &str) -> impl Iterator<Item = (&str, &str)> {
    source.match_indices('"').filter_map(move |(at, _)| {
        let rest = source.get(at + 1..)?;
        let (text, _) = rest.split_once('"')?;
        Some((source.get(..at)?, text))
    })
}

/// Whether a text that comes after this is the first of a maker's arguments, or the first that a case gives: `=> ("code",`.
fn is_made(before: &str) -> bool {
    let from = before.char_indices().rev().nth(120).map_or(0, |(at, _)| at);
    let near = before.get(from..).unwrap_or_default();
    let calls = MAKERS.iter().filter_map(|maker| near.rsplit_once(maker).map(|(_, arguments)| arguments));
    let is_first = |arguments: &str| {
        let is_open = arguments.matches(')').count() <= arguments.matches('(').count();
        is_open && !arguments.contains(['"', ';', '{'])
    };
    let of_case = || {
        let case = near.trim_end().strip_suffix('(')?.trim_end();
        Some(case.strip_suffix('{').unwrap_or(case).trim_end().ends_with("=>"))
    };
    calls.into_iter().any(is_first) || of_case().unwrap_or_default()
}

/// The codes that a source file makes; its tests are left out.
fn codes(source: &str) -> BTreeSet<String> {
    let source = source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let of_codes = |text: &str| OF_CODES.iter().any(|begin| text.starts_with(begin));
    let is_one = |text: &str| is_code(text) && !NO_CODES.contains(&text);
    let made = literals(source).filter(|(before, text)| is_one(text) && (of_codes(text) || is_made(before)));
    made.map(|(_, text)| text.to_owned()).collect()
}

fn documented(page: &str) -> BTreeSet<String> {
    let row = |line: &str| line.strip_prefix("| `")?.split_once("` | ").map(|(code, _)| code.to_owned());
    page.lines().filter_map(row).filter(|code| is_code(code)).collect()
}

fn problems(sources: &[(String, String)], page: &str) -> Vec<String> {
    let documented = documented(page);
    let mut problems = Vec::new();
    for (path, source) in sources {
        let undocumented = codes(source).into_iter().filter(|code| !documented.contains(code));
        problems.extend(undocumented.map(|code| format!("{path}: `{code}` has no row in {PAGE}")));
    }
    let is_somewhere = |code: &String| sources.iter().any(|(_, source)| source.contains(&format!("\"{code}\"")));
    let stale = documented.iter().filter(|code| !is_somewhere(code));
    problems.extend(stale.map(|code| format!("{PAGE}: nothing makes `{code}` any more")));
    problems
}

fn sources() -> Vec<(String, String)> {
    let is_source = |path: &str| path.starts_with("host/") && path.contains("/src/") && path.ends_with(".rs");
    let is_test = |path: &str| path.ends_with("/tests.rs") || path.ends_with("fuzzing.rs");
    texts().into_iter().filter(|(path, _)| is_source(path) && !is_test(path)).collect()
}

/// What says which kind a fault is of, where it says its code. A maker that is here makes faults of one kind.
const KINDS: &[(&str, &str)] = &[("denied(", "internal"), ("exceeded(", "internal"), ("network(", "transient")];

/// `RateLimited` is `rate-limited`.
fn kind(name: &str) -> String {
    let letter = |(at, c): (usize, char)| {
        let dash = (at > 0 && c.is_ascii_uppercase()).then_some('-');
        dash.into_iter().chain([c.to_ascii_lowercase()])
    };
    name.chars().enumerate().flat_map(letter).collect()
}

/// Codes with the kind that the maker beside them says.
fn kinds(source: &str) -> BTreeSet<(String, String)> {
    let source = source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let of = |(before, code): (&str, &str)| {
        let before = before.trim_end();
        let said = before.strip_suffix(',').and_then(|before| {
            let (before, name) = before.rsplit_once("FaultKind::")?;
            let is_one = before.trim_end().ends_with("Fault::new(") && name.bytes().all(|b| b.is_ascii_alphabetic());
            is_one.then(|| kind(name))
        });
        let of_maker = || KINDS.iter().find(|(maker, _)| before.ends_with(maker)).map(|(_, kind)| (*kind).to_owned());
        Some((code.to_owned(), said.or_else(of_maker)?))
    };
    literals(source).filter(|(_, text)| is_code(text)).filter_map(of).collect()
}

/// A row says each kind that its type is made with: who acts hangs on it.
fn kind_problems(sources: &[(String, String)], page: &str) -> Vec<String> {
    let row = |line: &str| {
        let (code, rest) = line.strip_prefix("| `")?.split_once("` | ")?;
        let (kinds, _) = rest.split_once(" | ")?;
        Some((code.to_owned(), kinds.split(", ").map(str::to_owned).collect::<Vec<_>>()))
    };
    let rows: BTreeMap<String, Vec<String>> = page.lines().filter_map(row).collect();
    let mut problems = Vec::new();
    for (path, source) in sources {
        let wrong =
            kinds(source).into_iter().filter(|(code, kind)| rows.get(code).is_some_and(|row| !row.contains(kind)));
        problems.extend(
            wrong.map(|(code, kind)| {
                format!("{path}: `{code}` is made as `{kind}`, which its row in {PAGE} does not say")
            }),
        );
    }
    problems
}

#[test]
fn every_type_is_of_the_kinds_that_its_row_says() {
    let sources = sources();
    let all: usize = sources.iter().map(|(_, source)| kinds(source).len()).sum();
    assert!(all > 150, "only {all} were found");
    none(kind_problems(&sources, &text(PAGE)));
}

#[test]
fn a_wrong_kind_is_found() {
    let page = "| `a.b` | config, transient | It is known. | Nothing. |";
    let source = |text: &str| vec![("host/x/src/a.rs".to_owned(), text.to_owned())];
    for good in ["Fault::new(FaultKind::Config, \"a.b\", x)", "network(\"a.b\", x)", "Fault::new(kind, \"a.b\", x)"] {
        none(kind_problems(&source(good), page));
    }
    found(&kind_problems(&source("denied(\"a.b\", x)"), page), "`internal`");
    let over_lines = "Fault::new(\n    FaultKind::RateLimited,\n    \"a.b\",\n    x,\n)";
    found(&kind_problems(&source(over_lines), page), "`rate-limited`");
}

#[test]
fn every_type_of_problem_is_explained() {
    let sources = sources();
    let all: usize = sources.iter().map(|(_, source)| codes(source).len()).sum();
    assert!(all > 200, "only {all} codes were found");
    none(problems(&sources, &text(PAGE)));
}

#[test]
fn an_unexplained_type_is_found() {
    let source = |text: &str| vec![("host/x/src/a.rs".to_owned(), text.to_owned())];
    let page = "| `a.known` | config | It is known. | Nothing. |";
    for new in [
        "Fault::new(FaultKind::Config, \"a.new\", format!(\"x {}\", y))",
        "Fault::new(\n            FaultKind::Config,\n            \"a.new\",\n",
        "Err(Refusal::invalid(\"a.new\", \"x\", fields))",
        "Self::KeyRevoked(..) => (\"a.new\", 1)",
    ] {
        found(&problems(&source(new), page), "`a.new` has no row");
    }
    found(&problems(&source("const X: &str = \"limit.new\";"), page), "`limit.new`");
    found(&problems(&source(""), page), "nothing makes `a.known`");
    let told = "self.tell(caller, \"a.done\", id, json!({})).await?; Fault::new(kind, \"a.known\", \"b.c\")";
    none(problems(&source(told), page));
}
