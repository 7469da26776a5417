//! The rules of `InstanceStore`, one by one.

use std::time::Duration;

use octopus_argo_core::SpaceId;
use octopus_argo_core::health::octopus::InstanceHealth;
use octopus_argo_server::{
    CredentialState, GatewayFacts, HealthReport, Installation, InstanceChange, InstanceQuery, Observation,
    Space, StoreError, TokenChoice,
};

use crate::support::{
    Store, add_space, admits, admits_at, all, at, gateway, id, name, registered, registration, space, token,
};

pub(crate) async fn a_new_store_has_the_default_space_and_nothing_else(store: Store) {
    assert_eq!(store.spaces().await.unwrap(), [Space::default()]);
    assert!(all(&store).await.is_empty());
    assert!(!admits(&store, 1, &token()).await);
    let unknown = store.gateway(&gateway(1)).await;
    assert!(
        matches!(unknown, Err(StoreError::UnknownGateway { .. })),
        "{unknown:?}"
    );
}

pub(crate) async fn what_is_registered_is_read_as_it_was_given(store: Store) {
    let mut installation = Installation::default();
    installation.chart_version = Some("1.2.3".to_owned());
    installation.release = Some("octo".to_owned());
    installation.namespace = Some("octo-argo-gateway-eu".to_owned());
    let registration = registration("O'Brien \"%_\\\" \u{e4}\u{1f419}; DROP TABLE instances --", 1)
        .environments([
            "Environments-2".parse().unwrap(),
            "Environments-1".parse().unwrap(),
        ])
        .tenants(["z\u{fc}rich".parse().unwrap()])
        .web_ui("https://argo.example.test/eu".parse().unwrap())
        .installation(installation.clone());
    let token = token();
    let answer = store.register(&registration, &token.hash()).await.unwrap();
    assert!(answer.token_issued && !answer.known);
    let instance = answer.instance;
    assert_eq!(instance.id, id(1));
    assert_eq!(instance.space, SpaceId::default());
    assert_eq!(instance.name, registration.name);
    assert_eq!(instance.gateway, gateway(1));
    assert_eq!(instance.environments, registration.environments);
    assert_eq!(instance.tenants, registration.tenants);
    assert_eq!(instance.web_ui, registration.web_ui);
    assert_eq!(instance.facts.installation, installation);
    assert_eq!(instance.facts.credential, CredentialState::Issued);
    assert_eq!((instance.facts.last_seen, &instance.facts.health), (None, &None));

    let read = store.instance(&SpaceId::default(), &id(1)).await.unwrap();
    assert_eq!(read, instance);
    assert_eq!(all(&store).await, std::slice::from_ref(&instance));
    assert_eq!(store.gateway(&gateway(1)).await.unwrap(), instance.facts);
    assert!(admits(&store, 1, &token).await);
    assert!(!admits(&store, 2, &token).await);
    assert!(!admits(&store, 1, &self::token()).await);
}

pub(crate) async fn ids_count_up_and_are_not_given_twice(store: Store) {
    let other = add_space(&store, "Spaces-2").await;
    let (first, _) = registered(&store, "one", 1).await;
    let mut elsewhere = registration("one", 2);
    elsewhere.space = other.clone();
    let second = store
        .register(&elsewhere, &token().hash())
        .await
        .unwrap()
        .instance;
    store.delete(&other, &second.id).await.unwrap();
    let (third, _) = registered(&store, "three", 3).await;
    assert!(first.id < second.id && second.id < third.id);
    let ids: Vec<_> = all(&store)
        .await
        .into_iter()
        .map(|instance| instance.id)
        .collect();
    assert_eq!(ids, [first.id, third.id]);
}

