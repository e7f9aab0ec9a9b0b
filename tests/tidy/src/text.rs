//! What no file of the repository may hold. The words are cut in two here, so that this file holds none of them.

use crate::repository::{found, none, root, texts};
use std::collections::BTreeMap;

/// Left for later, left off, left over.
const UNFINISHED: &[&str] = &[
    concat!("to", "do!("),
    concat!("unimpl", "emented!("),
    concat!("#[ign", "ore"),
    concat!("db", "g!("),
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X:"),
    concat!("<<<<", "<<< "),
    concat!(">>>>", ">>> "),
];

/// Where people and build machines keep their things.
const MACHINE_PATHS: &[&str] = &[
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
    concat!("/ro", "ot/"),
    concat!("/wo", "rk/"),
    concat!("/works", "pace/"),
    concat!("C:\\Us", "ers\\"),
];

const LINES_MAX: usize = 500;

/// Lines of a page that may begin alike: rows of a table do.
const REPEATED_MAX: usize = 12;

/// Longer than that, and why.
const LONG: &[(&str, &str)] = &[
    ("Cargo.lock", "written by cargo"),
    ("LICENSE", "is what it is"),
    ("sdk/templates/rust/conformance/recording.json", "written by the kit, as it records"),
];

fn word_problems(path: &str, text: &str, root: &str) -> Vec<String> {
    let mut problems = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let words = UNFINISHED.iter().chain(MACHINE_PATHS).copied().chain([root]);
        let hits = words.filter(|word| line.contains(word));
        problems.extend(hits.map(|word| format!("{path}:{number}: `{word}` may not stand here")));
    }
    problems
}

fn length_problem(path: &str, text: &str) -> Option<String> {
    let lines = text.lines().count();
    let excepted = LONG.iter().any(|(name, _)| *name == path);
    (lines > LINES_MAX && !excepted).then(|| {
        format!("{path} has {lines} lines, at most {LINES_MAX}: a file holds one idea, so divide it, or give a reason")
    })
}

#[test]
fn nothing_is_left_for_later_and_nobodys_machine_shows() {
    let root = root().to_string_lossy().into_owned();
    none(texts().iter().flat_map(|(path, text)| word_problems(path, text, &root)).collect());
}

#[test]
fn files_are_short_enough_to_read() {
    let texts = texts();
    none(texts.iter().filter_map(|(path, text)| length_problem(path, text)).collect());
    let needless =
        LONG.iter().filter(|(name, _)| !texts.iter().any(|(p, t)| p == name && t.lines().count() > LINES_MAX));
    let needless = needless.filter(|(name, _)| *name != "LICENSE");
    none(needless.map(|(name, _)| format!("{name} is not that long any more: take it off the list")).collect());
}

/// What a careless replacement does to a page: it begins with something else, or has one line again and again.
fn page_problems(path: &str, text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    if !text.starts_with("# ") {
        problems.push(format!("{path} does not begin with its title"));
    }
    let beginnings = |line: &str| (line.chars().count() > 60).then(|| line.chars().take(60).collect::<String>());
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    text.lines().filter_map(beginnings).for_each(|begin| *seen.entry(begin).or_default() += 1);
    let often = seen.into_iter().filter(|(_, times)| *times > REPEATED_MAX);
    problems.extend(often.map(|(begin, times)| format!("{path}: {times} lines begin with `{begin}`")));
    problems
}

#[test]
fn pages_begin_with_a_title_and_do_not_say_one_thing_on_every_line() {
    let texts = texts();
    let is_page = |path: &str| path.ends_with(".md") && (path.starts_with("docs/") || !path.contains('/'));
    none(texts.iter().filter(|(path, _)| is_page(path)).flat_map(|(path, text)| page_problems(path, text)).collect());
}

#[test]
fn a_page_that_a_replacement_broke_is_found() {
    let page = format!(
        "# Title\n\n{}",
        "what holds for every one of these lines, and was meant to stand once |x\n".repeat(13)
    );
    found(&page_problems("docs/x.md", &page), "13 lines begin");
    found(&page_problems("docs/x.md", "x | # Title\n"), "title");
    none(page_problems("docs/x.md", "# Title\n\nOnce.\n"));
}

#[test]
fn a_left_over_is_found() {
    for word in UNFINISHED.iter().chain(MACHINE_PATHS) {
        found(&word_problems("x.rs", &format!("fine\n    {word} y"), "/nowhere"), "x.rs:2");
    }
    found(&word_problems("x.rs", "in /nowhere/else", "/nowhere"), "/nowhere");
    none(word_problems("x.rs", "let homework = path;", "/nowhere"));
    found(&Vec::from_iter(length_problem("x.rs", &"\n".repeat(501))), "501 lines");
    assert_eq!(length_problem("x.rs", &"\n".repeat(500)), None);
}
