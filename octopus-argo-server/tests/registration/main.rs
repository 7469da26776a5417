//! The registration router, call by call. No sockets: requests go into the router itself.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may fail where it stands, in helpers too"
)]

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::{Body, to_bytes};
use http::{Request, StatusCode};
use octopus_argo_core::setup::KnownEnvironment;
use octopus_argo_core::{SpaceId, Thumbprint};
use octopus_argo_server::registration::{Directory, DirectoryError, Grant, MemoryAccess, Registrar};
use octopus_argo_server::{InstanceQuery, InstanceStore as _, MemoryStore, Server, Space, TokenHash};
use secrecy::SecretString;
use serde_json::{Value, json};
use tower_service::Service as _;

mod refused;

mod answered;

mod mounted;

const KEY: &str = "API-EXAMPLE0123";
const READER: &str = "API-READER";
const EXPIRED: &str = "an-access-token-of-yesterday";
const GUID: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";
const THUMBPRINT: [u8; 20] = [0xab; 20];

struct Octopus {
    store: Arc<MemoryStore>,
    server: Server,
    router: Router,
}

struct Environments;

#[async_trait::async_trait]
impl Directory for Environments {
    async fn environments(&self, _: &SpaceId) -> Result<Vec<KnownEnvironment>, DirectoryError> {
        let slug = Some("production-eu".to_owned());
        Ok(vec![KnownEnvironment::new(
            "Environments-2",
            "Production EU",
            slug,
        )])
    }

    async fn tenants(&self, _: &SpaceId) -> Result<Vec<KnownEnvironment>, DirectoryError> {
        Ok(Vec::new())
    }
}

impl Octopus {
    async fn start() -> Self {
        let store = Arc::new(MemoryStore::default());
        let server = Server::new(store.clone());
        let second = Space::new("Spaces-2".parse().unwrap(), "Second");
        server.instances().put_space(second).await.unwrap();
        let access = MemoryAccess::default();
        access.grant(&KEY.parse().unwrap(), Grant::new("installer"));
        let reader = Grant::new("reader").read_only().in_spaces([SpaceId::default()]);
        access.grant(&READER.parse().unwrap(), reader);
        let yesterday = SystemTime::now() - Duration::from_secs(86_400);
        access.grant(&EXPIRED.parse().unwrap(), Grant::new("wizard").until(yesterday));
        let router = Registrar::new(&server, access)
            .certificate(Thumbprint::from_sha1(THUMBPRINT))
            .directory(Environments)
            .max_body(4096)
            .router();
        Self {
            store,
            server,
            router,
        }
    }

    async fn send(&self, request: Request<Body>) -> (StatusCode, Value) {
        let mut router = self.router.clone();
        let response = router.call(request).await.unwrap();
        let status = response.status();
        let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    async fn call(&self, method: &str, path: &str, body: &Value) -> (StatusCode, Value) {
        self.call_as(KEY, method, path, body).await
    }

    async fn call_as(&self, key: &str, method: &str, path: &str, body: &Value) -> (StatusCode, Value) {
        let request = Request::builder().method(method).uri(path);
        let request = if key.starts_with("API-") {
            request.header("X-Octopus-ApiKey", key)
        } else {
            request.header("Authorization", format!("Bearer {key}"))
        };
        self.send(request.body(Body::from(body.to_string())).unwrap())
            .await
    }

    async fn register(
        &self,
        space: &str,
        name: &str,
        guid: &str,
        preserve: Option<bool>,
    ) -> (StatusCode, Value) {
        let mut body = request(space, name, guid);
        body["PreserveAuthenticationToken"] = preserve.into();
        self.call("POST", &format!("/api/{space}/argocdgateways"), &body)
            .await
    }

    /// How many records there are, in all spaces.
    async fn stored(&self) -> usize {
        let page = self
            .server
            .instances()
            .list(&InstanceQuery::default())
            .await
            .unwrap();
        page.instances.len()
    }

    async fn admits(&self, guid: &str, token: &str) -> bool {
        let hash = TokenHash::of(&SecretString::from(token));
        self.store
            .authenticate(&guid.parse().unwrap(), &hash, SystemTime::now())
            .await
            .unwrap()
    }
}

fn request(space: &str, name: &str, guid: &str) -> Value {
    json!({"SpaceId": space, "Name": name, "Environments": ["Production EU"], "ClientId": guid})
}
