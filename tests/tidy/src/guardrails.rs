//! Every limit that is published has a test, which names it: where the limit is told of, or in what is said above the test.

use crate::repository::{found, none, text};
use attiva_core::guardrail::{GUARDRAILS, Guardrail};

/// A limit, the file, and the test in it that goes beyond the limit.
type Tested = (&'static str, &'static str, &'static str);

const LIMITS: &str = "host/server/tests/it/limits.rs";
const GUARDRAIL: &str = "host/server/tests/it/guardrails.rs";
const CLAIMS: &str = "host/core/src/identity/claims.rs";
const IDENTITY: &str = "host/core/src/identity/tests.rs";
const EVENT: &str = "host/core/src/event.rs";
const RUN: &str = "host/core/src/run/tests.rs";

const TESTED: &[Tested] = &[
    ("account.depth", LIMITS, "a_chain_of_parents_that_is_too_long_is_listed"),
    ("account.family", LIMITS, "accounts_over_a_limit_are_listed_and_come_back"),
    ("account.identities", LIMITS, "accounts_over_a_limit_are_listed_and_come_back"),
    ("account.sharing_key", LIMITS, "a_domain_that_too_many_accounts_have_finds_none"),
    ("destination.activations", GUARDRAIL, "what_is_warned_of_is_made_and_told"),
    ("destination.mapped_attributes", GUARDRAIL, "what_is_warned_of_is_made_and_told"),
    ("event.bytes", LIMITS, "events_that_are_too_large_are_refused"),
    ("event.list_items", EVENT, "what_is_too_large_or_told_in_part_is_not_taken"),
    ("identity.value", CLAIMS, "a_value_that_is_too_long_names_nobody"),
    ("opportunity.stages_seen", "host/core/src/stages.rs", "a_long_history_keeps_its_stays"),
    ("person.connected_records", IDENTITY, "where_too_many_hang_together_only_firm_namespaces_join"),
    ("person.identities", GUARDRAIL, "limits_of_identity_hold_for_what_is_stored_already"),
    ("person.list_items", LIMITS, "lists_of_a_person_are_cut_and_that_is_counted"),
    ("person.records_sharing_email", IDENTITY, "an_address_of_many_joins_nobody_and_is_shown"),
    ("record.bytes", GUARDRAIL, "a_record_that_is_too_large_is_a_reject_with_the_reason"),
    ("record.identities", CLAIMS, "a_record_with_a_hundred_devices_keeps_the_first"),
    ("run.empty_pages", RUN, "a_run_that_never_comes_to_an_end_is_ended"),
    ("run.pages", RUN, "a_run_that_never_comes_to_an_end_is_ended"),
    ("sandbox.custom_attributes", LIMITS, "a_model_that_is_too_large_is_refused"),
    ("sandbox.custom_entities", LIMITS, "a_model_that_is_too_large_is_refused"),
    ("sandbox.destinations", GUARDRAIL, "what_is_warned_of_is_made_and_told"),
    ("sandbox.disk_bytes", GUARDRAIL, "reading_pauses_at_the_mark_and_goes_on_by_itself"),
    ("sandbox.segments", GUARDRAIL, "what_is_warned_of_is_made_and_told"),
];

/// A test with what is said above it; `None`: there is none of the name, or it is no test.
fn test_of<'a>(source: &'a str, name: &str) -> Option<&'a str> {
    let at = ["fn ", "async fn "].iter().find_map(|kind| source.find(&format!("\n{kind}{name}(")));
    let at = at
        .or_else(|| source.find(&format!("\n    fn {name}(")))
        .or_else(|| source.find(&format!("\n    async fn {name}(")))?;
    let indent = if source[at + 1..].starts_with(' ') { "    " } else { "" };
    // Up to where the item before it ends: its attributes and what is said of it.
    let start = source[..=at].rfind("\n\n").map_or(0, |end| end + 2);
    let end = source[at..].find(&format!("\n{indent}}}")).map_or(source.len(), |end| at + end);
    let head = &source[start..=at];
    let is_test = head.contains("#[test]") || head.contains("#[tokio::test");
    is_test.then(|| &source[start..end])
}

fn problems(published: &[&str], tested: &[Tested], source: impl Fn(&str) -> String) -> Vec<String> {
    let mut problems = Vec::new();
    for id in published.iter().filter(|id| !tested.iter().any(|(of, ..)| of == *id)) {
        problems.push(format!("{id} is published, and no test of it is named"));
    }
    for (id, path, name) in tested {
        if !published.contains(id) {
            problems.push(format!("{id} has a test and is not published"));
        }
        match test_of(&source(path), name) {
            None => problems.push(format!("{id}: there is no test `{name}` in {path}")),
            Some(test) if !test.contains(id) => problems.push(format!("{id}: `{name}` does not say it")),
            Some(_) => {}
        }
    }
    problems
}

fn published() -> Vec<&'static str> {
    GUARDRAILS.iter().filter(|limit| limit.is_published()).map(|Guardrail { id, .. }| *id).collect()
}

#[test]
fn every_limit_that_is_published_has_a_test_that_names_it() {
    none(problems(&published(), TESTED, text));
}

#[test]
fn a_limit_whose_test_is_gone_is_found() {
    let source = "mod x;\n\n/// Of a.b.\n#[test]\nfn one() {\n    run();\n}\n\nfn two() {\n    \"a.c\";\n}\n\nfn three() {\n    \"a.d\";\n}\n";
    let of = |id: &'static str, name: &'static str| problems(&[id], &[(id, "f.rs", name)], |_| source.to_owned());
    none(of("a.b", "one"));
    found(&of("a.c", "one"), "`one` does not say it");
    found(&of("a.c", "two"), "no test `two` in f.rs");
    found(&of("a.d", "three"), "no test `three`");
    found(&of("a.b", "four"), "no test `four`");
    found(&problems(&["a.b"], &[], |_| source.to_owned()), "a.b is published");
    found(&problems(&[], &[("a.b", "f.rs", "one")], |_| source.to_owned()), "is not published");
}
