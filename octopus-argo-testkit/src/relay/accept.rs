//! Accepting, and what a connection lives through.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::Orders;
use super::counts::Tally;
use super::faults::{Direction, Entrance};
use super::pump::{Ended, Pair, Pump};

/// As many connections may wait to be accepted.
const BACKLOG: u32 = 1024;

/// How long until a port that could not be taken is tried again.
const AGAIN: Duration = Duration::from_millis(10);

/// The port: listening, or kept so that nobody else takes it.
enum Port {
    Open(TcpListener),
    Kept(TcpSocket),
}

pub(super) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    keep(address)?.listen(BACKLOG)
}

fn keep(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // What was accepted before keeps the port in use as well.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// Accepts until it is dropped, which ends every connection.
pub(super) async fn accept(
    listener: TcpListener,
    address: SocketAddr,
    to: SocketAddr,
    mut orders: watch::Receiver<Orders>,
    tally: Arc<Tally>,
) {
    let mut connections = JoinSet::new();
    let mut port = Port::Open(listener);
    loop {
        let refuses = orders.borrow_and_update().faults.entrance == Entrance::Refused;
        port = match port {
            Port::Open(listener) if refuses => {
                // Two sockets cannot have the port while one of them listens.
                drop(listener);
                let kept = again(|| keep(address)).await;
                tally.listening(false);
                Port::Kept(kept)
            }
            Port::Kept(kept) if !refuses => {
                drop(kept);
                let listener = again(|| listen(address)).await;
                tally.listening(true);
                Port::Open(listener)
            }
            port => port,
        };
        let accepted = async {
            match &port {
                Port::Open(listener) => listener.accept().await,
                Port::Kept(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = orders.changed() => if changed.is_err() { return },
            Some(_) = connections.join_next() => {}
            accepted = accepted => match accepted {
                Ok((stream, _)) => {
                    tally.opened();
                    connections.spawn(connection(stream, to, orders.clone(), tally.clone()));
                }
                // Out of file descriptors, or a client that left before it was accepted: there may be others.
                Err(_) => sleep(AGAIN).await,
            },
        }
    }
}

async fn again<T>(attempt: impl Fn() -> io::Result<T>) -> T {
    loop {
        match attempt() {
            Ok(done) => return done,
            Err(_) => sleep(AGAIN).await,
        }
    }
}

/// Counts a connection as closed, also where its task is aborted.
struct Counted<'a> {
    tally: &'a Tally,
    cut: bool,
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.tally.closed(self.cut);
    }
}

async fn connection(
    mut stream: TcpStream,
    to: SocketAddr,
    orders: watch::Receiver<Orders>,
    tally: Arc<Tally>,
) {
    let mut counted = Counted {
        tally: &tally,
        cut: true,
    };
    let since = Instant::now();
    let mut ends = orders.clone();
    let cuts = ends.borrow().cuts;
    let mut outbound = None;
    let forwarded = async {
        let mut entrance = orders.clone();
        let let_in = entrance.wait_for(|orders| orders.faults.entrance != Entrance::Silent);
        if let_in.await.is_err() {
            return Ended::Cut;
        }
        let Ok(server) = TcpStream::connect(to).await else {
            return Ended::Cut;
        };
        // Small messages must not wait for acknowledgements.
        if stream.set_nodelay(true).is_err() || server.set_nodelay(true).is_err() {
            return Ended::Cut;
        }
        forward(&mut stream, outbound.insert(server), &orders, &tally).await
    };
    let ended = tokio::select! {
        ended = forwarded => ended,
        () = cut(&mut ends, cuts, since) => Ended::Cut,
    };
    counted.cut = ended == Ended::Cut;
    if counted.cut {
        for stream in [Some(&stream), outbound.as_ref()].into_iter().flatten() {
            // A reset and not an end: whatever waits in the kernel is dropped. One that has failed is closed all the same.
            let _ = stream.set_zero_linger();
        }
    }
}

/// Returns when the connection is to be cut.
async fn cut(orders: &mut watch::Receiver<Orders>, cuts: u64, since: Instant) {
    loop {
        let now = *orders.borrow_and_update();
        if now.cuts != cuts {
            return;
        }
        let old_enough = async {
            match now.faults.cut_after.and_then(|age| since.checked_add(age)) {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = old_enough => return,
            changed = orders.changed() => if changed.is_err() { return },
        }
    }
}

async fn forward(
    client: &mut TcpStream,
    server: &mut TcpStream,
    orders: &watch::Receiver<Orders>,
    tally: &Tally,
) -> Ended {
    let pair = Pair::default();
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let up = Pump {
        direction: Direction::Up,
        reader: from_client,
        writer: to_server,
        orders: orders.clone(),
        pair: &pair,
        tally,
    };
    let down = Pump {
        direction: Direction::Down,
        reader: from_server,
        writer: to_client,
        orders: orders.clone(),
        pair: &pair,
        tally,
    };
    let (mut up, mut down) = (pin!(up.run()), pin!(down.run()));
    let (first, up_goes_on) = tokio::select! {
        ended = &mut up => (ended, false),
        ended = &mut down => (ended, true),
    };
    match first {
        Ended::Cut => Ended::Cut,
        Ended::Finished if up_goes_on => up.await,
        Ended::Finished => down.await,
    }
}
