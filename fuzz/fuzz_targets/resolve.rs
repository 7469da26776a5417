//! No application and no scope make resolving, planning, linting or showing panic, and the index agrees.
#![no_main]

use libfuzzer_sys::fuzz_target;
use octopus_argo_core::index::{Instance, InstanceId, ScopeIndex};
use octopus_argo_core::lint::lint;
use octopus_argo_core::read::{Format, Limits, Object, read_slice};
use octopus_argo_core::scope::{HelmPaths, Step};
use octopus_argo_core::{Scope, SpaceId};

// Three lines for the scope, then applications as JSON or YAML.
fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let mut lines = text.splitn(4, '\n');
    let mut line = || lines.next().unwrap_or_default();
    let (project, environment, tenant) = (line(), line(), line());
    let Ok(scope) = Scope::from_texts(project, environment, Some(tenant)) else {
        return;
    };
    let id = InstanceId::new("one");
    let _ = read_slice(line().as_bytes(), Format::Detect, &Limits::default(), |object| {
        let Object::Application(application) = object else {
            return;
        };
        for step in [
            Step::IMAGE_TAGS,
            Step::ImageTags(HelmPaths::Step),
            Step::Manifests,
        ] {
            let plan = application.plan(&scope, step);
            let _ = (plan.to_string(), serde_json::to_string(&plan).map(drop));
        }
        let _ = lint(&application);
        let mut index = ScopeIndex::new();
        index.set_instance(Instance::new(id.clone(), SpaceId::default()));
        let _ = index.upsert(&id, &application);
        let snapshot = index.snapshot();
        assert_eq!(
            snapshot.resolve(&scope).count(),
            application.resolve(&scope).matched().count()
        );
        assert!(index.remove(&id, &application.name));
        assert_eq!(index.snapshot().counts().sources, 0);
    });
});
