//! What a step would do to the sources of an application that are in scope.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap, SerializeStruct, Serializer};

use super::action::{Action, Obstacle, OutputFolder};
use super::concern::{self, Concern};
use super::resolve::Origin;
use super::step::{HelmPaths, Step};
use super::values::{self, HelmValues, RefUsers};
use super::{Finding, Resolution, Scope, Severity, SourceMatch};
use crate::annotation::Purpose;
use crate::application::{Application, Source, SourceType};

/// What a [`Step`] would do to one application: findings, whether they stop it, and per source in scope an [`Update`].
///
/// Serialises as the [`Resolution`] does, with `step`, `blocked` and `updates` besides, and the step's findings among
/// the others.
///
/// ```
/// use octopus_argo_core::scope::Step;
/// use octopus_argo_core::{Application, Scope};
///
/// let application = Application::from_json(
///     br#"{
///         "metadata": {"name": "web", "annotations": {
///             "argo.octopus.com/project": "shop",
///             "argo.octopus.com/environment": "test"
///         }},
///         "spec": {"source": {"repoURL": "https://git.example.test/web.git", "targetRevision": "main", "path": "k8s"}},
///         "status": {"sourceType": "Kustomize"}
///     }"#,
/// )?;
/// let scope = Scope::new("shop".parse()?, "test".parse()?);
/// let plan = application.plan(&scope, Step::IMAGE_TAGS);
/// assert_eq!(plan.updates()[0].to_string(), "source 0: the kustomization in `k8s` is updated");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    resolution: Resolution<'a>,
    step: Step,
    findings: Vec<Finding<'a>>,
    updates: Vec<Update<'a>>,
}

impl Application {
    /// What `step` would do to this application in a deployment of `scope`.
    #[must_use]
    pub fn plan<'a>(&'a self, scope: &'a Scope, step: Step) -> Plan<'a> {
        self.resolve(scope).plan(step)
    }
}

impl<'a> Resolution<'a> {
    /// What `step` would do to the sources in scope.
    ///
    /// Rule: Octopus docs, "Update Argo CD application image tags" and "Update Argo CD application manifests";
    /// Calamari, `source/Calamari/ArgoCD/Conventions`.
    #[must_use]
    pub fn plan(self, step: Step) -> Plan<'a> {
        let mut findings = self.findings();
        findings.extend(of_step(&self, step));
        let blocked = findings
            .iter()
            .any(|finding| finding.severity() == Severity::Error);
        let updates = if blocked { Vec::new() } else { updates(&self, step) };
        Plan {
            resolution: self,
            step,
            findings,
            updates,
        }
    }
}

impl<'a> Plan<'a> {
    /// The answer that the plan is made of: every source, in scope or with the reasons why not.
    #[must_use]
    pub fn resolution(&self) -> &Resolution<'a> {
        &self.resolution
    }

    /// The step.
    #[must_use]
    pub fn step(&self) -> Step {
        self.step
    }

    /// What is wrong with the application, for any step and for this one.
    #[must_use]
    pub fn findings(&self) -> &[Finding<'a>] {
        &self.findings
    }

    /// Whether a finding stops the whole application. Then nothing is updated.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.findings
            .iter()
            .any(|finding| finding.severity() == Severity::Error)
    }

    /// What happens to each source in scope, in order; empty where the application is blocked.
    #[must_use]
    pub fn updates(&self) -> &[Update<'a>] {
        &self.updates
    }
}

/// The findings that depend on the step.
fn of_step<'a>(resolution: &Resolution<'a>, step: Step) -> Option<Finding<'a>> {
    let sources = resolution.sources().len();
    match step {
        Step::ImageTags(_) => {
            let source_types = resolution.application().source_types().len();
            // A template has no status: its applications will have one each.
            (source_types != sources && !resolution.is_template()).then_some(
                Finding::SourceTypeCountMismatch {
                    sources,
                    source_types,
                },
            )
        }
        Step::Manifests => {
            let names: Vec<&str> = resolution
                .matched()
                .filter_map(|matched| matched.source().name())
                .collect();
            (sources > 1 && names.len() > 1).then_some(Finding::MultipleSourcesSameContent { names })
        }
    }
}

