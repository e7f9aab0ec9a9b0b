//! What a thing is found by when the beginning of its name is typed.

use super::{EntityKind, EntityName};
use crate::value::Value;

/// Most characters of a term: what is typed is shorter.
pub const TERM_CHARS_MAX: usize = 100;

/// The terms of a profile, in the form they are looked for in: a person by `last first` and by `first last`, anything
/// else by its name. None for what has no name.
#[must_use]
pub fn terms(entity: &EntityName, attributes: &[(String, Value)]) -> Vec<String> {
    let said = |field: &str| attributes.iter().find(|(name, _)| name == field).and_then(|(_, value)| value.as_text());
    let (first, last) = match entity.kind() {
        Some(EntityKind::Person) => (said("first_name"), said("last_name")),
        _ => (None, said("name")),
    };
    let joined = |a: Option<&str>, b: Option<&str>| {
        let parts: Vec<&str> = [a, b].into_iter().flatten().collect();
        folded(&parts.join(" "))
    };
    let mut terms = vec![joined(last, first)];
    if first.is_some() && last.is_some() {
        terms.push(joined(first, last));
    }
    terms.retain(|term| !term.is_empty());
    terms.dedup();
    terms
}

/// Text in the form of terms: in lower case, with single spaces, cut to [`TERM_CHARS_MAX`].
#[must_use]
pub fn folded(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").to_lowercase().chars().take(TERM_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes(pairs: &[(&str, &str)]) -> Vec<(String, Value)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), Value::Text((*value).to_owned()))).collect()
    }

    #[test]
    fn persons_are_found_by_either_name_and_others_by_theirs() {
        let person = |pairs: &[(&str, &str)]| terms(&EntityName::PERSON, &attributes(pairs));
        let both = person(&[("first_name", "Émile"), ("last_name", " Zola  Junior"), ("email", "e@z.fr")]);
        assert_eq!(both, ["zola junior émile", "émile zola junior"]);
        assert_eq!(person(&[("last_name", "Zola")]), ["zola"]);
        assert_eq!(person(&[("first_name", "Bo"), ("last_name", "Bo")]), ["bo bo"]);
        assert_eq!(person(&[("name", "Acme"), ("first_name", " ")]), Vec::<String>::new());
        assert_eq!(terms(&EntityName::ACCOUNT, &attributes(&[("name", "Acme Inc.")])), ["acme inc."]);
        let long = "x".repeat(500);
        assert_eq!(terms(&EntityName::ACCOUNT, &attributes(&[("name", &long)]))[0].len(), TERM_CHARS_MAX);
    }
}
