//! A fleet of any size, the same each time.

use octopus_argo_core::index::{Instance, InstanceId, ScopeIndex};
use octopus_argo_core::{
    Annotations, Application, ApplicationName, Scope, Source, SourceName, Sources, SpaceId,
};

const ENVIRONMENTS: [&str; 5] = [
    "development",
    "test",
    "staging",
    "production",
    "disaster-recovery",
];
/// Applications of a project in each environment.
const APPLICATIONS: usize = 2;
/// Applications of a project, of which there are as many projects as it takes.
const OF_PROJECT: usize = ENVIRONMENTS.len() * APPLICATIONS;
/// Of the projects, one in this many is deployed for tenants, one application each.
const TENANTED: usize = 5;
/// Instances, among which the projects are spread.
const INSTANCES: usize = 40;

/// Application number `n`. Ten in fourteen have one source without a name, two have two sources and one has three.
#[must_use]
pub fn application(n: usize) -> Application {
    declaring(n, slugs(n))
}

/// Application number `n`, with all its sources in the environment that comes `steps` later.
#[must_use]
pub fn moved(n: usize, steps: usize) -> Application {
    let (project, _, tenant) = slugs(n);
    let environment = ENVIRONMENTS[(n / APPLICATIONS + steps) % ENVIRONMENTS.len()];
    declaring(n, (project, environment, tenant))
}

fn declaring(n: usize, (project, environment, tenant): (String, &str, Option<String>)) -> Application {
    let mut application = Application::new(ApplicationName::new(
        Some("argocd"),
        &format!("app-{n:07}-{}", n % 97),
    ));
    let names: &[Option<&str>] = match n % 13 {
        0 => &[Some("web"), Some("worker"), Some("jobs")],
        1 | 2 => &[Some("chart"), Some("values")],
        _ => &[None],
    };
    let mut annotations = Vec::new();
    let mut sources = Vec::new();
    for name in names {
        let suffix = name.map(|name| format!(".{name}")).unwrap_or_default();
        let mut annotate = |what: &str, value: &str| {
            annotations.push((format!("argo.octopus.com/{what}{suffix}"), value.to_owned()));
        };
        annotate("project", &project);
        annotate("environment", environment);
        if let Some(tenant) = &tenant {
            annotate("tenant", tenant);
        }
        let mut source = Source::new("https://git.example.test/platform/deploy.git");
        source.name = name.and_then(SourceName::new);
        source.path = Some(format!("apps/{n}").into());
        sources.push(source);
    }
    application.annotations = annotations
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect::<Annotations>();
    application.sources = Sources::from_spec(None, sources);
    application
}

fn slugs(n: usize) -> (String, &'static str, Option<String>) {
    let project = n / OF_PROJECT;
    let tenant = project
        .is_multiple_of(TENANTED)
        .then(|| format!("tenant-{:04}", n % 1000));
    (
        format!("project-{project:06}"),
        ENVIRONMENTS[n / APPLICATIONS % ENVIRONMENTS.len()],
        tenant,
    )
}

/// The scope of application number `n`.
///
/// # Panics
/// Never: no slug of the fleet is blank.
#[must_use]
pub fn scope(n: usize) -> Scope {
    let (project, environment, tenant) = slugs(n);
    Scope::from_texts(&project, environment, tenant.as_deref()).expect("no slug is blank")
}

/// The instance that application number `n` runs on.
#[must_use]
pub fn instance(n: usize) -> InstanceId {
    InstanceId::new(&format!("ArgoCDGateways-{}", n / OF_PROJECT % INSTANCES))
}

/// Numbers of applications in an order that no cache foresees, the same each time.
pub fn shuffled(applications: usize) -> impl Iterator<Item = usize> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap_or_default() % applications
    })
}

/// How many applications have this many sources together.
#[must_use]
pub fn applications_for(sources: usize) -> usize {
    // Thirteen applications have seventeen sources.
    sources * 13 / 17
}

/// An index with the instances and nothing else.
#[must_use]
pub fn empty_index() -> ScopeIndex {
    let mut index = ScopeIndex::new();
    for n in 0..INSTANCES {
        let id = InstanceId::new(&format!("ArgoCDGateways-{n}"));
        index.set_instance(Instance::new(id, SpaceId::default()));
    }
    index
}

/// An index of the first applications.
///
/// # Panics
/// Never: every instance is there.
#[must_use]
pub fn index(applications: usize) -> ScopeIndex {
    let mut index = empty_index();
    for n in 0..applications {
        index
            .upsert(&instance(n), &application(n))
            .expect("every instance is there");
    }
    index
}
