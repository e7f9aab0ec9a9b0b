//! Consents and suppressions: kept once, found by identity, there after a restart.

use attiva_core::consent::{Consent, Suppression};
use attiva_core::identity::Identity;
use attiva_core::ports::consent::{ConsentStore, Put};
use attiva_store::{Options, Sandbox};

fn identity(value: &str) -> Identity {
    Identity { namespace: "email".into(), value: value.into() }
}

fn said(value: &str, given: bool, at: i64) -> Consent {
    let (channel, purpose, source) = ("email".into(), "news".into(), "form".into());
    Consent { identity: identity(value), channel, purpose, given, source, at }
}

fn suppressed(value: &str, reason: &str, at: i64) -> Suppression {
    let (channel, source) = ("*".into(), "desk".into());
    Suppression { identity: identity(value), channel, reason: reason.into(), source, at }
}

#[tokio::test]
async fn what_was_said_is_kept_once_and_found_by_identity() {
    let place = tempfile::tempdir().unwrap();
    let all = vec![said("a@x", true, 1), said("a@x", false, 2), said("b@x", true, 1)];
    {
        let store = Sandbox::open(place.path(), &Options::default()).unwrap();
        assert_eq!(store.put_consents(all.clone()).await.unwrap(), Put { received: 3, changed: 3 });
        assert_eq!(store.put_consents(all[1..].to_vec()).await.unwrap(), Put { received: 2, changed: 0 });
        let late = vec![said("a@x", false, 2), said("a@x", true, 3)];
        assert_eq!(store.put_consents(late).await.unwrap(), Put { received: 2, changed: 1 });
    }
    let store = crate::support::open_again(place.path());
    assert_eq!(store.consents_of(&[identity("a@x"), identity("c@x")]).unwrap().len(), 3);
    assert_eq!(store.consents_of(&[identity("b@x")]).unwrap(), [said("b@x", true, 1)]);
    let first = store.consents(0, 3).unwrap();
    assert_eq!(first.iter().map(|(_, c)| c.clone()).collect::<Vec<_>>(), all);
    let rest = store.consents(first[2].0, 3).unwrap();
    assert_eq!(rest.iter().map(|(_, c)| c.clone()).collect::<Vec<_>>(), [said("a@x", true, 3)]);
}

#[tokio::test]
async fn a_later_suppression_takes_the_place_of_an_earlier_one() {
    let place = tempfile::tempdir().unwrap();
    let store = Sandbox::open(place.path(), &Options::default()).unwrap();
    let put = |reason: &str, at| store.put_suppressions(vec![suppressed("a@x", reason, at)]);
    assert_eq!(put("asked us", 5).await.unwrap().changed, 1);
    assert_eq!(put("asked us", 5).await.unwrap().changed, 0);
    assert_eq!(put("too old", 4).await.unwrap().changed, 0);
    assert_eq!(put("asked again", 6).await.unwrap().changed, 1);
    assert_eq!(store.suppressions_of(&[identity("a@x")]).unwrap(), [suppressed("a@x", "asked again", 6)]);
    let remove = |channel: &str| store.remove_suppressions(vec![(identity("a@x"), channel.into())]);
    assert_eq!(remove("email").await.unwrap().changed, 0);
    assert_eq!(remove("*").await.unwrap().changed, 1);
    assert_eq!(remove("*").await.unwrap().changed, 0);
    assert_eq!(store.suppressions(0, 10).unwrap(), []);
}
