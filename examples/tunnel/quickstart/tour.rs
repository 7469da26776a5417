//! The tour, stop by stop.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use octopus_argo_client::connection::Config;
use octopus_argo_client::credentials::Credentials;
use octopus_argo_client::tls::{Roots, Tls};
use octopus_argo_client::{ArgoCd, Gateway};
use octopus_argo_core::annotation::Purpose;
use octopus_argo_core::scope::SourceMatch;
use octopus_argo_core::{Application, ApplicationName, Scope};
use octopus_argo_proto::argocd::application::ApplicationPodLogsQuery;
use octopus_argo_proto::argocd::application::application_service_client::ApplicationServiceClient;
use octopus_argo_server::listen::{Identity, Listen, Serving};
use octopus_argo_server::{Fleet, GatewayId, GatewayToken, Instance, MemoryStore, Server, ServerEvent};
use octopus_argo_testkit::argocd::{Access, ArgoCdSim, Manifest};
use octopus_argo_testkit::relay::{Faults, Relay};
use secrecy::ExposeSecret as _;
use tokio::net::TcpListener;
use tokio::sync::broadcast;

use crate::screen::{Screen, clean};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The token that the simulated Argo CD knows the gateway by. It never leaves the gateway.
const ARGO_CD_TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJvY3RvcHVzLWdhdGV3YXkifQ.not-a-real-signature";

/// Nothing here takes longer; a tour that hangs tells nobody anything.
const PATIENCE: Duration = Duration::from_secs(15);

/// How many lines of a long list are shown.
const SHOWN: usize = 16;

pub async fn run(manifests: Vec<Manifest>) -> Result<()> {
    let started = Instant::now();
    let mut tour = Tour::start(manifests).await?;
    tour.instance().await?;
    tour.applications().await?;
    let (scope, changing) = tour.deployment().await?;
    tour.logs(&changing).await?;
    tour.change(&scope, &changing).await?;
    tour.cut().await?;
    tour.end().await;
    println!(
        "\nAll of it took {:.1} s. Next: README.md, and `--applications PATH` for manifests of your own.",
        started.elapsed().as_secs_f32()
    );
    Ok(())
}

struct Tour {
    screen: Screen,
    argo_cd: ArgoCdSim,
    server: Server,
    listening: Serving,
    relay: Relay,
    gateway: Gateway,
    id: GatewayId,
    events: broadcast::Receiver<ServerEvent>,
}

impl Tour {
    /// Starts Argo CD, the server and the gateway, and waits until they know each other.
    async fn start(manifests: Vec<Manifest>) -> Result<Self> {
        let mut screen = Screen::new();
        screen.step("A server, a gateway and an Argo CD");
        let argo_cd = ArgoCdSim::builder()
            .token(ARGO_CD_TOKEN, Access::read_only("octopus-gateway"))
            .applications(manifests)
            .self_signed_tls()
            .start()
            .await?;
        let count = argo_cd.fleet().names().len();
        screen.line(&format!(
            "Argo CD   simulated, {} with TLS, {count} applications",
            argo_cd.address()
        ));

        let key = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        let identity = Identity::from_pem(
            key.cert.pem().as_bytes(),
            key.signing_key.serialize_pem().as_bytes(),
        )?;
        let store = Arc::new(MemoryStore::default());
        let server = Server::new(store.clone());
        let events = server.events();
        let listening =
            Listen::tls(&identity)?.serve(TcpListener::bind("127.0.0.1:0").await?, server.services())?;
        screen.line(&format!(
            "server    {} with TLS, thumbprint {}",
            listening.local_addr(),
            identity.thumbprint()
        ));

        // What registration does: the server makes a credential and a record, and the gateway is told the credential.
        let id: GatewayId = "0d5f6c1e-9a63-4b07-8f0e-3f9b1f1f2a11".parse()?;
        let token = GatewayToken::generate()?;
        store.set_credential(&id, &token);
        store.put(Instance::new(
            "ArgoCDGateways-1".parse()?,
            "quickstart".parse()?,
            id.clone(),
        ));

        let relay = Relay::start(listening.local_addr()).await?;
        let credentials = Credentials::new(id.as_str().parse()?, token.secret().expose_secret().parse()?);
        let address = relay.address().to_string().parse()?;
        let connection = Config::new(address, &Tls::pinned(identity.thumbprint()), credentials)?;
        let roots = Roots::empty().with_pem(argo_cd.certificate_pem().unwrap_or_default().as_bytes())?;
        let beside = format!("localhost:{}", argo_cd.address().port());
        let argo_cd_access = ArgoCd::new(&beside, &Tls::host_name(roots), ARGO_CD_TOKEN.to_owned().into())?;
        let before = Instant::now();
        let gateway = Gateway::builder(connection).argo_cd(argo_cd_access).start()?;
        let mut tour = Self {
            screen,
            argo_cd,
            server,
            listening,
            relay,
            gateway,
            id,
            events,
        };
        tour.wait("the gateway to connect", |event| {
            matches!(event, ServerEvent::Connected { .. })
        })
        .await?;
        let connected = before.elapsed();
        tour.wait("the applications", |event| {
            matches!(event, ServerEvent::InventoryComplete { .. })
        })
        .await?;
        tour.screen.good(&format!(
            "gateway   dialled out; connected after {:.0} ms, all applications known after {:.0} ms",
            millis(connected),
            millis(before.elapsed())
        ));
        Ok(tour)
    }

