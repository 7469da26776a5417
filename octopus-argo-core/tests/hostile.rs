//! One object of many megabytes costs about as many steps, never their square.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use octopus_argo_core::scope::{HelmPaths, Step};
use octopus_argo_core::{Application, Scope};

/// Far above what it takes in a debug build on a busy machine, far below what a square takes.
const BOUND: Duration = Duration::from_secs(30);

/// 30 000 ref sources of one name, in scope, and as many Helm sources that use it, each without image paths.
fn ref_sources(count: usize) -> String {
    let (mut annotations, mut sources, mut types) = (String::new(), String::new(), String::new());
    for n in 0..count {
        let comma = if n == 0 { "" } else { "," };
        let _ = write!(
            annotations,
            r#"{comma}"argo.octopus.com/project.r{n}":"p","argo.octopus.com/environment.r{n}":"e""#
        );
        let _ = write!(
            sources,
            r#"{comma}{{"repoURL":"u","name":"r{n}","ref":"v"}},{{"repoURL":"u","name":"h{n}","path":"","helm":{{"valueFiles":["$v/a"]}}}}"#
        );
        let _ = write!(types, r#"{comma}"","Helm""#);
    }
    format!(
        r#"{{"metadata":{{"annotations":{{{annotations}}}}},"spec":{{"sources":[{sources}]}},"status":{{"sourceTypes":[{types}]}}}}"#
    )
}

#[test]
fn many_sources_times_many_annotations_stay_linear() {
    let application = Application::from_json(ref_sources(30_000).as_bytes()).unwrap();
    let scope = Scope::from_texts("p", "e", None).unwrap();
    let start = Instant::now();
    for step in [
        Step::IMAGE_TAGS,
        Step::ImageTags(HelmPaths::Step),
        Step::Manifests,
    ] {
        let plan = application.plan(&scope, step);
        assert_eq!(plan.updates().len(), 30_000);
        let json = serde_json::to_vec(&plan).unwrap();
        assert!(json.len() < 100 << 20, "{}", json.len());
        assert!(plan.to_string().len() < 100 << 20);
    }
    assert!(start.elapsed() < BOUND, "{:?}", start.elapsed());
}
