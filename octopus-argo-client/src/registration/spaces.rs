//! Several spaces, and taking registrations back when something after them fails.

use std::fmt;

use octopus_argo_core::SpaceId;

use super::{Client, Deleted, Record, Registered, Registration, RegistrationError, TokenChoice};

/// A record that could not be deleted again. Its name stays taken until somebody does.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Leftover {
    /// The record.
    pub record: Record,
    /// Why not.
    pub error: RegistrationError,
}

/// Why a gateway is not registered in every space that it was to be in. What was registered is deleted again.
#[derive(Debug, thiserror::Error)]
#[error("not registered in space {space}{}", left(leftovers))]
#[non_exhaustive]
pub struct SpacesError {
    /// The space where it failed.
    pub space: SpaceId,
    /// Records that could not be deleted again.
    pub leftovers: Vec<Leftover>,
    /// Why it failed.
    #[source]
    pub source: RegistrationError,
}

/// Why nothing was installed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstallError<E> {
    /// There is no registration.
    #[error("not registered")]
    Register(#[source] RegistrationError),
    /// What was to be done with the registration failed, and it was taken back.
    #[error("registered, but not installed{}", left(leftovers))]
    #[non_exhaustive]
    Install {
        /// The failure: the first one, whatever came of taking the registration back.
        source: E,
        /// Records that could not be deleted again.
        leftovers: Vec<Leftover>,
    },
}

impl Client {
    /// Registers a gateway and does something with the registration; if that fails, deletes the record again.
    ///
    /// # Errors
    /// [`InstallError`], with the failure that came first.
    ///
    /// # Cancel safety
    /// Not safe: dropped, it deletes nothing.
    pub async fn register_then<T, E, F>(
        &self,
        registration: &Registration,
        install: impl FnOnce(Registered) -> F,
    ) -> Result<T, InstallError<E>>
    where
        F: Future<Output = Result<T, E>>,
    {
        let registered = self
            .register(registration)
            .await
            .map_err(InstallError::Register)?;
        let records = registered.records.clone();
        match install(registered).await {
            Ok(done) => Ok(done),
            Err(source) => Err(InstallError::Install {
                source,
                leftovers: self.take_back(&records).await,
            }),
        }
    }

    /// Registers a new gateway in the space of `registration` and in `others`, under the same name, client id and
    /// environments, which have to exist in each of them. It has one token for all.
    ///
    /// # Errors
    /// [`SpacesError`] for the first space that refuses.
    ///
    /// # Cancel safety
    /// Not safe: dropped, it deletes nothing.
    pub async fn register_in_spaces(
        &self,
        registration: &Registration,
        others: impl IntoIterator<Item = SpaceId>,
    ) -> Result<Registered, SpacesError> {
        let failed = |space: &SpaceId, leftovers, source| SpacesError {
            space: space.clone(),
            leftovers,
            source,
        };
        let mut all = match self.register(registration).await {
            Ok(registered) => registered,
            Err(source) => return Err(failed(registration.space(), Vec::new(), source)),
        };
        for space in others {
            let next = registration
                .clone()
                .in_space(space.clone())
                .token(TokenChoice::Keep);
            match self.register(&next).await {
                Ok(registered) => {
                    all.records.extend(registered.records);
                    // A server that issues a new token all the same: nobody has the first one yet.
                    all.token = registered.token.or(all.token);
                }
                Err(source) => {
                    let leftovers = self.take_back(&all.records).await;
                    return Err(failed(&space, leftovers, source));
                }
            }
        }
        Ok(all)
    }

    /// Registers a gateway that runs already in another space, under the name that it has. It keeps its token, so nothing
    /// changes for it. The new record has no environments yet.
    ///
    /// A token in what comes back means that the server issued one although it was asked not to: then it has to get to
    /// the gateway, which is shut out otherwise.
    ///
    /// # Errors
    /// [`RegistrationError`].
    ///
    /// # Cancel safety
    /// As [`Client::register`].
    pub async fn add_space(
        &self,
        from: &SpaceId,
        id: &str,
        to: SpaceId,
    ) -> Result<Registered, RegistrationError> {
        let record = self.read(from, id).await?;
        let unusable = |what: &str| RegistrationError::Unreadable {
            source: std::sync::Arc::new(serde::de::Error::custom(what)),
        };
        let client_id = record
            .client_id
            .parse()
            .map_err(|_| unusable("the record has no ClientId that is a GUID"))?;
        let registration = Registration::new(to, &record.name)
            .map_err(|_| unusable("the record has no name"))?
            .client_id(client_id)
            .token(TokenChoice::Keep);
        self.register(&registration).await
    }

    /// Deletes records, and says which could not be.
    async fn take_back(&self, records: &[Record]) -> Vec<Leftover> {
        let mut leftovers = Vec::new();
        for record in records.iter().rev() {
            match self.delete(&record.space, &record.id).await {
                Ok(Deleted::Now | Deleted::Before) => {}
                Err(error) => leftovers.push(Leftover {
                    record: record.clone(),
                    error,
                }),
            }
        }
        leftovers
    }
}

fn left(leftovers: &[Leftover]) -> String {
    struct List<'a>(&'a [Leftover]);
    impl fmt::Display for List<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            for (index, Leftover { record, .. }) in self.0.iter().enumerate() {
                let comma = if index == 0 { "" } else { ", " };
                write!(f, "{comma}{} in {}", record.id, record.space)?;
            }
            Ok(())
        }
    }
    if leftovers.is_empty() {
        String::new()
    } else {
        format!("; delete by hand in Octopus: {}", List(leftovers))
    }
}