    async fn instance(&mut self) -> Result<()> {
        self.screen.step("The instance, as the server sees it");
        let fleet = self.server.fleet().await?;
        for view in fleet.instances() {
            let version = view.argo_cd.version.as_deref().unwrap_or("?");
            self.screen.good(&format!(
                "{} {:?} in {}: {}, Argo CD {version}, {} applications",
                view.instance.id,
                view.instance.name,
                view.instance.space,
                view.health(),
                view.applications.len()
            ));
        }
        Ok(())
    }

    async fn applications(&mut self) -> Result<()> {
        self.screen
            .step("Its applications, by what their annotations say");
        let fleet = self.server.fleet().await?;
        let all: Vec<_> = fleet
            .instances()
            .iter()
            .flat_map(|view| &view.applications)
            .collect();
        let mut rows: Vec<_> = all.iter().flat_map(|application| rows_of(application)).collect();
        rows.sort_by_key(|(row, _)| row[1] == "-");
        let (more, unannotated) = (
            rows.len().saturating_sub(SHOWN),
            rows.iter().filter(|(row, _)| row[1] == "-").count(),
        );
        rows.truncate(SHOWN);
        self.screen.table(
            [
                "APPLICATION",
                "PROJECT",
                "ENVIRONMENT",
                "TENANT",
                "HEALTH",
                "SYNC",
            ],
            &rows,
        );
        if more > 0 {
            self.screen
                .faint(&format!("… and {more} more, {unannotated} of them not annotated"));
        }
        Ok(())
    }

    /// Resolves a deployment that touches something, and explains what it does not touch.
    async fn deployment(&mut self) -> Result<(Scope, ApplicationName)> {
        let fleet = self.server.fleet().await?;
        let scope = interesting_scope(&fleet).ok_or("no application has a project and an environment")?;
        self.screen.step(&format!(
            "Deploying {}: which sources are updated?",
            clean(&scope.to_string())
        ));
        let mut near = Vec::new();
        let mut first = None;
        for (_, resolution) in fleet.resolve(&scope) {
            for source in resolution.matched() {
                first.get_or_insert_with(|| resolution.name().clone());
                let place = source.source().path.as_deref().unwrap_or(".");
                self.screen.good(&format!(
                    "{} source {}: {} {place}",
                    resolution.name(),
                    source.index(),
                    source.source().repo_url
                ));
            }
            if resolution.is_near_miss() {
                let reasons = resolution.sources().iter().flat_map(SourceMatch::reasons);
                let findings = resolution
                    .findings()
                    .into_iter()
                    .map(|finding| finding.to_string());
                let hints = resolution.hints().into_iter().map(|hint| hint.to_string());
                let why = findings
                    .chain(hints)
                    .chain(reasons.map(ToString::to_string))
                    .next()
                    .unwrap_or_default();
                near.push(format!("{}: {why}", resolution.name()));
            }
        }
        if !near.is_empty() {
            self.screen.line("Near misses:");
            near.iter()
                .take(6)
                .for_each(|line| self.screen.bad(&format!("  {line}")));
        }
        Ok((scope, first.ok_or("the scope was made from an application")?))
    }

