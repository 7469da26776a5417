//! A TCP relay with faults, on real sockets: what stands between a gateway and a server on a bad day.
//!
//! Put it between any client and any server, and tell it what to do to the connections, before and while they run.
//!
//! ```
//! use std::time::Duration;
//!
//! use octopus_argo_testkit::relay::{Faults, Relay, Way};
//! # use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! # let server = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let relay = Relay::start(server.local_addr()?).await?;
//! let mut client = tokio::net::TcpStream::connect(relay.address()).await?;
//! # let (mut served, _) = server.accept().await?;
//!
//! // A link with a round trip of 20 ms.
//! relay.set(Faults::none().both(Way::clear().delay(Duration::from_millis(10))));
//! client.write_all(b"hello").await?;
//! # served.read_exact(&mut [0; 5]).await?;
//! relay.until(|counts| counts.up == 5).await;
//!
//! // Everyone is thrown out, and nobody let in.
//! relay.set(Faults::none().refuse());
//! relay.cut();
//! relay.until(|counts| counts.open == 0 && !counts.listening).await;
//! assert!(client.read(&mut [0]).await.is_err());
//! # Ok(())
//! # }
//! ```
//!
//! It works on the real time of tokio's timers: pausing them makes no sense with real sockets.

mod accept;
mod pump;

mod counts;
pub use counts::Counts;

mod faults;
pub use faults::{Direction, Faults, Way};

mod ping;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;

use counts::Tally;

const MAX_HELD: usize = 4 << 20;

/// What connections are told.
#[derive(Clone, Copy, Debug, Default)]
struct Orders {
    faults: Faults,
    /// How often everything was cut.
    cuts: u64,
}

/// A relay to one address. Dropping it ends its tasks and closes every connection.
///
/// A cut is a reset (RST) at both ends; what was under way is lost.
pub struct Relay {
    address: SocketAddr,
    orders: watch::Sender<Orders>,
    tally: Arc<Tally>,
    _tasks: JoinSet<()>,
}

impl Relay {
    /// The most bytes that wait in the relay in each direction of a connection: 4 MiB. Then it reads no further.
    pub const MAX_HELD: usize = MAX_HELD;

    /// Listens on a free port of loopback, and forwards to `to`. Needs a Tokio runtime.
    ///
    /// # Errors
    /// If no port can be had.
    pub async fn start(to: SocketAddr) -> io::Result<Self> {
        Self::start_with(to, Faults::none()).await
    }

    /// The same, with faults from the first connection on.
    ///
    /// # Errors
    /// As [`Relay::start`].
    #[expect(
        clippy::unused_async,
        reason = "it needs a runtime, which an async function says"
    )]
    pub async fn start_with(to: SocketAddr, faults: Faults) -> io::Result<Self> {
        let listener = accept::listen((Ipv4Addr::LOCALHOST, 0).into())?;
        let address = listener.local_addr()?;
        let orders = watch::Sender::new(Orders { faults, cuts: 0 });
        let tally = Arc::new(Tally::new());
        let mut tasks = JoinSet::new();
        tasks.spawn(accept::accept(
            listener,
            address,
            to,
            orders.subscribe(),
            tally.clone(),
        ));
        Ok(Self {
            address,
            orders,
            tally,
            _tasks: tasks,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it does to connections now.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.orders.borrow().faults
    }

    /// Does this from now on, also to the connections that are there.
    pub fn set(&self, faults: Faults) {
        self.orders.send_modify(|orders| orders.faults = faults);
    }

    /// Resets every connection that is there. New ones are accepted, unless the faults say otherwise.
    pub fn cut(&self) {
        self.orders.send_modify(|orders| orders.cuts += 1);
    }

    /// What has gone through it.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.tally.now()
    }

    /// Waits until what has gone through it is as wanted.
    ///
    /// # Cancel safety
    /// Safe: it only waits.
    pub async fn until(&self, wanted: impl Fn(&Counts) -> bool) -> Counts {
        self.tally.until(wanted).await
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay")
            .field("address", &self.address)
            .field("faults", &self.faults())
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}
