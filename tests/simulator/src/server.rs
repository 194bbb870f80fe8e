//! The simulator: a listening port and its connections.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::connection;
use crate::error::Error;
use crate::record::{Recorded, RequestLog};
use crate::reply::Reply;
use crate::script::Script;
use crate::state::{Progress, State};

const BACKLOG: u32 = 1024;
/// The wait after a connection could not be accepted: file handles may be free again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// A running simulator. Dropping it closes the port and all connections.
#[derive(Debug)]
pub struct Simulator {
    address: SocketAddr,
    state: Arc<State>,
    port: Port,
}

/// What holds the port.
#[derive(Debug)]
enum Port {
    Serving(JoinHandle<()>),
    /// A bound socket that does not listen: connections are refused, and no other program gets the port.
    Refusing(#[expect(dead_code, reason = "held, not used")] TcpSocket),
}

impl Simulator {
    /// Starts on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// If a reply of the script is invalid, or no port is free.
    pub async fn start(script: Script) -> Result<Simulator, Error> {
        Simulator::start_on((Ipv4Addr::LOCALHOST, 0), script).await
    }

    /// Starts on this address; port 0 is any free port. Use a loopback address: a simulator accepts requests without a
    /// key.
    ///
    /// # Errors
    /// If a reply of the script is invalid, or the port is not free.
    pub async fn start_on(address: impl Into<SocketAddr>, script: Script) -> Result<Simulator, Error> {
        script.check()?;
        let address = address.into();
        let refuse = script.refuse;
        let state = State::new(script);
        let bound = bind(address, refuse).and_then(|socket| {
            let address = socket.local_addr()?;
            let port = if refuse {
                Port::Refusing(socket)
            } else {
                Port::Serving(tokio::spawn(accept(socket.listen(BACKLOG)?, Arc::clone(&state))))
            };
            Ok((address, port))
        });
        let (address, port) = bound.map_err(|source| Error::Bind { address, source })?;
        Ok(Simulator { address, state, port })
    }

    /// `http://127.0.0.1:PORT`, without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where the simulator listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Adds a reply after those that are left.
    ///
    /// # Errors
    /// If the reply is invalid.
    pub fn push(&self, reply: Reply) -> Result<(), Error> {
        reply.check().map_err(|message| Error::Invalid { place: "the reply pushed".to_owned(), message })?;
        self.state.push(reply);
        Ok(())
    }

    /// The requests so far, in the order in which they were whole. Malformed requests are left out.
    pub fn requests(&self) -> Vec<Recorded> {
        self.state.records(<[Recorded]>::to_vec)
    }

    /// Forgets the requests so far, which frees their memory in a simulator that runs for long.
    /// Their numbers are not used again.
    pub fn forget_requests(&self) {
        self.state.forget();
    }

    /// How many connections were accepted, with or without a request.
    pub fn connections(&self) -> u64 {
        self.state.connections()
    }

    /// Waits until there are `count` requests, and returns all of them. It waits without a limit: put a timeout around
    /// it.
    pub async fn wait_for_requests(&self, count: usize) -> Vec<Recorded> {
        self.wait_until(|requests| requests.len() >= count).await
    }

    /// Waits until the requests satisfy `condition`, and returns them; for instance until the client of the first
    /// one has gone:
    ///
    /// ```
    /// # async fn example(simulator: arcllm_simulator::Simulator) {
    /// let requests = simulator.wait_until(|requests| requests.first().is_some_and(|r| r.dropped())).await;
    /// # }
    /// ```
    pub async fn wait_until(&self, condition: impl Fn(&[Recorded]) -> bool) -> Vec<Recorded> {
        let mut progress = self.state.progress();
        loop {
            let found = self.state.records(|records| condition(records).then(|| records.to_vec()));
            if let Some(records) = found {
                return records;
            }
            if progress.changed().await.is_err() {
                return self.requests();
            }
        }
    }

    /// The requests one by one, from the first that is kept, as they come.
    pub fn log(&self) -> RequestLog {
        RequestLog::new(Arc::clone(&self.state))
    }

    /// Stops, and waits until the port and all connections are closed. Dropping does not wait.
    pub async fn stop(mut self) {
        self.state.stop();
        if let Port::Serving(task) = &mut self.port {
            // It ends by itself or with the runtime.
            let _ = task.await;
        }
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.state.stop();
    }
}

fn bind(address: SocketAddr, refuse: bool) -> std::io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Connections of an earlier run may linger on the port. A socket that does not listen must not have the option, or
    // others could bind its port; on Windows they could do so in any case.
    if cfg!(unix) && !refuse {
        socket.set_reuseaddr(true)?;
    }
    socket.bind(address)?;
    Ok(socket)
}

async fn stopped(progress: &mut watch::Receiver<Progress>) {
    // An error means that the simulator is gone.
    let _ = progress.wait_for(|progress| progress.stopped).await;
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut progress = state.progress();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stopped(&mut progress) => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection::serve(stream, Arc::clone(&state)));
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    connections.shutdown().await;
}
