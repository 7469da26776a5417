//! Registering gateways with Octopus over REST: what an installer does before a gateway can connect.
//!
//! ```no_run
//! use octopus_argo_client::registration::{Client, Registration};
//! use octopus_argo_client::tls::{Roots, Tls};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let tls = Tls::host_name(Roots::empty().with_file("company-ca.pem")?);
//! let client = Client::new("https://octopus.example.com", &tls, "API-EXAMPLE0123".parse()?)?;
//! let registration = Registration::new("Spaces-1".parse()?, "Cluster EU")?.environments(["production"]);
//! client
//!     .register_then(&registration, |registered| async move {
//!         // Write `registered.secret()` into the cluster. If that fails, the registration is taken back.
//!         std::fs::write("secret.yaml", "…")
//!     })
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! Each call has a connection of its own, HTTP/2 or HTTP/1 as the server likes, and a limit on its time and on the size of
//! its answer. Redirects are not followed: they would carry the credential to somewhere else. Nothing is tried again by
//! itself, because a registration that is sent twice is refused the second time.
//!
//! Rule: OctopusDeploy/cli and the Octopus docs.

mod address;
pub use address::{ApiAddress, ApiAddressError};

mod client;
pub use client::{Client, ClientConfigError, Deleted, NameFilter};

mod error;
pub use error::{RegistrationError, Stage};

mod http;

mod request;
pub use request::{Record, Registered, Registration, RegistrationTextError, TokenChoice};

mod spaces;
pub use spaces::{InstallError, Leftover, SpacesError};

mod version;
pub use version::{ServerVersion, ServerVersionError};

/// What an API call proves its caller with.
pub use octopus_argo_proto::registration::{Credential, CredentialKind, CredentialTextError};
/// The records, answers and the Secret of registration.
pub use octopus_argo_proto::registration::{
    ErrorBody, GatewayResource, GatewaySecret, ModifyRequest, Summaries, Summary, TaskResource,
};
