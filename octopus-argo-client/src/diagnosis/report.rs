//! What a diagnosis holds, and how it is printed.

use std::fmt;
use std::time::Duration;

use octopus_argo_core::ServerAddress;

use super::{Finding, Severity};

/// What was found on the way to a server. `Display` is a report of several lines for an operator.
#[derive(Clone, Debug)]
pub struct Diagnosis {
    server: ServerAddress,
    steps: Vec<Step>,
    findings: Vec<Finding>,
}

impl Diagnosis {
    pub(super) fn new(server: ServerAddress) -> Self {
        Self {
            server,
            steps: Vec::new(),
            findings: Vec::new(),
        }
    }

    /// The server that was asked for.
    #[must_use]
    pub fn server(&self) -> &ServerAddress {
        &self.server
    }

    /// Every stage in order, those that were not reached included.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// What is wrong, in the order in which it was found.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Whether a gateway would connect: nothing was found but perhaps warnings.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.findings
            .iter()
            .all(|finding| finding.severity() == Severity::Warning)
    }

    /// How a stage went; `None` for [`Stage::Idle`] where that was not asked for.
    #[must_use]
    pub fn outcome(&self, stage: Stage) -> Option<Outcome> {
        let step = self.steps.iter().find(|step| step.stage == stage);
        step.map(|step| step.outcome)
    }

    pub(super) fn step(&mut self, stage: Stage, outcome: Outcome, detail: impl Into<String>, took: Duration) {
        self.steps.push(Step {
            stage,
            outcome,
            detail: detail.into(),
            took,
        });
    }

    pub(super) fn find(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Adds the stages that were not reached, and brings all into order.
    pub(super) fn complete(&mut self) {
        for stage in Stage::ALL {
            if self.outcome(stage).is_none() && stage != Stage::Idle {
                self.step(stage, Outcome::Skipped, "not reached", Duration::ZERO);
            }
        }
        self.steps.sort_by_key(|step| step.stage);
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.server)?;
        for step in &self.steps {
            writeln!(f, "  {step}")?;
        }
        if self.findings.is_empty() {
            return f.write_str("nothing is wrong");
        }
        for (number, finding) in self.findings.iter().enumerate() {
            let severity = finding.severity();
            write!(f, "\n{}. {severity}: {finding} [{}]", number + 1, finding.code())?;
            write!(f, "\n   {}", finding.advice())?;
        }
        Ok(())
    }
}

/// One stage and how it went.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Step {
    /// Which.
    pub stage: Stage,
    /// How it went.
    pub outcome: Outcome,
    /// What was seen, in a few words.
    pub detail: String,
    /// How long it took.
    pub took: Duration,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<5}{:<15}{}",
            self.outcome.to_string(),
            self.stage.to_string(),
            self.detail
        )?;
        if self.took.is_zero() {
            return Ok(());
        }
        write!(f, " ({} ms)", self.took.as_millis())
    }
}

/// A stage on the way to the tunnel, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Stage {
    /// There are credentials, and they may be sent.
    Credentials,
    /// The name of the server, or of the proxy, is looked up.
    Dns,
    /// A TCP connection to the server, or to the proxy.
    Tcp,
    /// The proxy connects to the server.
    Proxy,
    /// The server proves who it is.
    Tls,
    /// HTTP/2 is agreed on within TLS.
    Alpn,
    /// The server speaks HTTP/2.
    Http2,
    /// The server accepts the credentials.
    Authentication,
    /// The server says that it is well.
    Health,
    /// The server would open a tunnel.
    Tunnel,
    /// A connection on which nothing happens stays.
    Idle,
}

impl Stage {
    /// Every stage, in order.
    pub const ALL: [Self; 11] = [
        Self::Credentials,
        Self::Dns,
        Self::Tcp,
        Self::Proxy,
        Self::Tls,
        Self::Alpn,
        Self::Http2,
        Self::Authentication,
        Self::Health,
        Self::Tunnel,
        Self::Idle,
    ];
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Credentials => "credentials",
            Self::Dns => "dns",
            Self::Tcp => "tcp",
            Self::Proxy => "proxy",
            Self::Tls => "tls",
            Self::Alpn => "alpn",
            Self::Http2 => "http2",
            Self::Authentication => "authentication",
            Self::Health => "health",
            Self::Tunnel => "tunnel",
            Self::Idle => "idle",
        })
    }
}

/// How a stage went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// As it should.
    Passed,
    /// It did not: a finding says why.
    Failed,
    /// It was not reached, or there is nothing to look at.
    Skipped,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Passed => "ok",
            Self::Failed => "FAIL",
            Self::Skipped => "-",
        })
    }
}
