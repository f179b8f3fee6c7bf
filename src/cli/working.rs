//! Work that takes longer than two seconds says so on standard error: what is done, for how long, how much was read.
//!
//! What must stay true: nothing is said of short work; a closed standard error stops nobody; what is said ends before the result is.

use std::io::{IsTerminal, Write};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Work is long from here on, and said again so often on a terminal.
const LONG: Duration = Duration::from_secs(2);
/// Where nobody watches, lines are for a log.
const IN_A_LOG: Duration = Duration::from_secs(30);

/// Work under way. It is over when this is dropped.
pub(super) struct Progressing {
    done: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Progressing {
    /// Begins `what`, as "reading the journal"; of `total` bytes if that is known.
    pub(super) fn begin(what: &'static str, total: Option<u64>) -> Progressing {
        let terminal = std::io::stderr().is_terminal();
        let again = if terminal { LONG } else { IN_A_LOG };
        let end = if terminal { "\r" } else { "\n" };
        let before = read_bytes().unwrap_or_default();
        Self::telling(LONG, again, move |since| {
            let read = read_bytes().map(|bytes| bytes.saturating_sub(before));
            let mut out = std::io::stderr().lock();
            let _ = write!(out, "hj212-gateway: {}{end}", phrase(what, since, read, total)).and_then(|()| out.flush());
        })
    }

    fn telling(first: Duration, again: Duration, tell: impl Fn(Duration) + Send + 'static) -> Progressing {
        let (done, over) = channel::<()>();
        let begun = Instant::now();
        let thread = std::thread::Builder::new().name("progress".into()).spawn(move || {
            let mut wait = first;
            while over.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                tell(begun.elapsed());
                wait = again;
            }
        });
        Progressing { done: Some(done), thread: thread.ok() }
    }
}

impl Drop for Progressing {
    fn drop(&mut self) {
        drop(self.done.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The bytes of the files in `folder`; `None` if it cannot be looked into.
pub(super) fn size_of(folder: &std::path::Path) -> Option<u64> {
    let lengths = std::fs::read_dir(folder).ok()?.flatten().filter_map(|entry| entry.metadata().ok());
    Some(lengths.filter(std::fs::Metadata::is_file).map(|file| file.len()).sum())
}

/// How many bytes this process has read so far.
fn read_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/io").ok()?;
    text.lines().find_map(|line| line.strip_prefix("rchar: "))?.trim().parse().ok()
}

fn phrase(what: &str, since: Duration, read: Option<u64>, total: Option<u64>) -> String {
    let mib = |bytes: u64| bytes / (1 << 20);
    let amount = match (read, total) {
        (Some(read), Some(total)) if read <= total => format!(", {} of {} MiB", mib(read), mib(total)),
        (Some(read), _) => format!(", {} MiB", mib(read)),
        (None, _) => String::new(),
    };
    format!("{what}: {} s{amount} …", since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::sync_channel;

    #[test]
    fn long_work_is_told_until_it_is_over_and_short_work_is_not() {
        let (told, heard) = sync_channel(100);
        let short = Progressing::telling(Duration::from_secs(3600), LONG, {
            let told = told.clone();
            move |_| told.send("short").unwrap()
        });
        drop(short);
        let long = Progressing::telling(Duration::from_millis(1), Duration::from_millis(1), move |_| {
            let _ = told.try_send("long");
        });
        let wait = Duration::from_secs(60);
        assert_eq!((heard.recv_timeout(wait), heard.recv_timeout(wait)), (Ok("long"), Ok("long")));
        drop(long);
        while heard.try_recv().is_ok() {}
        assert!(heard.recv_timeout(Duration::from_millis(20)).is_err(), "nothing is said after the end");
    }

    #[test]
    fn it_is_said_how_much_of_how_much() {
        let since = Duration::from_millis(4200);
        assert_eq!(phrase("reading", since, Some(3 << 20), Some(8 << 20)), "reading: 4 s, 3 of 8 MiB …");
        assert_eq!(phrase("reading", since, Some(9 << 20), Some(8 << 20)), "reading: 4 s, 9 MiB …");
        assert_eq!(phrase("reading", since, None, None), "reading: 4 s …");
    }
}