pub(crate) async fn a_registration_that_is_refused_changes_nothing(store: Store) {
    let (first, old) = registered(&store, "one", 1).await;
    let new = token();

    let mut nowhere = registration("two", 2);
    nowhere.space = space("Spaces-9");
    let refused = store.register(&nowhere, &new.hash()).await;
    assert!(
        matches!(&refused, Err(StoreError::UnknownSpace { space, .. }) if *space == nowhere.space),
        "{refused:?}"
    );
    // The same once more: by name, registering is not the same as having registered.
    let refused = store.register(&registration("one", 1), &new.hash()).await;
    assert!(
        matches!(&refused, Err(StoreError::DuplicateName { name, .. }) if *name == "one"),
        "{refused:?}"
    );
    let refused = store.register(&registration("one", 2), &new.hash()).await;
    assert!(
        matches!(refused, Err(StoreError::DuplicateName { .. })),
        "{refused:?}"
    );
    let refused = store.register(&registration("two", 1), &new.hash()).await;
    assert!(
        matches!(refused, Err(StoreError::DuplicateGateway { .. })),
        "{refused:?}"
    );

    assert_eq!(all(&store).await, [first]);
    assert!(admits(&store, 1, &old).await);
    assert!(!admits(&store, 1, &new).await && !admits(&store, 2, &new).await);
    assert!(store.gateway(&gateway(2)).await.is_err());
}

pub(crate) async fn names_are_unique_in_their_space_without_regard_to_case(store: Store) {
    let other = add_space(&store, "Spaces-2").await;
    registered(&store, "Z\u{dc}RICH", 1).await;
    for taken in ["Z\u{dc}RICH", "z\u{fc}rich", " Z\u{fc}rich "] {
        let refused = store.register(&registration(taken, 2), &token().hash()).await;
        assert!(
            matches!(refused, Err(StoreError::DuplicateName { .. })),
            "{taken}: {refused:?}"
        );
    }
    let mut elsewhere = registration("z\u{fc}rich", 2);
    elsewhere.space = other;
    store.register(&elsewhere, &token().hash()).await.unwrap();
    // Without regard to its own case, a space is the same too.
    let mut again = registration("Z\u{dc}RICH", 3);
    again.space = space("SPACES-2");
    let refused = store.register(&again, &token().hash()).await;
    assert!(
        matches!(refused, Err(StoreError::DuplicateName { .. })),
        "{refused:?}"
    );
    // A letter with dots of its own and one that is put together are different names.
    registered(&store, "Zu\u{308}rich", 4).await;
}

pub(crate) async fn a_registration_in_another_space_renews_the_token(store: Store) {
    let other = add_space(&store, "Spaces-2").await;
    let (first, old) = registered(&store, "one", 1).await;
    let mut elsewhere = registration("one", 1);
    elsewhere.space = other.clone();
    let new = token();
    let answer = store.register(&elsewhere, &new.hash()).await.unwrap();
    assert!(answer.token_issued && answer.known);
    assert_eq!(answer.instance.space, other);
    assert_eq!(answer.instance.gateway, first.gateway);
    assert!(!admits(&store, 1, &old).await);
    assert!(admits(&store, 1, &new).await);
}

pub(crate) async fn a_registration_in_another_space_preserves_the_token(store: Store) {
    let other = add_space(&store, "Spaces-2").await;
    let (_, old) = registered(&store, "one", 1).await;
    let mut elsewhere = registration("one", 1).token(TokenChoice::Preserve);
    elsewhere.space = other;
    let new = token();
    let answer = store.register(&elsewhere, &new.hash()).await.unwrap();
    assert!(!answer.token_issued && answer.known);
    assert!(admits(&store, 1, &old).await);
    assert!(!admits(&store, 1, &new).await);
}

