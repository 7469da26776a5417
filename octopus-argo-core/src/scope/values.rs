//! Values files: which ones of a Helm source, or of a ref source, the image-tags step looks at.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};

use super::SourceMatch;
use super::concern::Concern;
use super::step::HelmPaths;
use crate::annotation::Purpose;
use crate::application::{Application, Source, SourceType};

/// The values files that Helm reads without being told to. The first that exists directly in a source's path counts.
///
/// Rule: Calamari, `source/Calamari/ArgoCD/Helm`.
pub const IMPLICIT_VALUES_FILES: [&str; 4] = ["values.yaml", "values.yml", "Values.yaml", "Values.yml"];

/// Where in the values of a Helm source the images stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImagePaths<'a> {
    /// The text of the source's `image-replace-paths` annotation.
    Annotation(&'a str),
    /// The step's own value paths.
    Step,
}

impl<'a> ImagePaths<'a> {
    /// The paths: the annotation's text split on `,`, each part trimmed. A blank part stays, because it is a mistake
    /// that makes the update fail, and dropping it would hide that. Nothing where the step has the paths.
    ///
    /// ```
    /// use octopus_argo_core::scope::ImagePaths;
    ///
    /// let paths: Vec<_> = ImagePaths::Annotation("image.tag, ,sidecar").iter().collect();
    /// assert_eq!(paths, ["image.tag", "", "sidecar"]);
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let text = match *self {
            Self::Annotation(text) => Some(text),
            Self::Step => None,
        };
        text.into_iter().flat_map(|text| text.split(',').map(str::trim))
    }

    /// The paths of `source`, or `None` where they are missing: the source is unnamed among several, or the annotation
    /// for its name is not there.
    fn of(application: &'a Application, source: &Source, from: HelmPaths) -> Option<Self> {
        match from {
            HelmPaths::Step => Some(Self::Step),
            HelmPaths::Annotations => annotation(application, source).map(Self::Annotation),
        }
    }
}

impl Serialize for ImagePaths<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Step => serializer.serialize_none(),
            Self::Annotation(_) => {
                let mut list = serializer.serialize_seq(None)?;
                for path in self.iter() {
                    list.serialize_element(path)?;
                }
                list.end()
            }
        }
    }
}

/// The `image-replace-paths` annotation that is read for a Helm source.
pub(super) fn annotation<'a>(application: &'a Application, source: &Source) -> Option<&'a str> {
    if application.sources.is_multi() && source.name().is_none() {
        return None;
    }
    application
        .annotations
        .raw(Purpose::ImageReplacePaths, source.name())
}

/// The values files of a Helm source in scope.
#[derive(Clone, Copy, Debug)]
pub struct HelmValues<'a> {
    path: &'a str,
    source: &'a Source,
    image_paths: Option<ImagePaths<'a>>,
}

impl<'a> HelmValues<'a> {
    pub(super) fn new(
        application: &'a Application,
        source: &'a Source,
        path: &'a str,
        from: HelmPaths,
    ) -> Self {
        Self {
            path,
            source,
            image_paths: ImagePaths::of(application, source, from),
        }
    }

    /// The folder of the chart, from the root of the repository. Files are relative to it.
    #[must_use]
    pub fn path(&self) -> &'a str {
        self.path
    }

    /// Where the images stand, in all of the source's values files; `None` is the problem
    /// `missing-image-replace-paths`, and the files are left alone.
    #[must_use]
    pub fn image_paths(&self) -> Option<ImagePaths<'a>> {
        self.image_paths
    }

    /// The listed files that are in this source's own repository, as written. Empty where the image paths are missing.
    pub fn files(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let files: &'a [Box<str>] = match self.image_paths {
            Some(_) => self.source.value_files(),
            None => &[],
        };
        files
            .iter()
            .map(|file| &**file)
            .filter(|file| !file.starts_with('$'))
    }

    /// The file that is updated without being listed: the first of [`IMPLICIT_VALUES_FILES`] for which `exists` holds,
    /// unless it is listed with exactly this text. `./values.yaml` is another text, so that file is then read twice.
    ///
    /// ```
    /// use octopus_argo_core::scope::{Action, Step};
    /// use octopus_argo_core::{Application, Scope};
    ///
    /// let application = Application::from_json(
    ///     br#"{
    ///         "metadata": {"name": "web", "annotations": {
    ///             "argo.octopus.com/project": "shop",
    ///             "argo.octopus.com/environment": "test",
    ///             "argo.octopus.com/image-replace-paths": "image.tag"
    ///         }},
    ///         "spec": {"source": {"repoURL": "https://git.example.test/web.git", "path": "chart"}},
    ///         "status": {"sourceType": "Helm"}
    ///     }"#,
    /// )?;
    /// let scope = Scope::new("shop".parse()?, "test".parse()?);
    /// let plan = application.plan(&scope, Step::IMAGE_TAGS);
    /// let Action::Helm(values) = plan.updates()[0].action() else { panic!("Argo CD says that it is a chart") };
    /// assert_eq!(values.implicit_file(|file| file == "values.yml"), Some("values.yml"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn implicit_file(&self, mut exists: impl FnMut(&str) -> bool) -> Option<&'static str> {
        self.image_paths?;
        let file = IMPLICIT_VALUES_FILES.into_iter().find(|file| exists(file))?;
        (!self.files().any(|listed| listed == file)).then_some(file)
    }
}

