//! Whether `src/generated/` is what `proto/` makes. `UPDATE_GENERATED=1 cargo test -p octopus-argo-proto --test generated`
//! writes it anew.
//!
//! The generators are dev-dependencies, so nobody who builds this crate needs protoc, protox or a build script.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test; the configured exceptions miss the helpers outside #[test]"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// A folder of `proto/`, and the folder of the same name in `src/generated/` that its packages go to.
struct Group {
    folder: &'static str,
    /// The feature of this crate that its code needs.
    feature: Option<&'static str>,
    /// Fields that are boxed: large, and absent as a rule.
    boxed: &'static [&'static str],
}

/// A further folder of .proto files is one more line here. A folder that does not exist makes an empty module.
const GROUPS: &[Group] = &[
    Group {
        folder: "argocd",
        feature: Some("argocd"),
        boxed: LARGE_IN_ARGOCD,
    },
    Group {
        folder: "octopus",
        feature: None,
        boxed: &[],
    },
];

/// Without these an application takes 9.8 KB before its first text, and each entry of its history 1.1 KB; with them 1.7
/// and 0.4.
const LARGE_IN_ARGOCD: &[&str] = &[
    "Application.operation",
    "ApplicationSource.directory",
    "ApplicationSource.helm",
    "ApplicationSource.kustomize",
    "ApplicationSource.plugin",
    "ApplicationSpec.sourceHydrator",
    "ApplicationStatus.operationState",
    "ApplicationStatus.sourceHydrator",
    "DrySource.directory",
    "DrySource.helm",
    "DrySource.kustomize",
    "DrySource.plugin",
    "Operation.sync",
    "OperationState.syncResult",
];

#[test]
fn generated_code_is_up_to_date() {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let committed = crate_folder.join("src/generated");
    let fresh = tempfile::tempdir().unwrap();
    generate(&crate_folder.join("proto"), fresh.path());

    let expected = files(fresh.path());
    if std::env::var_os("UPDATE_GENERATED").is_some_and(|value| value == "1") {
        write_anew(&committed, &expected);
    }
    let found = files(&committed);
    assert!(
        expected.len() > GROUPS.len(),
        "the generator made only {} files",
        expected.len()
    );
    let stale: Vec<String> = expected
        .keys()
        .chain(found.keys())
        .collect::<BTreeSet<_>>()
        .into_iter()
        .filter_map(|file| match (expected.get(file), found.get(file)) {
            (Some(expected), Some(found)) if expected == found => None,
            (Some(_), Some(_)) => Some(format!("src/generated/{file} is stale")),
            (Some(_), None) => Some(format!("src/generated/{file} is missing")),
            (None, _) => Some(format!("src/generated/{file} is not made by any .proto file")),
        })
        .collect();
    assert!(
        stale.is_empty(),
        "run UPDATE_GENERATED=1 cargo test -p octopus-argo-proto --test generated:\n{}",
        stale.join("\n")
    );
}

/// Generates every group into `out`, with the module files that tie them together.
fn generate(proto: &Path, out: &Path) {
    let mut root = format!("{HEADER}\n");
    for group in GROUPS {
        let folder = out.join(group.folder);
        fs::create_dir(&folder).unwrap();
        let packages = generate_group(group, proto, &folder);
        fs::write(
            folder.join("mod.rs"),
            format!("{HEADER}\n{}", module_tree(&packages)),
        )
        .unwrap();
        if let Some(feature) = group.feature {
            writeln!(root, "#[cfg(feature = \"{feature}\")]").unwrap();
        }
        writeln!(root, "pub mod {};", group.folder).unwrap();
    }
    fs::write(out.join("mod.rs"), root).unwrap();
}

/// Generates one group and returns its packages.
fn generate_group(group: &Group, include: &Path, out: &Path) -> BTreeSet<String> {
    let inputs = proto_files(&include.join(group.folder));
    if inputs.is_empty() {
        return BTreeSet::new();
    }
    let mut descriptors = protox::compile(&inputs, [include]).expect("the .proto files compile");
    // google.protobuf.Empty is `()` to prost; its file would only leave an empty module behind.
    let packages = descriptors
        .file
        .iter()
        .map(|file| file.package().to_owned())
        .filter(|package| package != "google.protobuf")
        .collect();
    descriptors
        .file
        .retain(|file| file.package() != "google.protobuf");
    let configuration = tonic_prost_build::configure();
    let configuration = group
        .boxed
        .iter()
        .fold(configuration, tonic_prost_build::Builder::boxed);
    configuration
        .out_dir(out)
        .emit_rerun_if_changed(false)
        // The connection is the caller's: a channel, a tunnel, a test's pipe.
        .build_transport(false)
        // One order of map entries, as Argo CD itself writes them, so that equal values are equal bytes.
        .btree_map(".")
        // Payloads pass through uncopied.
        .bytes(".")
        // They carry a secret; src/secret.rs says what they show.
        .skip_debug([
            ".octopus.argo.v1.Welcome",
            ".octopus.argo.v1.Resume",
            ".octopus.argo.v1.Metadata",
        ])
        .client_mod_attribute(".", "#[cfg(feature = \"tonic\")]")
        .server_mod_attribute(".", "#[cfg(feature = \"tonic\")]")
        .compile_fds(descriptors)
        .expect("the descriptors generate");
    packages
}

/// Nested modules as the generated code expects them: a package's dots are module boundaries.
fn module_tree(packages: &BTreeSet<String>) -> String {
    #[derive(Default)]
    struct Module<'a> {
        package: Option<&'a str>,
        children: BTreeMap<String, Self>,
    }

    fn write(module: &Module<'_>, indent: usize, text: &mut String) {
        if let Some(package) = module.package {
            writeln!(text, "{:indent$}include!(\"{package}.rs\");", "").unwrap();
        }
        for (name, child) in &module.children {
            writeln!(text, "{:indent$}pub mod {name} {{", "").unwrap();
            write(child, indent + 4, text);
            writeln!(text, "{:indent$}}}", "").unwrap();
        }
    }

    let mut root = Module::default();
    for package in packages {
        let mut module = &mut root;
        for part in package.split('.') {
            module = module.children.entry(part.to_owned()).or_default();
        }
        module.package = Some(package);
    }
    let mut text = String::new();
    write(&root, 0, &mut text);
    text
}

fn write_anew(folder: &Path, files: &BTreeMap<String, String>) {
    if folder.exists() {
        fs::remove_dir_all(folder).unwrap();
    }
    for (name, text) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

/// Every .proto file below `folder`, in a fixed order.
fn proto_files(folder: &Path) -> Vec<PathBuf> {
    let names = files(folder).into_keys();
    names
        .filter(|name| {
            Path::new(name)
                .extension()
                .is_some_and(|ending| ending == "proto")
        })
        .map(|name| folder.join(name))
        .collect()
}

/// Every file below `folder`, by its path within it; none where there is no such folder.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let Ok(entries) = fs::read_dir(&next) else {
            continue;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
                found.insert(name.replace('\\', "/"), fs::read_to_string(&path).unwrap());
            }
        }
    }
    found
}

const HEADER: &str = "// @generated by tests/generated.rs from the .proto files; do not edit.";
