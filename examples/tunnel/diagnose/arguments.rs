//! What was asked for.

use std::error::Error;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lexopt::ValueExt as _;
use lexopt::prelude::{Long, Value};
use octopus_argo_client::connection::Config;
use octopus_argo_client::credentials::{AccessToken, CredentialProvider, Credentials, CredentialsError};
use octopus_argo_client::diagnosis::Options;
use octopus_argo_client::dial::HttpProxy;
use octopus_argo_client::tls::{Pin, Roots, Tls};
use octopus_argo_core::{KeyPin, ServerAddress, Thumbprint};

pub(crate) struct Asked {
    pub(crate) config: Config,
    pub(crate) options: Options,
}

#[derive(Default)]
struct Raw {
    server: Option<ServerAddress>,
    client_id: Option<String>,
    token: Option<AccessToken>,
    roots: Vec<PathBuf>,
    thumbprints: Vec<Thumbprint>,
    keys: Vec<KeyPin>,
    compatible: bool,
    plaintext: bool,
    proxy: Option<String>,
    proxy_user: Option<String>,
    proxy_password: Option<String>,
    no_proxy: String,
    idle: Option<Duration>,
}

/// `None` if only help is wanted.
pub(crate) fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Option<Asked>, Box<dyn Error>> {
    let mut parser = lexopt::Parser::from_iter(arguments);
    let mut raw = Raw::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Value(address) if raw.server.is_none() => raw.server = Some(address.parse()?),
            Long("client-id") => raw.client_id = Some(parser.value()?.string()?),
            Long("token-file") => raw.token = Some(from_file(parser.value()?.as_ref())?),
            Long("token-env") => raw.token = Some(variable(&parser.value()?.string()?)?.parse()?),
            Long("ca") => raw.roots.push(parser.value()?.into()),
            Long("thumbprint") => raw.thumbprints.push(parser.value()?.parse()?),
            Long("key") => raw.keys.push(parser.value()?.parse()?),
            Long("compatible") => raw.compatible = true,
            Long("plaintext") => raw.plaintext = true,
            Long("proxy") => raw.proxy = Some(parser.value()?.string()?),
            Long("proxy-user") => raw.proxy_user = Some(parser.value()?.string()?),
            Long("proxy-password-env") => raw.proxy_password = Some(variable(&parser.value()?.string()?)?),
            Long("no-proxy") => raw.no_proxy = parser.value()?.string()?,
            Long("idle") => raw.idle = Some(Duration::from_secs(parser.value()?.parse()?)),
            Long("help") => return Ok(None),
            other => return Err(other.unexpected().into()),
        }
    }
    raw.settle().map(Some)
}

impl Raw {
    fn settle(self) -> Result<Asked, Box<dyn Error>> {
        let server = self.server.clone().ok_or("an address is missing")?;
        let provider = self.credentials()?;
        let mut config = if self.plaintext {
            Config::danger_plaintext(server, provider)
        } else {
            Config::new(server, &self.tls()?, provider)?
        };
        if let Some(proxy) = &self.proxy {
            let mut proxy = HttpProxy::new(proxy)?.bypass(self.no_proxy.parse()?);
            if let Some(user) = &self.proxy_user {
                let password = self.proxy_password.clone().unwrap_or_default();
                proxy = proxy.basic_auth(user, &password.into())?;
            }
            config = config.dial(proxy);
        }
        let options = match self.idle {
            Some(idle) => Options::new().idle(idle),
            None => Options::new(),
        };
        Ok(Asked { config, options })
    }

    fn credentials(&self) -> Result<Given, Box<dyn Error>> {
        match (&self.client_id, &self.token) {
            (Some(id), Some(token)) => {
                let credentials = Credentials::new(id.parse()?, token.clone());
                Ok(Given(Some(if self.plaintext {
                    credentials.danger_allow_plaintext()
                } else {
                    credentials
                })))
            }
            (None, None) => Ok(Given(None)),
            _ => Err("a client id and a token go together".into()),
        }
    }

    fn tls(&self) -> Result<Tls, Box<dyn Error>> {
        let pins = self.thumbprints.iter().copied().map(Pin::from);
        let mut pins = pins.chain(self.keys.iter().copied().map(Pin::from));
        match (pins.next(), self.compatible) {
            (None, false) => Ok(Tls::host_name(self.roots()?)),
            (Some(Pin::Thumbprint(thumbprint)), true) if self.thumbprints.len() + self.keys.len() == 1 => {
                Ok(Tls::danger_compatible(thumbprint, self.roots()?))
            }
            (_, true) => Err("--compatible goes with one --thumbprint".into()),
            (Some(_), false) if !self.roots.is_empty() => {
                Err("--ca means nothing beside --thumbprint or --key without --compatible".into())
            }
            (Some(first), false) => Ok(pins.fold(Tls::pinned(first), Tls::or_pin)),
        }
    }

    fn roots(&self) -> Result<Roots, Box<dyn Error>> {
        let mut roots = Roots::system();
        for path in &self.roots {
            roots = if path.is_dir() {
                roots.with_folder(path)?
            } else {
                roots.with_file(path)?
            };
        }
        Ok(roots)
    }
}

/// The credentials of the command line, or none.
#[derive(Debug)]
struct Given(Option<Credentials>);

#[async_trait::async_trait]
impl CredentialProvider for Given {
    async fn credentials(&self) -> Result<Credentials, CredentialsError> {
        let none = || CredentialsError::permanent("no --client-id and no token were given");
        self.0.clone().ok_or_else(none)
    }
}

fn from_file(path: &Path) -> Result<AccessToken, Box<dyn Error>> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(text.parse()?)
}

fn variable(name: &str) -> Result<String, Box<dyn Error>> {
    std::env::var(name).map_err(|_| format!("the environment variable {name} is not set").into())
}
