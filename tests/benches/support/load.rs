//! Callers over sockets that ask again and again, and how long each call took.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
};

/// Callers that each ask again as soon as they have their answer, or at a pace.
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    pub(crate) connections: usize,
    pub(crate) body: Arc<[u8]>,
    pub(crate) pace: Option<Duration>,
}

/// How long each call took.
pub(crate) struct Run {
    times: Vec<Duration>,
    took: Duration,
}

impl Run {
    pub(crate) fn calls(&self) -> u32 {
        u32::try_from(self.times.len()).unwrap()
    }

    pub(crate) fn rate(&self) -> f64 {
        self.times.len() as f64 / self.took.as_secs_f64()
    }

    pub(crate) fn quantile(&self, quantile: f64) -> Duration {
        let at = (self.times.len() as f64 * quantile) as usize;
        self.times.get(at.min(self.times.len() - 1)).copied().unwrap()
    }
}

impl Load {
    pub(crate) async fn run(&self, during: Duration) -> Run {
        let over = Arc::new(AtomicBool::new(false));
        let mut callers = JoinSet::new();
        let started = Instant::now();
        for number in 0..self.connections {
            let (address, body, pace, over) = (self.address, self.body.clone(), self.pace, over.clone());
            let offset =
                pace.unwrap_or_default() * u32::try_from(number).unwrap() / u32::try_from(self.connections).unwrap();
            callers.spawn(async move {
                let mut stream = TcpStream::connect(address).await.unwrap();
                stream.set_nodelay(true).unwrap();
                let (mut buffer, mut times) = (vec![0; 64 * 1024], Vec::new());
                let mut due = Instant::now() + offset;
                while !over.load(Ordering::Relaxed) {
                    if let Some(pace) = pace {
                        tokio::time::sleep_until(due.into()).await;
                        due += pace;
                    }
                    let asked = Instant::now();
                    stream.write_all(&body).await.unwrap();
                    read_answer(&mut stream, &mut buffer).await;
                    times.push(asked.elapsed());
                }
                times
            });
        }
        tokio::time::sleep(during).await;
        over.store(true, Ordering::Relaxed);
        let mut times: Vec<_> = callers.join_all().await.into_iter().flatten().collect();
        let took = started.elapsed();
        times.sort();
        Run { times, took }
    }
}

/// Reads an answer with a length, or in chunks.
async fn read_answer(stream: &mut TcpStream, buffer: &mut [u8]) {
    let mut filled = 0;
    let (end, length) = loop {
        let read = stream.read(buffer.get_mut(filled..).unwrap()).await.unwrap();
        assert!(read > 0, "the connection has ended");
        filled += read;
        let head = buffer.get(..filled).unwrap();
        if let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = std::str::from_utf8(head.get(..end).unwrap()).unwrap().to_ascii_lowercase();
            assert!(head.starts_with("http/1.1 200"), "{head}");
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
            break (end + 4, length);
        }
    };
    if let Some(length) = length {
        while filled < end + length {
            filled += stream.read(buffer.get_mut(filled..).unwrap()).await.unwrap();
        }
        return;
    }
    // The last chunk is the end of what arrives.
    let mut last = buffer.get(filled.saturating_sub(5)..filled).unwrap().to_vec();
    while last != b"0\r\n\r\n" {
        let read = stream.read(buffer).await.unwrap();
        assert!(read > 0, "the connection has ended");
        last.extend_from_slice(buffer.get(read.saturating_sub(5)..read).unwrap());
        last.drain(..last.len().saturating_sub(5));
    }
}
