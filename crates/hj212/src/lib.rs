//! HJ 212 packets: found, checked, parsed and written, for HJ/T 212-2005, HJ 212-2017 and HJ 212-2025, as the standards print them
//! and as the field sends them.
//!
//! HJ 212 (污染物在线监控(监测)系统数据传输标准) is the text protocol in which data loggers in China report emissions over TCP:
//!
//! ```text
//! ##0101QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;CP=&&RtdInterval=30&&1C80\r\n
//! ```
//!
//! | step | module | what it gives |
//! |---|---|---|
//! | where does a frame begin and end | [`scan`](mod@scan) | a [`Frame`] or a [`Fault`], whatever stands between them; the same however the stream was cut into reads |
//! | is it whole | [`crc`] | [`Check`]: the value said, the value computed, and which known mistake explains the difference |
//! | the header | [`packet`] | [`Header`]: QN, ST, CN, PW, MN, Flag, PNUM, PNO, RF, borrowed from the bytes |
//! | the data area | [`area`] | [`Fields`]: item, name, value, in order |
//! | texts of values | [`value`] | numbers, times, log texts; the spelling of names |
//! | encryption of 2025 | [`sm4`], [`seal_form`] | opening and sealing, also in the forms that the standard does not know |
//! | the way back | [`write`](mod@write) | packets and answers, byte for byte as the standards print them |
//! | what was read over | [`deviation`] | every departure from the standard by a stable code, in Chinese and English |
//! | what must not be shown | [`secret`] | passwords and keys in frames, masked |
//!
//! What must stay true: no clock, no socket, no file, no global state; no input panics; nothing is allocated while frames are read in
//! steady state; the work is linear in the bytes.
//!
//! # A frame and its answer
//!
//! ```
//! use hj212::write::{Answer, AnswerBody};
//! use hj212::{Edition, Fields, Item, Limits, Peer, packet, scan};
//!
//! let received = b"##0101QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;\
//!     CP=&&RtdInterval=30&&1C80\r\n";
//! # let received = &received[..];
//! let Some(Item::Frame(frame)) = scan(received, Peer::Resting, &Limits::default()).item else { panic!("no frame") };
//! let header = packet::parse(frame.segment);
//! assert_eq!(header.cn, Some(1062));
//!
//! let mut fields = Fields::default();
//! fields.read(header.area);
//! let field = fields.iter(header.area).next().unwrap();
//! assert_eq!((field.name, field.value), (&b"RtdInterval"[..], &b"30"[..]));
//!
//! let mut answer = Vec::new();
//! let (qn, pw, mn) = (header.qn, header.pw, header.mn);
//! Answer { edition: Edition::V2017, cn: 9011, qn, pw, mn, body: AnswerBody::QnRtn(1), flag: None, first: None }
//!     .frame(&mut answer);
//! assert!(String::from_utf8_lossy(&answer).contains(";CN=9011;PW=100000;MN=010000A8900016F000169DC0;Flag=4;CP=&&QnRtn=1&&"));
//! ```
//!
//! # Features
//!
//! `serde`: editions, deviations and seal forms as text in configuration files and messages.

#![cfg_attr(test, allow(clippy::print_stdout, clippy::wildcard_enum_match_arm, reason = "tests speak plainly"))]

pub mod area;
pub mod crc;
pub mod deviation;
pub mod edition;
#[cfg(any(test, feature = "fixtures"))]
#[doc(hidden)]
pub mod fixtures;
mod header;
pub mod packet;
pub mod scan;
pub mod seal_form;
mod sealed;
pub mod secret;
pub mod sm4;
pub mod value;
pub mod write;

pub use area::{Field, Fields, tidied};
pub use deviation::{Deviation, Deviations};
pub use edition::Edition;
pub use header::{Header, PacketFlags, Part, Seal};
pub use scan::{Check, CrcVerdict, Envelope, Fault, FaultReason, Frame, Item, Limits, Peer, Step, envelope, scan};
pub use seal_form::SealForm;
pub use sealed::{Spoken, is_rest_of_text};