/// The values files that one Helm source pulls through a ref source.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RefValues<'a> {
    /// The index of the Helm source.
    pub helm_source: usize,
    /// Where the images stand; `None` is the problem `missing-image-replace-paths`, and the files are left alone.
    pub image_paths: Option<ImagePaths<'a>>,
    /// The files, from the root of the ref source's repository.
    pub files: Vec<&'a str>,
    #[serde(skip)]
    pub(super) missing: Option<Concern<'a>>,
}

/// The problem that a Helm source does not say where its images are.
pub(super) fn missing<'a>(application: &'a Application, index: usize, source: &'a Source) -> Concern<'a> {
    let can_be_annotated = source.name().is_some() || !application.sources.is_multi();
    Concern::MissingImageReplacePaths {
        helm_source: index,
        key: can_be_annotated.then(|| Purpose::ImageReplacePaths.key(source.name())),
    }
}

/// What every ref source of an application is used for, by its `ref`.
pub(super) struct RefUsers<'a>(HashMap<&'a str, Arc<[RefValues<'a>]>>);

impl<'a> RefUsers<'a> {
    /// One pass over all values files, because there may be as many ref sources as files.
    pub(super) fn of(application: &'a Application, sources: &[SourceMatch<'a>], from: HelmPaths) -> Self {
        let mut users: HashMap<&str, Vec<RefValues<'a>>> = HashMap::new();
        let mut add = |reference: &'a str, helm: &SourceMatch<'a>, file: &'a str| {
            let users = users.entry(reference).or_default();
            match users.last_mut() {
                Some(last) if last.helm_source == helm.index() => last.files.push(file),
                _ => {
                    let image_paths = ImagePaths::of(application, helm.source(), from);
                    users.push(RefValues {
                        helm_source: helm.index(),
                        image_paths,
                        files: vec![file],
                        missing: image_paths
                            .is_none()
                            .then(|| missing(application, helm.index(), helm.source())),
                    });
                }
            }
        };
        let helm = || {
            let all = sources.iter();
            all.filter(|source| source.source_type() == Some(&SourceType::Helm))
        };
        for helm in helm() {
            for (reference, file) in references(helm.source()) {
                add(reference, helm, file);
            }
        }
        for (reference, uses) in with_slashes(sources, helm()) {
            for (helm, file) in uses {
                add(reference, helm, file);
            }
        }
        Self(
            users
                .into_iter()
                .map(|(reference, users)| (reference, users.into()))
                .collect(),
        )
    }

    /// Shared by all ref sources of the same name, of which a hostile application may have many.
    pub(super) fn users(&self, reference: &str) -> Arc<[RefValues<'a>]> {
        self.0.get(reference).cloned().unwrap_or_default()
    }
}

