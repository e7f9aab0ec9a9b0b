//! Cases by hand: what joins, what does not, and what is said about it.

use super::*;
use crate::id::ProfileId;
use crate::model::EntityName;
use std::convert::Infallible;

fn node(key: &str, emails: &[&str], profile: Option<&ProfileId>) -> Node<ProfileId> {
    let mut all = vec![Identity::source_key(key)];
    all.extend(emails.iter().filter_map(|e| Identity::email(e)));
    with(key, all, profile)
}

fn with(key: &str, identities: Vec<Identity>, profile: Option<&ProfileId>) -> Node<ProfileId> {
    let claim = |identity: Identity| Claim { field: identity.namespace.clone().into(), identity };
    let claims = identities.into_iter().map(claim).collect();
    Node { source_key: key.into(), at: 0, claims, profile: profile.cloned(), level: Level::Full }
}

/// A record with the keys of other records of the same person.
fn keyed(key: &str, same_as: &[&str]) -> Node<ProfileId> {
    let mut all = vec![Identity::source_key(key)];
    all.extend(same_as.iter().map(|k| Identity::source_key(k)));
    with(key, all, None)
}

fn resolved(nodes: Vec<Node<ProfileId>>, rules: &Rules, never: &[NeverLink]) -> Resolution<ProfileId> {
    let never: NeverLinks = never.iter().collect();
    let Ok(resolution) = resolve(&Neighbourhood::whole(nodes, rules), rules, &never, ProfileId::founded_by, |_| {
        Ok::<_, Infallible>(false)
    });
    resolution
}

/// The source keys of each profile.
fn sets(nodes: Vec<Node<ProfileId>>, rules: &Rules, never: &[NeverLink]) -> Vec<Vec<String>> {
    let components = resolved(nodes.clone(), rules, never).components;
    components.iter().map(|c| c.nodes.iter().map(|i| nodes[*i].source_key.clone()).collect()).collect()
}

#[test]
fn addresses_are_normalised_and_words_are_no_addresses() {
    assert_eq!(Identity::email(" Ann@Example.COM ").unwrap().value, "ann@example.com");
    for bad in ["", "null", "anonymous", "a@", "@b.c", "a@b", "a b@c.d", "a@.d"] {
        assert_eq!(Identity::email(bad), None, "{bad}");
    }
}

#[test]
fn a_device_has_thirty_eight_digits() {
    let digits = "12345678901234567890123456789012345678";
    assert_eq!(Identity::ecid(&format!(" {digits} ")).unwrap().value, digits);
    for bad in ["", "123", &digits[1..], &format!("{digits}9"), &digits.replace('1', "a")] {
        assert_eq!(Identity::ecid(bad), None, "{bad}");
    }
}

#[test]
fn sharing_an_address_makes_one_person_and_losing_it_makes_two() {
    let rules = Rules::person();
    let both = vec![node("1@x.M", &["a@x.com"], None), node("2@x.M", &["A@x.com"], None)];
    let together = resolved(both, &rules, &[]).components;
    assert_eq!(together.len(), 1);
    let link = &together[0].links[0];
    assert_eq!((link.identity.value.as_str(), &*link.from, &*link.to), ("a@x.com", "1@x.M", "2@x.M"));
    let id = together[0].profile.clone();
    let changed = vec![node("1@x.M", &["a@x.com"], Some(&id)), node("2@x.M", &["b@x.com"], Some(&id))];
    let apart = resolved(changed, &rules, &[]).components;
    assert_eq!(apart.len(), 2);
    assert_eq!(apart[0].profile, id);
    assert_ne!(apart[1].profile, id);
}

#[test]
fn the_larger_side_keeps_the_id_and_the_other_redirects() {
    let (a, b) = (ProfileId::founded_by("a"), ProfileId::founded_by("b"));
    let nodes = vec![
        node("1@x.M", &["s@x.com"], Some(&b)),
        node("2@x.M", &["s@x.com"], Some(&b)),
        node("3@x.M", &["s@x.com"], Some(&a)),
    ];
    let resolution = resolved(nodes, &Rules::person(), &[]);
    assert_eq!((&resolution.components[0].profile, &resolution.components[0].nodes), (&b, &vec![0, 1, 2]));
    assert_eq!(resolution.retired, [Retired { profile: a, heir: Some(b) }]);
}

