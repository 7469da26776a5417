//! Where the objects come from: standard input, files, folders.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};

use octopus_argo_core::read::{Format, Limits, Object, Problem, read};

use crate::args::STDIN;

/// What stood in the input beside applications.
#[derive(Debug, Default)]
pub struct Beside {
    /// Objects of other kinds.
    pub other_objects: usize,
    /// Files of a folder that hold nothing for us.
    pub other_files: usize,
}

/// Reads everything that the paths name, and hands applications and their sets over. Goes on after an error, so that
/// one run names them all.
pub fn read_all(paths: &[PathBuf], mut each: impl FnMut(Object)) -> Result<Beside, Vec<String>> {
    let mut beside = Beside::default();
    let mut errors = Vec::new();
    for path in paths {
        if path.is_dir() {
            read_folder(path, &mut beside, &mut errors, &mut each);
        } else {
            match read_one(path, &mut beside, &mut each) {
                Ok(Held::Ours) => {}
                Ok(Held::Nothing) => errors.push(format!("{}: there is nothing in it", name_of(path))),
                Ok(Held::Others(kind)) => {
                    errors.push(format!("{}: not an Application, but a {kind}", name_of(path)));
                }
                Err(failure) => errors.push(failure.text),
            }
        }
    }
    if errors.is_empty() {
        Ok(beside)
    } else {
        Err(errors)
    }
}

fn read_folder(folder: &Path, beside: &mut Beside, errors: &mut Vec<String>, each: &mut impl FnMut(Object)) {
    let mut files = Vec::new();
    if let Err(error) = find_files(folder, &mut files) {
        errors.push(format!("{}: {error}", folder.display()));
    }
    files.sort();
    let before = errors.len();
    let mut ours = false;
    for file in &files {
        match read_one(file, beside, each) {
            Ok(Held::Ours) => ours = true,
            // Values files, chart templates and the like: there is a lot beside applications in a folder.
            Err(failure) if failure.is_other_object || !mentions_argo_cd(file) => beside.other_files += 1,
            Err(failure) => errors.push(failure.text),
            Ok(Held::Nothing | Held::Others(_)) => {}
        }
    }
    if !ours && errors.len() == before {
        errors.push(format!(
            "{}: no Application in its {} files",
            folder.display(),
            files.len()
        ));
    }
}

/// What one input held.
enum Held {
    /// An application, a set of them, or an empty list.
    Ours,
    /// Only other objects; the kind of the first.
    Others(String),
    Nothing,
}

/// Why an input could not be read.
struct Failure {
    text: String,
    /// It is well formed, and nothing that looks like an application.
    is_other_object: bool,
}

fn read_one(path: &Path, beside: &mut Beside, each: &mut impl FnMut(Object)) -> Result<Held, Failure> {
    let name = name_of(path);
    let (mut input, format): (Box<dyn Read>, _) = if path == Path::new(STDIN) {
        (Box::new(io::stdin().lock()), Format::Detect)
    } else {
        let file = File::open(path).map_err(|error| Failure {
            text: format!("{name}: {error}"),
            is_other_object: false,
        })?;
        (Box::new(file), Format::of_file_name(&name))
    };
    let mut bytes = Counted {
        inner: &mut input,
        any: false,
    };
    let (mut ours, mut other) = (false, None);
    read(&mut bytes, format, &Limits::default(), |object| match object {
        Object::Other { kind, .. } => {
            beside.other_objects += 1;
            other.get_or_insert_with(|| kind.into_string());
        }
        object => {
            ours = true;
            each(object);
        }
    })
    .map_err(|error| Failure {
        is_other_object: matches!(error.problem(), Problem::NotAnApplication { .. }),
        text: with_causes(&error.in_file(&name)),
    })?;
    Ok(match other {
        _ if ours => Held::Ours,
        Some(kind) => Held::Others(kind),
        // A list without entries is an answer; a file without content is a mistake.
        None if bytes.any => Held::Ours,
        None => Held::Nothing,
    })
}

/// An error in one line, with what caused it.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

/// Notes whether anything but whitespace came.
struct Counted<'a> {
    inner: &'a mut dyn Read,
    any: bool,
}

impl Read for Counted<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let size = self.inner.read(into)?;
        self.any = self.any || into[..size].iter().any(|byte| !byte.is_ascii_whitespace());
        Ok(size)
    }
}

/// Whether standard input has anything to say, without taking it away.
pub fn stdin_has_input() -> bool {
    io::stdin().lock().fill_buf().is_ok_and(|bytes| !bytes.is_empty())
}

fn name_of(path: &Path) -> String {
    if path == Path::new(STDIN) {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    }
}

/// Every manifest below `folder`. Hidden folders such as `.git` are left out, and links to folders are not followed.
pub fn find_files(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if entry.file_type()?.is_dir() {
            if !hidden {
                find_files(&path, files)?;
            }
        } else if Format::of_file_name(&path.to_string_lossy()) != Format::Detect && path.is_file() {
            files.push(path);
        }
    }
    Ok(())
}

/// Whether a file that could not be read was meant to be for Argo CD.
pub fn mentions_argo_cd(path: &Path) -> bool {
    const NEEDLE: &[u8] = b"argoproj.io";
    let Ok(file) = File::open(path) else { return true };
    let mut input = BufReader::new(file);
    let mut tail = Vec::new();
    loop {
        let Ok(chunk) = input.fill_buf() else { return true };
        if chunk.is_empty() {
            return false;
        }
        let taken = chunk.len();
        tail.extend_from_slice(chunk);
        if tail.windows(NEEDLE.len()).any(|window| window == NEEDLE) {
            return true;
        }
        tail.drain(..tail.len().saturating_sub(NEEDLE.len() - 1));
        input.consume(taken);
    }
}
