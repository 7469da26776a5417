//! The applications that the simulated Argo CD is filled with.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use octopus_argo_testkit::argocd::{Manifest, ManifestError};

/// Every application in a file or below a folder. In a folder, files that hold no application are passed over.
pub fn read(path: &Path) -> Result<Vec<Manifest>, Box<dyn Error>> {
    let mut manifests = Vec::new();
    if path.is_dir() {
        let mut files = Vec::new();
        find(path, &mut files)?;
        files.sort();
        for file in files {
            match Manifest::parse_all(&fs::read_to_string(&file)?) {
                Ok(found) => manifests.extend(found),
                Err(error) => eprintln!("passed over {}: {}", file.display(), brief(&error)),
            }
        }
    } else {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        manifests =
            Manifest::parse_all(&text).map_err(|error| format!("{}: {}", path.display(), brief(&error)))?;
    }
    if manifests.is_empty() {
        return Err(format!("{}: no Application in it", path.display()).into());
    }
    Ok(manifests)
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let ending = path
            .extension()
            .and_then(|ending| ending.to_str())
            .unwrap_or_default();
        if path.is_dir() {
            find(&path, files)?;
        } else if matches!(ending, "yaml" | "yml" | "json") {
            files.push(path);
        }
    }
    Ok(())
}

/// The first line of an error with its cause: YAML errors go on with a picture of the text.
fn brief(error: &ManifestError) -> String {
    let text = crate::screen::with_causes(error);
    text.lines().next().unwrap_or_default().to_owned()
}