pub(crate) async fn there_must_be_a_token_to_preserve(store: Store) {
    let other = add_space(&store, "Spaces-2").await;
    // A gateway that is new could never connect without one.
    let first = token();
    let preserve = registration("one", 1).token(TokenChoice::Preserve);
    let answer = store.register(&preserve, &first.hash()).await.unwrap();
    assert!(answer.token_issued && !answer.known);
    assert!(admits(&store, 1, &first).await);
    // So could one whose token was taken away.
    store.revoke(&gateway(1)).await.unwrap();
    let second = token();
    let mut elsewhere = preserve;
    elsewhere.space = other;
    let answer = store.register(&elsewhere, &second.hash()).await.unwrap();
    assert!(answer.token_issued && answer.known);
    assert_eq!(answer.instance.facts.credential, CredentialState::Issued);
    assert!(admits(&store, 1, &second).await);
    assert!(!admits(&store, 1, &first).await);
}

pub(crate) async fn the_last_record_takes_the_credential_with_it(store: Store) {
    let (default, other) = (SpaceId::default(), add_space(&store, "Spaces-2").await);
    let (first, token_1) = registered(&store, "one", 1).await;
    let mut elsewhere = registration("one", 1).token(TokenChoice::Preserve);
    elsewhere.space = other.clone();
    let second = store
        .register(&elsewhere, &token().hash())
        .await
        .unwrap()
        .instance;

    let missing = store.delete(&other, &first.id).await;
    assert!(
        matches!(missing, Err(StoreError::UnknownInstance { .. })),
        "{missing:?}"
    );
    let missing = store.delete(&space("Spaces-9"), &first.id).await;
    assert!(
        matches!(missing, Err(StoreError::UnknownSpace { .. })),
        "{missing:?}"
    );

    let deleted = store.delete(&default, &first.id).await.unwrap();
    assert!(!deleted.was_last);
    assert_eq!(deleted.instance, first);
    assert!(admits(&store, 1, &token_1).await);
    let missing = store.delete(&default, &first.id).await;
    assert!(
        matches!(missing, Err(StoreError::UnknownInstance { .. })),
        "{missing:?}"
    );

    let deleted = store.delete(&other, &second.id).await.unwrap();
    assert!(deleted.was_last);
    assert!(!admits(&store, 1, &token_1).await);
    assert!(all(&store).await.is_empty());
    assert!(store.gateway(&gateway(1)).await.is_err());
    // The name is free again, and so is the gateway.
    let (_, token_2) = registered(&store, "one", 1).await;
    assert!(admits(&store, 1, &token_2).await);
    assert!(!admits(&store, 1, &token_1).await);
}

pub(crate) async fn what_is_not_mentioned_stays(store: Store) {
    let default = SpaceId::default();
    let (first, _) = registered(&store, "one", 1).await;
    let modify = async |change: InstanceChange| {
        let changed = store.modify(&default, &first.id, &change).await.unwrap();
        let read = store.instance(&default, &first.id).await.unwrap();
        assert_eq!(changed, read);
        read
    };
    let mut expected = first.clone();
    assert_eq!(modify(InstanceChange::default()).await, expected);

    expected.name = name("ONE");
    assert_eq!(
        modify(InstanceChange::default().name(name("ONE"))).await,
        expected
    );
    expected.environments = [
        "Environments-3".parse().unwrap(),
        "Environments-20".parse().unwrap(),
    ]
    .into();
    let change = InstanceChange::default().environments(expected.environments.clone());
    assert_eq!(modify(change).await, expected);
    expected.tenants = ["Tenants-1".parse().unwrap()].into();
    let change = InstanceChange::default().tenants(expected.tenants.clone());
    assert_eq!(modify(change).await, expected);
    expected.web_ui = Some("https://argo.example.test".parse().unwrap());
    let change = InstanceChange::default().web_ui(expected.web_ui.clone());
    assert_eq!(modify(change).await, expected);

    let change = InstanceChange::default()
        .name(name("two"))
        .environments([])
        .tenants([])
        .web_ui(None);
    let mut expected = first.clone();
    expected.name = name("two");
    assert_eq!(modify(change).await, expected);
    // The old name is free.
    registered(&store, "one", 2).await;
}

