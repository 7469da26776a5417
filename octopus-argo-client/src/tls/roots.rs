//! Which certificate authorities are trusted.

use std::error::Error;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

/// Trusted root certificates. Cloning shares them.
///
/// They are read once, where the method is called, and the methods that read files block: call them before the
/// runtime starts, or in `spawn_blocking`.
///
/// Rule: OctopusDeploy/octopus-grpc `certificate/pool.go`. Here a file with no certificate in it is an error too.
#[derive(Clone)]
pub struct Roots(Arc<RootCertStore>);

impl Roots {
    /// None yet.
    #[must_use]
    pub fn empty() -> Self {
        Self(Arc::new(RootCertStore::empty()))
    }

    /// The roots that the operating system trusts; none where it has no such list.
    ///
    /// On Linux the variables `SSL_CERT_FILE` and `SSL_CERT_DIR` say where they are, as with OpenSSL. This is the one
    /// place where this crate reads the environment, and it reads nothing else. What cannot be read is logged and
    /// left out, as in Octopus's own gateway.
    #[cfg(feature = "native-roots")]
    #[must_use]
    pub fn system() -> Self {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(
                error = error as &dyn Error,
                "some system root certificates could not be read"
            );
        }
        let mut store = RootCertStore::empty();
        let (added, ignored) = store.add_parsable_certificates(found.certs);
        tracing::debug!(added, ignored, "system root certificates");
        Self(Arc::new(store))
    }

    /// Adds every certificate in a PEM text. Sections of other kinds are passed over.
    ///
    /// # Errors
    /// [`RootsError`] if there is none in it, or if one cannot be read. Nothing is added then.
    pub fn with_pem(mut self, pem: &[u8]) -> Result<Self, RootsError> {
        let mut problems = Vec::new();
        self.add_pem(None, pem, &mut problems);
        self.or_problems(problems)
    }

    /// Adds every certificate in a PEM file, whatever its name. Blocks.
    ///
    /// # Errors
    /// [`RootsError`] if the file cannot be read, or as for [`with_pem`](Self::with_pem).
    pub fn with_file(mut self, path: impl AsRef<Path>) -> Result<Self, RootsError> {
        let mut problems = Vec::new();
        self.add_file(path.as_ref(), &mut problems);
        self.or_problems(problems)
    }

    /// Adds every file below a folder whose name ends in `.pem`, in any letter case. Blocks.
    ///
    /// Other files are passed over. Links to files are followed and links to folders are not, which suits the way that
    /// Kubernetes mounts secrets. A path that is a file itself is treated by the same rule.
    ///
    /// # Errors
    /// [`RootsError`] with everything that could not be read, not just the first. Nothing is added then.
    pub fn with_folder(mut self, path: impl AsRef<Path>) -> Result<Self, RootsError> {
        let mut problems = Vec::new();
        let mut pending = vec![path.as_ref().to_owned()];
        while let Some(path) = pending.pop() {
            let read = fs::symlink_metadata(&path).and_then(|metadata| {
                if metadata.is_dir() {
                    for entry in fs::read_dir(&path)? {
                        pending.push(entry?.path());
                    }
                    return Ok(false);
                }
                let pem = path
                    .extension()
                    .is_some_and(|extension| extension.eq_ignore_ascii_case("pem"));
                // A link to a folder may end in .pem, and a pipe would block for ever.
                Ok(pem && fs::metadata(&path)?.is_file())
            });
            match read {
                Ok(true) => self.add_file(&path, &mut problems),
                Ok(false) => {}
                Err(source) => problems.push(RootProblem::new(Some(&path), Some(Box::new(source)))),
            }
        }
        self.or_problems(problems)
    }

    /// How many there are. A certificate that came twice counts twice.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn store(&self) -> &RootCertStore {
        &self.0
    }

    fn add_file(&mut self, path: &Path, problems: &mut Vec<RootProblem>) {
        match fs::read(path) {
            Ok(pem) => self.add_pem(Some(path), &pem, problems),
            Err(source) => problems.push(RootProblem::new(Some(path), Some(Box::new(source)))),
        }
    }

    fn add_pem(&mut self, path: Option<&Path>, pem: &[u8], problems: &mut Vec<RootProblem>) {
        let mut found = false;
        for certificate in CertificateDer::pem_slice_iter(pem) {
            found = true;
            match certificate {
                Ok(der) => {
                    if let Err(source) = Arc::make_mut(&mut self.0).add(der) {
                        problems.push(RootProblem::new(path, Some(Box::new(source))));
                    }
                }
                // What follows a broken section cannot be told apart.
                Err(source) => {
                    problems.push(RootProblem::new(path, Some(Box::new(source))));
                    break;
                }
            }
        }
        if !found {
            problems.push(RootProblem::new(path, None));
        }
    }

    fn or_problems(self, problems: Vec<RootProblem>) -> Result<Self, RootsError> {
        if problems.is_empty() {
            Ok(self)
        } else {
            Err(RootsError { problems })
        }
    }
}