fn updates<'a>(resolution: &Resolution<'a>, step: Step) -> Vec<Update<'a>> {
    let application = resolution.application();
    match step {
        Step::Manifests => resolution
            .matched()
            .map(|matched| Update::copy(application, matched))
            .collect(),
        Step::ImageTags(from) => {
            let any_ref = resolution
                .matched()
                .any(|matched| matched.source().reference.is_some());
            let users = any_ref.then(|| RefUsers::of(application, resolution.sources(), from));
            resolution
                .matched()
                .map(|matched| Update::image_tags(application, matched, from, users.as_ref()))
                .collect()
        }
    }
}

/// What happens to one source in scope.
///
/// `Display` gives one line without the concerns.
#[derive(Clone, Debug)]
pub struct Update<'a> {
    index: usize,
    source: &'a Source,
    action: Action<'a>,
    concerns: Vec<Concern<'a>>,
}

impl<'a> Update<'a> {
    /// The index of the source.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// The source itself.
    #[must_use]
    pub fn source(&self) -> &'a Source {
        self.source
    }

    /// What the step does to it.
    #[must_use]
    pub fn action(&self) -> &Action<'a> {
        &self.action
    }

    /// What a person should know about it: problems and notes. They do not change the action: a source outside Git,
    /// for example, has the action that it would have in Git.
    pub fn concerns(&self) -> impl Iterator<Item = Concern<'a>> + use<'a, '_> {
        self.concerns.iter().copied().chain(self.lacking())
    }

    /// The Helm sources that use this ref source without saying where their images are. Not kept with the update,
    /// because there may be as many of them as ref sources of one name.
    fn lacking(&self) -> impl Iterator<Item = Concern<'a>> + use<'a, '_> {
        let targets: &[_] = match &self.action {
            Action::RefValues(targets) => targets,
            _ => &[],
        };
        targets.iter().filter_map(|target| target.missing)
    }

    fn new(matched: &SourceMatch<'a>, action: Action<'a>) -> Self {
        let source = matched.source();
        Self {
            index: matched.index(),
            source,
            action,
            concerns: concern::of_source(source).collect(),
        }
    }

    fn copy(application: &'a Application, matched: &SourceMatch<'a>) -> Self {
        let source = matched.source();
        // Not trimmed: the text is the folder.
        let annotated = application
            .annotations
            .raw(Purpose::Path, source.name())
            .filter(|text| !text.is_empty());
        let action = match (annotated, &source.reference, source.path.as_deref()) {
            (Some(folder), _, _) => Action::Copy(OutputFolder::new(folder)),
            (None, Some(_), Some(_)) => Action::Nothing(Obstacle::RefSourceWithPath),
            (None, Some(_), None) => Action::Copy(OutputFolder::new("")),
            (None, None, None) => Action::Nothing(Obstacle::MissingPath),
            (None, None, Some(path)) => Action::Copy(OutputFolder::new(path)),
        };
        Self::new(matched, action)
    }

    fn image_tags(
        application: &'a Application,
        matched: &SourceMatch<'a>,
        from: HelmPaths,
        users: Option<&RefUsers<'a>>,
    ) -> Self {
        let source = matched.source();
        if let Some(reference) = source.reference.as_deref() {
            return Self::ref_values(application, matched, reference, from, users);
        }
        let action = match (matched.source_type(), source.path.as_deref()) {
            (Some(SourceType::Plugin), _) => Action::Nothing(Obstacle::PluginUnsupported),
            (None | Some(SourceType::Other(_)), _) => Action::Nothing(Obstacle::UnknownSourceType),
            (_, None) => Action::Nothing(Obstacle::MissingPath),
            (Some(SourceType::Directory), Some(path)) => Action::Directory { path },
            (Some(SourceType::Kustomize), Some(path)) => Action::Kustomize { path },
            (Some(SourceType::Helm), Some(path)) => {
                Action::Helm(HelmValues::new(application, source, path, from))
            }
        };
        let mut update = Self::new(matched, action);
        if let Action::Helm(values) = &update.action {
            if values.image_paths().is_none() {
                update
                    .concerns
                    .push(values::missing(application, update.index, source));
            }
            update
                .concerns
                .extend(unused_annotation(application, source, from));
        }
        update
    }

    fn ref_values(
        application: &'a Application,
        matched: &SourceMatch<'a>,
        reference: &'a str,
        from: HelmPaths,
        users: Option<&RefUsers<'a>>,
    ) -> Self {
        let source = matched.source();
        let targets = users.map(|users| users.users(reference)).unwrap_or_default();
        let mut update = Self::new(matched, Action::RefValues(Arc::clone(&targets)));
        if source.path.is_some() {
            update.concerns.push(Concern::PathIgnored);
        }
        if targets.is_empty() {
            update.concerns.push(Concern::NothingReferencesRef { reference });
        }
        update
            .concerns
            .extend(unused_annotation(application, source, from));
        update
    }
}

