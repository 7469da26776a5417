//! Reading the index: everything here is of one moment.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::fold::{About, Hash};
use super::instance::{Instance, InstanceId, NotPermitted};
use super::multimap::{Multimap, Values};
use super::page::Number;
use super::record::{self, CHUNK, Chunk, Record, Slugs};
use super::table::Table;
use super::terms::{Kind, Terms};
use crate::scope::Scope;
use crate::slug::{ProjectSlug, SpaceId, same_slug};

/// The state of an index. A clone costs a few reference counts.
#[derive(Clone, Debug, Default)]
pub(super) struct Version {
    /// Pages are shared with later versions, and this says what of them is of this one.
    pub(super) at: Number,
    pub(super) hash: Hash,
    pub(super) map: Multimap,
    pub(super) applications: Table<Chunk>,
    pub(super) terms: Terms,
    pub(super) instances: Arc<Vec<Option<Arc<Registered>>>>,
    pub(super) counts: Counts,
}

/// An instance with the number of its space.
#[derive(Debug)]
pub(super) struct Registered {
    pub(super) instance: Instance,
    pub(super) space: u32,
}

impl Version {
    pub(super) fn record(&self, slot: u32) -> Record<'_> {
        let chunk = self.applications.get(slot / CHUNK);
        chunk.map_or(Record(&[]), |chunk| chunk.get(slot % CHUNK, self.at))
    }

    pub(super) fn registered(&self, number: u32) -> Option<&Registered> {
        self.instances.get(number as usize)?.as_deref()
    }

    /// The values of a key in this version.
    pub(super) fn values(&self, key: u64) -> Values<'_> {
        self.map.values(key, self.at)
    }

    /// The number of an instance's space.
    pub(super) fn space_of(&self, instance: u32) -> u32 {
        self.registered(instance)
            .map_or(record::NONE, |registered| registered.space)
    }

    /// What the sources of a scope are looked up by, given the hashes of its texts.
    pub(super) fn scope_key(&self, space: u64, project: u64, environment: u64, tenant: Option<u64>) -> u64 {
        let texts = [Some(space), Some(project), Some(environment), tenant];
        self.hash.key(About::Scope, 0, &texts)
    }

    pub(super) fn project_key(&self, space: u64, project: u64) -> u64 {
        self.hash.key(About::Project, 0, &[Some(space), Some(project)])
    }

    /// What a source is looked up by: its project and its scope, as far as it declares them.
    pub(super) fn source_keys(
        &self,
        space: Option<u64>,
        project: Option<u64>,
        environment: Option<u64>,
        tenant: Option<u64>,
    ) -> [Option<u64>; 2] {
        let (Some(space), Some(project)) = (space, project) else {
            return [None; 2];
        };
        let by_scope = environment.map(|environment| self.scope_key(space, project, environment, tenant));
        [Some(self.project_key(space, project)), by_scope]
    }

    pub(super) fn unmapped_key(&self, space: u64) -> u64 {
        self.hash.key(About::Unmapped, 0, &[Some(space)])
    }

    fn sources_of_project(&self, space: &SpaceId, number: u32, hash: u64) -> usize {
        let values = self.values(self.project_key(self.hash.slug(space.as_str()), hash));
        let sources = values.filter_map(|value| SourceRef::of(self, value));
        sources.filter(|source| source.slugs.project == number).count()
    }

    fn application(&self, slot: u32) -> Option<ApplicationRef<'_>> {
        let record = self.record(slot);
        let Registered { instance, space } = self.registered(record.instance())?;
        Some(ApplicationRef {
            version: self,
            instance,
            space: *space,
            record,
        })
    }

    fn same(&self, number: u32, text: Option<&str>) -> bool {
        match (self.terms.text(number), text) {
            (None, None) => true,
            // Mostly in the same case, and that is faster to tell.
            (Some(left), Some(right)) => left == right || same_slug(left, right),
            _ => false,
        }
    }
}

/// How much an index holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Counts {
    /// Records of instances.
    pub instances: usize,
    /// Applications of all of them.
    pub applications: usize,
    /// Sources of all applications.
    pub sources: usize,
    /// Sources that declare a project and an environment.
    pub mapped_sources: usize,
    /// Applications without such a source.
    pub unmapped_applications: usize,
}

/// The index as it was at one moment. Holding it costs the memory of what is edited meanwhile, and blocks nobody.
#[derive(Clone, Debug)]
pub struct Snapshot(pub(super) Arc<Version>);

