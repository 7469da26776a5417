//! A simulated Argo CD to log in to, with the `argocd` command line or with anything else that speaks its API.
//!
//! `cargo run --example argocd_sim`, and `-- --help` for the rest.

#[path = "../quickstart/manifests.rs"]
mod manifests;
mod options;
#[expect(dead_code, reason = "shared with the quickstart, which shows more")]
#[path = "../quickstart/screen.rs"]
mod screen;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use octopus_argo_testkit::argocd::{Access, ArgoCdSim, Controller};
use options::Options;

fn main() -> ExitCode {
    let options = match Options::from_arguments() {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{}", options::HELP);
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("argocd_sim: {error}\nTry `--help`.");
            return ExitCode::from(2);
        }
    };
    let result = tokio::runtime::Runtime::new()
        .map_err(Into::into)
        .and_then(|runtime| runtime.block_on(run(options)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("argocd_sim: {}", screen::with_causes(&*error));
            ExitCode::FAILURE
        }
    }
}

/// Serves until Ctrl-C.
async fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let manifests = manifests::read(&options.applications)?;
    let count = manifests.len();
    let copies = (1..options.copies).flat_map(|copy| {
        let copied = manifests.iter();
        copied.map(move |manifest| manifest.renamed(&format!("{}-{copy}", manifest.name().name())))
    });
    let everything = Access::new("admin").allow("*", "*", "*");
    let mut builder = ArgoCdSim::builder()
        .address(options.listen)
        .version(options.version)
        .root_path(&options.root_path)
        .token(
            TOKEN,
            Access::read_and_sync("gateway")
                .allow("clusters", "get", "*")
                .allow("projects", "get", "*"),
        )
        .user("admin", "simulated", everything)
        .applications(manifests.iter().cloned().chain(copies))
        .controller(
            Controller::default()
                .sync_after(Duration::from_secs(1), Duration::from_secs(4))
                .reconciliations(options.reconciliations)
                .health_changes(options.health_changes),
        );
    if !options.plaintext {
        builder = builder.self_signed_tls();
    }
    let sim = builder.start().await?;

    println!("address   {}", sim.address());
    println!("uri       {}", sim.uri());
    println!("version   {}", options.version.as_str());
    println!(
        "fleet     {count} applications from {}, {} in all",
        options.applications.display(),
        sim.fleet().names().len()
    );
    println!("token     {TOKEN}");
    println!("user      admin, password simulated");
    let port = sim.address().port();
    if options.plaintext {
        println!("\nargocd login localhost:{port} --plaintext --username admin --password simulated");
    } else {
        let path = std::env::temp_dir().join(format!("argocd-sim-{port}.pem"));
        std::fs::write(&path, sim.certificate_pem().unwrap_or_default())?;
        println!("ca        {}", path.display());
        println!("\nargocd login localhost:{port} --insecure --username admin --password simulated");
    }
    println!("Ctrl-C ends it.");
    tokio::signal::ctrl_c().await?;
    sim.shutdown(Duration::from_secs(1)).await;
    Ok(())
}

/// Nobody's secret: this server is on loopback, and what it knows is made up.
const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJhcmdvY2QiLCJzdWIiOiJnYXRld2F5OmFwaUtleSJ9.c2ltdWxhdGVk";
