//! Whether a caller may see an application: one gate for calls about one, a filter for those about many.

use std::collections::BTreeSet;

use octopus_argo_core::ApplicationName;
use octopus_argo_proto::argocd::application::ApplicationQuery;
use tonic::Status;

use super::Api;
use crate::argocd::ArgoCdVersion;
use crate::argocd::accounts::Caller;
use crate::argocd::fleet::{Allowed, Record};
use crate::argocd::selector::{Selector, SelectorError};

/// How a request names one application.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'a> {
    pub(super) name: &'a str,
    pub(super) namespace: Option<&'a str>,
    pub(super) project: Option<&'a str>,
}

impl Api {
    /// The application, if the caller may do `action` on it.
    ///
    /// Without a project, an application that is absent and one that is forbidden look the same: code 7. With it, an
    /// absent one, and one of another project, is code 5, but only to who would be allowed.
    ///
    /// Rule: Argo CD `server/application/application.go` (`getAppEnforceRBAC`).
    pub(super) fn get_application(
        &self,
        caller: &Caller,
        target: Target<'_>,
        action: &str,
    ) -> Result<Record, Status> {
        let denied = || Status::permission_denied("permission denied");
        let namespace = target.namespace.filter(|namespace| !namespace.is_empty());
        let name = self
            .fleet
            .full_name(&ApplicationName::new(namespace, target.name));
        let project = target.project.filter(|project| !project.is_empty());
        if let Some(project) = project {
            let object = self.object(project, &name);
            if !self.accounts.allows(caller, "applications", action, &object) {
                return Err(denied());
            }
        }
        if !self.faults.serves(name.namespace().unwrap_or_default()) {
            return Err(denied());
        }
        match (self.fleet.record(&name), project) {
            (Some(record), Some(project)) if record.project() == project => self.of_project(record),
            (Some(record), None) if self.may(caller, action, &record) => self.of_project(record),
            (_, Some(_)) if !target.name.is_empty() => Err(Status::not_found(format!(
                "applications.argoproj.io \"{}\" not found",
                target.name
            ))),
            _ => Err(denied()),
        }
    }

    /// The application, if its project takes it. Older versions do not look.
    fn of_project(&self, record: Record) -> Result<Record, Status> {
        if self.version() < ArgoCdVersion::V2_14 || self.fleet.project_takes(&record) == Allowed::Yes {
            return Ok(record);
        }
        Err(Status::invalid_argument(format!(
            "app is not allowed in project \"{}\", or the project does not exist",
            record.project()
        )))
    }

    /// Whether List and Watch show the caller this application.
    pub(super) fn may_see(&self, caller: &Caller, record: &Record) -> bool {
        self.faults.serves(record.name().namespace().unwrap_or_default()) && self.may(caller, "get", record)
    }

    /// Whether the caller may do `action` on this application.
    pub(super) fn may(&self, caller: &Caller, action: &str, record: &Record) -> bool {
        self.accounts
            .allows(caller, "applications", action, &self.object_of(record))
    }

    /// The application as policies name it.
    pub(super) fn object_of(&self, record: &Record) -> String {
        self.object(record.project(), record.name())
    }

    /// Rule: Argo CD `util/security/rbac.go` (`RBACName`).
    fn object(&self, project: &str, name: &ApplicationName) -> String {
        match name
            .namespace()
            .filter(|namespace| *namespace != self.fleet.namespace())
        {
            Some(namespace) => format!("{project}/{namespace}/{}", name.name()),
            None => format!("{project}/{}", name.name()),
        }
    }
}

/// The conditions that List and Watch share. Rights are not among them: they are looked up for each application.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    pub(super) name: Option<String>,
    pub(super) namespace: Option<String>,
    projects: BTreeSet<String>,
    selector: Selector,
    pub(super) repository: Option<String>,
}

impl Filter {
    pub(super) fn new(query: ApplicationQuery) -> Result<Self, SelectorError> {
        let not_empty = |text: Option<String>| text.filter(|text| !text.is_empty());
        Ok(Self {
            selector: Selector::parse(query.selector.as_deref().unwrap_or_default())?,
            projects: projects(&query).into_iter().map(str::to_owned).collect(),
            name: not_empty(query.name),
            namespace: not_empty(query.app_namespace),
            repository: not_empty(query.repo),
        })
    }

    pub(super) fn matches(&self, record: &Record) -> bool {
        let name = record.name();
        self.name.as_deref().is_none_or(|wanted| wanted == name.name())
            && self
                .namespace
                .as_deref()
                .is_none_or(|wanted| Some(wanted) == name.namespace())
            && (self.projects.is_empty() || self.projects.contains(record.project()))
            && self.selector.matches(record.labels())
            && self
                .repository
                .as_deref()
                .is_none_or(|wanted| record.repository() == wanted)
    }
}

/// The projects that a query asks for: the old field wins over the new one.
pub(super) fn projects(query: &ApplicationQuery) -> Vec<&str> {
    let list = if query.project.is_empty() {
        &query.projects
    } else {
        &query.project
    };
    list.iter()
        .map(String::as_str)
        .filter(|project| !project.is_empty())
        .collect()
}
