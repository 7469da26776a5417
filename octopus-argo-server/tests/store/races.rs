//! What happens when many want the same at the same time.

use std::sync::Arc;

use octopus_argo_core::SpaceId;
use octopus_argo_server::{InstanceChange, StoreError, TokenChoice};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::support::{Store, add_space, admits, all, gateway, name, registered, registration, space, token};

/// How many try at once: more than any pool of connections has.
const RUNNERS: u8 = 12;

/// Does something as often at once, and gives what came of it.
async fn at_once<T, F>(runner: impl Fn(u8) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let start = Arc::new(Barrier::new(usize::from(RUNNERS)));
    let mut runners = JoinSet::new();
    for number in 0..RUNNERS {
        let (start, runner) = (start.clone(), runner(number));
        runners.spawn(async move {
            start.wait().await;
            runner.await
        });
    }
    runners.join_all().await
}

pub(crate) async fn one_name_is_given_once(store: Store) {
    let outcomes = at_once(|number| {
        let store = store.clone();
        async move {
            let token = token();
            let answer = store
                .register(&registration("the one", number), &token.hash())
                .await;
            (number, token, answer)
        }
    })
    .await;
    let mut winner = None;
    for (number, token, outcome) in outcomes {
        match outcome {
            Ok(registered) => {
                assert!(winner.replace((number, registered.instance)).is_none());
                assert!(admits(&store, number, &token).await);
            }
            Err(StoreError::DuplicateName { .. }) => {
                assert!(!admits(&store, number, &token).await);
                assert!(store.gateway(&gateway(number)).await.is_err());
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    let (_, instance) = winner.expect("somebody wins");
    assert_eq!(all(&store).await, [instance]);
}

pub(crate) async fn a_gateway_gets_one_record_in_a_space(store: Store) {
    let outcomes = at_once(|number| {
        let store = store.clone();
        async move {
            let token = token();
            let registration = registration(&format!("name {number}"), 1);
            (token.clone(), store.register(&registration, &token.hash()).await)
        }
    })
    .await;
    let mut won = 0;
    for (token, outcome) in outcomes {
        match outcome {
            Ok(_) => {
                won += 1;
                assert!(admits(&store, 1, &token).await);
            }
            Err(StoreError::DuplicateGateway { .. }) => assert!(!admits(&store, 1, &token).await),
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!((won, all(&store).await.len()), (1, 1));
}

pub(crate) async fn a_gateway_in_many_spaces_has_one_token(store: Store) {
    for number in 0..RUNNERS {
        add_space(&store, &format!("Spaces-{}", 10 + number)).await;
    }
    let outcomes = at_once(|number| {
        let store = store.clone();
        async move {
            let token = token();
            let mut registration = registration("one", 1).token(TokenChoice::Preserve);
            registration.space = space(&format!("Spaces-{}", 10 + number));
            let answer = store.register(&registration, &token.hash()).await.unwrap();
            (token, answer.token_issued)
        }
    })
    .await;
    let issued = outcomes.iter().filter(|(_, issued)| *issued).count();
    assert_eq!(issued, 1);
    for (token, issued) in outcomes {
        assert_eq!(admits(&store, 1, &token).await, issued);
    }
    assert_eq!(all(&store).await.len(), usize::from(RUNNERS));
}

pub(crate) async fn two_records_do_not_take_one_name(store: Store) {
    let mut ids = Vec::new();
    for number in 0..RUNNERS {
        ids.push(registered(&store, &format!("name {number}"), number).await.0.id);
    }
    let outcomes = at_once(|number| {
        let (store, id) = (store.clone(), ids[usize::from(number)].clone());
        async move {
            let change = InstanceChange::default().name(name("the one"));
            store.modify(&SpaceId::default(), &id, &change).await
        }
    })
    .await;
    let won = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(won, 1);
    for outcome in outcomes {
        assert!(
            matches!(outcome, Ok(_) | Err(StoreError::DuplicateName { .. })),
            "{outcome:?}"
        );
    }
    let named = all(&store)
        .await
        .into_iter()
        .filter(|instance| instance.name == "the one");
    assert_eq!(named.count(), 1);
}

pub(crate) async fn deleting_the_last_record_and_registering_another(store: Store) {
    let other = add_space(&store, "Spaces-2").await;
    for round in 0..20 {
        let (first, old) = registered(&store, "one", 1).await;
        let new = token();
        let delete = {
            let store = store.clone();
            async move { store.delete(&SpaceId::default(), &first.id).await.unwrap() }
        };
        let register = {
            let (store, token) = (store.clone(), new.hash());
            let mut registration = registration("one", 1).token(TokenChoice::Preserve);
            registration.space = other.clone();
            async move { store.register(&registration, &token).await.unwrap() }
        };
        let mut both = JoinSet::new();
        let start = Arc::new(Barrier::new(2));
        let (deleted, answer) = {
            let (one, two) = (start.clone(), start);
            let deleted = both.spawn(async move {
                one.wait().await;
                (Some(delete.await), None)
            });
            let _ = deleted;
            both.spawn(async move {
                two.wait().await;
                (None, Some(register.await))
            });
            let mut outcome = (None, None);
            while let Some(done) = both.join_next().await {
                let (deleted, answer) = done.unwrap();
                outcome = (outcome.0.or(deleted), outcome.1.or(answer));
            }
            (outcome.0.unwrap(), outcome.1.unwrap())
        };
        // Either the token was gone with the last record, or it was there to be preserved.
        assert_eq!(deleted.was_last, answer.token_issued, "round {round}");
        assert_eq!(admits(&store, 1, &old).await, !answer.token_issued);
        assert_eq!(admits(&store, 1, &new).await, answer.token_issued);
        let left = store.delete(&other, &answer.instance.id).await.unwrap();
        assert!(left.was_last);
    }
}

pub(crate) async fn a_space_is_removed_or_used(store: Store) {
    for round in 0..20_u8 {
        let id = add_space(&store, "Spaces-2").await;
        let mut registration = registration("one", 1);
        registration.space = id.clone();
        let token = token().hash();
        let (removed, registered) =
            tokio::join!(store.remove_space(&id), store.register(&registration, &token));
        match (removed, registered) {
            (Ok(()), Err(StoreError::UnknownSpace { .. })) => assert!(all(&store).await.is_empty()),
            (Err(StoreError::SpaceInUse { .. }), Ok(registered)) => {
                store.delete(&id, &registered.instance.id).await.unwrap();
                store.remove_space(&id).await.unwrap();
            }
            other => panic!("round {round}: {other:?}"),
        }
    }
}
