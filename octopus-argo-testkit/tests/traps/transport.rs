//! Paths, ALPN, gRPC-Web and the root path.

use octopus_argo_client::tls::{Roots, Tls};
use octopus_argo_proto::argocd::Filter;
use octopus_argo_testkit::argocd::{Alpn, ArgoCdVersion, Method};
use tonic::Code;

use super::*;

/// Trap 1: the settings are in the package `cluster`.
#[tokio::test]
async fn the_settings_are_where_they_are() {
    let sim = sim().await;
    let settings = soon(api(&sim).settings()).await.unwrap();
    assert!(!settings.controller_namespace.is_empty(), "{settings:?}");
}

fn trusting(sim: &ArgoCdSim) -> ArgoCdBuilder {
    let roots = Roots::empty()
        .with_pem(sim.certificate_pem().unwrap().as_bytes())
        .unwrap();
    ArgoCd::builder(&format!("localhost:{}", sim.address().port())).tls(Tls::host_name(roots))
}

/// Trap 2: a client that offers both protocols gets HTTP/1.1, and servers up to 2.13 agree on none.
#[tokio::test]
async fn http2_is_spoken_whatever_alpn_says() {
    for (version, alpn) in [
        (ArgoCdVersion::V2_8, Alpn::OfVersion),
        (ArgoCdVersion::V3_5, Alpn::OfVersion),
        (ArgoCdVersion::V3_5, Alpn::ServerOrder),
        (ArgoCdVersion::V3_5, Alpn::None),
    ] {
        let sim = builder()
            .version(version)
            .self_signed_tls()
            .alpn(alpn)
            .start()
            .await
            .unwrap();
        let api = trusting(&sim).build().unwrap().api();
        let answer = soon(api.version()).await;
        assert!(answer.is_ok(), "{version:?} {alpn:?}: {answer:?}");
    }
}

/// Trusting nobody, or anybody, or this certificate.
#[tokio::test]
async fn a_server_has_to_prove_who_it_is_unless_it_is_said_otherwise() {
    let sim = builder().self_signed_tls().start().await.unwrap();
    let address = format!("localhost:{}", sim.address().port());
    let stranger = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let roots = Roots::empty().with_pem(stranger.cert.pem().as_bytes()).unwrap();
    let distrusting = ArgoCd::builder(&address)
        .tls(Tls::host_name(roots))
        .build()
        .unwrap();
    assert_eq!(
        reason(soon(distrusting.api().version()).await),
        Reason::Unreachable
    );
    for web in [false, true] {
        let builder = ArgoCd::builder(&address).danger_unverified();
        let builder = if web { builder.grpc_web() } else { builder };
        soon(builder.build().unwrap().api().version()).await.unwrap();
        let builder = trusting(&sim);
        let builder = if web { builder.grpc_web() } else { builder };
        soon(builder.build().unwrap().api().version()).await.unwrap();
    }
}

/// Trap 3: gRPC-Web has one content type that is answered.
#[tokio::test]
async fn grpc_web_is_answered() {
    let sim = sim().await;
    let api = argo_cd(&sim).grpc_web().build().unwrap().api();
    let listed = soon(api.list(&Filter::default())).await.unwrap();
    assert_eq!(listed.len(), 2);
    // An error before any message is in the headers.
    assert_eq!(reason(soon(api.get(&target("gone"))).await), Reason::NotFound);
    // Streams too, and connections are used again.
    let mut watch = api.watch(&Filter::default());
    soon(watch.next()).await.unwrap().unwrap();
    soon(api.version()).await.unwrap();
    assert!(
        sim.traffic().connections() <= 3,
        "{}",
        sim.traffic().connections()
    );
}

/// Trap 3: an error behind a message is in the last frame, and nowhere else.
#[tokio::test]
async fn grpc_web_tells_an_error_behind_a_message() {
    let sim = sim().await;
    let api = argo_cd(&sim).grpc_web().build().unwrap().api();
    sim.faults().fail_after(
        Method::Watch,
        1,
        Code::ResourceExhausted,
        "it has grown too large",
    );
    let mut watch = api.watch(&Filter::default());
    soon(watch.next()).await.unwrap().unwrap();
    assert_eq!(reason(soon(watch.next()).await), Reason::Busy);

    sim.faults()
        .fail_after(Method::Get, 1, Code::ResourceExhausted, "it has grown too large");
    assert_eq!(reason(soon(api.get(&target("web"))).await), Reason::Busy);
    sim.faults()
        .fail_after(Method::List, 1, Code::ResourceExhausted, "it has grown too large");
    assert_eq!(reason(soon(api.list(&Filter::default())).await), Reason::Busy);
}

/// Trap 3: a body without that last frame was cut, even if it ends as a whole one does.
#[tokio::test]
async fn grpc_web_tells_the_end_from_a_cut() {
    let sim = sim().await;
    let api = argo_cd(&sim).grpc_web().build().unwrap().api();
    for torn in [true, false] {
        let cut = |method, messages| {
            if torn {
                sim.faults().break_after(method, messages);
            } else {
                sim.faults().end_after(method, messages);
            }
        };
        cut(Method::Watch, 1);
        let mut watch = api.watch(&Filter::default());
        soon(watch.next()).await.unwrap().unwrap();
        assert_eq!(
            reason(soon(watch.next()).await),
            Reason::Unreachable,
            "torn: {torn}"
        );
        cut(Method::Get, 1);
        assert_eq!(
            reason(soon(api.get(&target("web"))).await),
            Reason::Unreachable,
            "torn: {torn}"
        );
        cut(Method::Get, 0);
        let nothing = reason(soon(api.get(&target("web"))).await);
        assert_eq!(nothing, Reason::Unreachable, "torn: {torn}");
    }
}

/// Also: the root path is for gRPC-Web alone.
#[tokio::test]
async fn the_root_path_is_for_grpc_web_alone() {
    let sim = builder()
        .token(TOKEN, access())
        .root_path("/argo")
        .start()
        .await
        .unwrap();
    let below = argo_cd(&sim).grpc_web_root_path("/argo/").build().unwrap().api();
    assert_eq!(soon(below.list(&Filter::default())).await.unwrap().len(), 2);
    let native = argo_cd(&sim).build().unwrap().api();
    assert_eq!(soon(native.list(&Filter::default())).await.unwrap().len(), 2);
    let beside = argo_cd(&sim).grpc_web().build().unwrap().api();
    assert_eq!(
        reason(soon(beside.list(&Filter::default())).await),
        Reason::Unsupported
    );
}
