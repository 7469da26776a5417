//! What the messages of the API hold, by name: what a gateway between JSON and messages has to know.

use std::collections::HashMap;
use std::sync::LazyLock;

/// A field of a message.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) number: u32,
    pub(super) many: Many,
    pub(super) kind: Kind,
    /// Whether its fields stand in the object that it is a field of: it is embedded in Go.
    pub(super) flat: bool,
    /// Whether it is in JSON even where it is empty.
    pub(super) shown: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Many {
    One,
    List,
    /// With texts as keys.
    Map,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Flag,
    Number,
    Bytes,
    /// A message that JSON has as something else.
    Special(Special),
    Message(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Special {
    /// RFC 3339, or null.
    Time,
    /// JSON in bytes, whatever it is.
    Json,
    IntOrString,
}

const V1ALPHA1: &str = "github.com.argoproj.argo_cd.v3.pkg.apis.application.v1alpha1.";

/// The messages, by full name. Those of [`V1ALPHA1`] go without the package.
static MESSAGES: LazyLock<HashMap<&'static str, Vec<Field>>> = LazyLock::new(|| {
    let mut messages: HashMap<&'static str, Vec<Field>> = HashMap::new();
    for row in include_str!("fields.csv").lines().skip(1) {
        if let Some((message, field)) = field(row) {
            messages.entry(message).or_default().push(field);
        }
    }
    messages
});

/// The fields of a message; none of one that is not known, or has none.
pub(super) fn fields(message: &str) -> &'static [Field] {
    MESSAGES.get(message).map_or(&[], Vec::as_slice)
}

fn field(row: &'static str) -> Option<(&'static str, Field)> {
    let mut columns = row.splitn(6, ',');
    let (package, message, name) = (columns.next()?, columns.next()?, columns.next()?);
    let (number, label, kind) = (columns.next()?, columns.next()?, columns.next()?);
    let kind = kind.trim_matches('"');
    let many = match label {
        "repeated" => Many::List,
        "map" => Many::Map,
        _ => Many::One,
    };
    let of_map = kind
        .strip_prefix("map<string,")
        .and_then(|kind| kind.strip_suffix('>'));
    // The whole name stands nowhere in one piece.
    let full: &'static str = if package == V1ALPHA1.trim_end_matches('.') {
        message
    } else {
        String::leak(format!("{package}.{message}"))
    };
    let proto2_request = package == "application";
    Some((
        full,
        Field {
            name,
            number: number.parse().ok()?,
            many,
            kind: kind_of(of_map.unwrap_or(kind)),
            flat: FLAT.contains(&(message, name)),
            shown: proto2_request || SHOWN.contains(&(message, name)),
        },
    ))
}

fn kind_of(kind: &'static str) -> Kind {
    match kind {
        "string" => Kind::Text,
        "bool" => Kind::Flag,
        "int64" | "int32" => Kind::Number,
        "bytes" => Kind::Bytes,
        "k8s.io.apimachinery.pkg.apis.meta.v1.Time" | "k8s.io.apimachinery.pkg.apis.meta.v1.MicroTime" => {
            Kind::Special(Special::Time)
        }
        "k8s.io.apimachinery.pkg.apis.meta.v1.FieldsV1"
        | "k8s.io.apimachinery.pkg.runtime.RawExtension"
        | "k8s.io.apiextensions_apiserver.pkg.apis.apiextensions.v1.JSON" => Kind::Special(Special::Json),
        "k8s.io.apimachinery.pkg.util.intstr.IntOrString" => Kind::Special(Special::IntOrString),
        message => Kind::Message(message.strip_prefix(V1ALPHA1).unwrap_or(message)),
    }
}

/// Nested on the wire, flat in JSON.
///
/// Rule: Argo CD `pkg/apis/application/v1alpha1/types.go`, the embedded structs.
const FLAT: &[(&str, &str)] = &[
    ("ResourceNode", "resourceRef"),
    ("SyncStrategyHook", "syncStrategyApply"),
    ("KustomizeSelector", "resId"),
    ("KustomizeResId", "gvk"),
    ("ApplicationSourcePluginParameter", "map"),
    ("ApplicationSourcePluginParameter", "array"),
];

/// Pointers, which are there or not, and fields whose tag does not say `omitempty`.
///
/// Rule: Argo CD `pkg/apis/application/v1alpha1/types.go`.
const SHOWN: &[(&str, &str)] = &[
    ("ApplicationSource", "repoURL"),
    ("ApplicationSpec", "project"),
    ("ApplicationSpec", "revisionHistoryLimit"),
    ("SyncStatus", "status"),
    ("OperationState", "phase"),
    ("RevisionHistory", "id"),
    ("ApplicationCondition", "type"),
    ("ApplicationCondition", "message"),
    ("Info", "name"),
    ("Info", "value"),
    ("ResourceResult", "group"),
    ("ResourceResult", "version"),
    ("ResourceResult", "kind"),
    ("ResourceResult", "namespace"),
    ("ResourceResult", "name"),
    ("SyncPolicyAutomated", "prune"),
    ("SyncPolicyAutomated", "selfHeal"),
    ("SyncPolicyAutomated", "allowEmpty"),
    ("SyncPolicyAutomated", "enabled"),
    ("Backoff", "factor"),
    ("ApplicationSourcePluginParameter", "string"),
    ("OrphanedResourcesMonitorSettings", "warn"),
    ("Cluster", "server"),
    ("Cluster", "name"),
    ("Cluster", "shard"),
    ("ConnectionState", "status"),
    ("ConnectionState", "message"),
    ("ObjectMeta", "deletionGracePeriodSeconds"),
    ("ListMeta", "remainingItemCount"),
    ("OwnerReference", "apiVersion"),
    ("OwnerReference", "kind"),
    ("OwnerReference", "name"),
    ("OwnerReference", "uid"),
    ("OwnerReference", "controller"),
    ("OwnerReference", "blockOwnerDeletion"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_read_and_every_exception_exists() {
        let rows = include_str!("fields.csv").lines().count() - 1;
        let read: usize = MESSAGES.values().map(Vec::len).sum();
        assert_eq!(read, rows);
        let all = || MESSAGES.values().flatten();
        assert_eq!(all().filter(|field| field.flat).count(), FLAT.len());
        for (message, name) in SHOWN {
            let field = fields(message).iter().find(|field| field.name == *name);
            // Those of Kubernetes stand under their package.
            let found = field.is_some() || all().any(|field| field.shown && field.name == *name);
            assert!(found, "{message}.{name}");
        }
        for field in all() {
            if let Kind::Message(message) = field.kind {
                assert!(MESSAGES.contains_key(message), "{message} of {}", field.name);
            }
        }
    }

    /// The table of the repository, from which the messages themselves are checked, says the same.
    #[test]
    fn it_is_the_table_of_the_messages() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../vectors/argocd-fields.csv");
        assert_eq!(std::fs::read_to_string(path).unwrap(), include_str!("fields.csv"));
    }
}
