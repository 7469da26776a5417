//! A TCP relay between gateway and server, so that there is a connection to cut.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Forwards connections to one address, while it is not cut. Dropping it ends everything.
pub struct Relay {
    address: SocketAddr,
    cut: watch::Sender<bool>,
    _tasks: JoinSet<()>,
}

impl Relay {
    pub async fn start(to: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (cut, state) = watch::channel(false);
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, to, state));
        Ok(Self {
            address,
            cut,
            _tasks: tasks,
        })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts every connection, and refuses new ones until [`Relay::mend`].
    pub fn cut(&self) {
        self.cut.send_replace(true);
    }

    pub fn mend(&self) {
        self.cut.send_replace(false);
    }
}

async fn accept(listener: TcpListener, to: SocketAddr, state: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    while let Ok((inbound, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        if !*state.borrow() {
            connections.spawn(forward(inbound, to, state.clone()));
        }
    }
}

async fn forward(mut inbound: TcpStream, to: SocketAddr, mut state: watch::Receiver<bool>) {
    let Ok(mut outbound) = TcpStream::connect(to).await else {
        return;
    };
    // Without this, small packets wait for an acknowledgement that waits for them: 88 ms a call.
    if inbound.set_nodelay(true).is_err() || outbound.set_nodelay(true).is_err() {
        return;
    }
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut inbound, &mut outbound) => {}
        _ = state.wait_for(|cut| *cut) => {}
    }
}
