//! A client's connection, and beside it the end of what the client sends. Who reads a connection sees its end only behind all bytes
//! in front of it, and nobody reads while an answer is under way and something waits to be read, such as the next request.

use std::{future::Future, pin::Pin};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

/// Whether [`watched`] sees that a client leaves. Elsewhere only who reads the connection sees it.
pub(crate) const WATCHES_CLIENTS: bool = cfg!(target_os = "linux");

/// Ready once a client has left. In a place of its own, since the task of a connection would hold it several times.
pub(crate) type Left = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Splits a connection into what is served, and what waits until the client has closed it.
#[cfg(target_os = "linux")]
pub(crate) fn watched(connection: TcpStream) -> (impl AsyncRead + AsyncWrite + Unpin + Send, Left) {
    let connection = std::sync::Arc::new(connection);
    (linux::Socket(connection.clone()), Box::pin(linux::closed(connection)))
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn watched(connection: TcpStream) -> (impl AsyncRead + AsyncWrite + Unpin + Send, Left) {
    (connection, Box::pin(std::future::pending()))
}

#[cfg(target_os = "linux")]
mod linux {
    use std::{
        io::{self, ErrorKind, IoSlice},
        net::Shutdown,
        pin::Pin,
        sync::Arc,
        task::{Context, Poll, ready},
    };

    use socket2::SockRef;
    use tokio::{
        io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
        net::TcpStream,
    };

    /// Waits until the client has closed the connection, or its half of it.
    pub(super) async fn closed(connection: Arc<TcpStream>) {
        // Urgent data is not asked for, so that this is ready once no more data comes, whatever waits to be read.
        match connection.ready(Interest::PRIORITY).await {
            Ok(ready) if ready.is_read_closed() => {}
            Ok(_) | Err(_) => std::future::pending().await,
        }
    }

    /// A connection with two holders.
    pub(super) struct Socket(pub(super) Arc<TcpStream>);

    impl AsyncRead for Socket {
        fn poll_read(
            self: Pin<&mut Self>,
            context: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let room = buffer.remaining();
            loop {
                ready!(self.0.poll_read_ready(context))?;
                let read = self.0.try_io(Interest::READABLE, || match self.0.try_read_buf(buffer)? {
                    // There was room for more, so that all is read, and another try would be a call of the system for nothing.
                    count if 0 < count && count < room => Err(ErrorKind::WouldBlock.into()),
                    _ => Ok(()),
                });
                match read {
                    Err(error) if error.kind() == ErrorKind::WouldBlock && buffer.remaining() == room => {}
                    Err(error) if error.kind() != ErrorKind::WouldBlock => return Poll::Ready(Err(error)),
                    _ => return Poll::Ready(Ok(())),
                }
            }
        }
    }

    impl Socket {
        fn poll_send(
            &self,
            context: &mut Context<'_>,
            send: impl Fn(&TcpStream) -> io::Result<usize>,
        ) -> Poll<io::Result<usize>> {
            loop {
                ready!(self.0.poll_write_ready(context))?;
                match send(&self.0) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    sent => return Poll::Ready(sent),
                }
            }
        }
    }

    impl AsyncWrite for Socket {
        fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            self.poll_send(context, |connection| connection.try_write(bytes))
        }

        fn poll_write_vectored(
            self: Pin<&mut Self>,
            context: &mut Context<'_>,
            bytes: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            self.poll_send(context, |connection| connection.try_write_vectored(bytes))
        }

        fn is_write_vectored(&self) -> bool {
            true
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(SockRef::from(&*self.0).shutdown(Shutdown::Write))
        }
    }
}
