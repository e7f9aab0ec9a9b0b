//! Links of a document that lead out into the world, and whether anything is there.

use std::collections::BTreeSet;
use std::time::Duration;

/// Whoever has not answered by then is not there.
const ANSWER_MAX: Duration = Duration::from_secs(20);

/// The `http` and `https` addresses in a document, code left out.
pub(crate) fn of(document: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut is_code = false;
    for line in document.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        }
        if is_code {
            continue;
        }
        // What stands between back-ticks is at the odd places.
        for prose in line.split('`').step_by(2) {
            found.extend(addresses(prose));
        }
    }
    found
}

fn addresses(prose: &str) -> impl Iterator<Item = String> + '_ {
    let begins = prose.match_indices("http").map(|(at, _)| &prose[at..]);
    let links = begins.filter(|text| text.starts_with("http://") || text.starts_with("https://"));
    links.map(|text| {
        let end = text.find(|c: char| c.is_whitespace() || ")>]\"'|".contains(c)).unwrap_or(text.len());
        text[..end].trim_end_matches(['.', ',', ';', ':']).to_owned()
    })
}

/// Why a link is dead; `None`: somebody is there, be it to say that they want to know who asks.
pub(crate) fn death(link: &str) -> Option<String> {
    let config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(ANSWER_MAX));
    let agent: ureq::Agent = config.build().into();
    match agent.get(link).call() {
        Ok(answer) => matches!(answer.status().as_u16(), 404 | 410).then(|| format!("answers {}", answer.status())),
        Err(error) => Some(format!("cannot be asked: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_once_and_not_in_code() {
        let text = "See [it](https://a.example/x_(y) and <http://b.example/?q=1>, or https://a.example/z.\n\
                    `https://code.example` | https://c.example/| httpd\n```sh\ncurl https://code.example\n```\n\
                    [again](https://c.example/)";
        let expected = ["http://b.example/?q=1", "https://a.example/x_(y", "https://a.example/z", "https://c.example/"];
        assert_eq!(of(text).into_iter().collect::<Vec<_>>(), expected);
    }
}
