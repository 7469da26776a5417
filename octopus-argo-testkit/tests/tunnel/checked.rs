//! What every test of the tunnel ends with: nothing is left of it.
//!
//! `#[tokio::test(crate = "crate::checked")]` finds its runtime here. When the test's own things are gone, every server that it
//! started is shut down; then no session, call, place in line, byte or task may be left. A test that ends its server itself
//! says so with [`no_longer`] first.

use std::cell::RefCell;
use std::time::Duration;

use octopus_argo_server::{Server, ServerStats};
pub(crate) use tokio::pin;
use tokio::runtime::Handle;

thread_local! {
    static SERVERS: RefCell<Vec<Server>> = const { RefCell::new(Vec::new()) };
}

/// Looks at this server when the test is over.
pub(crate) fn later(server: &Server) {
    SERVERS.with_borrow_mut(|servers| servers.push(server.clone()));
}

/// Lets go of every server, so that the test's handles are the last.
pub(crate) fn no_longer() {
    SERVERS.take();
}

async fn nothing_is_left() {
    for server in SERVERS.take() {
        let ended = tokio::time::timeout(Duration::from_secs(20), server.shutdown(Duration::ZERO)).await;
        assert!(ended.is_ok(), "a server does not end: {:?}", server.stats());
        assert_eq!(server.stats(), ServerStats::default());
    }
    let tasks = || Handle::current().metrics().num_alive_tasks();
    // What was cancelled needs a turn to go.
    let gone = async {
        while tasks() > 0 {
            tokio::task::yield_now().await;
        }
    };
    let gone = tokio::time::timeout(Duration::from_secs(20), gone).await;
    assert!(gone.is_ok(), "{} tasks are left", tasks());
}

/// As much of tokio's as `tokio::test` asks for.
pub(crate) mod runtime {
    use std::io;

    use tokio::runtime::Runtime;

    pub(crate) struct Builder(tokio::runtime::Builder);

    impl Builder {
        pub(crate) fn new_current_thread() -> Self {
            Self(tokio::runtime::Builder::new_current_thread())
        }

        pub(crate) fn enable_all(&mut self) -> &mut Self {
            self.0.enable_all();
            self
        }

        pub(crate) fn build(&mut self) -> io::Result<Checked> {
            self.0.build().map(Checked)
        }
    }

    pub(crate) struct Checked(Runtime);

    impl Checked {
        pub(crate) fn block_on<F: Future>(&self, test: F) -> F::Output {
            self.0.block_on(async {
                let output = test.await;
                super::nothing_is_left().await;
                output
            })
        }
    }
}
