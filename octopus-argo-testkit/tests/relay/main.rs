//! The fault relay between plain sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test; the configured exceptions miss the helpers outside #[test]"
)]

use std::io;
use std::time::{Duration, Instant};

use octopus_argo_testkit::relay::{Counts, Faults, Relay, Way};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What is waited for comes within this time, or never.
async fn soon<F: Future>(future: F) -> F::Output {
    let waited = tokio::time::timeout(Duration::from_secs(30), future).await;
    waited.expect("nothing came in time")
}

struct Fixture {
    listener: TcpListener,
    relay: Relay,
}

impl Fixture {
    async fn start(faults: Faults) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = listener.local_addr().unwrap();
        let relay = Relay::start_with(to, faults).await.unwrap();
        Self { listener, relay }
    }

    /// A connection through the relay, both ends.
    async fn pair(&self) -> (TcpStream, TcpStream) {
        let client = soon(TcpStream::connect(self.relay.address())).await.unwrap();
        let (server, _) = soon(self.listener.accept()).await.unwrap();
        (client, server)
    }
}

/// Sends, and reads the same at the other end.
async fn pass(from: &mut TcpStream, to: &mut TcpStream, bytes: &[u8]) {
    soon(from.write_all(bytes)).await.unwrap();
    assert_eq!(take(to, bytes.len()).await, bytes);
}

async fn take(from: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut buffer = vec![0; length];
    soon(from.read_exact(&mut buffer)).await.unwrap();
    buffer
}

