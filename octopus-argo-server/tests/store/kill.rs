//! The process is killed in the middle of registrations, again and again, on one file.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use octopus_argo_core::SpaceId;
use octopus_argo_server::{
    GatewayId, Instance, InstanceId, InstanceQuery, InstanceStore as _, Registration, Server, Space,
    SqliteStore, TokenChoice, TokenHash,
};
use secrecy::ExposeSecret as _;
use sqlx::{Connection as _, Row as _};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::support::{name, random, space};

/// Where the child finds the file. Without it the child's test does nothing.
const FILE: &str = "OCTOPUS_ARGO_KILL_FILE";
const SEED: &str = "OCTOPUS_ARGO_KILL_SEED";
const ROUNDS: u32 = 100;

/// A small generator, so that a failure can be run again: xorshift64*.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
    }
}

/// What the child said that it had done, and so has to be found.
#[derive(Default)]
struct Acknowledged {
    records: BTreeMap<InstanceId, (GatewayId, SpaceId)>,
    tokens: BTreeMap<GatewayId, String>,
    deleted: BTreeSet<InstanceId>,
    /// It was about to delete this one, and has not said that it did.
    deleting: Option<InstanceId>,
}

impl Acknowledged {
    fn note(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["registered", id, gateway, in_space, token] => {
                let gateway: GatewayId = gateway.parse().unwrap();
                if token != "kept" {
                    self.tokens.insert(gateway.clone(), token.to_owned());
                }
                let record = (gateway, in_space.parse().unwrap());
                self.records.insert(id.parse().unwrap(), record);
            }
            ["deleting", id] => self.deleting = Some(id.parse().unwrap()),
            ["deleted", id] => {
                let id: InstanceId = id.parse().unwrap();
                self.deleting = None;
                self.records.remove(&id).unwrap();
                self.deleted.insert(id);
            }
            // What the test harness says.
            _ => {}
        }
    }
}

#[tokio::test]
async fn nothing_that_was_acknowledged_is_lost_and_nothing_is_half_there() {
    let seed = std::env::var(SEED).map_or_else(|_| random(), |seed| seed.parse().unwrap());
    eprintln!("again with {SEED}={seed}");
    let mut dice = Dice(seed | 1);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.db");
    let mut acknowledged = Acknowledged::default();
    let (mut killed_at_work, mut begun, mut unsaid) = (0, 0, 0);
    for round in 0..ROUNDS {
        let before = acknowledged.records.len() + acknowledged.deleted.len();
        one_life(&path, &mut dice, &mut acknowledged).await;
        let after = acknowledged.records.len() + acknowledged.deleted.len();
        begun += u32::from(after > before);
        if path.exists() {
            let beyond = check(&path, &mut acknowledged)
                .await
                .unwrap_or_else(|error| panic!("seed {seed}, round {round}: {error}"));
            killed_at_work += u32::from(beyond > unsaid);
            unsaid = beyond;
        }
    }
    println!(
        "{} records, {} deleted; {begun} of {ROUNDS} lives got to work, {killed_at_work} did more than they could say",
        acknowledged.records.len(),
        acknowledged.deleted.len(),
    );
    assert!(
        begun >= ROUNDS / 2,
        "seed {seed}: the process was mostly killed before it did anything"
    );
}

/// Lets a process work on the file, and kills it somewhere.
async fn one_life(path: &Path, dice: &mut Dice, acknowledged: &mut Acknowledged) {
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "kill::works_until_it_is_killed",
            "--ignored",
            "--nocapture",
        ])
        .env(FILE, path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let work = async {
        // Some die while they open the file.
        for _ in 0..dice.below(12) {
            let line = lines
                .next_line()
                .await
                .unwrap()
                .expect("it goes on until it is killed");
            acknowledged.note(&line);
        }
        tokio::time::sleep(Duration::from_micros(dice.below(4000))).await;
    };
    tokio::time::timeout(Duration::from_secs(60), work)
        .await
        .expect("the process does nothing");
    child.start_kill().unwrap();
    child.wait().await.unwrap();
    while let Some(line) = lines.next_line().await.unwrap() {
        acknowledged.note(&line);
    }
}

