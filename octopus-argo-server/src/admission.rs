//! Every session there is, by the credential that it came with, so that none outlives it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use octopus_argo_proto::link::Link;
use octopus_argo_proto::session::GoodbyeReason;

use crate::{GatewayId, TokenHash};

/// The sessions of every gateway: live, draining, in their handshake, or waiting for their credential to be checked.
#[derive(Default)]
pub(crate) struct Admissions(Mutex<State>);

#[derive(Default)]
struct State {
    held: HashMap<GatewayId, Vec<Held>>,
    last: u64,
}

struct Held {
    number: u64,
    token: TokenHash,
    /// Once there is one.
    link: Option<Link>,
    ended: Option<GoodbyeReason>,
}

impl Held {
    fn end(&mut self, reason: GoodbyeReason) -> Option<Link> {
        if self.ended.replace(reason).is_some() {
            return None;
        }
        self.link.clone()
    }
}

impl Admissions {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends what a gateway has.
    pub(crate) fn end(&self, gateway: &GatewayId, reason: GoodbyeReason) {
        self.end_where(gateway, reason, |_| true);
    }

    /// Ends what came with this token.
    pub(crate) fn end_token(&self, gateway: &GatewayId, token: &TokenHash, reason: GoodbyeReason) {
        self.end_where(gateway, reason, |held| held == token);
    }

    fn end_where(&self, gateway: &GatewayId, reason: GoodbyeReason, which: impl Fn(&TokenHash) -> bool) {
        let links: Vec<Link> = {
            let mut state = self.state();
            let held = state.held.get_mut(gateway).into_iter().flatten();
            held.filter(|held| which(&held.token))
                .filter_map(|held| held.end(reason))
                .collect()
        };
        // Outside the lock, because it wakes tasks.
        for link in links {
            leave(&link, reason);
        }
    }

    /// How many sessions there are, also those that have none yet, and those that there are.
    pub(crate) fn sessions(&self) -> (usize, Vec<Link>) {
        let state = self.state();
        let held = || state.held.values().flatten();
        (
            held().count(),
            held().filter_map(|held| held.link.clone()).collect(),
        )
    }

    /// The gateways that have sessions.
    pub(crate) fn gateways(&self) -> Vec<GatewayId> {
        self.state().held.keys().cloned().collect()
    }

    /// The tokens that a gateway's sessions came with, each once.
    pub(crate) fn tokens(&self, gateway: &GatewayId) -> Vec<TokenHash> {
        let state = self.state();
        let mut tokens: Vec<TokenHash> = Vec::new();
        for held in state.held.get(gateway).into_iter().flatten() {
            if held.ended.is_none() && !tokens.contains(&held.token) {
                tokens.push(held.token);
            }
        }
        tokens
    }
}

fn leave(link: &Link, reason: GoodbyeReason) {
    let message = match reason {
        GoodbyeReason::Rotation => "the credential was replaced",
        _ => "the credential was revoked",
    };
    link.leave(reason, message);
}

/// A session's place. It is given up when this is dropped.
pub(crate) struct Place {
    gateway: GatewayId,
    number: u64,
    admissions: Arc<Admissions>,
}

impl Place {
    /// Takes one for somebody who came with this token, whether or not it is any good.
    pub(crate) fn take(admissions: &Arc<Admissions>, gateway: &GatewayId, token: TokenHash) -> Self {
        let mut state = admissions.state();
        state.last += 1;
        let number = state.last;
        state.held.entry(gateway.clone()).or_default().push(Held {
            number,
            token,
            link: None,
            ended: None,
        });
        drop(state);
        Self {
            gateway: gateway.clone(),
            number,
            admissions: admissions.clone(),
        }
    }

    pub(crate) fn gateway(&self) -> &GatewayId {
        &self.gateway
    }

    /// Has this session ended with the credential, from now on. It ends at once if the credential is gone already.
    pub(crate) fn hold(&self, link: &Link) {
        let ended = self.with(|held| {
            held.link = Some(link.clone());
            held.ended
        });
        if let Some(reason) = ended.flatten() {
            leave(link, reason);
        }
    }

    /// A session that has a place goes on with the credential of this one, which may be a newer one.
    pub(crate) fn resumed(self, link: &Link) {
        let mut state = self.admissions.state();
        let Some(held) = state.held.get_mut(&self.gateway) else {
            return;
        };
        let mine = held.iter().find(|held| held.number == self.number);
        let Some((token, ended)) = mine.map(|held| (held.token, held.ended)) else {
            return;
        };
        let same = |held: &&mut Held| held.link.as_ref().is_some_and(|held| held.is(link));
        if let Some(before) = held.iter_mut().find(same) {
            before.token = token;
        }
        // Giving up a place takes the lock too.
        drop(state);
        if let Some(reason) = ended {
            leave(link, reason);
        }
    }

    /// Whether the credential is gone.
    pub(crate) fn is_ended(&self) -> bool {
        self.with(|held| held.ended.is_some()).unwrap_or(true)
    }

    fn with<T>(&self, action: impl FnOnce(&mut Held) -> T) -> Option<T> {
        let mut state = self.admissions.state();
        let held = state.held.get_mut(&self.gateway)?;
        let held = held.iter_mut().find(|held| held.number == self.number)?;
        Some(action(held))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.admissions.state();
        if let Some(held) = state.held.get_mut(&self.gateway) {
            held.retain(|held| held.number != self.number);
            if held.is_empty() {
                state.held.remove(&self.gateway);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use octopus_argo_proto::link::Notice;
    use octopus_argo_proto::session::{CloseReason, Config, Session, SessionId};
    use tokio::time::Instant;

    use super::*;

    fn link() -> Link {
        let id = SessionId::from_bytes([1; 16]);
        let session = Session::server(Config::default(), id, Instant::now().into_std());
        Link::new(session, || Instant::now().into_std())
    }

    async fn reason(link: &Link) -> GoodbyeReason {
        match link.notice().await {
            Notice::Closed(CloseReason::Ended(reason)) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn what_is_revoked_while_its_token_is_checked_does_not_get_in() {
        let admissions = Arc::new(Admissions::default());
        let gateway: GatewayId = "one".parse().unwrap();
        let [old, new] = [1, 2].map(|byte| TokenHash::from_bytes([byte; 32]));
        let place = Place::take(&admissions, &gateway, old);
        let other = Place::take(&admissions, &gateway, new);
        admissions.end_token(&gateway, &old, GoodbyeReason::Rotation);
        assert!(place.is_ended() && !other.is_ended());
        assert_eq!(admissions.tokens(&gateway), [new]);
        // If it were let in all the same, its session would end where it begins.
        let link = link();
        place.hold(&link);
        assert_eq!(reason(&link).await, GoodbyeReason::Rotation);
    }

    #[tokio::test]
    async fn every_session_ends_and_none_leaves_anything_behind() {
        let admissions = Arc::new(Admissions::default());
        let gateway: GatewayId = "one".parse().unwrap();
        let token = TokenHash::from_bytes([1; 32]);
        let places = [0, 1].map(|_| Place::take(&admissions, &gateway, token));
        let links = [link(), link()];
        for (place, link) in places.iter().zip(&links) {
            place.hold(link);
        }
        assert_eq!(admissions.tokens(&gateway), [token]);
        admissions.end(&gateway, GoodbyeReason::Revoked);
        for link in &links {
            assert_eq!(reason(link).await, GoodbyeReason::Revoked);
        }
        assert_eq!(admissions.gateways(), [gateway]);
        drop(places);
        assert!(admissions.gateways().is_empty());
    }
}