fn unused_annotation<'a>(
    application: &'a Application,
    source: &'a Source,
    from: HelmPaths,
) -> Option<Concern<'a>> {
    let there = from == HelmPaths::Step && values::annotation(application, source).is_some();
    there.then(|| Concern::ImagePathsFromStep {
        key: Purpose::ImageReplacePaths.key(source.name()),
    })
}

impl fmt::Display for Update<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "source {}: ", self.index)?;
        match &self.action {
            Action::Copy(folder) if folder.as_str().is_empty() => {
                f.write_str("manifests are written to the root of the repository")
            }
            Action::Copy(folder) => write!(f, "manifests are written to `{folder}`"),
            Action::Directory { path } => write!(f, "the YAML files below `{path}` are updated"),
            Action::Kustomize { path } => write!(f, "the kustomization in `{path}` is updated"),
            Action::Helm(values) if values.image_paths().is_none() => {
                f.write_str("no values file is updated, because nothing says where the images are")
            }
            Action::Helm(values) => {
                write!(f, "the values file of the chart in `{}`", values.path())?;
                for file in values.files() {
                    write!(f, ", `{file}`")?;
                }
                f.write_str(" are updated")
            }
            Action::RefValues(targets) if targets.is_empty() => f.write_str("nothing is updated"),
            // Not how many: ref sources of one name share the list, and counting it for each is a square.
            Action::RefValues(_) => {
                f.write_str("the values files that Helm sources take from it are updated")
            }
            Action::Nothing(obstacle) => write!(f, "nothing is updated: {obstacle}"),
        }
    }
}

impl fmt::Display for Plan<'_> {
    /// Several lines: those of the [`Resolution`], then what happens to each source in scope.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.resolution.write_sources(f)?;
        for finding in &self.findings {
            write!(f, "\n  {}: {finding}", finding.severity())?;
        }
        for hint in self.resolution.hints() {
            write!(f, "\n  hint: {hint}")?;
        }
        if self.is_blocked() {
            return f.write_str("\n  nothing is updated, because of the errors above");
        }
        let mut first = FirstOfRef::default();
        for update in &self.updates {
            write!(f, "\n  {update}")?;
            let lacking = first.same_as(update).is_none().then(|| update.lacking());
            for concern in update
                .concerns
                .iter()
                .copied()
                .chain(lacking.into_iter().flatten())
            {
                let kind = if concern.is_problem() { "problem" } else { "note" };
                write!(f, "\n    {kind}: {concern}")?;
            }
        }
        Ok(())
    }
}

