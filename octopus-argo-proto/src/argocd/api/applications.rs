//! Applications: all, one, and as they change.

use octopus_argo_core::Application;
use octopus_argo_core::health::argocd::Detail;

use super::transport::{self, Answers};
use super::{Api, ApiError, Call, Channel, Filter, Reason, Target};
use crate::argocd::{FromWireError, ListEnd, ListReader, Listed, v1alpha1};

/// One application with its details.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fetched {
    /// The application.
    pub application: Application,
    /// Its resources, operations and history.
    pub detail: Detail,
    /// Its version: of two states the larger is the newer. 0 where it is no number.
    pub version: u64,
}

impl TryFrom<&v1alpha1::Application> for Fetched {
    type Error = FromWireError;

    fn try_from(wire: &v1alpha1::Application) -> Result<Self, FromWireError> {
        let Listed { application, version } = Listed::try_from(wire)?;
        Ok(Self {
            application,
            detail: Detail::from(wire),
            version,
        })
    }
}

/// How Argo CD is to compare an application anew, before it answers. It needs no right but `get`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refresh {
    /// With the manifests that it has, unless Git has changed.
    Normal,
    /// With manifests made anew.
    Hard,
}

impl<S: Channel> Api<S> {
    /// All applications that the account may see and that fit the filter, sorted by name. Those that cannot be read are
    /// left out: see [`Api::list_each`].
    ///
    /// **An account without rights sees an empty list, and no error.** [`Api::probe`] tells the two apart. The health of
    /// single resources is not in it since Argo CD 3.0.
    ///
    /// # Errors
    /// [`ApiError`]. It never means that something is forbidden.
    pub async fn list(&self, filter: &Filter) -> Result<Vec<Listed>, ApiError> {
        let mut all = Vec::new();
        self.list_each(filter, |listed| all.extend(listed.ok())).await?;
        Ok(all)
    }

    /// As [`Api::list`], and hands each application over as soon as its bytes have come. At no time is more of the answer
    /// held than one application and one frame of HTTP/2.
    ///
    /// After an error what was handed over is right, and not all.
    ///
    /// # Errors
    /// As [`Api::list`].
    pub async fn list_each(
        &self,
        filter: &Filter,
        mut each: impl FnMut(Result<Listed, FromWireError>),
    ) -> Result<ListEnd, ApiError> {
        let mut reader = ListReader::default();
        let limit = self.deadlines.of(Call::List);
        transport::pieces(
            &self.service,
            Call::List,
            limit,
            self.largest,
            &filter.query(),
            |bytes| {
                reader.feed(bytes);
                while let Some(listed) = reader.read().map_err(ApiError::list)? {
                    each(listed);
                }
                Ok(())
            },
        )
        .await?;
        reader.finish().map_err(ApiError::list)
    }

    /// One application, as the cluster has it now.
    ///
    /// # Errors
    /// [`ApiError`]. Without its project one that is gone is
    /// [`Denied::AbsentOrForbidden`](super::Denied::AbsentOrForbidden), with it [`Reason::NotFound`].
    pub async fn get(&self, target: &Target) -> Result<Fetched, ApiError> {
        let answer = self.unary(Call::Get, target.query()).await;
        fetched(Call::Get, &self.explained(answer, target).await?)
    }

    /// The same after Argo CD has compared it anew, which it waits for, up to the limit for slow calls.
    ///
    /// # Errors
    /// As [`Api::get`].
    pub async fn refresh(&self, target: &Target, refresh: Refresh) -> Result<Fetched, ApiError> {
        let mut query = target.query();
        query.refresh = Some(match refresh {
            Refresh::Normal => "normal".to_owned(),
            Refresh::Hard => "hard".to_owned(),
        });
        let answer = self.within(Call::Get, self.deadlines.slow(), query).await;
        fetched(Call::Get, &self.explained(answer, target).await?)
    }

    /// Applications as they change, those that are there first.
    ///
    /// **It is no truth by itself**: nothing marks the end of what was there; Argo CD loses events without a word, replays
    /// none, and tells of no application that no longer fits the filter or may no longer be seen; for a name that is
    /// unknown it is silent. Take it as a hint that something has changed, and list now and then.
    ///
    /// Nothing is sent before the first [`Watch::next`].
    #[must_use]
    pub fn watch(&self, filter: &Filter) -> Watch {
        Watch(self.stream(Call::Watch, filter.query()))
    }
}

pub(super) fn fetched(call: Call, wire: &v1alpha1::Application) -> Result<Fetched, ApiError> {
    Fetched::try_from(wire).map_err(|error| ApiError::malformed(call, Reason::Malformed, error))
}

/// Applications as they change. Dropping it ends the call.
#[derive(Debug)]
pub struct Watch(Answers<v1alpha1::ApplicationWatchEvent>);

impl Watch {
    pub(super) const fn is_over(&self) -> bool {
        self.0.is_over()
    }

    /// The next event, or `None` when the server has ended the stream; begin anew then. An event whose application cannot
    /// be read is passed over.
    ///
    /// # Errors
    /// [`ApiError`]: the stream is over. Begin anew if it [is retryable](ApiError::is_retryable).
    ///
    /// # Cancel safety
    /// Cancel-safe.
    pub async fn next(&mut self) -> Result<Option<WatchEvent>, ApiError> {
        while let Some(event) = self.0.next().await? {
            let deleted = event.r#type() == "DELETED";
            let listed = event.application.as_ref().map(Listed::try_from);
            if let Some(Ok(listed)) = listed {
                return Ok(Some(if deleted {
                    WatchEvent::Deleted(listed)
                } else {
                    WatchEvent::Changed(listed)
                }));
            }
        }
        Ok(None)
    }
}

/// What happened to an application.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WatchEvent {
    /// It is there in this state. Whether it was before cannot be told: what was there at the beginning looks the same as
    /// what is new.
    Changed(Listed),
    /// It was deleted; this was its last state.
    Deleted(Listed),
}
