//! The server of `arcllm serve`: one current-thread runtime a core, each with a listener of its own.

use std::{io, net::SocketAddr, sync::Arc, thread};

use arcllm::Host;
use axum::Router;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

use crate::{gateway::Gateway, log::Log, readiness::Stage, router::router, shared::Shared};

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 1024;

/// A server that listens, and does not accept yet.
#[derive(Debug)]
pub struct Server {
    /// One for each thread.
    listeners: Vec<std::net::TcpListener>,
    address: SocketAddr,
}

impl Server {
    /// Listens on this address, once for each thread. Port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// As the system says, for example that the port is taken.
    pub fn listen(mut address: SocketAddr, threads: usize) -> io::Result<Self> {
        let mut listeners = Vec::new();
        for _ in 0..threads.max(1) {
            let listener = listen(address)?;
            address = listener.local_addr()?;
            listeners.push(listener);
        }
        Ok(Self { listeners, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves the models of this host. Returns when all threads have ended.
    ///
    /// # Errors
    ///
    /// As the system says.
    pub fn run(self, host: &Host) -> io::Result<()> {
        let shared = Arc::new(Shared::new(host.clone(), Log::off(), None));
        shared.readiness.reach(Stage::Ready);
        let threads: Vec<_> = self
            .listeners
            .into_iter()
            .map(|listener| {
                let gateway = Gateway::of(shared.clone());
                thread::Builder::new().name("arcllm-serve".to_owned()).spawn(move || work(listener, gateway))
            })
            .collect::<io::Result<_>>()?;
        for thread in threads {
            thread.join().map_err(|_| io::Error::other("a thread of the server panicked"))??;
        }
        Ok(())
    }
}

fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn work(listener: std::net::TcpListener, gateway: Gateway) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async move {
        let listener = TcpListener::from_std(listener)?;
        let router = router(Arc::new(gateway));
        loop {
            let (connection, _) = listener.accept().await?;
            connection.set_nodelay(true)?;
            tokio::spawn(connected(connection, router.clone()));
        }
    })
}

async fn connected(connection: tokio::net::TcpStream, router: Router) {
    let serving = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(connection), TowerToHyperService::new(router));
    if let Err(error) = serving.await {
        tracing::debug!(target: "arcllm::serve", %error, "a connection ended with an error");
    }
}
