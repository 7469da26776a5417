//! Which clients are too old.

use tonic::Status;

/// Looks at the first `user-agent`, after authentication.
///
/// Rule: Argo CD `util/grpc/useragent.go` (`userAgentEnforcer`), `common/common.go` (`MinClientVersion`).
pub(super) fn check(user_agent: Option<&str>) -> Result<(), Status> {
    let words: Vec<&str> = user_agent.unwrap_or_default().split(' ').collect();
    let too_old = |version: &str| {
        Status::failed_precondition(format!(
            "unsatisfied client version constraint: client version {version} is older than {MINIMUM}"
        ))
    };
    for word in &words {
        let Some(version) = word.strip_prefix("argocd-client/") else {
            continue;
        };
        let plain = version.split('-').next().unwrap_or_default();
        let numbers = semantic(plain).ok_or_else(|| {
            Status::invalid_argument(format!(
                "could not parse version {version}: Invalid Semantic Version"
            ))
        })?;
        return if numbers < [1, 4, 0] {
            Err(too_old(version))
        } else {
            Ok(())
        };
    }
    match words.as_slice() {
        // What old clients called themselves.
        [lone @ ("grpc-go/1.15.0" | "grpc-go/1.10.0")] => Err(too_old(lone)),
        _ => Ok(()),
    }
}

const MINIMUM: &str = "1.4.0";

/// One to three numbers, with or without a `v`; what stands behind `+` does not count.
fn semantic(text: &str) -> Option<[u64; 3]> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let text = text.split('+').next().unwrap_or_default();
    let mut numbers = [0; 3];
    let parts: Vec<&str> = text.split('.').collect();
    if parts.len() > numbers.len() {
        return None;
    }
    for (number, part) in numbers.iter_mut().zip(parts) {
        *number = part.parse().ok()?;
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    #[test]
    fn old_clients_are_refused() {
        for (agent, expected) in [
            ("", Code::Ok),
            ("tonic/0.14", Code::Ok),
            ("argocd-client/v3.5.0 grpc-go/1.83.0", Code::Ok),
            ("argocd-client/1.4.0-rc1", Code::Ok),
            ("argocd-client/1.3.9", Code::FailedPrecondition),
            ("octopus argocd-client/unknown", Code::InvalidArgument),
            ("argocd-client/", Code::InvalidArgument),
            ("grpc-go/1.15.0", Code::FailedPrecondition),
            ("grpc-go/1.15.0 other", Code::Ok),
            ("grpc-go/1.83.0", Code::Ok),
        ] {
            let code = check(Some(agent)).map_or_else(|status| status.code(), |()| Code::Ok);
            assert_eq!(code, expected, "{agent:?}");
        }
        assert!(check(None).is_ok());
    }
}
