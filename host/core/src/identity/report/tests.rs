use super::*;
use crate::id::ProfileId;
use crate::identity::{Claim, Level, NeverLinks, Node, resolve};
use proptest::prelude::*;
use std::convert::Infallible;

fn node(key: &str, email: &str, profile: Option<&ProfileId>) -> Node<ProfileId> {
    let claim = |identity: Identity| Claim { field: identity.namespace.clone().into(), identity };
    let claims = vec![claim(Identity::source_key(key)), claim(Identity::email(email).unwrap())];
    Node { source_key: key.into(), at: 0, claims, profile: profile.cloned(), level: Level::Full }
}

fn divided(nodes: Vec<Node<ProfileId>>, rules: &Rules) -> (Neighbourhood<ProfileId>, Resolution<ProfileId>) {
    let whole = Neighbourhood::whole(nodes, rules);
    let Ok(resolution) =
        resolve(&whole, rules, &NeverLinks::default(), ProfileId::founded_by, |_| Ok::<_, Infallible>(false));
    (whole, resolution)
}

/// Data made to collapse: a switchboard's address on forty leads, an assistant's on three, a pair in two systems.
fn switchboard() -> Vec<Node<ProfileId>> {
    let leads = (0..40).map(|i| node(&format!("{i:02}@1.Marketo"), "info@acme.com", None));
    let assistant = (40..43).map(|i| node(&format!("{i}@1.Marketo"), "pat@acme.com", None));
    let pair = [node("50@1.Marketo", "ann@acme.com", None), node("003@2.Salesforce", "ann@acme.com", None)];
    leads.chain(assistant).chain(pair).collect()
}

#[test]
fn a_collapse_is_told_before_it_happens() {
    let rules = Rules::person();
    let (whole, resolution) = divided(switchboard(), &rules);
    let names = ["Lee", "kim", "KIM "];
    let describe = |i: usize| match whole.nodes[i].source_key.as_str() {
        key if key.starts_with('4') => vec![("last_name", names[i % 3].to_owned()), ("country", String::new())],
        _ => vec![("last_name", "Roe".to_owned())],
    };
    let mut report = Collapse::default();
    report.note(&whole, &resolution, describe, |_| true);
    let report = report.finish();
    assert_eq!((report.records, report.profiles, report.joined_profiles, report.degraded_profiles), (45, 42, 2, 40));
    let email = report.namespaces["email"];
    assert_eq!((email.links, email.refused, email.held_records), (3, 0, 40));
    assert_eq!((report.shared.len(), report.shared[0].records_total, report.shared[0].records.len()), (1, 40, 10));
    assert_eq!(report.shared[0].identity.value, "info@acme.com");
    // The pair is of two systems and one name; the assistant's three are suspicious.
    assert_eq!((report.largest.len(), report.suspicious.len()), (2, 1));
    let pat = &report.suspicious[0];
    assert_eq!((pat.records_total, pat.joined_by[0].value.as_str()), (3, "pat@acme.com"));
    let Alarm::SameInstance { instance, records: 3 } = &pat.alarms[0] else { panic!("{:?}", pat.alarms) };
    assert_eq!(instance, "1.Marketo");
    let Alarm::Differs { field, values } = &pat.alarms[1] else { panic!("{:?}", pat.alarms) };
    assert_eq!((field.as_str(), values.len()), ("last_name", 2));
    // Two of one system are enough; a refused link is counted once, though both sides tell it.
    let two = vec![node("1@1.M", "a@x.com", None), node("2@1.M", "a@x.com", None)];
    let alarms_and_refused = |rules: &Rules| {
        let (whole, resolution) = divided(two.clone(), rules);
        let mut report = Collapse::default();
        report.note(&whole, &resolution, |_| Vec::new(), |_| true);
        (report.suspicious.iter().map(|e| e.alarms.len()).sum::<usize>(), report.namespaces["email"].refused)
    };
    assert_eq!(alarms_and_refused(&rules), (1, 0));
    assert_eq!(alarms_and_refused(&Rules { instance_records_max: Some(1), ..rules.clone() }), (0, 1));
    // Nothing of it was counted twice.
    let mut nothing = Collapse::default();
    nothing.note(&whole, &resolution, describe, |_| false);
    assert_eq!(nothing.finish(), Collapse::default());
}

