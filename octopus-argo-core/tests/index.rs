//! The index answers as the resolver does, whatever the fleet and however it came to be.
#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests, which the lint's exception misses"
)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use octopus_argo_core::index::{Gap, Instance, InstanceId, NotPermitted, ScopeIndex, Snapshot, SourceRef};
use octopus_argo_core::{Application, ApplicationName, ProjectSlug, Scope, SpaceId};
use proptest::prelude::*;
use proptest::sample::select;

/// Few texts of each kind, some of which are the same slug, so that fleets and queries meet often.
const PROJECTS: [&str; 4] = ["shop", "Shop", "till", " "];
const ENVIRONMENTS: [&str; 4] = ["prod", "PROD ", "test", ""];
const TENANTS: [&str; 4] = ["acme", "ACME", "", "zürich"];
const SPACES: [&str; 4] = ["Spaces-1", "spaces-1", "Spaces-1", "spaces-2"];
const INSTANCES: [&str; 3] = ["one", "two", "three"];
const NAMES: [&str; 5] = ["a", "b", "c", "A", ""];

type Slugs = (Option<&'static str>, Option<&'static str>, Option<&'static str>);

fn slugs() -> impl Strategy<Value = Slugs> {
    let often = |texts: [&'static str; 4]| proptest::option::weighted(0.9, select(texts.to_vec()));
    let tenant = proptest::option::weighted(0.25, select(TENANTS.to_vec()));
    (often(PROJECTS), often(ENVIRONMENTS), tenant)
}

/// Sources by name, with what the annotations for the name say.
fn application() -> impl Strategy<Value = Application> {
    let source = || {
        (
            proptest::option::weighted(0.8, select(vec!["x", "y", "Z z"])),
            slugs(),
        )
    };
    let namespace = proptest::option::of(select(vec!["argocd", "Argocd"]));
    let list = |count: std::ops::Range<usize>| proptest::collection::vec(source(), count);
    let sources = prop_oneof![3 => list(1..2), 2 => list(0..5)];
    (select(NAMES.to_vec()), namespace, sources).prop_map(|(name, namespace, sources)| {
        let mut annotations = serde_json::Map::new();
        let mut list = Vec::new();
        for (name, (project, environment, tenant)) in sources {
            for (kind, value) in [
                ("project", project),
                ("environment", environment),
                ("tenant", tenant),
            ] {
                let suffix = name.map(|name| format!(".{name}")).unwrap_or_default();
                if let Some(value) = value {
                    annotations.insert(format!("argo.octopus.com/{kind}{suffix}"), value.into());
                }
            }
            list.push(serde_json::json!({"repoURL": "u", "name": name}));
        }
        let json = serde_json::json!({
            "kind": "Application",
            "metadata": {"name": name, "namespace": namespace, "annotations": annotations},
            "spec": {"sources": list},
        });
        Application::from_json(json.to_string().as_bytes()).unwrap()
    })
}

#[derive(Clone, Debug)]
enum Edit {
    Upsert(&'static str, Application),
    UpsertAll(Vec<(&'static str, Application)>),
    Remove(&'static str, Application),
    Instance(
        &'static str,
        &'static str,
        Option<Vec<&'static str>>,
        Option<Vec<&'static str>>,
    ),
    RemoveInstance(&'static str),
    Snapshot,
    Publish,
}

fn edit() -> impl Strategy<Value = Edit> {
    let some = |texts: &[&'static str]| {
        let texts: Vec<_> = texts
            .iter()
            .copied()
            .filter(|text| !text.trim().is_empty())
            .collect();
        proptest::option::weighted(0.3, proptest::sample::subsequence(texts.clone(), 0..=texts.len()))
    };
    prop_oneof![
        24 => (select(INSTANCES.to_vec()), application()).prop_map(|(id, application)| Edit::Upsert(id, application)),
        2 => proptest::collection::vec((select(INSTANCES.to_vec()), application()), 0..80).prop_map(Edit::UpsertAll),
        4 => (select(INSTANCES.to_vec()), application()).prop_map(|(id, application)| Edit::Remove(id, application)),
        6 => (select(INSTANCES.to_vec()), select(SPACES.to_vec()), some(&ENVIRONMENTS), some(&TENANTS))
            .prop_map(|(id, space, environments, tenants)| Edit::Instance(id, space, environments, tenants)),
        1 => select(INSTANCES.to_vec()).prop_map(Edit::RemoveInstance),
        3 => Just(Edit::Snapshot),
        2 => Just(Edit::Publish),
    ]
}

fn scope() -> impl Strategy<Value = Scope> {
    let tenant = proptest::option::weighted(0.15, select(vec!["Acme", "zürich", "nobody"]));
    (
        select(vec!["shop", "SHOP", "sHop", "till"]),
        select(vec!["prod", "Prod", "Test"]),
        tenant,
        select(SPACES.to_vec()),
    )
        .prop_map(|(project, environment, tenant, space)| {
            let scope = Scope::from_texts(project, environment, tenant).unwrap();
            scope.in_space(space.parse().unwrap())
        })
}

/// The fleet as anyone would keep it, asked one application after another.
#[derive(Clone, Debug, Default)]
struct Model {
    instances: BTreeMap<&'static str, Instance>,
    applications: BTreeMap<(&'static str, ApplicationName), Application>,
}

/// A source: its instance, its application, its index.
type Place = (String, Option<String>, String, usize);

fn place(source: SourceRef<'_>) -> Place {
    let application = source.application();
    (
        application.instance().to_string(),
        application.namespace().map(str::to_owned),
        application.name().to_owned(),
        source.index(),
    )
}

fn sorted<T: Ord>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut all: Vec<T> = all.collect();
    all.sort();
    all
}

impl Model {
    fn in_space<'m>(&'m self, space: &'m SpaceId) -> impl Iterator<Item = (&'m Instance, &'m Application)> {
        let all = self
            .applications
            .iter()
            .map(|((id, _), application)| (&self.instances[id], application));
        all.filter(move |(instance, _)| instance.space() == space)
    }

    fn place(instance: &Instance, application: &Application, index: usize) -> Place {
        let name = &application.name;
        (
            instance.id().to_string(),
            name.namespace().map(str::to_owned),
            name.name().to_owned(),
            index,
        )
    }

    fn declaring(&self, scope: &Scope) -> Vec<(Place, Option<NotPermitted>)> {
        let mut all = Vec::new();
        for (instance, application) in self.in_space(scope.space()) {
            for source in application.resolve(scope).matched() {
                let refused = instance.refuses(scope);
                all.push((Self::place(instance, application, source.index()), refused));
            }
        }
        all.sort_by(|left, right| left.0.cmp(&right.0));
        all
    }

    /// Everything else that a snapshot tells.
    fn check(&self, snapshot: &Snapshot) -> Result<(), TestCaseError> {
        for space in SPACES.map(|space| space.parse::<SpaceId>().unwrap()) {
            let mut told: [BTreeMap<String, usize>; 3] = Default::default();
            let mut unmapped = Vec::new();
            for (instance, application) in self.in_space(&space) {
                let declared: Vec<_> = (0..application.sources.len())
                    .map(|index| application.declared(index))
                    .collect();
                for declared in &declared {
                    let slugs = [declared.project, declared.environment, declared.tenant];
                    for (told, slug) in told.iter_mut().zip(slugs) {
                        if let Some(slug) = slug {
                            *told.entry(slug.to_ascii_lowercase()).or_default() += 1;
                        }
                    }
                }
                if !declared
                    .iter()
                    .any(|declared| declared.project.is_some() && declared.environment.is_some())
                {
                    let gaps: usize = declared
                        .iter()
                        .enumerate()
                        .map(|(index, declared)| {
                            let unnamed =
                                application.sources.is_multi() && application.sources[index].name().is_none();
                            if unnamed {
                                1
                            } else {
                                usize::from(declared.project.is_none())
                                    + usize::from(declared.environment.is_none())
                            }
                        })
                        .sum();
                    unmapped.push((Self::place(instance, application, 0), gaps.max(1)));
                }
            }
            let lower = |(text, count): (&str, usize)| (text.to_ascii_lowercase(), count);
            let found: [BTreeMap<String, usize>; 3] = [
                snapshot.projects(&space).map(lower).collect(),
                snapshot.environments(&space).map(lower).collect(),
                snapshot.tenants(&space).map(lower).collect(),
            ];
            prop_assert_eq!(found, told);
            unmapped.sort();
            let found = snapshot.unmapped(&space).map(|application| {
                let namespace = application.namespace().map(str::to_owned);
                let place = (
                    application.instance().to_string(),
                    namespace,
                    application.name().to_owned(),
                    0,
                );
                (place, application.gaps().count())
            });
            prop_assert_eq!(sorted(found), unmapped);
            for project in ["shop", "TILL"].map(|text| text.parse::<ProjectSlug>().unwrap()) {
                let expected = self.in_space(&space).flat_map(|(instance, application)| {
                    let indices = (0..application.sources.len()).filter(|index| {
                        application
                            .declared(*index)
                            .project
                            .is_some_and(|text| project.matches(text))
                    });
                    indices
                        .map(move |index| Self::place(instance, application, index))
                        .collect::<Vec<_>>()
                });
                prop_assert_eq!(
                    sorted(snapshot.project(&space, &project).map(place)),
                    sorted(expected)
                );
            }
        }
        let counts = snapshot.counts();
        prop_assert_eq!(counts.instances, self.instances.len());
        prop_assert_eq!(counts.applications, self.applications.len());
        let sources: usize = self
            .applications
            .values()
            .map(|application| application.sources.len())
            .sum();
        prop_assert_eq!(counts.sources, sources);
        Ok(())
    }
}

static QUERIES: AtomicUsize = AtomicUsize::new(0);
static HITS: AtomicUsize = AtomicUsize::new(0);

fn run(edits: Vec<Edit>, scopes: &[Scope]) -> Result<(), TestCaseError> {
    let (mut index, mut model) = (ScopeIndex::new(), Model::default());
    let reader = index.reader();
    let mut published = model.clone();
    let mut held: Vec<(Snapshot, Model)> = Vec::new();
    for id in INSTANCES {
        let instance = Instance::new(InstanceId::new(id), SpaceId::default());
        index.set_instance(instance.clone());
        model.instances.insert(id, instance);
    }
    for edit in edits {
        match edit {
            Edit::Upsert(id, application) => {
                let known = model.instances.contains_key(id);
                prop_assert_eq!(index.upsert(&InstanceId::new(id), &application).is_ok(), known);
                if known {
                    model
                        .applications
                        .insert((id, application.name.clone()), application);
                }
            }
            Edit::UpsertAll(batch) => {
                let ids: Vec<_> = batch.iter().map(|(id, _)| InstanceId::new(id)).collect();
                let pairs = ids.iter().zip(batch.iter().map(|(_, application)| application));
                let changes = index.upsert_all(pairs);
                let unknown = batch.iter().find(|(id, _)| !model.instances.contains_key(id));
                match (changes, unknown) {
                    (Ok(changes), None) => {
                        let all = changes.inserted + changes.replaced + changes.unchanged;
                        prop_assert_eq!(all, batch.len());
                    }
                    (Err(error), Some((id, _))) => prop_assert_eq!(error.instance.as_str(), *id),
                    (changes, unknown) => prop_assert!(false, "{changes:?} where {unknown:?} is unknown"),
                }
                // What comes before an unknown one is done.
                for (id, application) in batch {
                    if !model.instances.contains_key(id) {
                        break;
                    }
                    model
                        .applications
                        .insert((id, application.name.clone()), application);
                }
            }
            Edit::Remove(id, application) => {
                let there = model
                    .applications
                    .remove(&(id, application.name.clone()))
                    .is_some();
                prop_assert_eq!(index.remove(&InstanceId::new(id), &application.name), there);
            }
            Edit::Instance(id, space, environments, tenants) => {
                let mut instance = Instance::new(InstanceId::new(id), space.parse().unwrap());
                if let Some(environments) = environments {
                    instance = instance
                        .permit_environments(environments.into_iter().map(|text| text.parse().unwrap()));
                }
                if let Some(tenants) = tenants {
                    instance = instance.permit_tenants(tenants.into_iter().map(|text| text.parse().unwrap()));
                }
                index.set_instance(instance.clone());
                let before = model.instances.insert(id, instance.clone());
                if before.is_some_and(|before| before.space() != instance.space()) {
                    model.applications.retain(|(of, _), _| *of != id);
                }
            }
            Edit::RemoveInstance(id) => {
                let there = model.instances.remove(id).is_some();
                model.applications.retain(|(of, _), _| *of != id);
                prop_assert_eq!(index.remove_instance(&InstanceId::new(id)), there);
            }
            Edit::Snapshot => held.push((index.snapshot(), model.clone())),
            Edit::Publish => {
                index.publish();
                published = model.clone();
            }
        }
    }
    held.push((reader.snapshot(), published));
    held.push((index.snapshot(), model));
    for (snapshot, model) in held {
        model.check(&snapshot)?;
        for scope in scopes {
            let declaring = model.declaring(scope);
            let permitted = declaring.iter().filter(|(_, refused)| refused.is_none());
            let permitted: Vec<_> = permitted.map(|(place, _)| place.clone()).collect();
            QUERIES.fetch_add(1, Ordering::Relaxed);
            HITS.fetch_add(usize::from(!permitted.is_empty()), Ordering::Relaxed);
            prop_assert_eq!(sorted(snapshot.resolve(scope).map(place)), permitted);
            let mut left_out: Vec<_> = snapshot
                .left_out(scope)
                .map(|(source, why)| (place(source), why))
                .collect();
            left_out.sort_by(|left, right| left.0.cmp(&right.0));
            let expected = declaring
                .into_iter()
                .filter_map(|(place, refused)| Some((place, refused?)));
            prop_assert_eq!(left_out, expected.collect::<Vec<_>>());
        }
    }
    Ok(())
}

#[test]
fn the_index_answers_as_the_resolver_does() {
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(300));
    let edits = proptest::collection::vec(edit(), 0..90);
    let scopes = proptest::collection::vec(scope(), 6);
    runner
        .run(&(edits, scopes), |(edits, scopes)| run(edits, &scopes))
        .unwrap();
    let (hits, queries) = (HITS.load(Ordering::Relaxed), QUERIES.load(Ordering::Relaxed));
    assert!(
        hits * 10 >= queries * 3,
        "only {hits} of {queries} queries hit: the fleets are too thin"
    );
}

/// Every application of a fleet is in the same environment, and all of them move at once, over and over.
fn fleet_in(environment: &str, count: usize) -> Vec<Application> {
    (0..count)
        .map(|n| {
            let json = serde_json::json!({
                "metadata": {"name": format!("app-{n}"), "annotations": {
                    "argo.octopus.com/project": format!("project-{}", n % 7),
                    "argo.octopus.com/environment": environment,
                }},
                "spec": {"source": {"repoURL": "u"}},
            });
            Application::from_json(json.to_string().as_bytes()).unwrap()
        })
        .collect()
}

/// How many sources a snapshot gives for each environment.
fn by_environment(snapshot: &Snapshot) -> BTreeMap<&'static str, usize> {
    let count = |environment| {
        let scopes = (0..7).map(|n| Scope::from_texts(&format!("project-{n}"), environment, None).unwrap());
        scopes.map(|scope| snapshot.resolve(&scope).count()).sum()
    };
    ["red", "blue"]
        .map(|environment| (environment, count(environment)))
        .into()
}

#[test]
fn readers_on_other_threads_see_whole_versions_and_wait_for_nobody() {
    const APPLICATIONS: usize = 300;
    let fleets = ["red", "blue"].map(|environment| fleet_in(environment, APPLICATIONS));
    let id = InstanceId::new("one");
    let mut index = ScopeIndex::new();
    index.set_instance(Instance::new(id.clone(), SpaceId::default()));
    let reader = index.reader();
    // Looks that readers have taken, and whether they may stop.
    let (looks, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    std::thread::scope(|threads| {
        for _ in 0..3 {
            threads.spawn(|| {
                let mut held: Vec<(Snapshot, BTreeMap<_, _>)> = Vec::new();
                while !over.load(Ordering::Acquire) {
                    let snapshot = reader.snapshot();
                    let seen = by_environment(&snapshot);
                    let all = [0, APPLICATIONS];
                    assert!(
                        seen.values().all(|count| all.contains(count)),
                        "half a version: {seen:?}"
                    );
                    looks.fetch_add(1, Ordering::AcqRel);
                    // What was seen once is there as long as it is held, whatever is edited meanwhile.
                    held.push((snapshot, seen));
                    if held.len() > 20 {
                        held.remove(7);
                    }
                    for (snapshot, seen) in &held {
                        assert_eq!(&by_environment(snapshot), seen);
                    }
                }
            });
        }
        let edit = |index: &mut ScopeIndex, round: usize| {
            for application in &fleets[round % 2] {
                index.upsert(&id, application).unwrap();
            }
        };
        for round in 0..60 {
            // In the middle of a version for as long as it takes the readers to look three times more.
            let enough = looks.load(Ordering::Acquire) + 3;
            edit(&mut index, round);
            while round < 5 && looks.load(Ordering::Acquire) < enough {
                std::thread::yield_now();
            }
            index.publish();
        }
        over.store(true, Ordering::Release);
    });
    assert_eq!(by_environment(&reader.snapshot())["blue"], APPLICATIONS);
}

#[test]
fn an_unmapped_application_says_why() {
    let json = br#"{"metadata":{"name":"a","annotations":{"argo.octopus.com/project.x":"p"}},
        "spec":{"sources":[{"repoURL":"u","name":"x"},{"repoURL":"u"}]}}"#;
    let application = Application::from_json(json).unwrap();
    let id = InstanceId::new("one");
    let mut index = ScopeIndex::new();
    assert!(index.upsert(&id, &application).is_err());
    index.set_instance(Instance::new(id.clone(), SpaceId::default()));
    index.upsert(&id, &application).unwrap();
    let (snapshot, space) = (index.snapshot(), SpaceId::default());
    let gaps: Vec<Gap> = snapshot
        .unmapped(&space)
        .flat_map(|application| application.gaps())
        .collect();
    assert_eq!(
        gaps,
        [
            Gap::EnvironmentMissing { source: 0 },
            Gap::UnnamedInMultiSource { source: 1 }
        ]
    );
}
