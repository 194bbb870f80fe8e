//! A line to a registry that breaks or hangs.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

/// What happens to connections once they have carried so many bytes in a direction.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// A connection breaks after so many bytes to the registry. So many connections do.
    CutUp(usize, usize),
    /// A connection breaks after so many bytes from the registry. So many connections do.
    CutDown(usize, usize),
    /// All hang after so many bytes to the registry.
    HangUp(usize),
    /// All hang after so many bytes from the registry.
    HangDown(usize),
}

/// A line with a fault. It ends when it is dropped.
pub(crate) struct Line {
    address: String,
    hit: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Line {
    /// A line to this address.
    pub(crate) async fn to(address: &str, fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap().to_string();
        let hit = Arc::new(AtomicUsize::new(0));
        let (target, count) = (address.to_owned(), hit.clone());
        let task = tokio::spawn(async move {
            loop {
                let (near, _) = listener.accept().await.unwrap();
                tokio::spawn(carry(near, target.clone(), fault, count.clone()));
            }
        });
        Self { address: own, hit, task }
    }

    /// Its host and port.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// How often the fault has happened.
    pub(crate) fn hit(&self) -> usize {
        self.hit.load(SeqCst)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(near: TcpStream, target: String, fault: Fault, hit: Arc<AtomicUsize>) {
    let far = TcpStream::connect(target).await.unwrap();
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    let ((up, down), times) = match fault {
        Fault::CutUp(after, times) => ((Some(after), None), times),
        Fault::CutDown(after, times) => ((None, Some(after)), times),
        Fault::HangUp(after) => ((Some(after), None), usize::MAX),
        Fault::HangDown(after) => ((None, Some(after)), usize::MAX),
    };
    // Counted when it happens: a client may have opened connections before.
    let happens = || hit.fetch_update(SeqCst, SeqCst, |hit| (hit < times).then_some(hit + 1)).is_ok();
    // The first that ends takes the connection with it.
    let is_fault = tokio::select! {
        is_fault = copy(near_in, far_out, up, happens) => is_fault,
        is_fault = copy(far_in, near_out, down, happens) => is_fault,
    };
    if is_fault && matches!(fault, Fault::HangUp(_) | Fault::HangDown(_)) {
        std::future::pending::<()>().await;
    }
}

/// Copies until the end, or until the limit if the fault happens there. Returns whether it does.
async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    limit: Option<usize>,
    happens: impl Fn() -> bool,
) -> bool {
    let mut left = limit.unwrap_or(usize::MAX);
    let mut buffer = vec![0; 16 << 10];
    loop {
        let count = from.read(&mut buffer).await.unwrap_or(0);
        let (before, behind) = buffer[..count].split_at(count.min(left));
        if count == 0 || to.write_all(before).await.is_err() {
            return false;
        }
        left -= before.len();
        if left == 0 {
            if happens() {
                return true;
            }
            left = usize::MAX;
        }
        if to.write_all(behind).await.is_err() {
            return false;
        }
    }
}