pub(crate) async fn a_change_that_is_refused_changes_nothing(store: Store) {
    let default = SpaceId::default();
    let other = add_space(&store, "Spaces-2").await;
    let (first, _) = registered(&store, "one", 1).await;
    let (second, _) = registered(&store, "two", 2).await;
    let change = InstanceChange::default()
        .name(name("ONE"))
        .tenants(["Tenants-1".parse().unwrap()]);
    let refused = store.modify(&default, &second.id, &change).await;
    assert!(
        matches!(refused, Err(StoreError::DuplicateName { .. })),
        "{refused:?}"
    );
    let refused = store.modify(&other, &first.id, &change).await;
    assert!(
        matches!(refused, Err(StoreError::UnknownInstance { .. })),
        "{refused:?}"
    );
    let refused = store.modify(&space("Spaces-9"), &first.id, &change).await;
    assert!(
        matches!(refused, Err(StoreError::UnknownSpace { .. })),
        "{refused:?}"
    );
    assert_eq!(all(&store).await, [first, second]);
}

pub(crate) async fn lists_are_filtered_and_cut(store: Store) {
    let other = add_space(&store, "Spaces-2").await;
    for (number, named) in [(1, "eu-1"), (2, "EU-2"), (3, "us-1"), (4, "eu-10")] {
        registered(&store, named, number).await;
    }
    let mut elsewhere = registration("eu-1", 1).token(TokenChoice::Preserve);
    elsewhere.space = other.clone();
    store.register(&elsewhere, &token().hash()).await.unwrap();

    let listed = async |query: InstanceQuery| {
        let page = store.instances(&query).await.unwrap();
        let numbers: Vec<i64> = page
            .instances
            .iter()
            .map(|instance| instance.id.number())
            .collect();
        (numbers, page.total)
    };
    let query = InstanceQuery::default;
    assert_eq!(listed(query()).await, (vec![1, 2, 3, 4, 5], 5));
    assert_eq!(
        listed(query().in_space(SpaceId::default())).await,
        (vec![1, 2, 3, 4], 4)
    );
    assert_eq!(listed(query().in_space(space("spaces-2"))).await, (vec![5], 1));
    assert_eq!(listed(query().of_gateway(gateway(1))).await, (vec![1, 5], 2));
    assert_eq!(listed(query().of_gateway(gateway(9))).await, (vec![], 0));
    assert_eq!(listed(query().named("Eu-1")).await, (vec![1, 5], 2));
    assert_eq!(listed(query().named("eu")).await, (vec![], 0));
    let in_default = || query().in_space(SpaceId::default());
    assert_eq!(
        listed(in_default().name_contains("Eu-")).await,
        (vec![1, 2, 4], 3)
    );
    assert_eq!(
        listed(in_default().name_contains("")).await,
        (vec![1, 2, 3, 4], 4)
    );
    assert_eq!(
        listed(in_default().name_contains("eu").named("eu-10")).await,
        (vec![4], 1)
    );
    assert_eq!(
        listed(in_default().name_contains("eu").skip(1).take(1)).await,
        (vec![2], 3)
    );
    assert_eq!(listed(in_default().skip(9)).await, (vec![], 4));
    assert_eq!(listed(in_default().take(0)).await, (vec![], 4));
    assert_eq!(
        listed(in_default().skip(u32::MAX).take(u32::MAX)).await,
        (vec![], 4)
    );
    let unknown = store.instances(&query().in_space(space("Spaces-9"))).await;
    assert!(
        matches!(unknown, Err(StoreError::UnknownSpace { .. })),
        "{unknown:?}"
    );
}

