//! Where a repository is cloned from, by the credential that there is for it.

use std::borrow::Cow;
use std::fmt::Write as _;

/// What kind of credential is used for a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Credential {
    /// A user's name and password, or a token in its place.
    Password,
    /// An SSH key.
    SshKey,
}

impl Credential {
    /// The one to use of several that are stored for `repo_url`: the first password, else the first of all.
    ///
    /// Addresses are compared as exact texts: no trimming, no folding of case, `.git` and slashes at the end matter.
    ///
    /// ```
    /// use octopus_argo_core::scope::Credential;
    ///
    /// let stored = [("https://h/a", Credential::SshKey), ("https://h/a", Credential::Password), ("https://h/A", Credential::SshKey)];
    /// assert_eq!(Credential::choose("https://h/a", stored), Some(1));
    /// assert_eq!(Credential::choose("https://h/a/", stored), None);
    /// ```
    #[must_use]
    pub fn choose<'u>(repo_url: &str, stored: impl IntoIterator<Item = (&'u str, Self)>) -> Option<usize> {
        let mut first = None;
        for (index, (url, kind)) in stored.into_iter().enumerate() {
            if url == repo_url {
                if kind == Self::Password {
                    return Some(index);
                }
                first = first.or(Some(index));
            }
        }
        first
    }
}

/// Why a repository has no address to clone from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// `git@…` stands for an SSH address, and needs exactly one colon between host and path.
    #[error("expected `git@host:path`, with one colon")]
    Colons,
    /// There is no scheme, so without an SSH key nobody knows how to reach it.
    #[error("an address without a scheme can only be cloned with an SSH key")]
    NoScheme,
    /// The text is not an address.
    #[error("not a URL")]
    Malformed,
}

/// The address that `repo_url` is cloned from with this credential, or without one.
///
/// With an SSH key it is the text itself. Otherwise `git@host:path` becomes `https://host/path`, and anything with a
/// scheme its canonical form: scheme and host in lower case, no default port, no `.` and `..`, and percent signs for
/// what may not stand in a URL.
///
/// Rule: Calamari, `source/Calamari/ArgoCD/Git/GitCloneSafeUrl.cs`. Other texts without a scheme get `oci://` put in
/// front there, which then cannot be cloned; here that is an error.
///
/// # Errors
/// [`AddressError`] where there is no such address.
///
/// ```
/// use octopus_argo_core::scope::{Credential, clone_address};
///
/// assert_eq!(clone_address("git@h:team/web.git", Some(Credential::SshKey))?, "git@h:team/web.git");
/// assert_eq!(clone_address("git@h:team/web.git", Some(Credential::Password))?, "https://h/team/web.git");
/// assert_eq!(clone_address("HTTPS://Git.Example.test:443/a b", None)?, "https://git.example.test/a%20b");
/// # Ok::<(), octopus_argo_core::scope::AddressError>(())
/// ```
pub fn clone_address(repo_url: &str, credential: Option<Credential>) -> Result<Cow<'_, str>, AddressError> {
    if credential == Some(Credential::SshKey) {
        return Ok(Cow::Borrowed(repo_url));
    }
    if let Some(rest) = repo_url.strip_prefix("git@") {
        return match rest.split_once(':') {
            Some((host, path)) if !path.contains(':') => Ok(Cow::Owned(format!("https://{host}/{path}"))),
            _ => Err(AddressError::Colons),
        };
    }
    let (scheme, rest) = repo_url.split_once("://").ok_or(AddressError::NoScheme)?;
    canonical(scheme.trim_start(), rest.trim_end()).map(Cow::Owned)
}

