//! A logger's line for what somebody else makes up: it says the segments that it is told, one after the other, and waits for the answers. For drills.
//!
//! What must stay true: [`ToldLine::tell`] comes back only when the answer has come (HJ 212-2017, 6.2: ten seconds, three times, a new connection),
//! or when nothing could be reached for [`PATIENCE`].

use std::time::Duration;

use futures_util::StreamExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::codec::Framed;

use super::codec::HostCodec;
use hj212::{packet, write};

/// How long an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// How often a packet is sent on one connection.
const SENDINGS: u32 = 4;
/// Between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(500);
/// How long a gateway may be away before the line gives up.
const PATIENCE: Duration = Duration::from_secs(120);

/// Nobody could be reached, or nobody answered, for [`PATIENCE`].
#[derive(Debug, thiserror::Error)]
#[error("{connect} 无法连接或无应答: nothing answers there ({why})")]
pub struct LineError {
    connect: String,
    why: String,
}

/// A line. It connects when there is something to say.
#[derive(Debug)]
pub struct ToldLine {
    connect: String,
    stream: Option<Framed<TcpStream, HostCodec>>,
}

impl ToldLine {
    /// A line to `connect`, a host and a port.
    #[must_use]
    pub fn new(connect: &str) -> Self {
        ToldLine { connect: connect.to_owned(), stream: None }
    }

    /// Breaks the connection.
    pub fn hang_up(&mut self) {
        self.stream = None;
    }

    /// Connects, if it is not connected.
    ///
    /// # Errors
    /// If nothing could be reached for [`PATIENCE`].
    pub async fn call(&mut self) -> Result<(), LineError> {
        let until = Instant::now() + PATIENCE;
        while self.stream.is_none() {
            match timeout(ANSWER_MAX, TcpStream::connect(&self.connect)).await {
                Ok(Ok(stream)) => self.stream = Some(Framed::new(stream, HostCodec::default())),
                Ok(Err(error)) => self.wait(until, &error.to_string()).await?,
                Err(_) => self.wait(until, "no connection within 10 s").await?,
            }
        }
        Ok(())
    }

    /// Says `segment`, whose QN is `qn`, until it is answered.
    ///
    /// # Errors
    /// If nothing answered for [`PATIENCE`].
    pub async fn tell(&mut self, segment: &[u8], qn: &str) -> Result<(), LineError> {
        let mut frame = Vec::new();
        write::frame(&mut frame, |out| out.extend_from_slice(segment));
        let until = Instant::now() + PATIENCE;
        loop {
            self.call().await?;
            for _ in 0..SENDINGS {
                if self.say(&frame, qn).await {
                    return Ok(());
                }
                if self.stream.is_none() {
                    break;
                }
            }
            self.hang_up();
            self.wait(until, "connected, but no answer").await?;
        }
    }

    /// Sends the frame once and waits for its answer; whether it came. A broken connection is gone afterwards.
    async fn say(&mut self, frame: &[u8], qn: &str) -> bool {
        let Some(stream) = &mut self.stream else { return false };
        if !matches!(timeout(ANSWER_MAX, stream.get_mut().write_all(frame)).await, Ok(Ok(()))) {
            self.stream = None;
            return false;
        }
        let until = Instant::now() + ANSWER_MAX;
        loop {
            match timeout_at(until, stream.next()).await {
                Ok(Some(Ok(Ok(answer)))) if packet::parse(&answer).qn == Some(qn.as_bytes()) => return true,
                // An answer to something else, a command, what cannot be read.
                Ok(Some(Ok(_))) => {}
                Ok(Some(Err(_)) | None) => {
                    self.stream = None;
                    return false;
                }
                Err(_) => return false,
            }
        }
    }

    async fn wait(&self, until: Instant, why: &str) -> Result<(), LineError> {
        if Instant::now() >= until {
            return Err(LineError { connect: self.connect.clone(), why: why.to_owned() });
        }
        sleep(PAUSE).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    const SEGMENT: &[u8] = b"QN=20260601000000001;ST=31;CN=2051;PW=123456;MN=D1;Flag=5;CP=&&DataTime=20260601000000&&";

    fn answer(qn: &str) -> Vec<u8> {
        let mut frame = Vec::new();
        let segment = format!("QN={qn};ST=91;CN=9014;PW=123456;MN=D1;Flag=4;CP=&&&&");
        write::frame(&mut frame, |out| out.extend_from_slice(segment.as_bytes()));
        frame
    }

    /// The first connection breaks without an answer, the second answers something else first.
    #[tokio::test]
    async fn it_says_the_same_until_the_right_answer_comes() {
        let host = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut line = ToldLine::new(&host.local_addr().unwrap().to_string());
        let told = tokio::spawn(async move {
            let told = line.tell(SEGMENT, "20260601000000001").await;
            (told, line)
        });
        let mut heard = Vec::new();
        for number in 0..2 {
            let (mut stream, _) = host.accept().await.unwrap();
            let mut frame = vec![0; SEGMENT.len() + 12];
            stream.read_exact(&mut frame).await.unwrap();
            heard.push(frame);
            if number == 1 {
                stream.write_all(&answer("20260601000000000")).await.unwrap();
                stream.write_all(&answer("20260601000000001")).await.unwrap();
                let (told, mut line) = told.await.unwrap();
                assert!(told.is_ok());
                line.hang_up();
                // The connection is really gone.
                assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
                break;
            }
        }
        assert!(heard[0] == heard[1] && heard[0][6..].starts_with(SEGMENT));
    }
}