pub(crate) async fn a_filter_is_no_pattern(store: Store) {
    registered(&store, "100%", 1).await;
    registered(&store, "a_b", 2).await;
    registered(&store, "c\\d", 3).await;
    registered(&store, "\u{c4}RGER", 4).await;
    for (part, expected) in [
        ("%", 1),
        ("_", 2),
        ("\\", 3),
        ("0%", 1),
        ("A_B", 2),
        ("C\\D", 3),
        ("\u{e4}rG", 4),
    ] {
        let page = store
            .instances(&InstanceQuery::default().name_contains(part))
            .await
            .unwrap();
        let numbers: Vec<i64> = page
            .instances
            .iter()
            .map(|instance| instance.id.number())
            .collect();
        assert_eq!(numbers, [expected], "{part}");
    }
    // Longer than any name, and than any pattern that a database takes.
    for part in ["x".repeat(201), "%".repeat(100_000)] {
        let page = store
            .instances(&InstanceQuery::default().name_contains(part))
            .await
            .unwrap();
        assert_eq!(page.total, 0);
    }
    let page = store
        .instances(&InstanceQuery::default().named("a\u{0}b"))
        .await
        .unwrap();
    assert_eq!(page.total, 0);
}

pub(crate) async fn a_rotated_token_has_an_overlap_or_none(store: Store) {
    let (_, first) = registered(&store, "one", 1).await;
    let [second, third, fourth] = [token(), token(), token()];

    store.rotate(&gateway(1), &second.hash(), None).await.unwrap();
    assert!(!admits(&store, 1, &first).await);
    assert!(admits(&store, 1, &second).await);

    // The old one is good up to the moment, which is kept to the millisecond.
    let until = at(60) + Duration::from_micros(700);
    store
        .rotate(&gateway(1), &third.hash(), Some(until))
        .await
        .unwrap();
    let millisecond = Duration::from_millis(1);
    assert!(admits_at(&store, 1, &second, at(60) - millisecond).await);
    assert!(!admits_at(&store, 1, &second, at(60)).await);
    assert!(admits_at(&store, 1, &third, at(60)).await);
    assert!(!admits_at(&store, 1, &first, at(0)).await);

    // One before the old one is good no longer, and no overlap is none for it either.
    store
        .rotate(&gateway(1), &fourth.hash(), Some(at(60)))
        .await
        .unwrap();
    assert!(!admits(&store, 1, &second).await);
    assert!(admits(&store, 1, &third).await && admits(&store, 1, &fourth).await);
    store.rotate(&gateway(1), &first.hash(), None).await.unwrap();
    assert!(!admits(&store, 1, &third).await && !admits(&store, 1, &fourth).await);
    assert!(admits(&store, 1, &first).await);

    let unknown = store.rotate(&gateway(2), &first.hash(), None).await;
    assert!(
        matches!(unknown, Err(StoreError::UnknownGateway { .. })),
        "{unknown:?}"
    );
}

pub(crate) async fn revoking_takes_every_token(store: Store) {
    let (first, old) = registered(&store, "one", 1).await;
    let new = token();
    store
        .rotate(&gateway(1), &new.hash(), Some(at(60)))
        .await
        .unwrap();
    store.revoke(&gateway(1)).await.unwrap();
    assert!(!admits(&store, 1, &old).await && !admits(&store, 1, &new).await);
    let facts = store.gateway(&gateway(1)).await.unwrap();
    assert_eq!(facts.credential, CredentialState::Revoked);
    let mut expected = first;
    expected.facts.credential = CredentialState::Revoked;
    assert_eq!(all(&store).await, [expected]);

    // Once more does nothing.
    store.revoke(&gateway(1)).await.unwrap();
    let unknown = store.revoke(&gateway(2)).await;
    assert!(
        matches!(unknown, Err(StoreError::UnknownGateway { .. })),
        "{unknown:?}"
    );

    // A new token admits it again, and there is no old one to overlap.
    let newest = token();
    store
        .rotate(&gateway(1), &newest.hash(), Some(at(60)))
        .await
        .unwrap();
    assert!(admits(&store, 1, &newest).await);
    assert!(!admits(&store, 1, &new).await && !admits(&store, 1, &old).await);
    let facts = store.gateway(&gateway(1)).await.unwrap();
    assert_eq!(facts.credential, CredentialState::Issued);
}

