//! Fields that a request must hold, even when they are empty.

use hyper::body::Bytes;
use prost::encoding::{DecodeContext, WireType, decode_key, skip_field};
use tonic::Status;

use crate::argocd::Method;
use crate::argocd::method::Kind;

/// The fields that a request of this method must hold, by number and name.
///
/// Rule: Argo CD `server/application/application.proto`, the fields that are `required`.
const fn fields(method: Method) -> &'static [(u32, &'static str)] {
    match method {
        Method::ResourceTree | Method::WatchResourceTree | Method::ManagedResources => {
            &[(1, "applicationName")]
        }
        Method::GetResource => &[(1, "name"), (3, "resourceName"), (4, "version"), (6, "kind")],
        Method::RevisionMetadata | Method::RevisionChartDetails => &[(1, "name"), (2, "revision")],
        Method::GetManifests
        | Method::ListResourceEvents
        | Method::PodLogs
        | Method::Sync
        | Method::TerminateOperation
        | Method::GetApplicationSyncWindows
        | Method::ListLinks => &[(1, "name")],
        _ => &[],
    }
}

/// Looks at the bytes, because a decoded message no longer tells absent from empty.
///
/// Rule: Argo CD `pkg/apiclient/application/application.pb.go` (`Unmarshal`) and grpc-go `server.go`, `rpc_util.go`.
pub(super) fn check(method: Method, message: &Bytes) -> Result<(), Status> {
    let mut found = Vec::new();
    let mut rest = message.clone();
    while !rest.is_empty() {
        let (number, kind) =
            decode_key(&mut rest).map_err(|error| undecodable(method, &error.to_string()))?;
        if kind == WireType::LengthDelimited {
            found.push(number);
        }
        skip_field(kind, number, &mut rest, DecodeContext::default())
            .map_err(|error| undecodable(method, &error.to_string()))?;
    }
    match fields(method).iter().find(|(number, _)| !found.contains(number)) {
        None => Ok(()),
        Some((_, name)) => Err(undecodable(
            method,
            &format!("proto: required field \"{name}\" not set"),
        )),
    }
}

/// What a message that cannot be read is answered with.
pub(super) fn undecodable(method: Method, cause: &str) -> Status {
    Status::internal(match method.kind() {
        Kind::Unary => format!("grpc: error unmarshalling request: {cause}"),
        Kind::Stream => format!("grpc: failed to unmarshal the received message: {cause}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_is_present_and_absent_is_not() {
        let whole = [10, 3, b'w', b'e', b'b', 26, 0, 34, 0, 50, 0];
        assert!(
            check(
                Method::GetResource,
                &Bytes::from_static(&[10, 0, 26, 0, 34, 0, 50, 0])
            )
            .is_ok()
        );
        assert!(check(Method::GetResource, &Bytes::copy_from_slice(&whole)).is_ok());
        for (cut, name) in [
            (0..5, "name"),
            (5..7, "resourceName"),
            (7..9, "version"),
            (9..11, "kind"),
        ] {
            let mut bytes = whole.to_vec();
            bytes.drain(cut);
            let status = check(Method::GetResource, &bytes.into()).unwrap_err();
            assert_eq!(status.code(), tonic::Code::Internal);
            assert_eq!(
                status.message(),
                format!("grpc: error unmarshalling request: proto: required field \"{name}\" not set")
            );
        }
        assert!(
            check(Method::List, &Bytes::new()).is_ok(),
            "nothing is required of it"
        );
        let stream = check(Method::PodLogs, &Bytes::new()).unwrap_err();
        assert!(
            stream
                .message()
                .starts_with("grpc: failed to unmarshal the received message")
        );
    }

    #[test]
    fn what_is_no_message_is_said() {
        let status = check(Method::List, &Bytes::from_static(&[10, 200])).unwrap_err();
        assert_eq!(status.code(), tonic::Code::Internal);
    }
}
