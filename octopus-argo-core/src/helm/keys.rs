//! Every value of the gateway's chart, one constant a key.
//!
//! The order is that of the chart's documentation, and everything that is written out follows it. What is not known of a
//! chart's default says so: [`Default::AppVersion`], [`Default::Library`].
//!
//! Rule: `vectors/helm-values.csv`, after Octopus docs, "Helm chart values". A test compares the two, row by row.

use secrecy::SecretString;
use serde_json::{Map, Value};

use super::key::{Default, Entry, Key};
use super::setting::Period;
use crate::Thumbprint;
use crate::setup::ProjectToken;

macro_rules! keys {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $path:literal $(, $attribute:ident($($value:expr),*))*;)+) => {
        $($(#[$doc])* pub const $name: Key<$type> = Key::new(Ordinal::$name as u16, $path)$(.$attribute($($value),*))*;)+

        /// Every key, in the chart's order.
        pub const ALL: &[Entry] = &[$($name.entry()),+];

        #[allow(non_camel_case_types, clippy::upper_case_acronyms, reason = "numbers the constants above")]
        enum Ordinal { $($name),+ }
    };
}

keys! {
    /// The image's name without its registry.
    IMAGE_REPOSITORY: String = "image.repository", text("octopusdeploy/octopus-argocd-gateway");
    /// The host that the image comes from.
    IMAGE_REGISTRY: String = "image.registry", text("docker.io");
    /// When the kubelet pulls the image.
    IMAGE_PULL_POLICY: String = "image.pullPolicy", text("IfNotPresent");
    /// The image's version; the chart's own if it is not set.
    IMAGE_TAG: String = "image.tag", default(Default::AppVersion);
    /// A text that is glued to the end of the tag.
    IMAGE_TAG_SUFFIX: String = "image.tagSuffix";
    /// Pull secrets for a private registry.
    IMAGE_PULL_SECRETS: Vec<Value> = "image.imagePullSecrets";
    /// A more detailed log.
    GATEWAY_DEBUG: bool = "gateway.debug";
    /// An existing Secret in the gateway's namespace with base64 PEM certificates to trust, for Octopus and Argo CD.
    GATEWAY_SERVER_CERTIFICATE_SECRET_NAME: String = "gateway.serverCertificateSecretName";
    /// Base64 PEM certificates or bundles to trust, for Octopus and Argo CD.
    GATEWAY_SERVER_CERTIFICATES: Vec<String> = "gateway.serverCertificates";
    /// Where Octopus takes gRPC connections, with its port.
    GATEWAY_OCTOPUS_SERVER_GRPC_URL: String = "gateway.octopus.serverGrpcUrl";
    /// The SHA-1 thumbprint of Octopus's certificate, to pin it. Colons and spaces of a pasted one are dropped.
    GATEWAY_OCTOPUS_SERVER_THUMBPRINT: Thumbprint = "gateway.octopus.serverThumbprint";
    /// No TLS towards Octopus. Older documentation spelled it `plainText`.
    GATEWAY_OCTOPUS_PLAINTEXT: bool = "gateway.octopus.plaintext";
    /// Deprecated; [`GATEWAY_SERVER_CERTIFICATES`] replaces it.
    GATEWAY_OCTOPUS_SERVER_CERTIFICATE: String = "gateway.octopus.serverCertificate",
        replaced_by("gateway.serverCertificates");
    /// Superseded by [`GATEWAY_OCTOPUS_HEALTH_CHECK_INTERVAL`]. Seconds between probes; 0 turns them off.
    GATEWAY_OCTOPUS_KEEP_ALIVE_INTERVAL_SECONDS: u32 = "gateway.octopus.keepAlive.intervalSeconds", int(30),
        replaced_by("gateway.octopus.healthCheck.interval");
    /// Superseded by [`GATEWAY_OCTOPUS_HEALTH_CHECK_GIVE_UP_AFTER`]. Failures in a row before the process restarts.
    GATEWAY_OCTOPUS_KEEP_ALIVE_MAX_CONSECUTIVE_FAILURES: u32 =
        "gateway.octopus.keepAlive.maxConsecutiveFailures", int(10),
        replaced_by("gateway.octopus.healthCheck.giveUpAfter");
    /// The time between probes.
    GATEWAY_OCTOPUS_HEALTH_CHECK_INTERVAL: Period = "gateway.octopus.healthCheck.interval",
        default(Default::Library("30s"));
    /// The length of an outage that ends the process.
    GATEWAY_OCTOPUS_HEALTH_CHECK_GIVE_UP_AFTER: Period = "gateway.octopus.healthCheck.giveUpAfter",
        default(Default::Library("5m"));
    /// Where the Argo CD API server takes gRPC calls.
    GATEWAY_ARGOCD_SERVER_GRPC_URL: String = "gateway.argocd.serverGrpcUrl";
    /// An Argo CD account's token, inline: the chart puts it into a Secret.
    GATEWAY_ARGOCD_AUTHENTICATION_TOKEN: SecretString = "gateway.argocd.authenticationToken", excludes(PROJECT_KEYS);
    /// An existing Secret with that token; with an inline one, the name of the Secret that the chart makes.
    GATEWAY_ARGOCD_AUTHENTICATION_TOKEN_SECRET_NAME: String = "gateway.argocd.authenticationTokenSecretName",
        excludes(PROJECT_KEYS);
    /// The key in that Secret.
    GATEWAY_ARGOCD_AUTHENTICATION_TOKEN_SECRET_KEY: String = "gateway.argocd.authenticationTokenSecretKey";
    /// No TLS towards Argo CD.
    GATEWAY_ARGOCD_PLAINTEXT: bool = "gateway.argocd.plaintext", outranks("gateway.argocd.insecure");
    /// TLS towards Argo CD without checking certificate or host name.
    GATEWAY_ARGOCD_INSECURE: bool = "gateway.argocd.insecure";
    /// gRPC-Web towards Argo CD, for proxies without HTTP/2.
    GATEWAY_ARGOCD_GRPC_WEB: bool = "gateway.argocd.grpcWeb";
    /// The path that Argo CD's API lives under; switches gRPC-Web on.
    GATEWAY_ARGOCD_GRPC_WEB_ROOT_PATH: String = "gateway.argocd.grpcWebRootPath", outranks("gateway.argocd.grpcWeb");
    /// Deprecated; [`GATEWAY_SERVER_CERTIFICATES`] replaces it.
    GATEWAY_ARGOCD_SERVER_CERTIFICATE: String = "gateway.argocd.serverCertificate",
        replaced_by("gateway.serverCertificates");
    /// Tokens of Argo CD projects, inline: the chart puts them into a Secret.
    GATEWAY_ARGOCD_PROJECT_AUTHENTICATION: Vec<ProjectToken> = "gateway.argocd.projectAuthentication",
        excludes(ACCOUNT_KEYS);
    /// An existing Secret with one key `PROJECT_AUTH_TOKEN_<project>` a project.
    GATEWAY_ARGOCD_PROJECT_AUTHENTICATION_SECRET_NAME: String = "gateway.argocd.projectAuthenticationSecretName",
        excludes(LIST_AND_ACCOUNT_KEYS);
    /// Whether to make a service account for the gateway's pod.
    GATEWAY_SERVICE_ACCOUNT_CREATE: bool = "gateway.serviceAccount.create", on();
    /// Whether that account's token is mounted in the gateway's pod.
    GATEWAY_SERVICE_ACCOUNT_AUTOMOUNT_SERVICE_ACCOUNT_TOKEN: bool =
        "gateway.serviceAccount.automountServiceAccountToken", on();
    /// An existing account for the gateway's pod.
    GATEWAY_SERVICE_ACCOUNT_NAME: String = "gateway.serviceAccount.name";
    /// Annotations on the account.
    GATEWAY_SERVICE_ACCOUNT_ANNOTATIONS: Map<String, Value> = "gateway.serviceAccount.annotations";
    /// Whether to run the registration job. Off where something else registers the gateway and writes its Secret.
    REGISTRATION_REGISTER: bool = "registration.register", on();
    /// Whether to make a service account for the registration's pod.
    REGISTRATION_SERVICE_ACCOUNT_CREATE: bool = "registration.serviceAccount.create", on();
    /// Whether that account's token is mounted in the registration's pod.
    REGISTRATION_SERVICE_ACCOUNT_AUTOMOUNT_SERVICE_ACCOUNT_TOKEN: bool =
        "registration.serviceAccount.automountServiceAccountToken", on();
    /// An existing account for the registration's pod.
    REGISTRATION_SERVICE_ACCOUNT_NAME: String = "registration.serviceAccount.name";
    /// Annotations on the account.
    REGISTRATION_SERVICE_ACCOUNT_ANNOTATIONS: Map<String, Value> = "registration.serviceAccount.annotations";
    /// The display name of the instance, unique in its space.
    REGISTRATION_OCTOPUS_NAME: String = "registration.octopus.name";
    /// Octopus's web address, used to register.
    REGISTRATION_OCTOPUS_SERVER_API_URL: String = "registration.octopus.serverApiUrl";
    /// An API key or access token of Octopus, inline: the chart puts it into a Secret.
    REGISTRATION_OCTOPUS_SERVER_ACCESS_TOKEN: SecretString = "registration.octopus.serverAccessToken";
    /// An existing Secret with that credential; with an inline one, the name of the Secret that the chart makes.
    REGISTRATION_OCTOPUS_SERVER_ACCESS_TOKEN_SECRET_NAME: String =
        "registration.octopus.serverAccessTokenSecretName";
    /// The key in that Secret.
    REGISTRATION_OCTOPUS_SERVER_ACCESS_TOKEN_SECRET_KEY: String =
        "registration.octopus.serverAccessTokenSecretKey";
    /// Slugs or ids of the environments that the instance serves. Each must exist in every space.
    REGISTRATION_OCTOPUS_ENVIRONMENTS: Vec<String> = "registration.octopus.environments";
    /// One space to register in. Joined with [`REGISTRATION_OCTOPUS_SPACE_IDS`].
    REGISTRATION_OCTOPUS_SPACE_ID: String = "registration.octopus.spaceId";
    /// Spaces to register in. Joined with [`REGISTRATION_OCTOPUS_SPACE_ID`].
    REGISTRATION_OCTOPUS_SPACE_IDS: Vec<String> = "registration.octopus.spaceIds";
    /// Deprecated; [`GATEWAY_SERVER_CERTIFICATES`] replaces it.
    REGISTRATION_OCTOPUS_SERVER_CERTIFICATE: String = "registration.octopus.serverCertificate",
        replaced_by("gateway.serverCertificates");
    /// Argo CD's web address, for links from Octopus.
    REGISTRATION_ARGOCD_WEB_UI_URL: String = "registration.argocd.webUiUrl";
    /// Whether to make the job that updates the chart. Off where Argo CD itself manages the chart.
    AUTO_UPDATE_ENABLED: bool = "autoUpdate.enabled", on();
    /// When the update job runs, as a cron expression.
    AUTO_UPDATE_SCHEDULE: String = "autoUpdate.schedule", text("0 0 * * *");
    /// How many finished good jobs to keep.
    AUTO_UPDATE_SUCCESSFUL_JOBS_HISTORY_LIMIT: u32 = "autoUpdate.successfulJobsHistoryLimit", int(1);
    /// How many finished failed jobs to keep.
    AUTO_UPDATE_FAILED_JOBS_HISTORY_LIMIT: u32 = "autoUpdate.failedJobsHistoryLimit", int(1);
    /// Whether to make a service account for the update job.
    AUTO_UPDATE_SERVICE_ACCOUNT_CREATE: bool = "autoUpdate.serviceAccount.create", on();
    /// Whether that account's token is mounted in the update job's pod.
    AUTO_UPDATE_SERVICE_ACCOUNT_AUTOMOUNT_SERVICE_ACCOUNT_TOKEN: bool =
        "autoUpdate.serviceAccount.automountServiceAccountToken", on();
    /// An existing account for the update job.
    AUTO_UPDATE_SERVICE_ACCOUNT_NAME: String = "autoUpdate.serviceAccount.name";
    /// Annotations on the account.
    AUTO_UPDATE_SERVICE_ACCOUNT_ANNOTATIONS: Map<String, Value> = "autoUpdate.serviceAccount.annotations";
    /// How often a failing update job is repeated.
    AUTO_UPDATE_JOB_BACKOFF_LIMIT: u32 = "autoUpdate.job.backoffLimit", int(3);
    /// The seccomp profile of the pods.
    POD_SECURITY_CONTEXT_SECCOMP_PROFILE_TYPE: String = "podSecurityContext.seccompProfile.type",
        text("RuntimeDefault");
    /// A container root that cannot be written.
    SECURITY_CONTEXT_READ_ONLY_ROOT_FILESYSTEM: bool = "securityContext.readOnlyRootFilesystem", on();
    /// Whether a process may gain privileges.
    SECURITY_CONTEXT_ALLOW_PRIVILEGE_ESCALATION: bool = "securityContext.allowPrivilegeEscalation";
    /// Linux capabilities that are taken away.
    SECURITY_CONTEXT_CAPABILITIES_DROP: Vec<String> = "securityContext.capabilities.drop", texts(&["ALL"]);
    /// Whether to serve Prometheus metrics.
    METRICS_ENABLED: bool = "metrics.enabled";
    /// The port of the metrics.
    METRICS_PORT: u32 = "metrics.port", int(9090);
    /// More labels on the Service of the metrics.
    METRICS_SERVICE_LABELS: Map<String, Value> = "metrics.service.labels";
    /// More annotations on the Service of the metrics.
    METRICS_SERVICE_ANNOTATIONS: Map<String, Value> = "metrics.service.annotations";
    /// Whether to make a `ServiceMonitor`, which needs the Prometheus Operator.
    METRICS_SERVICE_MONITOR_ENABLED: bool = "metrics.serviceMonitor.enabled", needs("metrics.enabled");
    /// The path to scrape.
    METRICS_SERVICE_MONITOR_PATH: String = "metrics.serviceMonitor.path", text("/metrics");
    /// The time between scrapes; Prometheus' own if it is empty.
    METRICS_SERVICE_MONITOR_INTERVAL: String = "metrics.serviceMonitor.interval";
    /// How long a scrape may take; Prometheus' own if it is empty.
    METRICS_SERVICE_MONITOR_SCRAPE_TIMEOUT: String = "metrics.serviceMonitor.scrapeTimeout";
    /// `http` or `https`.
    METRICS_SERVICE_MONITOR_SCHEME: String = "metrics.serviceMonitor.scheme";
    /// TLS options of a scrape.
    METRICS_SERVICE_MONITOR_TLS_CONFIG: Map<String, Value> = "metrics.serviceMonitor.tlsConfig";
    /// More labels, so that Prometheus selects it.
    METRICS_SERVICE_MONITOR_LABELS: Map<String, Value> = "metrics.serviceMonitor.labels";
    /// More annotations.
    METRICS_SERVICE_MONITOR_ANNOTATIONS: Map<String, Value> = "metrics.serviceMonitor.annotations";
    /// Rules that are applied before ingestion.
    METRICS_SERVICE_MONITOR_RELABELINGS: Vec<Value> = "metrics.serviceMonitor.relabelings";
    /// Rules that are applied after the scrape.
    METRICS_SERVICE_MONITOR_METRIC_RELABELINGS: Vec<Value> = "metrics.serviceMonitor.metricRelabelings";
    /// The namespaces to look in.
    METRICS_SERVICE_MONITOR_NAMESPACE_SELECTOR: Map<String, Value> = "metrics.serviceMonitor.namespaceSelector";
    /// How many pods; one works and the others wait to take over.
    REPLICA_COUNT: u32 = "replicaCount", int(1);
    /// Another chart name in the names of resources.
    NAME_OVERRIDE: String = "nameOverride";
    /// Annotations on the gateway's pods.
    POD_ANNOTATIONS: Map<String, Value> = "podAnnotations";
    /// Labels on the gateway's pods.
    POD_LABELS: Map<String, Value> = "podLabels";
    /// Which nodes to run on.
    NODE_SELECTOR: Map<String, Value> = "nodeSelector";
    /// Taints that are tolerated.
    TOLERATIONS: Vec<Value> = "tolerations";
    /// Affinity rules.
    AFFINITY: Map<String, Value> = "affinity";
    /// More environment variables, as Kubernetes `EnvVar` entries. They are hidden in `Debug`, because they may hold
    /// passwords.
    EXTRA_ENV: Vec<Value> = "extraEnv", hidden();
    /// Requests and limits.
    RESOURCES: Map<String, Value> = "resources";
}

const PROJECT_KEYS: &[&str] = &[
    "gateway.argocd.projectAuthentication",
    "gateway.argocd.projectAuthenticationSecretName",
];

const ACCOUNT_KEYS: &[&str] = &[
    "gateway.argocd.authenticationToken",
    "gateway.argocd.authenticationTokenSecretName",
];

const LIST_AND_ACCOUNT_KEYS: &[&str] = &[
    "gateway.argocd.projectAuthentication",
    "gateway.argocd.authenticationToken",
    "gateway.argocd.authenticationTokenSecretName",
];

/// The keys whose own unknown children are no mistake: the chart hands them to Kubernetes as they are.
pub(super) const OPEN: &[&str] = &["podSecurityContext", "securityContext"];

/// Spellings of older documentation, and what they are now.
pub(super) const RENAMED: &[(&str, &str)] = &[("gateway.octopus.plainText", "gateway.octopus.plaintext")];
