//! Everything on one axum router: registration, the tunnel, health, and what is the embedder's.

use axum::routing::get;
use http::HeaderMap;

use super::*;

/// A gRPC call with no message, or the empty one, and what it is answered with: headers, body, trailers.
async fn grpc(router: &Router, path: &str) -> (HeaderMap, Vec<u8>) {
    let mut router = router.clone();
    let request = Request::post(path)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Body::from(vec![0; 5]))
        .unwrap();
    let response = router.call(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let headers = response.headers().clone();
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (headers, body.to_vec())
}

#[tokio::test]
async fn tunnel_and_health_are_mounted_beside_anything_else() {
    let octopus = Octopus::start().await;
    let router = octopus
        .router
        .clone()
        .route_service("/octopus.argo.v1.Tunnel/{method}", octopus.server.tunnel())
        .route_service("/grpc.health.v1.Health/{method}", octopus.server.health())
        .route("/mine", get(async || "mine"));
    // SERVING, in a message of two bytes behind its prefix.
    let (headers, body) = grpc(&router, "/grpc.health.v1.Health/Check").await;
    assert!(!headers.contains_key("grpc-status"), "{headers:?}");
    assert_eq!(body, [0, 0, 0, 0, 2, 8, 1]);
    // Nobody is let in without credentials.
    let (headers, _) = grpc(&router, "/octopus.argo.v1.Tunnel/Open").await;
    assert_eq!(headers["grpc-status"], "16", "{headers:?}");
    let mut mine = router.clone();
    let request = Request::get("/mine").body(Body::empty()).unwrap();
    let answer = mine.call(request).await.unwrap();
    assert_eq!(to_bytes(answer.into_body(), 100).await.unwrap(), "mine");
    let (status, _) = octopus.register("Spaces-1", "one", GUID, None).await;
    assert!(status.is_success(), "{status}");
}
