//! Setting a gateway up: its names, where Argo CD is, which rights and tokens it needs. Rules only.
//!
//! What an installer asks a person, a cluster or Octopus for comes in as plain texts; what it writes down comes out.
//! Nothing here dials, and nothing here knows what time it is.
//!
//! | question | answer |
//! |---|---|
//! | what release and namespace are called | [`GatewayNames`] |
//! | which deployment is Argo CD's API server, and where it is | [`is_api_server`], [`ServiceAddress`], [`ManagedEndpoint`] |
//! | which Argo CDs a cluster holds | [`api_servers`], [`describe`], [`choose`] |
//! | whether an address can work at all | [`ProbeTarget`] |
//! | what Argo CD has to allow | [`required_policies`], [`missing_policies`], [`project_policies`] |
//! | what a token says about itself | [`TokenClaims`], [`ProjectTokens`] |
//! | which environments a person meant | [`match_environments`] |
//!
//! Rules: OctopusDeploy/cli, Octopus docs "Argo CD instances". Cases: `vectors/connection.json`.

mod names;
pub use names::{GatewayNames, NameError, display_slug, shorten_slug};

mod argo_cd;
pub use argo_cd::{
    ManagedEndpoint, ServiceAddress, ServicePort, image_version, is_api_server, is_plaintext, web_ui_url,
};

mod discovery;
pub use discovery::{
    CONFIG_MAP, ChooseError, Deployment, FoundArgoCd, LABEL_SELECTORS, PARAMETERS_CONFIG_MAP,
    RBAC_CONFIG_MAP, Route, Service, SkipReason, Skipped, Surroundings, Unread, api_servers,
    api_servers_by_image, choose, describe,
};

mod probe;
pub use probe::{ProbeTarget, ProbeTargetError};

mod policy;
pub use policy::{
    AccountName, Permission, PolicyNameError, ProjectRole, SyncRight, missing_policies, project_permissions,
    project_policies, required_permissions, required_policies,
};

mod token;
pub use token::{Expiry, ProjectTokenError, TokenClaims, TokenError};

mod project_tokens;
pub use project_tokens::{ProjectToken, ProjectTokens, ProjectTokensError};

mod environments;
pub use environments::{KnownEnvironment, UnknownEnvironment, match_environments};

mod base64url;