    async fn logs(&mut self, application: &ApplicationName) -> Result<()> {
        self.screen
            .step(&format!("Logs of {application}, through the tunnel"));
        let lines = [
            "listening on :8080",
            "database connected, 12 migrations applied",
            "ready",
        ];
        self.argo_cd
            .fleet()
            .set_logs(application, "web-7d9f8-x2x4k", lines)?;
        // The client that tonic generated for Argo CD, over the gateway as if Argo CD were next door.
        let mut api = ApplicationServiceClient::new(self.server.gateway(&self.id));
        let query = ApplicationPodLogsQuery {
            name: application.name().to_owned(),
            app_namespace: application.namespace().map(str::to_owned),
            ..ApplicationPodLogsQuery::default()
        };
        let before = Instant::now();
        let mut entries = api.pod_logs(query).await?.into_inner();
        while let Some(entry) = entries.message().await? {
            if entry.last {
                break;
            }
            self.screen
                .line(&format!("{} | {}", entry.pod_name, entry.content));
        }
        self.screen.faint(&format!(
            "{:.1} ms, server → gateway → Argo CD and back",
            millis(before.elapsed())
        ));
        Ok(())
    }

    /// Changes an annotation in Argo CD, and asks the same question again.
    async fn change(&mut self, scope: &Scope, application: &ApplicationName) -> Result<()> {
        self.screen.step("Somebody changes an annotation in Argo CD");
        let fleet = self.server.fleet().await?;
        let matches = |fleet: &Fleet| {
            fleet
                .resolve(scope)
                .map(|(_, resolution)| resolution.matched().count())
                .sum::<usize>()
        };
        let before = matches(&fleet);
        let (_, resolution) = fleet
            .resolve(scope)
            .find(|(_, resolution)| resolution.name() == application)
            .ok_or("the application is gone")?;
        let source = resolution
            .matched()
            .next()
            .ok_or("the application does not match any more")?;
        let key = Purpose::Environment.key(source.source().name()).to_string();
        self.screen.line(&format!("{application}: {key} = elsewhere"));
        let asked = Instant::now();
        self.argo_cd
            .fleet()
            .annotate(application, &key, Some("elsewhere"))?;
        loop {
            self.wait("the change", |event| {
                matches!(event, ServerEvent::InventoryChanged { .. })
            })
            .await?;
            let after = matches(&self.server.fleet().await?);
            if after != before {
                self.screen.good(&format!(
                    "the same deployment now touches {after} sources instead of {before}, {:.0} ms later",
                    millis(asked.elapsed())
                ));
                return Ok(());
            }
        }
    }