fn canonical(scheme: &str, rest: &str) -> Result<String, AddressError> {
    let scheme = scheme.to_ascii_lowercase();
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let starts_well = scheme
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_alphabetic());
    if !starts_well || !scheme.bytes().all(allowed) {
        return Err(AddressError::Malformed);
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    let (user, host_and_port) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    };
    // The colons of an IPv6 address stand in brackets.
    let (host, port) = match host_and_port.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (host_and_port, ""),
    };
    let inner = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or_else(|| host.trim_matches(':'));
    let numeric = inner.len() != host.len();
    let never = |c: char| c.is_whitespace() || c.is_control() || r#"[]@<>"\^`{|}%"#.contains(c);
    if inner.contains(never) || (!numeric && inner.contains(':')) || (numeric && !host.starts_with('[')) {
        return Err(AddressError::Malformed);
    }
    if host.is_empty() && scheme != "file" || !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(AddressError::Malformed);
    }
    let mut address = format!("{scheme}://");
    if let Some(user) = user {
        push_encoded(&mut address, user);
        address.push('@');
    }
    address.push_str(&host.to_lowercase());
    let port = port.trim_start_matches('0');
    if !port.is_empty() && Some(port) != default_port(&scheme) {
        address.push(':');
        address.push_str(port);
    }
    let end = rest.find(['?', '#']).unwrap_or(rest.len());
    let (path, tail) = rest.split_at(end);
    push_encoded(&mut address, &without_dots(path));
    push_encoded(&mut address, tail);
    Ok(address)
}

fn default_port(scheme: &str) -> Option<&'static str> {
    match scheme {
        "http" | "ws" => Some("80"),
        "https" | "wss" => Some("443"),
        "ftp" => Some("21"),
        _ => None,
    }
}

/// The path without `.` and `..` segments. An empty path is the root.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

/// Appends `text` with percent signs for what may not stand in a URL. Those that are there stay.
fn push_encoded(address: &mut String, text: &str) {
    for character in text.chars() {
        let plain = character.is_ascii_graphic()
            && !matches!(character, '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}');
        if plain {
            address.push(character);
        } else {
            let mut bytes = [0; 4];
            for byte in character.encode_utf8(&mut bytes).bytes() {
                // Writing to a `String` cannot fail.
                let _ = write!(address, "%{byte:02X}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_form_has_its_address() {
        for (url, address) in [
            ("git@host:team/web.git", Ok("https://host/team/web.git")),
            ("git@host/team/web.git", Err(AddressError::Colons)),
            ("git@host:22:web.git", Err(AddressError::Colons)),
            ("deploy@host:web.git", Err(AddressError::NoScheme)),
            ("registry.example.test/charts", Err(AddressError::NoScheme)),
            ("://x", Err(AddressError::Malformed)),
            ("https://", Err(AddressError::Malformed)),
            ("https://h:x/", Err(AddressError::Malformed)),
            ("https://a b/", Err(AddressError::Malformed)),
            ("https://{host}/", Err(AddressError::Malformed)),
            ("HTTPS://Host", Ok("https://host/")),
            ("http://h:80/a/../b/./c", Ok("http://h/b/c")),
            ("http://h:8080/a/..", Ok("http://h:8080/")),
            ("https://User@h:0443/A.git", Ok("https://User@h/A.git")),
            ("ssh://git@H:22/a", Ok("ssh://git@h:22/a")),
            ("https://[::1]:443/ä?q={x}", Ok("https://[::1]/%C3%A4?q=%7Bx%7D")),
            ("https://h/a%20b", Ok("https://h/a%20b")),
        ] {
            assert_eq!(clone_address(url, None).as_deref(), address.as_deref(), "{url}");
            assert_eq!(clone_address(url, Some(Credential::SshKey)).as_deref(), Ok(url));
        }
    }

    proptest! {
        #[test]
        fn a_canonical_address_stays(url in "(https?|ssh)://[a-zA-Z@:0-9\\[\\]]{0,8}[/.a %ä?#]{0,12}") {
            if let Ok(once) = clone_address(&url, None) {
                prop_assert_eq!(clone_address(&once, None).unwrap(), once.clone());
            }
        }
    }
}