pub(crate) async fn what_is_seen_is_kept_for_all_records(store: Store) {
    let other = add_space(&store, "Spaces-2").await;
    registered(&store, "one", 1).await;
    registered(&store, "two", 2).await;
    let mut elsewhere = registration("one", 1).token(TokenChoice::Preserve);
    elsewhere.space = other;
    store.register(&elsewhere, &token().hash()).await.unwrap();

    let mut versions = Installation::default();
    versions.gateway_version = Some("0.1.0".to_owned());
    versions.argo_cd_version = Some("v3.4.1+abcdef0".to_owned());
    let seen = Observation::new(gateway(1), at(1) + Duration::from_micros(300))
        .connected()
        .installation(versions.clone());
    let checked = Observation::new(gateway(2), at(2)).health(InstanceHealth::Unavailable);
    let gone = Observation::new(gateway(3), at(3)).connected();
    store.observe(&[gone, seen, checked]).await.unwrap();

    let mut one = GatewayFacts::default();
    one.installation = versions;
    one.last_seen = Some(at(1));
    let mut two = GatewayFacts::default();
    two.health = Some(HealthReport::new(InstanceHealth::Unavailable, at(2)));
    let facts: Vec<_> = all(&store)
        .await
        .into_iter()
        .map(|instance| instance.facts)
        .collect();
    assert_eq!(facts, [one.clone(), two, one.clone()]);

    // What is learned adds to what is known.
    let mut more = Installation::default();
    more.chart_version = Some("2.0.0".to_owned());
    let seen = Observation::new(gateway(1), at(4)).installation(more);
    store.observe(&[seen]).await.unwrap();
    one.installation.chart_version = Some("2.0.0".to_owned());
    assert_eq!(store.gateway(&gateway(1)).await.unwrap(), one);
    store.observe(&[]).await.unwrap();
}

pub(crate) async fn what_is_older_changes_nothing(store: Store) {
    registered(&store, "one", 1).await;
    let seen = |second, health: InstanceHealth| {
        Observation::new(gateway(1), at(second))
            .connected()
            .health(health)
    };
    let later = seen(20, InstanceHealth::from("Mended"));
    let earlier = seen(10, InstanceHealth::Unhealthy);
    store.observe(&[later, earlier]).await.unwrap();
    let facts = store.gateway(&gateway(1)).await.unwrap();
    assert_eq!(facts.last_seen, Some(at(20)));
    let expected = HealthReport::new(InstanceHealth::Other("Mended".into()), at(20));
    assert_eq!(facts.health, Some(expected));
}

pub(crate) async fn spaces_come_and_go(store: Store) {
    let second = Space::new(space("Spaces-2"), "Second");
    store.put_space(&second).await.unwrap();
    store
        .put_space(&Space::new(space("SPACES-2"), "Other"))
        .await
        .unwrap();
    let spaces = store.spaces().await.unwrap();
    assert_eq!(spaces, [Space::default(), Space::new(space("Spaces-2"), "Other")]);
    assert_eq!(spaces[1].id.as_str(), "Spaces-2");

    registered(&store, "one", 1).await;
    let used = store.remove_space(&SpaceId::default()).await;
    assert!(matches!(used, Err(StoreError::SpaceInUse { .. })), "{used:?}");
    store.remove_space(&space("spaces-2")).await.unwrap();
    let unknown = store.remove_space(&space("Spaces-2")).await;
    assert!(
        matches!(unknown, Err(StoreError::UnknownSpace { .. })),
        "{unknown:?}"
    );
    assert_eq!(store.spaces().await.unwrap(), [Space::default()]);
    assert_eq!(all(&store).await.len(), 1);
}