impl Serialize for Plan<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Plan", 11)?;
        self.resolution.serialize_head(&mut object)?;
        object.serialize_field("step", &self.step)?;
        object.serialize_field("blocked", &self.is_blocked())?;
        object.serialize_field("findings", &self.findings)?;
        object.serialize_field("hints", &self.resolution.hints())?;
        object.serialize_field("updates", &Updates(&self.updates))?;
        object.end()
    }
}

struct Updates<'p>(&'p [Update<'p>]);

impl Serialize for Updates<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut first = FirstOfRef::default();
        serializer.collect_seq(self.0.iter().map(|update| {
            let same_as = first.same_as(update);
            UpdateEntry { update, same_as }
        }))
    }
}

/// Which ref source of a name came first. Those of one name have the same targets, and are told of once: a hostile
/// application could multiply them.
#[derive(Default)]
struct FirstOfRef<'p>(HashMap<&'p str, usize>);

impl<'p> FirstOfRef<'p> {
    fn same_as(&mut self, update: &'p Update<'_>) -> Option<usize> {
        let reference = update.source.reference.as_deref()?;
        let first = *self.0.entry(reference).or_insert(update.index);
        (first != update.index).then_some(first)
    }
}

struct UpdateEntry<'p> {
    update: &'p Update<'p>,
    same_as: Option<usize>,
}

impl Serialize for UpdateEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let update = self.update;
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("index", &update.index)?;
        object.serialize_entry("kind", update.action.code())?;
        match &update.action {
            Action::Copy(folder) => object.serialize_entry("path", folder)?,
            Action::Directory { path } | Action::Kustomize { path } => {
                object.serialize_entry("path", path)?
            }
            Action::Helm(values) => {
                object.serialize_entry("path", values.path())?;
                object.serialize_entry("imagePaths", &values.image_paths())?;
                object.serialize_entry("files", &values.files().collect::<Vec<_>>())?;
            }
            Action::RefValues(targets) => match self.same_as {
                Some(index) => object.serialize_entry("sameTargetsAs", &index)?,
                None => object.serialize_entry("targets", &**targets)?,
            },
            Action::Nothing(obstacle) => object.serialize_entry("reason", obstacle)?,
        }
        let part = |problems: bool| {
            let lacking = self.same_as.is_none().then(|| update.lacking());
            let all = update
                .concerns
                .iter()
                .copied()
                .chain(lacking.into_iter().flatten());
            all.filter(|concern| concern.is_problem() == problems)
                .collect::<Vec<_>>()
        };
        object.serialize_entry("problems", &part(true))?;
        object.serialize_entry("notes", &part(false))?;
        object.end()
    }
}

impl Resolution<'_> {
    /// The first line and one for each source.
    fn write_sources(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.sources().len();
        write!(
            f,
            "{}: {} of {all} source{} in scope of {}",
            self.name(),
            self.matched().count(),
            if all == 1 { "" } else { "s" },
            self.scope()
        )?;
        if self.origin() == Origin::Template {
            f.write_str(" (template of an ApplicationSet)")?;
        }
        for source in self.sources() {
            write!(f, "\n  source {}", source.index())?;
            if let Some(name) = source.source().name() {
                write!(f, " `{name}`")?;
            }
            for (index, reason) in source.reasons().iter().enumerate() {
                write!(
                    f,
                    "{}{reason}",
                    if index == 0 { " is left alone: " } else { "; " }
                )?;
            }
            if source.in_scope() {
                f.write_str(" is in scope")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Resolution<'_> {
    /// Several lines: the counts, every source with its reasons, the findings, the hints. Texts of the application
    /// stand in it as they are: who prints to a terminal takes control characters out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_sources(f)?;
        for finding in self.findings() {
            write!(f, "\n  {}: {finding}", finding.severity())?;
        }
        for hint in self.hints() {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}
