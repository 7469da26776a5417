//! Every application behind every gateway, as one picture.

use std::sync::Arc;

use octopus_argo_core::health::octopus::{Connectivity, InstanceHealth, OctopusLink};
use octopus_argo_core::index::{NotPermitted, ScopeIndex, Snapshot, SourceRef};
use octopus_argo_core::{Application, Resolution, Scope};

use crate::replica::ArgoCd;
use crate::scopes::serving;
use crate::{Connection, Instance};

/// What is known of one instance of Argo CD.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct InstanceView {
    /// Its record.
    pub instance: Instance,
    /// How its gateway is connected.
    pub connection: Connection,
    /// What its gateway says of Argo CD.
    pub argo_cd: ArgoCd,
    /// Whether the list of applications has been complete once. It is kept while the gateway is away.
    pub complete: bool,
    /// Its applications, sorted by namespace and name.
    pub applications: Vec<Arc<Application>>,
}

impl InstanceView {
    /// What is known of the two hops to the instance.
    #[must_use]
    pub fn connectivity(&self) -> Connectivity {
        match self.connection {
            Connection::Never => Connectivity::NeverChecked,
            Connection::Offline { .. } | Connection::Interrupted { .. } => {
                Connectivity::Checked(OctopusLink::Down, self.argo_cd.probe)
            }
            Connection::Online { .. } => Connectivity::Checked(OctopusLink::Up, self.argo_cd.probe),
        }
    }

    /// What keeps deployments of `scope` from this instance, if anything: its record names the environments and tenants
    /// that it may serve. Spaces play no role here.
    #[must_use]
    pub fn refuses(&self, scope: &Scope) -> Option<NotPermitted> {
        serving(&self.instance).refuses(scope)
    }

    /// The health of the instance, as Octopus would show it.
    #[must_use]
    pub fn health(&self) -> InstanceHealth {
        self.connectivity().health()
    }
}

/// Every instance that a server knows, at one moment. Nothing in it changes any more.
#[derive(Clone, Debug)]
pub struct Fleet {
    instances: Vec<InstanceView>,
    scopes: Snapshot,
}

impl Default for Fleet {
    fn default() -> Self {
        Self::new(Vec::new(), ScopeIndex::new().snapshot())
    }
}

impl Fleet {
    pub(crate) fn new(instances: Vec<InstanceView>, scopes: Snapshot) -> Self {
        Self { instances, scopes }
    }

    /// The instances, in the order of their ids.
    #[must_use]
    pub fn instances(&self) -> &[InstanceView] {
        &self.instances
    }

    /// The sources that a deployment of `scope` touches, in no order that means anything. One look-up, however many
    /// applications there are: [`Fleet::resolve`] explains, and this answers.
    pub fn sources<'a>(&'a self, scope: &'a Scope) -> impl Iterator<Item = SourceRef<'a>> + 'a {
        self.scopes.resolve(scope)
    }

    /// The sources that declare `scope` and are left out all the same, because their instance may not serve its
    /// environment or its tenant.
    pub fn left_out<'a>(
        &'a self,
        scope: &'a Scope,
    ) -> impl Iterator<Item = (SourceRef<'a>, NotPermitted)> + 'a {
        self.scopes.left_out(scope)
    }

    /// Everything else that can be asked of all applications at once: what is in a project, which projects, environments
    /// and tenants there are, which applications no deployment ever touches and why, and how many there are of each.
    #[must_use]
    pub fn scopes(&self) -> &Snapshot {
        &self.scopes
    }

    /// Holds every application in the scope's space against the scope. Those that match are in it, and the others with
    /// the reasons. Goes over all of them, but for those on instances that may not serve the scope
    /// ([`InstanceView::refuses`], [`Fleet::left_out`]).
    pub fn resolve<'a>(
        &'a self,
        scope: &'a Scope,
    ) -> impl Iterator<Item = (&'a InstanceView, Resolution<'a>)> + 'a {
        let in_space = self
            .instances
            .iter()
            .filter(|view| view.instance.space == *scope.space() && view.refuses(scope).is_none());
        in_space.flat_map(move |view| {
            view.applications
                .iter()
                .map(move |application| (view, application.resolve(scope)))
        })
    }
}