    /// Cuts the connection under a call, and watches both come back.
    async fn cut(&mut self) -> Result<()> {
        self.screen.step("The connection is cut");
        // Nobody is let in, and everybody is thrown out.
        self.relay.set(Faults::none().refuse());
        self.relay.cut();
        self.wait("the loss to be noticed", |event| {
            matches!(event, ServerEvent::Interrupted { .. })
        })
        .await?;
        let known: usize = self
            .server
            .fleet()
            .await?
            .instances()
            .iter()
            .map(|view| view.applications.len())
            .sum();
        self.screen.line(&format!(
            "the server still knows {known} applications; a call that is made now waits"
        ));
        let mut api = octopus_argo_proto::argocd::version::version_service_client::VersionServiceClient::new(
            self.server.gateway(&self.id),
        );
        let asked = Instant::now();
        let (answer, back) = tokio::join!(api.version(()), async {
            let mended = Instant::now();
            self.relay.set(Faults::none());
            let resumed = |event: &ServerEvent| matches!(event, ServerEvent::Resumed { .. });
            self.wait("the gateway to come back", resumed).await?;
            Ok::<_, Box<dyn Error>>(mended.elapsed())
        });
        self.screen.good(&format!(
            "back by itself after {:.0} ms; the session goes on, and nothing was lost",
            millis(back?)
        ));
        self.screen.line(&format!(
            "the call that waited: Argo CD {}, after {:.0} ms",
            answer?.into_inner().version,
            millis(asked.elapsed())
        ));
        Ok(())
    }

    async fn end(self) {
        let grace = Duration::from_secs(2);
        self.gateway.shutdown(grace).await;
        self.server.shutdown(grace).await;
        self.listening.shutdown(grace).await;
        self.argo_cd.shutdown(grace).await;
    }

    /// Waits for an event of the server.
    async fn wait(&mut self, what: &str, wanted: impl Fn(&ServerEvent) -> bool) -> Result<()> {
        let found = async {
            loop {
                match self.events.recv().await {
                    Ok(event) if wanted(&event) => return Ok(()),
                    Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return Err("the server is gone".to_owned()),
                }
            }
        };
        let stopped = async {
            let reason = self.gateway.stopped().await;
            Err(format!(
                "the gateway stopped: {}",
                crate::screen::with_causes(&reason)
            ))
        };
        tokio::select! {
            found = tokio::time::timeout(PATIENCE, found) => {
                found.map_err(|_| format!("waited {} s for {what}; {}", PATIENCE.as_secs(), self.gateway.argo_cd()))??;
            }
            stopped = stopped => stopped?,
        }
        Ok(())
    }
}

/// One row for each source that something is declared for, or one for an application without any.
fn rows_of(application: &Application) -> Vec<([String; 6], bool)> {
    let text = |text: Option<&str>| clean(text.unwrap_or("-"));
    let status = application.status.as_ref();
    let health = status
        .and_then(|status| status.health.as_ref())
        .map(ToString::to_string);
    let sync = status
        .and_then(|status| status.sync.as_ref())
        .map(ToString::to_string);
    let good = health.as_deref() == Some("Healthy") && sync.as_deref() == Some("Synced");
    let row = |declared: octopus_argo_core::scope::Declared<'_>| {
        let row = [
            clean(&application.name.to_string()),
            text(declared.project),
            text(declared.environment),
            text(declared.tenant),
            text(health.as_deref()),
            text(sync.as_deref()),
        ];
        (row, good)
    };
    let declared = (0..application.sources.len()).map(|index| application.declared(index));
    let mut rows: Vec<_> = declared
        .filter(|declared| declared.project.is_some())
        .map(row)
        .collect();
    rows.dedup();
    if rows.is_empty() {
        rows.push(row(octopus_argo_core::scope::Declared::NONE));
    }
    rows
}

/// The scope of the sample fleet if it touches anything, otherwise the one that touches most.
fn interesting_scope(fleet: &Fleet) -> Option<Scope> {
    let preferred = Scope::from_texts("payments", "staging", None).ok()?;
    let touched = |scope: &Scope| {
        fleet
            .resolve(scope)
            .filter(|(_, resolution)| resolution.is_match())
            .count()
    };
    if touched(&preferred) > 0 {
        return Some(preferred);
    }
    let applications = fleet.instances().iter().flat_map(|view| &view.applications);
    let declared = applications
        .flat_map(|application| (0..application.sources.len()).map(move |index| application.declared(index)));
    let mut scopes: Vec<Scope> = declared
        .filter_map(|declared| {
            Scope::from_texts(declared.project?, declared.environment?, declared.tenant).ok()
        })
        .collect();
    scopes.truncate(500);
    scopes.into_iter().max_by_key(touched)
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