impl Snapshot {
    /// The sources that a deployment of `scope` touches: those that declare it, on instances that are permitted to
    /// serve it, in no order that means anything.
    ///
    /// Allocates nothing, and takes as long as there are sources to give.
    #[must_use]
    pub fn resolve<'s>(&'s self, scope: &'s Scope) -> Sources<'s> {
        Sources(self.declaring(scope))
    }

    /// The sources that declare `scope` and are left out all the same, with the reason.
    pub fn left_out<'s>(
        &'s self,
        scope: &'s Scope,
    ) -> impl Iterator<Item = (SourceRef<'s>, NotPermitted)> + use<'s> {
        self.declaring(scope)
            .filter_map(|source| Some((source, source.application.instance.refuses(scope)?)))
    }

    fn declaring<'s>(&'s self, scope: &'s Scope) -> Declaring<'s> {
        let version = &*self.0;
        let hash = |text| version.hash.slug(text);
        let key = version.scope_key(
            hash(scope.space().as_str()),
            hash(scope.project().as_str()),
            hash(scope.environment().as_str()),
            scope.tenant().map(|tenant| hash(tenant.as_str())),
        );
        Declaring {
            version,
            scope,
            values: version.values(key),
            verified: None,
        }
    }

    /// Every source that declares `project`, whatever its environment and tenant, also where the environment is
    /// missing. Permissions play no role.
    pub fn project<'s>(
        &'s self,
        space: &'s SpaceId,
        project: &'s ProjectSlug,
    ) -> impl Iterator<Item = SourceRef<'s>> + use<'s> {
        let version = &*self.0;
        let hash = |text| version.hash.slug(text);
        let values = version.values(version.project_key(hash(space.as_str()), hash(project.as_str())));
        values
            .filter_map(|value| SourceRef::of(version, value))
            .filter(move |source| {
                let instance = source.application.instance;
                instance.space() == space && version.same(source.slugs.project, Some(project.as_str()))
            })
    }

    /// The projects that sources of the space declare, each with the number of its sources.
    pub fn projects<'s>(&'s self, space: &'s SpaceId) -> impl Iterator<Item = (&'s str, usize)> + use<'s> {
        self.terms(Kind::Project, space)
    }

    /// The environments that sources of the space declare, each with the number of its sources.
    pub fn environments<'s>(
        &'s self,
        space: &'s SpaceId,
    ) -> impl Iterator<Item = (&'s str, usize)> + use<'s> {
        self.terms(Kind::Environment, space)
    }

    /// The tenants that sources of the space declare, each with the number of its sources.
    pub fn tenants<'s>(&'s self, space: &'s SpaceId) -> impl Iterator<Item = (&'s str, usize)> + use<'s> {
        self.terms(Kind::Tenant, space)
    }

    fn terms<'s>(
        &'s self,
        kind: Kind,
        space: &'s SpaceId,
    ) -> impl Iterator<Item = (&'s str, usize)> + use<'s> {
        let version = &*self.0;
        let terms = version.terms.all(kind);
        terms
            .filter(move |(_, term)| version.same(term.space, Some(space.as_str())))
            .map(move |(number, term)| {
                let count = match kind {
                    Kind::Project => version.sources_of_project(space, number, term.hash),
                    _ => version.terms.count(number) as usize,
                };
                (&*term.text, count)
            })
    }

    /// The applications of the space of which no source declares a project and an environment: no deployment ever
    /// touches them.
    pub fn unmapped<'s>(&'s self, space: &'s SpaceId) -> impl Iterator<Item = ApplicationRef<'s>> + use<'s> {
        let version = &*self.0;
        let slots = version.values(version.unmapped_key(version.hash.slug(space.as_str())));
        slots
            .filter_map(|slot| version.application(u32::try_from(slot).ok()?))
            .filter(move |application| application.instance.space() == space)
    }

    /// The records of instances.
    pub fn instances(&self) -> impl Iterator<Item = &Instance> {
        self.0
            .instances
            .iter()
            .flatten()
            .map(|registered| &registered.instance)
    }

    /// How much there is.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.0.counts
    }
}

/// The sources that declare a scope, permitted or not.
#[derive(Clone, Debug)]
struct Declaring<'s> {
    version: &'s Version,
    scope: &'s Scope,
    values: Values<'s>,
    /// What the first source declares, in numbers: the others are compared with that, and not text by text.
    verified: Option<(u32, Slugs)>,
}

impl<'s> Iterator for Declaring<'s> {
    type Item = SourceRef<'s>;

    fn next(&mut self) -> Option<SourceRef<'s>> {
        loop {
            let source = SourceRef::of(self.version, self.values.next()?)?;
            let found = (source.application.space, source.slugs);
            // Two scopes may have one hash.
            if self.verified == Some(found) || self.is_same(found) {
                self.verified = Some(found);
                return Some(source);
            }
        }
    }
}