/// Holds the file against what was said. Gives how many records more are in it.
async fn check(path: &Path, acknowledged: &mut Acknowledged) -> Result<usize, Box<dyn std::error::Error>> {
    let store = SqliteStore::open(path).await?;
    let found = store.instances(&InstanceQuery::default()).await?.instances;
    let found: BTreeMap<InstanceId, Instance> = found
        .into_iter()
        .map(|instance| (instance.id.clone(), instance))
        .collect();
    if let Some(id) = acknowledged.deleting.take().filter(|id| !found.contains_key(id)) {
        acknowledged.records.remove(&id);
        acknowledged.deleted.insert(id);
    }
    for (id, (gateway, in_space)) in &acknowledged.records {
        let Some(instance) = found.get(id) else {
            return Err(format!("{id} is lost").into());
        };
        if (&instance.gateway, &instance.space) != (gateway, in_space)
            || instance.environments.len() != 2
            || instance.web_ui.is_none()
        {
            return Err(format!("{id} is only half there: {instance:?}").into());
        }
        let token = TokenHash::of(&acknowledged.tokens[gateway].clone().into());
        if !store.authenticate(gateway, &token, SystemTime::now()).await? {
            return Err(format!("the token of {gateway} is lost").into());
        }
    }
    if let Some(id) = acknowledged.deleted.iter().find(|id| found.contains_key(id)) {
        return Err(format!("{id} is back").into());
    }
    store.close().await;

    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
    let mut file = sqlx::SqliteConnection::connect_with(&options).await?;
    let sound: String = sqlx::query("PRAGMA integrity_check")
        .fetch_one(&mut file)
        .await?
        .get(0);
    let dangling = sqlx::query("PRAGMA foreign_key_check")
        .fetch_all(&mut file)
        .await?;
    let alone: i64 = sqlx::query(
        "SELECT COUNT(*) FROM gateways g WHERE token_hash IS NULL \
         OR NOT EXISTS (SELECT 1 FROM instances i WHERE i.gateway_id = g.gateway_id)",
    )
    .fetch_one(&mut file)
    .await?
    .get(0);
    if (sound.as_str(), dangling.len(), alone) != ("ok", 0, 0) {
        return Err(format!("{sound}; {} dangling, {alone} gateways alone", dangling.len()).into());
    }
    Ok(found.len() - acknowledged.records.len())
}

/// Registers gateways, each in two spaces, and deletes some records again. Says what it has done when it is done.
#[tokio::test]
#[ignore = "it is run, and killed, by the test above"]
async fn works_until_it_is_killed() {
    let Some(path) = std::env::var_os(FILE) else {
        return;
    };
    let store = SqliteStore::open(Path::new(&path)).await.unwrap();
    let server = Server::new(Arc::new(store));
    let instances = server.instances();
    let other = space("Spaces-2");
    instances
        .put_space(Space::new(other.clone(), "Second"))
        .await
        .unwrap();
    let life = random();
    for number in 0_u64.. {
        let gateway: GatewayId = format!("{life:016x}-{number}").parse().unwrap();
        let registration = Registration::new(SpaceId::default(), name(gateway.as_str()), gateway.clone())
            .environments([
                "Environments-1".parse().unwrap(),
                "Environments-2".parse().unwrap(),
            ])
            .web_ui("https://argo.example.test".parse().unwrap());
        let mut elsewhere = registration.clone().token(TokenChoice::Preserve);
        elsewhere.space = other.clone();
        let mut first = None;
        for registration in [registration, elsewhere] {
            let enrolment = instances.register(registration).await.unwrap();
            let token = enrolment.token.as_ref();
            let token = token.map_or("kept", |token| token.secret().expose_secret());
            let instance = enrolment.instance;
            say(&format!(
                "registered {} {gateway} {} {token}",
                instance.id, instance.space
            ));
            first.get_or_insert(instance.id);
        }
        if number % 3 == 2 {
            let id = first.unwrap();
            say(&format!("deleting {id}"));
            instances.delete(&SpaceId::default(), &id).await.unwrap();
            say(&format!("deleted {id}"));
        }
    }
}

/// A line, out of the process before anything else happens.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}
