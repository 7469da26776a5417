//! The comparison of one application with one scope.

use std::borrow::Cow;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::{Finding, Hint, Reason, Scope};
use crate::annotation::Purpose;
use crate::application::{Annotations, Application, ApplicationSet, Source, SourceType};
use crate::name::ApplicationName;
use crate::slug::{TenantSlug, same_slug};

impl Application {
    /// Which sources of this application a deployment of `scope` touches, and why not the others.
    ///
    /// A source is in scope when the project, environment and tenant that its annotations declare equal those of the
    /// deployment, ignoring the case of ASCII letters ([`same_slug`] says what happens beyond); no tenant equals only no
    /// tenant. With several sources, only named ones count, and only keys with the name behind them:
    /// `argo.octopus.com/project.web`. Names are compared exactly.
    ///
    /// Costs one allocation for the sources, and one more for each source that is out of scope.
    ///
    /// Rule: Octopus docs, "Scoping annotations"; Calamari, `source/Calamari/ArgoCD`.
    #[must_use]
    pub fn resolve<'a>(&'a self, scope: &'a Scope) -> Resolution<'a> {
        Resolution::new(self, Cow::Borrowed(&self.name), scope, Origin::Application)
    }

    /// What the annotations declare for the source at `index`; nothing where there is no such source.
    #[must_use]
    pub fn declared(&self, index: usize) -> Declared<'_> {
        let source = self.sources.get(index);
        source.map_or(Declared::NONE, |source| {
            Declared::by(&self.annotations, source, self.sources.is_multi())
        })
    }
}

impl ApplicationSet {
    /// As [`Application::resolve`], for the applications that the template will make.
    ///
    /// A value with a template expression (`{{ … }}`) never matches: what it will be is decided by Argo CD.
    #[must_use]
    pub fn resolve<'a>(&'a self, scope: &'a Scope) -> Resolution<'a> {
        Resolution::new(&self.template, Cow::Borrowed(&self.name), scope, Origin::Template)
    }
}

/// Whether `text` holds a template expression of an `ApplicationSet`, in either of its two template languages.
pub(super) fn has_expression(text: &str) -> bool {
    text.contains("{{")
}

/// What the annotations declare for one source: trimmed texts in their original case; blank ones count as none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Declared<'a> {
    /// The slug of the project.
    pub project: Option<&'a str>,
    /// The slug of the environment.
    pub environment: Option<&'a str>,
    /// The slug of the tenant.
    pub tenant: Option<&'a str>,
}

impl<'a> Declared<'a> {
    /// Nothing at all.
    pub const NONE: Self = Self {
        project: None,
        environment: None,
        tenant: None,
    };

    fn by(annotations: &'a Annotations, source: &Source, multi: bool) -> Self {
        let name = source.name();
        if multi && name.is_none() {
            return Self::NONE;
        }
        let [project, environment, tenant] =
            annotations.values([Purpose::Project, Purpose::Environment, Purpose::Tenant], name);
        Self {
            project,
            environment,
            tenant,
        }
    }
}

/// Where the resolved sources come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Application,
    Template,
}

/// The answer for one application: every source, in scope or with the reasons why not.
///
/// Serialises as an object with the application, its counts, `sources`, `findings` and `hints`.
#[derive(Clone, Debug)]
pub struct Resolution<'a> {
    application: &'a Application,
    name: Cow<'a, ApplicationName>,
    scope: &'a Scope,
    origin: Origin,
    sources: Vec<SourceMatch<'a>>,
}

impl<'a> Resolution<'a> {
    fn new(
        application: &'a Application,
        name: Cow<'a, ApplicationName>,
        scope: &'a Scope,
        origin: Origin,
    ) -> Self {
        let sources = (0..application.sources.len())
            .filter_map(|index| SourceMatch::of(application, index, scope, origin))
            .collect();
        Self {
            application,
            name,
            scope,
            origin,
            sources,
        }
    }

    /// The application that was asked about, or the template of the set.
    #[must_use]
    pub fn application(&self) -> &'a Application {
        self.application
    }

    /// The name of the application, or of the set whose template it is.
    #[must_use]
    pub fn name(&self) -> &ApplicationName {
        &self.name
    }

    /// The scope that was asked for.
    #[must_use]
    pub fn scope(&self) -> &'a Scope {
        self.scope
    }

    /// Whether this is about the template of an `ApplicationSet`.
    #[must_use]
    pub fn is_template(&self) -> bool {
        self.origin == Origin::Template
    }

    pub(super) fn origin(&self) -> Origin {
        self.origin
    }

    /// Every source, in order.
    #[must_use]
    pub fn sources(&self) -> &[SourceMatch<'a>] {
        &self.sources
    }

    /// The sources in scope, in order.
    pub fn matched(&self) -> impl Iterator<Item = &SourceMatch<'a>> {
        self.sources.iter().filter(|source| source.in_scope())
    }

    /// Whether any source is in scope.
    #[must_use]
    pub fn is_match(&self) -> bool {
        self.matched().next().is_some()
    }

    /// Whether no source is in scope, but someone seems to have meant one to be: some annotations, perhaps misspelt or
    /// for a source of another name, are about this project and environment. A guess, for showing only.
    #[must_use]
    pub fn is_near_miss(&self) -> bool {
        !self.is_match() && super::near::is_near_miss(self)
    }

    /// What is wrong with the application whatever is deployed. An error stops the whole application.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding<'a>> {
        super::finding::of_application(self.application)
    }

    /// What the author of the annotations may have meant.
    #[must_use]
    pub fn hints(&self) -> Vec<Hint<'a>> {
        super::hint::all(self)
    }
}