impl Declaring<'_> {
    fn is_same(&self, (space, slugs): (u32, Slugs)) -> bool {
        let same = |number, text| self.version.same(number, text);
        same(space, Some(self.scope.space().as_str()))
            && same(slugs.project, Some(self.scope.project().as_str()))
            && same(slugs.environment, Some(self.scope.environment().as_str()))
            && same(slugs.tenant, self.scope.tenant().map(AsRef::as_ref))
    }
}

/// The answer of [`Snapshot::resolve`].
#[derive(Clone, Debug)]
pub struct Sources<'s>(Declaring<'s>);

impl<'s> Iterator for Sources<'s> {
    type Item = SourceRef<'s>;

    fn next(&mut self) -> Option<SourceRef<'s>> {
        loop {
            let source = self.0.next()?;
            if source.application.instance.refuses(self.0.scope).is_none() {
                return Some(source);
            }
        }
    }
}

/// An application in a [`Snapshot`].
#[derive(Clone, Copy)]
pub struct ApplicationRef<'s> {
    version: &'s Version,
    instance: &'s Instance,
    space: u32,
    record: Record<'s>,
}

impl<'s> ApplicationRef<'s> {
    /// The instance that it runs on.
    #[must_use]
    pub fn instance(&self) -> &'s InstanceId {
        self.instance.id()
    }

    /// Its namespace, where it has one.
    #[must_use]
    pub fn namespace(&self) -> Option<&'s str> {
        self.version.terms.text(self.record.namespace())
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'s str {
        self.record.name()
    }

    /// What keeps each source from ever being touched: an entry for each source without a project or environment, and
    /// one for the application where it has no sources.
    pub fn gaps(&self) -> impl Iterator<Item = Gap> + use<'s> {
        let none = (self.record.source_count() == 0).then_some(Gap::NoSources);
        let of_source = |(source, slugs): (usize, Slugs)| {
            let unnamed = slugs.project == record::UNNAMED;
            let project = (!unnamed && !slugs.has_project()).then_some(Gap::ProjectMissing { source });
            let environment =
                (!unnamed && slugs.environment == record::NONE).then_some(Gap::EnvironmentMissing { source });
            let unnamed = unnamed.then_some(Gap::UnnamedInMultiSource { source });
            [unnamed, project, environment].into_iter().flatten()
        };
        none.into_iter()
            .chain(self.record.sources().enumerate().flat_map(of_source))
    }
}

impl fmt::Debug for ApplicationRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let namespace = self.namespace().unwrap_or_default();
        write!(f, "{}:{namespace}/{}", self.instance(), self.name())
    }
}

/// Why a source of an application is never touched, whatever is deployed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Gap {
    /// The application has no sources.
    NoSources,
    /// The application has several sources, and this one has no name.
    UnnamedInMultiSource {
        /// The index of the source.
        source: usize,
    },
    /// The source declares no project.
    ProjectMissing {
        /// The index of the source.
        source: usize,
    },
    /// The source declares no environment.
    EnvironmentMissing {
        /// The index of the source.
        source: usize,
    },
}

/// A source in a [`Snapshot`].
#[derive(Clone, Copy, Debug)]
pub struct SourceRef<'s> {
    application: ApplicationRef<'s>,
    index: u32,
    slugs: Slugs,
}

impl<'s> SourceRef<'s> {
    fn of(version: &'s Version, value: u64) -> Option<Self> {
        let (slot, index) = unpack(value);
        let application = version.application(slot)?;
        Some(Self {
            application,
            index,
            slugs: application.record.source(index as usize)?,
        })
    }

    /// The application that it belongs to.
    #[must_use]
    pub fn application(&self) -> ApplicationRef<'s> {
        self.application
    }

    /// The position in the application's list of sources, from 0.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index as usize
    }

    /// The environment that it declares. Of texts that differ only by case, the one that came first is shown.
    #[must_use]
    pub fn environment(&self) -> Option<&'s str> {
        self.application.version.terms.text(self.slugs.environment)
    }

    /// The tenant that it declares.
    #[must_use]
    pub fn tenant(&self) -> Option<&'s str> {
        self.application.version.terms.text(self.slugs.tenant)
    }
}

/// A slot and the index of a source in one number.
pub(super) fn pack(slot: u32, index: u32) -> u64 {
    u64::from(slot) << 32 | u64::from(index)
}

#[expect(clippy::cast_possible_truncation, reason = "both halves are 32 bits wide")]
fn unpack(value: u64) -> (u32, u32) {
    ((value >> 32) as u32, (value & u64::from(u32::MAX)) as u32)
}
