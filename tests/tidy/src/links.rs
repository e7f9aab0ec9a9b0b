//! Links between the repository's documents lead somewhere.

use crate::repository::{found, none, root, texts};

/// Targets of a document's inline links, code left out.
fn targets(document: &str) -> Vec<String> {
    let mut targets = Vec::new();
    let mut fenced = false;
    for line in document.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        // What stands between back-ticks is at the odd places.
        let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
        let links = prose.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        targets.extend(links.map(|(target, _)| target.to_owned()));
    }
    targets
}

fn link_problems(path: &str, text: &str, is_there: &impl Fn(&str) -> bool) -> Vec<String> {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let local = |target: &String| !target.contains("://") && !target.starts_with("mailto:");
    let problem = |target: String| {
        let (file, heading) = target.split_once('#').unwrap_or((&target, ""));
        if file.is_empty() {
            let known = text.lines().filter(|l| l.starts_with('#')).map(anchor).any(|a| a == heading);
            return (!known).then(|| format!("{path}: there is no heading for #{heading}"));
        }
        let full = if folder.is_empty() { file.to_owned() } else { format!("{folder}/{file}") };
        (!is_there(&full)).then(|| format!("{path}: {target} is not there"))
    };
    targets(text).into_iter().filter(local).filter_map(problem).collect()
}

/// A heading's anchor, as GitHub makes it: lower case, spaces to dashes, punctuation gone.
fn anchor(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    words
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[test]
fn links_lead_somewhere() {
    let is_there = |path: &str| root().join(path).exists();
    let documents = texts().into_iter().filter(|(path, _)| path.ends_with(".md"));
    none(documents.flat_map(|(path, text)| link_problems(&path, &text, &is_there)).collect());
}

#[test]
fn a_dead_link_is_found() {
    let is_there = |path: &str| path == "docs/a.md";
    let text =
        "# A b: c\n[x](a.md) [y](#a-b-c) [z](https://example.com) `[code](gone.md)`\n```\n[code](gone.md)\n```\n";
    none(link_problems("docs/x.md", text, &is_there));
    found(&link_problems("docs/x.md", "[x](gone.md)", &is_there), "gone.md");
    found(&link_problems("docs/x.md", "# A\n[x](#b)", &is_there), "#b");
}