/// One source of a [`Resolution`].
#[derive(Clone, Debug)]
pub struct SourceMatch<'a> {
    index: usize,
    source: &'a Source,
    kind: Option<&'a SourceType>,
    declared: Declared<'a>,
    reasons: Vec<Reason<'a>>,
}

impl<'a> SourceMatch<'a> {
    fn of(application: &'a Application, index: usize, scope: &'a Scope, origin: Origin) -> Option<Self> {
        let source = application.sources.get(index)?;
        let sources = application.sources.len();
        let declared = application.declared(index);
        let reasons = if sources > 1 && source.name().is_none() {
            vec![Reason::UnnamedInMultiSource { sources }]
        } else {
            differences(declared, source.name(), scope, origin)
        };
        Some(Self {
            index,
            source,
            kind: application.source_type(index),
            declared,
            reasons,
        })
    }

    /// The position in the application's list of sources, from 0. It is the source's identity.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// The source itself.
    #[must_use]
    pub fn source(&self) -> &'a Source {
        self.source
    }

    /// The type that Argo CD reports; `None` where it is unknown.
    #[must_use]
    pub fn source_type(&self) -> Option<&'a SourceType> {
        self.kind
    }

    /// What the annotations declare for it.
    #[must_use]
    pub fn declared(&self) -> Declared<'a> {
        self.declared
    }

    /// Whether a deployment of the scope touches it.
    #[must_use]
    pub fn in_scope(&self) -> bool {
        self.reasons.is_empty()
    }

    /// Every reason why it is out of scope; none where it is in scope.
    #[must_use]
    pub fn reasons(&self) -> &[Reason<'a>] {
        &self.reasons
    }
}

fn differences<'a>(
    declared: Declared<'a>,
    name: Option<&'a str>,
    scope: &'a Scope,
    origin: Origin,
) -> Vec<Reason<'a>> {
    let mut reasons = Vec::new();
    let mut compare = |purpose: Purpose, found: Option<&'a str>, wanted: Option<&'a str>| {
        let key = purpose.key(name);
        let reason = match (found, wanted) {
            (Some(found), _) if origin == Origin::Template && has_expression(found) => {
                Reason::TemplateExpression { purpose, found }
            }
            (Some(found), Some(wanted)) if same_slug(found, wanted) => return,
            (None, None) => return,
            (Some(found), None) => Reason::TenantUnexpected { found },
            (found, Some(wanted)) => match (purpose, found) {
                (Purpose::Project, None) => Reason::ProjectMissing { key, wanted },
                (Purpose::Project, Some(found)) => Reason::ProjectMismatch { found, wanted },
                (Purpose::Environment, None) => Reason::EnvironmentMissing { key, wanted },
                (Purpose::Environment, Some(found)) => Reason::EnvironmentMismatch { found, wanted },
                (_, None) => Reason::TenantMissing { key, wanted },
                (_, Some(found)) => Reason::TenantMismatch { found, wanted },
            },
        };
        reasons.push(reason);
    };
    compare(Purpose::Project, declared.project, Some(scope.project().as_str()));
    compare(
        Purpose::Environment,
        declared.environment,
        Some(scope.environment().as_str()),
    );
    compare(
        Purpose::Tenant,
        declared.tenant,
        scope.tenant().map(TenantSlug::as_str),
    );
    reasons
}

impl Resolution<'_> {
    /// The fields that a plan has, too.
    pub(super) fn serialize_head<O: SerializeStruct>(&self, object: &mut O) -> Result<(), O::Error> {
        object.serialize_field("namespace", &self.name.namespace())?;
        object.serialize_field("name", self.name.name())?;
        let kind = if self.is_template() {
            "ApplicationSet"
        } else {
            "Application"
        };
        object.serialize_field("kind", kind)?;
        object.serialize_field("sourceCount", &self.sources.len())?;
        object.serialize_field("matchedCount", &self.matched().count())?;
        object.serialize_field("sources", &self.sources)
    }
}

impl Serialize for Resolution<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Resolution", 8)?;
        self.serialize_head(&mut object)?;
        object.serialize_field("findings", &self.findings())?;
        object.serialize_field("hints", &self.hints())?;
        object.end()
    }
}

impl Serialize for SourceMatch<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let source = self.source;
        let mut object = serializer.serialize_struct("Source", 9)?;
        object.serialize_field("index", &self.index)?;
        object.serialize_field("name", &source.name())?;
        object.serialize_field("type", &self.kind.map(SourceType::as_str))?;
        object.serialize_field("repoURL", &*source.repo_url)?;
        object.serialize_field("targetRevision", &source.target_revision)?;
        object.serialize_field("path", &source.path)?;
        object.serialize_field("declared", &self.declared)?;
        object.serialize_field("inScope", &self.in_scope())?;
        object.serialize_field("reasons", &self.reasons)?;
        object.end()
    }
}
