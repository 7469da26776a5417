//! Which application a call is about.

use std::fmt;

use octopus_argo_core::{Application, ApplicationName, DEFAULT_NAMESPACE};

use crate::argocd::application::ApplicationQuery;

/// An application, as calls name it.
///
/// With its project a call tells an application that is gone from one that may not be seen. So make it from an
/// [`Application`], which knows its project, wherever there is one.
///
/// ```
/// use octopus_argo_core::{Application, ApplicationName};
/// use octopus_argo_proto::argocd::Target;
///
/// let web = Application::new(ApplicationName::new(Some("argocd"), "web"));
/// // An application that names no project is in `default`.
/// assert_eq!(Target::from(&web).project(), Some("default"));
/// let named = Target::new(&web.name).in_project("shop");
/// assert_eq!(named.to_string(), "argocd/web in project shop");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    name: ApplicationName,
    project: Option<Box<str>>,
}

impl Target {
    /// The application of this name, whose project is not known.
    #[must_use]
    pub fn new(name: &ApplicationName) -> Self {
        Self {
            name: name.clone(),
            project: None,
        }
    }

    /// It is in this Argo CD project. Empty means that it is not known.
    #[must_use]
    pub fn in_project(mut self, project: &str) -> Self {
        self.project = (!project.is_empty()).then(|| project.into());
        self
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &ApplicationName {
        &self.name
    }

    /// Its Argo CD project, where it is known.
    #[must_use]
    pub fn project(&self) -> Option<&str> {
        self.project.as_deref()
    }

    /// As policies name it, where its project is known: `project/name`, and `project/namespace/name` outside the
    /// control plane's namespace.
    ///
    /// Rule: Argo CD `util/security/rbac.go` (`RBACName`).
    pub(super) fn object(&self, control_plane: &str) -> Option<String> {
        let project = self.project()?;
        let name = self.name.name();
        Some(
            match self
                .name
                .namespace()
                .filter(|namespace| *namespace != control_plane)
            {
                Some(namespace) => format!("{project}/{namespace}/{name}"),
                None => format!("{project}/{name}"),
            },
        )
    }

    pub(super) fn app(&self) -> String {
        self.name.name().to_owned()
    }

    /// For fields that must not be present and empty.
    pub(super) fn namespace(&self) -> Option<String> {
        self.name.namespace().map(str::to_owned)
    }

    pub(super) fn project_field(&self) -> Option<String> {
        self.project().map(str::to_owned)
    }

    pub(super) fn query(&self) -> ApplicationQuery {
        ApplicationQuery {
            name: Some(self.app()),
            app_namespace: self.namespace(),
            project: self.project_field().into_iter().collect(),
            ..ApplicationQuery::default()
        }
    }
}

/// With its project: that of an application which names none is `default`.
impl From<&Application> for Target {
    fn from(application: &Application) -> Self {
        Self::new(&application.name).in_project(application.project.as_deref().unwrap_or(DEFAULT_PROJECT))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)?;
        match self.project() {
            Some(project) => write!(f, " in project {project}"),
            None => Ok(()),
        }
    }
}

/// The project of applications that name none.
///
/// Rule: Argo CD `pkg/apis/application/v1alpha1/types.go` (`GetProject`).
const DEFAULT_PROJECT: &str = "default";

/// Which namespace Argo CD itself runs in where nothing else is said.
pub(super) const CONTROL_PLANE: &str = DEFAULT_NAMESPACE;

/// Which applications List and Watch are about. Default: all that the account may see.
///
/// Nothing that is empty is sent: for Argo CD a present empty text is another request.
///
/// ```
/// use octopus_argo_proto::argocd::Filter;
///
/// let filter = Filter::default().project("shop").project("team").selector("tier=web");
/// # let _ = filter;
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    projects: Vec<String>,
    selector: Option<String>,
    name: Option<ApplicationName>,
}

impl Filter {
    /// Only applications of this Argo CD project, or of another that is asked for.
    #[must_use]
    pub fn project(mut self, project: &str) -> Self {
        if !project.is_empty() {
            self.projects.push(project.to_owned());
        }
        self
    }

    /// Only applications whose labels fit, in the words of Kubernetes: `tier=web,team in (a, b)`.
    #[must_use]
    pub fn selector(mut self, selector: &str) -> Self {
        self.selector = (!selector.trim().is_empty()).then(|| selector.to_owned());
        self
    }

    /// Only this application. There is no error where there is none: List is empty, and Watch is silent.
    #[must_use]
    pub fn name(mut self, name: &ApplicationName) -> Self {
        self.name = Some(name.clone());
        self
    }

    pub(super) fn query(&self) -> ApplicationQuery {
        let name = self.name.as_ref();
        ApplicationQuery {
            name: name.map(|name| name.name().to_owned()),
            app_namespace: name.and_then(ApplicationName::namespace).map(str::to_owned),
            projects: self.projects.clone(),
            selector: self.selector.clone(),
            ..ApplicationQuery::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_empty_is_sent() {
        let query = Filter::default().project("").selector(" ").query();
        assert_eq!(query, ApplicationQuery::default());
        let name = ApplicationName::new(Some(""), "web");
        let query = Target::new(&name).in_project("").query();
        assert_eq!((query.app_namespace, query.project.len()), (None, 0));
        assert_eq!((query.refresh, query.resource_version), (None, None));
    }

    #[test]
    fn policies_name_the_namespace_unless_it_is_argo_cds_own() {
        let target = |namespace, project: &str| {
            Target::new(&ApplicationName::new(namespace, "web"))
                .in_project(project)
                .object(CONTROL_PLANE)
        };
        assert_eq!(target(None, "shop").as_deref(), Some("shop/web"));
        assert_eq!(target(Some("argocd"), "shop").as_deref(), Some("shop/web"));
        assert_eq!(target(Some("team"), "shop").as_deref(), Some("shop/team/web"));
        assert_eq!(target(None, ""), None);
    }
}