#[test]
fn the_id_of_a_record_that_left_its_profile_is_not_given_twice() {
    let rules = Rules::person();
    let founder = ProfileId::founded_by("1@x.M");
    let alone = Neighbourhood::whole(vec![node("1@x.M", &["new@x.com"], None)], &rules);
    let name = |taken: &[ProfileId]| {
        let Ok(resolution) = resolve(&alone, &rules, &NeverLinks::default(), ProfileId::founded_by, |id| {
            Ok::<_, Infallible>(taken.contains(id))
        });
        resolution.components[0].profile.clone()
    };
    assert_eq!(name(&[]), founder);
    let second = name(std::slice::from_ref(&founder));
    assert_ne!(second, founder);
    assert!(![&founder, &second].contains(&&name(&[founder.clone(), second.clone()])));
}

/// C1 to C4: what the CRM says directly and what it says through Marketo is one, by key alone.
#[test]
fn a_crm_record_seen_twice_is_one() {
    let marketo = ["7@111-AAA-111.Marketo", "7@222-BBB-222.Marketo"];
    let crm = "003A@00D1.Salesforce";
    let rules = Rules::keyed();
    // Marketo first, the CRM first, two Marketo instances that sync one CRM: the same.
    let nodes = vec![keyed(marketo[0], &[crm]), keyed(crm, &[]), keyed(marketo[1], &[crm])];
    assert_eq!(sets(nodes.clone(), &rules, &[]), [[crm, marketo[0], marketo[1]]]);
    let links = &resolved(nodes, &rules, &[]).components[0].links;
    assert!(links.iter().all(|l| l.identity == Identity::source_key(crm)), "{links:?}");
    // Equal lead ids of two instances are two people, where the CRM knows neither.
    assert_eq!(sets(vec![keyed(marketo[0], &[]), keyed(marketo[1], &[])], &rules, &[]).len(), 2);
    // Without the CRM connected, the two Marketo records still are one.
    assert_eq!(sets(vec![keyed(marketo[0], &[crm]), keyed(marketo[1], &[crm])], &rules, &[]).len(), 1);
}

/// M1: the ids of a lead, a company and a named account may be the same number.
#[test]
fn kinds_of_one_system_do_not_collide() {
    let keys = ["7@1.Marketo", "7.mkto_org@1.Marketo", "7.mkto_acct@1.Marketo"];
    assert_eq!(sets(keys.iter().map(|k| keyed(k, &[])).collect(), &Rules::keyed(), &[]).len(), 3);
}

#[test]
fn a_converted_lead_and_its_contact_are_one_person() {
    let (lead, contact) = ("00Q1@00D1.Salesforce", "0031@00D1.Salesforce");
    assert_eq!(sets(vec![keyed(lead, &[contact]), keyed(contact, &[])], &Rules::person(), &[]), [[contact, lead]]);
}

/// `person.records_sharing_email`, as it is by default.
#[test]
fn an_address_of_many_joins_nobody_and_is_shown() {
    let rules = Rules::person();
    let people = |n: usize| (0..n).map(|i| node(&format!("{i:02}@x.M"), &["info@x.com"], None)).collect::<Vec<_>>();
    assert_eq!(sets(people(10), &rules, &[]).len(), 1);
    let apart = resolved(people(11), &rules, &[]).components;
    assert_eq!(apart.len(), 11);
    assert!(apart.iter().all(|c| c.is_degraded() && c.held == [Held::Shared(Identity::email("info@x.com").unwrap())]));
}

#[test]
fn blocked_values_join_nobody() {
    let mut rules = Rules::person();
    rules.namespaces.get_mut("email").unwrap().blocked = vec!["noreply@*".into()];
    let nodes = vec![node("1@x.M", &["noreply@x.com"], None), node("2@x.M", &["noreply@x.com"], None)];
    assert_eq!(sets(nodes, &rules, &[]).len(), 2);
}

