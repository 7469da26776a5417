//! Every application behind every gateway, as one picture.

use std::sync::Arc;

use octopus_argo_core::health::octopus::{Connectivity, InstanceHealth, OctopusLink};
use octopus_argo_core::{Application, Resolution, Scope};

use crate::replica::ArgoCd;
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

    /// The health of the instance, as Octopus would show it.
    #[must_use]
    pub fn health(&self) -> InstanceHealth {
        self.connectivity().health()
    }
}

/// Every instance that a server knows, at one moment. Nothing in it changes any more.
#[derive(Clone, Debug, Default)]
pub struct Fleet {
    instances: Vec<InstanceView>,
}

impl Fleet {
    pub(crate) fn new(instances: Vec<InstanceView>) -> Self {
        Self { instances }
    }

    /// The instances, in the order of their ids.
    #[must_use]
    pub fn instances(&self) -> &[InstanceView] {
        &self.instances
    }

    /// Holds every application in the scope's space against the scope. Those that match are in it, and the others with
    /// the reasons.
    pub fn resolve<'a>(
        &'a self,
        scope: &'a Scope,
    ) -> impl Iterator<Item = (&'a InstanceView, Resolution<'a>)> + 'a {
        let in_space = self
            .instances
            .iter()
            .filter(|view| view.instance.space == *scope.space());
        in_space.flat_map(move |view| {
            view.applications
                .iter()
                .map(move |application| (view, application.resolve(scope)))
        })
    }
}
