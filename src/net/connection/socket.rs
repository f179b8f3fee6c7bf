//! Bytes from and to a socket.
//!
//! What must stay true: an idle connection holds no buffer: bytes are read into the stack and kept only while a frame is unfinished.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, ReadBuf};

/// Bytes taken from the socket at a time.
pub(super) const READ: usize = 8 * 1024;

/// Reads what is there to the end of `buffer`; 0: the peer has closed.
pub(super) async fn received<S: AsyncRead + Unpin>(stream: &mut S, buffer: &mut BytesMut) -> io::Result<usize> {
    std::future::poll_fn(|context| poll_received(stream, buffer, context)).await
}

/// The bytes pass through the stack, so that a connection that waits needs no buffer.
fn poll_received<S: AsyncRead + Unpin>(
    stream: &mut S,
    buffer: &mut BytesMut,
    context: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let mut bytes = [std::mem::MaybeUninit::uninit(); READ];
    let mut read = ReadBuf::uninit(&mut bytes);
    ready!(Pin::new(stream).poll_read(context, &mut read))?;
    buffer.extend_from_slice(read.filled());
    Poll::Ready(Ok(read.filled().len()))
}

pub(super) async fn within(limit: Duration, writing: impl Future<Output = io::Result<()>>) -> io::Result<()> {
    tokio::time::timeout(limit, writing).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
