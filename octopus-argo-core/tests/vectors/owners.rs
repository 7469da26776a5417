//! Which crate runs which operations of a file that several share. Each operation stands in one list.

/// The owners of `connection.json`.
pub(crate) const CONNECTION: &[(&str, &[&str])] = &[
    (
        "octopus-argo-core",
        &[
            "classify_error",
            "stream_error",
            "subscriber_backoff",
            "subscriber_backoff_sequence",
            "health_config",
            "health_run",
            "legacy_keepalive_run",
            "tls_decision",
            "octopus_grpc_url",
            "grpc_dial_target",
            "probe_target",
            "managed_endpoint",
            "gateway_names",
            "argocd_service_address",
            "image_version",
            "is_argocd_api_server",
            "project_token",
            "project_token_flags",
            "required_policies",
            "missing_policies",
            "match_environments",
        ],
    ),
    (
        "octopus-argo-proto",
        &[
            "octopus_auth_header",
            "registration_secret",
            "new_registration_response",
        ],
    ),
    ("octopus-argo-client", &["thumbprint", "call_metadata"]),
];
