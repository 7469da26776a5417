//! Whether a patched file still holds what was written to it.

use serde_json::Value;

use super::changes::FileJsonPatch;

impl FileJsonPatch {
    /// Whether applying the patch again would change nothing in a file with these documents.
    ///
    /// A YAML file is a list of documents, and patches of manifests begin with the number of one (`/0/spec/…`); those
    /// of a file that is one document may leave it out. A patch that does not apply any more, or that is no patch,
    /// says that the file is not as it was left. After heavy restructuring of a file that can be wrong; the next
    /// deployment records a patch that fits.
    ///
    /// Rule: Octopus docs, "Git drift detection"; Octopus Calamari, which writes the patches.
    ///
    /// ```
    /// use octopus_argo_core::health::drift::SourceFileChanges;
    /// use serde_json::json;
    ///
    /// let patch = r#"[{"op": "replace", "path": "/0/image", "value": "web:2"}]"#;
    /// let changes = SourceFileChanges::new(0, None).patched("web.yaml", patch);
    /// assert!(changes.patched_files[0].changes_nothing(&[json!({"image": "web:2"})]));
    /// assert!(!changes.patched_files[0].changes_nothing(&[json!({"image": "web:1"})]));
    /// ```
    #[must_use]
    pub fn changes_nothing(&self, documents: &[Value]) -> bool {
        let Ok(patch) = serde_json::from_str::<json_patch::Patch>(&self.json_patch) else {
            return false;
        };
        let keeps = |before: &Value| {
            let mut after = before.clone();
            json_patch::patch(&mut after, &patch).is_ok() && after == *before
        };
        keeps(&Value::Array(documents.to_vec())) || matches!(documents, [only] if keeps(only))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn keeps(patch: &str, documents: &[Value]) -> bool {
        let file = FileJsonPatch {
            json_patch: patch.into(),
            ..FileJsonPatch::default()
        };
        file.changes_nothing(documents)
    }

    #[test]
    fn documents_are_addressed_by_number_or_not_at_all() {
        let two = [json!({"kind": "Service"}), json!({"image": "web:2"})];
        assert!(keeps(
            r#"[{"op": "replace", "path": "/1/image", "value": "web:2"}]"#,
            &two
        ));
        assert!(!keeps(
            r#"[{"op": "replace", "path": "/0/image", "value": "web:2"}]"#,
            &two
        ));
        let values = [json!({"image": {"tag": "2"}})];
        assert!(keeps(
            r#"[{"op": "replace", "path": "/image/tag", "value": "2"}]"#,
            &values
        ));
    }

    #[test]
    fn what_does_not_apply_is_not_as_it_was_left() {
        assert!(!keeps(
            r#"[{"op": "replace", "path": "/0/gone", "value": 1}]"#,
            &[json!({})]
        ));
        assert!(!keeps("not a patch", &[json!({})]));
        assert!(keeps("[]", &[]));
        // Adding to a list changes it every time.
        assert!(!keeps(
            r#"[{"op": "add", "path": "/0/list/-", "value": 1}]"#,
            &[json!({"list": [1]})]
        ));
    }
}