/// Nothing comes out of a connection although the relay has had every chance: `probe` has gone there and back since.
async fn is_quiet(stream: &mut TcpStream, probe: (&mut TcpStream, &mut TcpStream)) {
    for _ in 0..5 {
        pass(probe.0, probe.1, b"probe").await;
        pass(probe.1, probe.0, b"probe").await;
    }
    let mut buffer = [0];
    let read = stream.try_read(&mut buffer);
    assert_eq!(read.unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

fn is_reset(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
    )
}

#[tokio::test]
async fn what_passes_is_counted_and_ends_pass_too() {
    let fixture = Fixture::start(Faults::none()).await;
    let (mut client, mut server) = fixture.pair().await;
    let large: Vec<u8> = (0..3_000_000_u32).map(|index| (index % 251) as u8).collect();
    // Both ways at once, more than the relay and the sockets hold.
    let (mut client_reads, mut client_writes) = client.split();
    let (mut server_reads, mut server_writes) = server.split();
    let echo = async {
        let copied = tokio::io::copy(&mut server_reads, &mut server_writes).await;
        server_writes.shutdown().await.unwrap();
        copied.unwrap()
    };
    let send = async {
        client_writes.write_all(&large).await.unwrap();
        client_writes.shutdown().await.unwrap();
    };
    let mut back = Vec::new();
    let (copied, (), read) =
        soon(async { tokio::join!(echo, send, client_reads.read_to_end(&mut back)) }).await;
    assert_eq!((copied, read.unwrap()), (3_000_000, 3_000_000));
    assert!(back == large, "other bytes came back");

    let (_second, _served) = fixture.pair().await;
    let counts = soon(
        fixture
            .relay
            .until(|counts| counts.connections == 2 && counts.open == 1),
    )
    .await;
    let Counts { up, down, cut, .. } = counts;
    assert_eq!((up, down, cut), (3_000_000, 3_000_000, 0));
}

#[tokio::test]
async fn each_direction_has_a_delay_of_its_own() {
    let up = Duration::from_millis(150);
    let fixture = Fixture::start(Faults::none().up(Way::clear().delay(up))).await;
    let (mut client, mut server) = fixture.pair().await;
    let before = Instant::now();
    pass(&mut client, &mut server, b"up").await;
    let took = before.elapsed();
    assert!(took >= up, "{took:?}");
    // Several at once take one delay, not one each.
    let before = Instant::now();
    for _ in 0..20 {
        soon(client.write_all(&[7; 1000])).await.unwrap();
    }
    take(&mut server, 20_000).await;
    let took = before.elapsed();
    assert!(took >= up && took < up * 15, "{took:?}");
    let mut least = Duration::MAX;
    for _ in 0..10 {
        let before = Instant::now();
        pass(&mut server, &mut client, b"down").await;
        least = least.min(before.elapsed());
    }
    assert!(least < up, "{least:?}");
}

#[tokio::test]
async fn a_rate_holds_and_may_be_changed() {
    let fixture = Fixture::start(Faults::none().down(Way::clear().rate(200_000))).await;
    let (mut client, mut server) = fixture.pair().await;
    let before = Instant::now();
    pass(&mut server, &mut client, &vec![1; 100_000]).await;
    let took = before.elapsed();
    assert!(took >= Duration::from_millis(450), "{took:?}");
    // A stall stops what the relay has already.
    fixture.relay.set(Faults::none().down(Way::clear().rate(100_000)));
    soon(server.write_all(&vec![2; 1_000_000])).await.unwrap();
    soon(fixture.relay.until(|counts| counts.down > 100_000)).await;
    fixture.relay.set(Faults::none().down(Way::clear().stall()));
    pass(&mut client, &mut server, b"the order has arrived").await;
    let (stalled, since) = (fixture.relay.counts().down, Instant::now());
    while since.elapsed() < Duration::from_millis(100) {
        pass(&mut client, &mut server, b"probe").await;
    }
    assert_eq!(fixture.relay.counts().down, stalled);
    // At this rate it would take the rest of the day.
    fixture.relay.set(Faults::none().down(Way::clear().rate(100)));
    soon(fixture.relay.until(|counts| counts.down > stalled)).await;
    fixture.relay.set(Faults::none());
    assert_eq!(take(&mut client, 1_000_000).await, vec![2; 1_000_000]);
}

#[tokio::test]
async fn a_slow_reader_costs_no_memory_without_bound() {
    let fixture = Fixture::start(Faults::none()).await;
    let (mut client, server) = fixture.pair().await;
    let chunk = vec![0; 1 << 20];
    let mut sent = 0;
    // Nobody reads, so the sender is stopped by what relay and sockets hold.
    while let Ok(written) = tokio::time::timeout(Duration::from_secs(1), client.write(&chunk)).await {
        sent += written.unwrap();
        assert!(sent < 64 << 20, "{sent} bytes are held");
    }
    assert!(sent > Relay::MAX_HELD);
    drop(server);
}

#[tokio::test]
async fn the_last_byte_is_held_until_another_comes() {
    let held = Faults::none().up(Way::clear().hold_last_byte());
    let fixture = Fixture::start(held).await;
    let (mut client, mut server) = fixture.pair().await;
    soon(client.write_all(b"abc")).await.unwrap();
    assert_eq!(take(&mut server, 2).await, b"ab");
    // What goes the other way is not held, and by then the byte has had every chance.
    for _ in 0..5 {
        pass(&mut server, &mut client, b"probe").await;
    }
    let mut buffer = [0];
    assert_eq!(
        server.try_read(&mut buffer).unwrap_err().kind(),
        io::ErrorKind::WouldBlock
    );
    soon(client.write_all(b"d")).await.unwrap();
    assert_eq!(take(&mut server, 1).await, b"c");
    fixture.relay.set(Faults::none());
    assert_eq!(take(&mut server, 1).await, b"d");
    // The end releases it as well.
    fixture.relay.set(held);
    soon(client.write_all(b"ef")).await.unwrap();
    soon(client.shutdown()).await.unwrap();
    let mut rest = Vec::new();
    soon(server.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(rest, b"ef");
}

#[tokio::test]
async fn a_connection_is_cut_at_the_very_byte() {
    let fixture = Fixture::start(Faults::none().cut_after_bytes(1000)).await;
    let (mut client, mut server) = fixture.pair().await;
    pass(&mut client, &mut server, &[1; 600]).await;
    pass(&mut server, &mut client, &[2; 300]).await;
    // Of the last hundred that pass, what was not read yet is lost with the reset.
    soon(client.write_all(&[3; 600])).await.unwrap();
    let mut rest = Vec::new();
    let error = soon(server.read_to_end(&mut rest)).await.unwrap_err();
    assert!(is_reset(&error) && rest.len() <= 100, "{error:?}, {}", rest.len());
    let error = soon(client.read(&mut [0])).await.unwrap_err();
    assert!(is_reset(&error), "{error:?}");
    let counts = soon(fixture.relay.until(|counts| counts.open == 0)).await;
    assert_eq!((counts.up, counts.down, counts.cut), (700, 300, 1));
    // Nothing has to come after the last byte.
    let (mut client, mut server) = fixture.pair().await;
    soon(client.write_all(&[1; 1000])).await.unwrap();
    let read = soon(server.read_to_end(&mut rest)).await;
    assert!(is_reset(&read.unwrap_err()));
    // The next one has the whole budget again.
    let (mut client, mut server) = fixture.pair().await;
    pass(&mut client, &mut server, &[1; 999]).await;
}

#[tokio::test]
async fn a_connection_is_cut_at_its_age() {
    let age = Duration::from_millis(300);
    let fixture = Fixture::start(Faults::none().cut_after(age)).await;
    let before = Instant::now();
    let (mut client, mut server) = fixture.pair().await;
    pass(&mut client, &mut server, b"alive").await;
    let error = soon(client.read(&mut [0])).await.unwrap_err();
    assert!(is_reset(&error), "{error:?}");
    assert!(before.elapsed() >= age);
    let error = soon(server.read(&mut [0])).await.unwrap_err();
    assert!(is_reset(&error), "{error:?}");
}

#[tokio::test]
async fn everything_is_cut_now() {
    let fixture = Fixture::start(Faults::none()).await;
    let mut pairs = vec![fixture.pair().await, fixture.pair().await];
    for (client, server) in &mut pairs {
        pass(client, server, b"alive").await;
    }
    fixture.relay.cut();
    for (client, server) in &mut pairs {
        for end in [client, server] {
            let error = soon(end.read(&mut [0])).await.unwrap_err();
            assert!(is_reset(&error), "{error:?}");
        }
    }
    let (mut client, mut server) = fixture.pair().await;
    pass(&mut client, &mut server, b"again").await;
    assert_eq!(fixture.relay.counts().cut, 2);
}

#[tokio::test]
async fn a_silent_relay_accepts_and_says_nothing_until_it_is_mended() {
    let fixture = Fixture::start(Faults::none()).await;
    let mut probe = fixture.pair().await;
    fixture.relay.set(Faults::none().silent());
    let mut client = soon(TcpStream::connect(fixture.relay.address())).await.unwrap();
    soon(fixture.relay.until(|counts| counts.connections == 2)).await;
    soon(client.write_all(b"anyone?")).await.unwrap();
    is_quiet(&mut client, (&mut probe.0, &mut probe.1)).await;
    assert_eq!(fixture.relay.counts().up, 25, "only the probe");
    fixture.relay.set(Faults::none());
    let (mut server, _) = soon(fixture.listener.accept()).await.unwrap();
    assert_eq!(take(&mut server, 7).await, b"anyone?");
}

#[tokio::test]
async fn a_refused_connection_fails_at_once_and_others_go_on() {
    let fixture = Fixture::start(Faults::none()).await;
    let (mut client, mut server) = fixture.pair().await;
    for _ in 0..3 {
        fixture.relay.set(Faults::none().refuse());
        soon(fixture.relay.until(|counts| !counts.listening)).await;
        let refused = soon(TcpStream::connect(fixture.relay.address()))
            .await
            .unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        pass(&mut client, &mut server, b"still there").await;
        fixture.relay.set(Faults::none());
        soon(fixture.relay.until(|counts| counts.listening)).await;
        let mut again = fixture.pair().await;
        pass(&mut again.0, &mut again.1, b"again").await;
    }
}

#[tokio::test]
async fn a_stalled_connection_is_half_open() {
    let fixture = Fixture::start(Faults::none()).await;
    let (mut client, mut server) = fixture.pair().await;
    pass(&mut client, &mut server, b"before").await;
    fixture.relay.set(Faults::none().up(Way::clear().stall()));
    soon(client.write_all(b"lost?")).await.unwrap();
    for _ in 0..5 {
        pass(&mut server, &mut client, b"the other way goes on").await;
    }
    assert_eq!(fixture.relay.counts().up, 6);
    // Not even the end of a connection passes.
    soon(client.shutdown()).await.unwrap();
    pass(&mut server, &mut client, b"and on").await;
    assert_eq!(
        server.try_read(&mut [0]).unwrap_err().kind(),
        io::ErrorKind::WouldBlock
    );
    fixture.relay.set(Faults::none());
    let mut rest = Vec::new();
    soon(server.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(rest, b"lost?");
}

#[tokio::test]
async fn pings_are_swallowed_in_real_http2() {
    const PING: &[u8] = &[0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
    const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
    let fixture = Fixture::start(Faults::none().both(Way::clear().swallow_pings())).await;
    let (mut client, mut server) = fixture.pair().await;
    let hello = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", SETTINGS].concat();
    soon(client.write_all(&[&hello, PING, SETTINGS].concat()))
        .await
        .unwrap();
    assert_eq!(
        take(&mut server, hello.len() + 9).await,
        [&hello, SETTINGS].concat()
    );
    soon(server.write_all(&[SETTINGS, PING, SETTINGS].concat()))
        .await
        .unwrap();
    assert_eq!(take(&mut client, 18).await, [SETTINGS, SETTINGS].concat());
    assert_eq!(fixture.relay.counts().pings, 2);
    fixture.relay.set(Faults::none());
    pass(&mut client, &mut server, PING).await;
}

#[tokio::test]
async fn a_server_that_is_not_there_resets_the_client() {
    let fixture = Fixture::start(Faults::none()).await;
    let Fixture { listener, relay } = fixture;
    drop(listener);
    let mut client = soon(TcpStream::connect(relay.address())).await.unwrap();
    let error = soon(client.read(&mut [0])).await.unwrap_err();
    assert!(is_reset(&error), "{error:?}");
}

#[tokio::test]
async fn dropping_it_ends_everything() {
    let fixture = Fixture::start(Faults::none()).await;
    let (mut client, mut server) = fixture.pair().await;
    let mut silent = {
        fixture.relay.set(Faults::none().silent());
        soon(TcpStream::connect(fixture.relay.address())).await.unwrap()
    };
    soon(fixture.relay.until(|counts| counts.connections == 2)).await;
    let address = fixture.relay.address();
    drop(fixture.relay);
    for end in [&mut client, &mut server, &mut silent] {
        let read = soon(end.read(&mut [0])).await;
        assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    }
    assert!(soon(TcpStream::connect(address)).await.is_err());
    let gone = async {
        while tokio::runtime::Handle::current().metrics().num_alive_tasks() > 0 {
            tokio::task::yield_now().await;
        }
    };
    soon(gone).await;
}