#[test]
fn a_limit_refuses_the_weaker_link_and_says_so() {
    let mut rules = Rules::person();
    rules.instance_records_max = Some(1);
    let crm = "0031@00D1.Salesforce";
    // Two CRM contacts with one address; a Marketo lead belongs to one by key and to the other by address only.
    let nodes = vec![
        with("7@1.Marketo", vec![Identity::source_key("7@1.Marketo"), Identity::source_key(crm)], None),
        node(crm, &["ann@x.com"], None),
        node("0032@00D1.Salesforce", &["ann@x.com"], None),
    ];
    let components = resolved(nodes, &rules, &[]).components;
    assert_eq!(components.len(), 2);
    for component in &components {
        assert!(component.is_degraded());
        let Held::Refused(refusal) = &component.held[0] else { panic!("{:?}", component.held) };
        let why = Why::InstanceRecords { instance: "00D1.Salesforce".into(), records_max: 1 };
        assert_eq!((&refusal.why, refusal.link.identity.value.as_str()), (&why, "ann@x.com"));
    }
}

#[test]
fn a_namespace_that_joins_nobody_can_keep_people_apart() {
    let mut rules = Rules::person();
    let name = NamespaceRules { joins: false, values_max: Some(1), ..rules.namespaces["email"].clone() };
    rules.namespaces.insert("last_name".into(), name);
    let named = |key: &str, name: &str| {
        let name = Identity { namespace: "last_name".into(), value: name.into() };
        with(key, vec![Identity::source_key(key), Identity::email("family@x.com").unwrap(), name], None)
    };
    let nodes = vec![named("1@x.M", "lee"), named("2@x.M", "kim"), named("3@x.M", "lee")];
    assert_eq!(sets(nodes, &rules, &[]), [vec!["1@x.M", "3@x.M"], vec!["2@x.M"]]);
}

#[test]
fn one_record_over_a_limit_keeps_what_adds_nothing() {
    let mut rules = Rules::person();
    rules.namespaces.get_mut("email").unwrap().values_max = Some(2);
    let many = node("1@x.M", &["a@x.com", "b@x.com", "c@x.com"], None);
    assert_eq!(sets(vec![many.clone(), node("2@x.M", &["a@x.com"], None)], &rules, &[]).len(), 1);
    assert_eq!(sets(vec![many, node("2@x.M", &["a@x.com", "d@x.com"], None)], &rules, &[]).len(), 2);
}

#[test]
fn never_links_hold_against_every_way_round() {
    let nodes = vec![
        node("1@x.M", &["a@x.com"], None),
        node("2@x.M", &["a@x.com", "b@x.com"], None),
        node("3@x.M", &["b@x.com"], None),
    ];
    let rules = Rules::person();
    assert_eq!(sets(nodes.clone(), &rules, &[]).len(), 1);
    let never = NeverLink::new(&EntityName::PERSON, "3@x.M", "1@x.M", "two people", "ann", 0).unwrap();
    let resolution = resolved(nodes.clone(), &rules, std::slice::from_ref(&never));
    let apart = sets(nodes, &rules, &[never]);
    assert_eq!(apart, [vec!["1@x.M", "2@x.M"], vec!["3@x.M"]]);
    // Somebody's wish is shown and is no degradation.
    assert!(resolution.components.iter().all(|c| c.held.len() == 1 && !c.is_degraded()));
}

/// `person.connected_records`.
#[test]
fn where_too_many_hang_together_only_firm_namespaces_join() {
    let mut rules = Rules::person();
    rules.connected_records_max = 50;
    rules.namespaces.get_mut("email").unwrap().values_max = None;
    // A chain of addresses over 51 records; the first two share a CRM key as well.
    let mut nodes: Vec<Node<ProfileId>> = (0..51)
        .map(|i| node(&format!("{i:02}@x.M"), &[&format!("{i}@x.com"), &format!("{}@x.com", i + 1)], None))
        .collect();
    let crm = Claim { identity: Identity::source_key("003@y.S"), field: "external_key".into() };
    nodes[0].claims.push(crm.clone());
    nodes[1].claims.push(crm);
    let components = resolved(nodes.clone(), &rules, &[]).components;
    assert_eq!((components.len(), components[0].nodes.len(), components[0].level), (50, 2, Level::Firm));
    assert!(components.iter().all(Component::is_degraded));
    nodes.pop();
    assert_eq!(sets(nodes, &rules, &[]).len(), 1);
}