impl Default for Roots {
    /// None.
    fn default() -> Self {
        Self::empty()
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Roots({})", self.len())
    }
}

/// Root certificates could not be read: all problems at once.
#[derive(Clone, Debug, thiserror::Error)]
#[error("root certificates could not be read: {}", list(problems))]
pub struct RootsError {
    problems: Vec<RootProblem>,
}

impl RootsError {
    /// What could not be read, at least one.
    #[must_use]
    pub fn problems(&self) -> &[RootProblem] {
        &self.problems
    }
}

/// One thing that could not be read.
#[derive(Clone, Debug)]
pub struct RootProblem {
    path: Option<PathBuf>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl RootProblem {
    fn new(path: Option<&Path>, source: Option<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            path: path.map(Path::to_owned),
            source: source.map(Arc::from),
        }
    }

    /// The file or folder, where it was not a text given directly.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }
}

impl fmt::Display for RootProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{}: ", path.display())?,
            None => f.write_str("text: ")?,
        }
        match &self.source {
            Some(source) => source.fmt(f),
            None => f.write_str("no certificate in it"),
        }
    }
}

fn list(problems: &[RootProblem]) -> String {
    problems
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pem() -> String {
        let key = rcgen::KeyPair::generate().unwrap();
        rcgen::CertificateParams::default()
            .self_signed(&key)
            .unwrap()
            .pem()
    }

    #[test]
    fn a_text_gives_all_its_certificates_and_nothing_else_will_do() {
        let text = format!("a comment\n{}{}", pem(), pem());
        assert_eq!(Roots::empty().with_pem(text.as_bytes()).unwrap().len(), 2);
        let error = Roots::empty().with_pem(b"nothing here").unwrap_err();
        assert_eq!(
            error.to_string(),
            "root certificates could not be read: text: no certificate in it"
        );
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(Roots::empty().with_pem(broken.as_bytes()).is_err());
        let cut = "-----BEGIN CERTIFICATE-----\nAAAA\n";
        assert_eq!(
            Roots::empty()
                .with_pem(cut.as_bytes())
                .unwrap_err()
                .problems()
                .len(),
            1
        );
    }

    #[test]
    fn a_folder_is_walked_for_pem_files_of_any_case() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a/b");
        fs::create_dir_all(&deep).unwrap();
        fs::write(folder.path().join("one.pem"), pem()).unwrap();
        fs::write(deep.join("two.PEM"), pem()).unwrap();
        fs::write(deep.join("three.crt"), "passed over").unwrap();
        assert_eq!(Roots::empty().with_folder(folder.path()).unwrap().len(), 2);
        assert!(
            Roots::empty()
                .with_folder(deep.join("three.crt"))
                .unwrap()
                .is_empty()
        );

        fs::write(deep.join("bad.pem"), "nothing").unwrap();
        fs::write(folder.path().join("worse.pem"), "nothing").unwrap();
        let error = Roots::empty().with_folder(folder.path()).unwrap_err();
        let mut names: Vec<_> = error
            .problems()
            .iter()
            .filter_map(|one| one.path()?.file_name()?.to_str())
            .collect();
        names.sort_unstable();
        assert_eq!(names, ["bad.pem", "worse.pem"]);
        assert!(Roots::empty().with_folder(folder.path().join("absent")).is_err());
    }

    /// Kubernetes mounts a secret as links to files behind a link to a folder with a time in its name.
    #[cfg(unix)]
    #[test]
    fn a_mounted_secret_is_read_through_its_links() {
        use std::os::unix::fs::symlink;

        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("..2026_01_01")).unwrap();
        fs::write(folder.path().join("..2026_01_01/ca.pem"), pem()).unwrap();
        symlink("..2026_01_01", folder.path().join("..data")).unwrap();
        symlink("..data/ca.pem", folder.path().join("ca.pem")).unwrap();
        // Once through the link and once in the folder itself: the same certificate twice does no harm.
        assert_eq!(Roots::empty().with_folder(folder.path()).unwrap().len(), 2);
    }
}