#[test]
fn a_report_has_a_bound() {
    let rules = Rules::person();
    let nodes = (0..200).map(|i| node(&format!("{i:03}@1.M"), &format!("{}@x.com", i / 4), None)).collect();
    let (whole, resolution) = divided(nodes, &rules);
    let mut report = Collapse::default();
    report.note(&whole, &resolution, |_| Vec::new(), |_| true);
    assert_eq!(
        (report.joined_profiles, report.largest.len(), report.suspicious.len()),
        (50, EXAMPLES_MAX, EXAMPLES_MAX)
    );
    let mut worst = Vec::new();
    for i in [3, 1, 4, 1, 5] {
        keep_worst(&mut worst, i, |i| *i);
    }
    assert_eq!(worst, [5, 4, 3, 1, 1]);
}

#[test]
fn what_if_names_what_would_merge_and_split() {
    let rules = Rules::person();
    let today = keys_only(&rules);
    let (whole, resolution) = divided(switchboard(), &today);
    assert_eq!(resolution.components.len(), 45, "keys join nobody here");
    // What is stored after today's rules.
    let mut nodes = whole.nodes.clone();
    for component in &resolution.components {
        for i in &component.nodes {
            nodes[*i].profile = Some(component.profile.clone());
        }
    }
    let (whole, resolution) = divided(nodes.clone(), &rules);
    let mut wider = Difference::default();
    wider.note(&whole, &resolution, |_| true);
    assert_eq!((wider.profiles_before, wider.profiles_after, wider.merges, wider.splits), (45, 42, 2, 0));
    assert_eq!(wider.merge_examples[0].because, ["email pat@acme.com"]);
    assert_eq!(wider.merge_examples[0].profiles.len(), 3);

    // And back: what those would merge, today's rules split.
    for component in &resolution.components {
        for i in &component.nodes {
            nodes[*i].profile = Some(component.profile.clone());
        }
    }
    let mut one_each = rules.clone();
    one_each.instance_records_max = Some(1);
    let (whole, resolution) = divided(nodes, &one_each);
    let mut narrower = Difference::default();
    narrower.note(&whole, &resolution, |_| true);
    assert_eq!((narrower.profiles_before, narrower.profiles_after, narrower.merges, narrower.splits), (42, 44, 0, 1));
    let split = &narrower.split_examples[0];
    assert_eq!((split.profiles.len(), split.parts.len()), (1, 3));
    assert_eq!(split.because, ["email pat@acme.com: more than 1 records of 1.Marketo"]);
}

proptest! {
    /// Whatever shares an address with how many: what would be one is counted as that, and what would be too many is held
    /// apart, to the record.
    #[test]
    fn a_collapse_is_counted_as_it_would_be(sizes in proptest::collection::vec(1..25_usize, 1..20)) {
        const MOST: usize = 10;
        let node = |group: usize, i: usize| node(&format!("{group:02}{i:02}@1.M"), &format!("{group}@x.com"), None);
        let nodes = sizes.iter().enumerate().flat_map(|(group, size)| (0..*size).map(move |i| (group, i)));
        let (whole, resolution) = divided(nodes.map(|(group, i)| node(group, i)).collect(), &Rules::person());
        let mut report = Collapse::default();
        report.note(&whole, &resolution, |_| Vec::new(), |_| true);
        let report = report.finish();
        let of = |is: fn(usize) -> bool| sizes.iter().copied().filter(move |size| is(*size));
        let (joined, held) = (of(|size| (2..=MOST).contains(&size)), of(|size| size > MOST));
        let (all, kept_apart): (usize, usize) = (sizes.iter().sum(), held.clone().sum());
        let profiles = of(|size| size <= MOST).count() + kept_apart;
        prop_assert_eq!((report.records, report.profiles), (all as u64, profiles as u64));
        prop_assert_eq!((report.joined_profiles, report.degraded_profiles), (joined.clone().count() as u64, kept_apart as u64));
        let email = report.namespaces.get("email").copied().unwrap_or_default();
        let links: usize = joined.clone().map(|size| size - 1).sum();
        prop_assert_eq!((email.links, email.refused, email.held_records), (links as u64, 0, kept_apart as u64));
        prop_assert_eq!(report.shared.len(), held.clone().count().min(EXAMPLES_MAX));
        prop_assert_eq!(report.suspicious.len(), joined.clone().count().min(EXAMPLES_MAX));
        // The worst are shown.
        let worst = |sizes: Vec<usize>| sizes.into_iter().max().map(|most| most as u64);
        prop_assert_eq!(report.shared.first().map(|shared| shared.records_total), worst(held.collect()));
        prop_assert_eq!(report.largest.first().map(|entry| entry.records_total), worst(joined.collect()));
    }
}
