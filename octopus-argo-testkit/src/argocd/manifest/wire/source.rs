//! Sources, their tools, the hydrator, and the destination.

use octopus_argo_proto::argocd::k8s::intstr::IntOrString;
use octopus_argo_proto::argocd::v1alpha1::{
    ApplicationDestination, ApplicationSource, ApplicationSourceDirectory, ApplicationSourceHelm,
    ApplicationSourceJsonnet, ApplicationSourceKustomize, ApplicationSourcePlugin,
    ApplicationSourcePluginParameter, DrySource, EnvEntry, HelmFileParameter, HelmParameter, HydrateTo,
    JsonnetVar, KustomizeGvk, KustomizePatch, KustomizeReplica, KustomizeResId, KustomizeSelector,
    OptionalArray, OptionalMap, SourceHydrator, SyncSource,
};
use serde_json::Value;

use super::node::Node;
use crate::argocd::ArgoCdVersion;

pub(super) fn destination(node: &Node<'_>) -> ApplicationDestination {
    ApplicationDestination {
        server: node.text("server"),
        namespace: node.text("namespace"),
        name: node.text("name"),
    }
}

pub(super) fn source(node: &Node<'_>) -> ApplicationSource {
    ApplicationSource {
        repo_url: node.text("repoURL"),
        path: node.text("path"),
        target_revision: node.text("targetRevision"),
        helm: node.boxed("helm", helm),
        kustomize: node.boxed("kustomize", kustomize),
        directory: node.boxed("directory", directory),
        plugin: node.boxed("plugin", plugin),
        chart: node.text("chart"),
        r#ref: node.text("ref"),
        name: node.since(ArgoCdVersion::V2_14, |node| node.text("name")),
        tag_prefix: node.since(ArgoCdVersion::V3_5, |node| node.text("tagPrefix")),
    }
}

pub(super) fn hydrator(node: &Node<'_>) -> SourceHydrator {
    SourceHydrator {
        dry_source: node.value("drySource", |node| DrySource {
            repo_url: node.text("repoURL"),
            target_revision: node.text("targetRevision"),
            path: node.text("path"),
            helm: node.since(ArgoCdVersion::V3_5, |node| node.boxed("helm", helm)),
            kustomize: node.since(ArgoCdVersion::V3_5, |node| node.boxed("kustomize", kustomize)),
            directory: node.since(ArgoCdVersion::V3_5, |node| node.boxed("directory", directory)),
            plugin: node.since(ArgoCdVersion::V3_5, |node| node.boxed("plugin", plugin)),
        }),
        sync_source: node.value("syncSource", |node| SyncSource {
            target_branch: node.text("targetBranch"),
            path: node.text("path"),
            repo_url: node.text("repoURL"),
        }),
        hydrate_to: node.pointer("hydrateTo", |node| HydrateTo {
            target_branch: node.text("targetBranch"),
        }),
    }
}

fn helm(node: &Node<'_>) -> ApplicationSourceHelm {
    ApplicationSourceHelm {
        value_files: node.texts("valueFiles"),
        parameters: node.list("parameters", |node| HelmParameter {
            name: node.text("name"),
            value: node.text("value"),
            force_string: node.flag("forceString"),
        }),
        release_name: node.text("releaseName"),
        values: node.text("values"),
        file_parameters: node.list("fileParameters", |node| HelmFileParameter {
            name: node.text("name"),
            path: node.text("path"),
        }),
        version: node.text("version"),
        pass_credentials: node.flag("passCredentials"),
        ignore_missing_value_files: node.flag("ignoreMissingValueFiles"),
        skip_crds: node.flag("skipCrds"),
        values_object: node.raw_extension("valuesObject"),
        namespace: node.text("namespace"),
        kube_version: node.text("kubeVersion"),
        api_versions: node.texts("apiVersions"),
        skip_tests: node.flag("skipTests"),
        skip_schema_validation: node.flag("skipSchemaValidation"),
    }
}

fn kustomize(node: &Node<'_>) -> ApplicationSourceKustomize {
    ApplicationSourceKustomize {
        name_prefix: node.text("namePrefix"),
        name_suffix: node.text("nameSuffix"),
        images: node.texts("images"),
        common_labels: node.text_map("commonLabels"),
        version: node.text("version"),
        common_annotations: node.text_map("commonAnnotations"),
        force_common_labels: node.flag("forceCommonLabels"),
        force_common_annotations: node.flag("forceCommonAnnotations"),
        namespace: node.text("namespace"),
        common_annotations_envsubst: node.flag("commonAnnotationsEnvsubst"),
        replicas: node.list("replicas", |node| KustomizeReplica {
            name: node.text("name"),
            count: Some(int_or_string(node.any("count"))),
        }),
        patches: node.list("patches", |node| KustomizePatch {
            path: node.text("path"),
            patch: node.text("patch"),
            target: node.pointer("target", kustomize_selector),
            options: node.flag_map("options"),
        }),
        components: node.texts("components"),
        label_without_selector: node.flag("labelWithoutSelector"),
        kube_version: node.text("kubeVersion"),
        api_versions: node.texts("apiVersions"),
        ignore_missing_components: node.flag("ignoreMissingComponents"),
        label_include_templates: node.flag("labelIncludeTemplates"),
    }
}

/// The resource id and the group, version and kind are embedded in Go: nested on the wire, flat in JSON.
fn kustomize_selector(node: &Node<'_>) -> KustomizeSelector {
    KustomizeSelector {
        res_id: Some(KustomizeResId {
            gvk: Some(KustomizeGvk {
                group: node.text("group"),
                version: node.text("version"),
                kind: node.text("kind"),
            }),
            name: node.text("name"),
            namespace: node.text("namespace"),
        }),
        annotation_selector: node.text("annotationSelector"),
        label_selector: node.text("labelSelector"),
    }
}

fn int_or_string(value: Option<&Value>) -> IntOrString {
    const STRING: i64 = 1;
    let text = value.and_then(Value::as_str);
    let number = value
        .and_then(Value::as_i64)
        .and_then(|number| i32::try_from(number).ok());
    IntOrString {
        r#type: Some(text.map_or(0, |_| STRING)),
        int_val: Some(number.unwrap_or_default()),
        str_val: Some(text.unwrap_or_default().to_owned()),
    }
}

fn directory(node: &Node<'_>) -> ApplicationSourceDirectory {
    ApplicationSourceDirectory {
        recurse: node.flag("recurse"),
        jsonnet: node.value("jsonnet", |node| ApplicationSourceJsonnet {
            ext_vars: node.list("extVars", jsonnet_variable),
            tlas: node.list("tlas", jsonnet_variable),
            libs: node.texts("libs"),
        }),
        exclude: node.text("exclude"),
        include: node.text("include"),
        disable_extension_filter: node.flag("disableExtensionFilter"),
    }
}

fn jsonnet_variable(node: &Node<'_>) -> JsonnetVar {
    JsonnetVar {
        name: node.text("name"),
        value: node.text("value"),
        code: node.flag("code"),
    }
}

fn plugin(node: &Node<'_>) -> ApplicationSourcePlugin {
    ApplicationSourcePlugin {
        name: node.text("name"),
        env: node.list("env", |node| EnvEntry {
            name: node.text("name"),
            value: node.text("value"),
        }),
        parameters: node.list("parameters", |node| ApplicationSourcePluginParameter {
            name: node.text("name"),
            map: node.any("map").is_some().then(|| OptionalMap {
                map: node.text_map("map"),
            }),
            array: node.any("array").is_some().then(|| OptionalArray {
                array: node.texts("array"),
            }),
            string: node.optional_text("string"),
        }),
    }
}