type Uses<'a, 's> = Vec<(&'s SourceMatch<'a>, &'a str)>;

/// What Helm sources take from ref sources whose `ref` has a slash in it, each of them once. Argo CD refuses such names,
/// but manifests in Git hold anything. Of those files, too, only what stands before the first slash is no path.
///
/// Sorted, the files of a ref source stand side by side; and a file belongs to as many of them as it has slashes, so
/// there is no more to do than there is text.
fn with_slashes<'a, 's>(
    sources: &[SourceMatch<'a>],
    helm: impl Iterator<Item = &'s SourceMatch<'a>>,
) -> Vec<(&'a str, Uses<'a, 's>)>
where
    'a: 's,
{
    let slashed = |source: &SourceMatch<'a>| {
        let reference = source.source().reference.as_deref()?;
        reference.contains('/').then_some(reference)
    };
    let wanted: BTreeSet<&str> = sources.iter().filter_map(slashed).collect();
    if wanted.is_empty() {
        return Vec::new();
    }
    let mut files: Vec<(&str, usize, &SourceMatch<'_>)> = helm
        .flat_map(|helm| helm.source().value_files().iter().map(move |file| (helm, file)))
        .enumerate()
        .filter_map(|(position, (helm, file))| Some((file.strip_prefix('$')?, position, helm)))
        .collect();
    files.sort_unstable_by_key(|&(file, position, _)| (file, position));
    let uses = wanted.into_iter().map(|reference| {
        let start = format!("{reference}/");
        let first = files.partition_point(|(file, ..)| *file < start.as_str());
        let after = files.get(first..).unwrap_or_default().iter();
        let mut uses: Vec<_> = after.take_while(|(file, ..)| file.starts_with(&start)).collect();
        uses.sort_unstable_by_key(|(_, position, _)| *position);
        let path = |&&(file, _, helm): &&(&'a str, usize, &'s SourceMatch<'a>)| {
            Some((helm, file.split_once('/')?.1))
        };
        (reference, uses.iter().filter_map(path).collect())
    });
    uses.collect()
}

/// What a Helm source takes from ref sources: `$name/path` as name and path. The slash belongs to it: `$vals/…` is no
/// file of a source called `val`.
pub(super) fn references(helm: &Source) -> impl Iterator<Item = (&str, &str)> {
    helm.value_files()
        .iter()
        .filter_map(|file| file.strip_prefix('$')?.split_once('/'))
}

#[cfg(test)]
mod tests {
    use crate::scope::{Action, Step};
    use crate::{Application, Scope};

    /// The files that the last source, a ref source, is updated in, with the Helm source that takes each.
    fn files(reference: &str, helm: [&str; 2]) -> Vec<(usize, String)> {
        let json = format!(
            r#"{{"metadata": {{"annotations": {{"argo.octopus.com/project.r": "p", "argo.octopus.com/environment.r": "e"}}}},
                "spec": {{"sources": [
                    {{"name": "a", "repoURL": "u", "helm": {{"valueFiles": {}}}}},
                    {{"name": "b", "repoURL": "u", "helm": {{"valueFiles": {}}}}},
                    {{"name": "r", "repoURL": "u", "ref": "{reference}"}}]}},
                "status": {{"sourceTypes": ["Helm", "Helm", ""]}}}}"#,
            helm[0], helm[1]
        );
        let application = Application::from_json(json.as_bytes()).unwrap();
        let scope = Scope::from_texts("p", "e", None).unwrap();
        let plan = application.plan(&scope, Step::IMAGE_TAGS);
        let Action::RefValues(users) = plan.updates()[0].action() else {
            panic!("it is a ref source");
        };
        let files = users.iter().flat_map(|user| {
            user.files
                .iter()
                .map(|file| (user.helm_source, (*file).to_owned()))
        });
        files.collect()
    }

    #[test]
    fn the_slash_ends_the_name_of_a_ref_source() {
        let helm = [
            r#"["$vals/z.yaml", "$val/a", "$val", "$VAL/b", "val/c", "$val/"]"#,
            r#"["$val//d"]"#,
        ];
        assert_eq!(
            files("val", helm),
            [(0, "a".into()), (0, String::new()), (1, "/d".into())]
        );
        assert_eq!(files("va", helm), []);
    }

    #[test]
    fn a_ref_with_slashes_in_it_has_its_files_too() {
        let helm = [
            r#"["$a/b/z", "$a/bc/y", "$a/b/c/x", "$a/b"]"#,
            r#"["$a/b/c", "$a/b/z"]"#,
        ];
        assert_eq!(
            files("a/b", helm),
            [
                (0, "b/z".into()),
                (0, "b/c/x".into()),
                (1, "b/c".into()),
                (1, "b/z".into())
            ]
        );
        assert_eq!(files("a/b/c", helm), [(0, "b/c/x".into())]);
        assert_eq!(files("a", helm).len(), 6);
    }
}
