//! What an answer stands for that is plain HTTP where gRPC was expected.

use tonic::Code;

/// Who answers 401 and 403.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// The server that was called: the credentials are not good, or not good enough.
    Server,
    /// Something on the way. The server itself refuses credentials in gRPC, so theirs may be good all the same.
    OnTheWay,
}

/// The gRPC code for an answer with this HTTP status and without a gRPC one, as a proxy gives it.
///
/// ```
/// use octopus_argo_proto::http_status::{Refusal, code};
/// use octopus_argo_proto::tonic::Code;
///
/// assert_eq!(code(502, Refusal::Server), Code::Unavailable);
/// assert_eq!(code(403, Refusal::Server), Code::PermissionDenied);
/// assert_eq!(code(403, Refusal::OnTheWay), Code::Unavailable);
/// ```
///
/// Rule: gRPC, "HTTP to gRPC Status Code Mapping".
#[must_use]
pub const fn code(status: u16, refusal: Refusal) -> Code {
    match (status, refusal) {
        (400, _) => Code::Internal,
        (401, Refusal::Server) => Code::Unauthenticated,
        (403, Refusal::Server) => Code::PermissionDenied,
        (404, _) => Code::Unimplemented,
        (401 | 403 | 429 | 502..=504, _) => Code::Unavailable,
        _ => Code::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_table() {
        for (status, of_server, on_the_way) in [
            (400, Code::Internal, Code::Internal),
            (401, Code::Unauthenticated, Code::Unavailable),
            (403, Code::PermissionDenied, Code::Unavailable),
            (404, Code::Unimplemented, Code::Unimplemented),
            (429, Code::Unavailable, Code::Unavailable),
            (500, Code::Unknown, Code::Unknown),
            (502, Code::Unavailable, Code::Unavailable),
            (503, Code::Unavailable, Code::Unavailable),
            (504, Code::Unavailable, Code::Unavailable),
            (505, Code::Unknown, Code::Unknown),
            (200, Code::Unknown, Code::Unknown),
        ] {
            assert_eq!(code(status, Refusal::Server), of_server, "{status}");
            assert_eq!(code(status, Refusal::OnTheWay), on_the_way, "{status}");
        }
    }
}
