//! The waiting of frames in simulated time.

use proptest::prelude::*;

use super::*;
use hj212::crc;

const PAUSE: Duration = Duration::from_millis(200);
const PARTIAL_MAX: Duration = Duration::from_secs(30);

/// The MN of a station whose check is not looked at.
const UNCHECKED: &[u8] = b"MN=88888880070009";

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// A data segment of its own.
fn segment(number: usize, length: usize) -> String {
    let filler = "w01018-Rtd=1.0,w01018-Flag=N;".repeat(length / 29 + 1);
    let area = format!("DataTime=20260401100{number:03};{}", &filler[..length]);
    format!("QN=20260401100001{number:03};ST=32;CN=2011;PW=123456;MN=88888880070001;Flag=5;CP=&&{area}&&")
}

fn frame(head: &str, segment: &str, check: &str) -> Vec<u8> {
    format!("{head}{segment}{check}\r\n").into_bytes()
}

fn right(segment: &str) -> String {
    format!("{:04X}", crc::checksum(segment.as_bytes()))
}

fn good(number: usize) -> Vec<u8> {
    let segment = segment(number, number % 7 * 11);
    frame(&format!("##{:04}", segment.len()), &segment, &right(&segment))
}

/// What a connection takes of writes at their times: (when, the segment) of each frame; and when it was closed, if it was.
fn play(writes: &[(Duration, Vec<u8>)], end: Duration) -> (Vec<(Duration, String, CrcVerdict)>, Option<Duration>) {
    let start = Instant::now();
    let limits = Limits::default();
    let mut front = Front::new(start);
    let mut taken = Vec::new();
    let mut writes = writes.iter().peekable();
    loop {
        let alarm = front.deadline(PAUSE, PARTIAL_MAX);
        let write = writes.peek().map(|(at, _)| start + *at);
        let Some(now) = [alarm, write].into_iter().flatten().min().filter(|now| *now <= start + end) else {
            return (taken, None);
        };
        let mut all = false;
        if write == Some(now) {
            let (_, bytes) = writes.next().unwrap();
            front.buffer.extend_from_slice(bytes);
            front.came(now, bytes.len());
        } else {
            match front.rang(now, PAUSE, PARTIAL_MAX, &limits, |frame| contains(frame.segment, UNCHECKED)) {
                TimerMeaning::Looked => {}
                TimerMeaning::Noise => all = true,
                TimerMeaning::Partial => return (taken, Some(now - start)),
            }
        }
        while !front.buffer.is_empty() {
            let peer = if all || front.is_settled() { Peer::Resting } else { Peer::Sending };
            let buffer = front.buffer.split();
            let step = scan(&buffer, peer, &limits);
            if let Some(Item::Frame(frame)) = step.item {
                let segment = String::from_utf8_lossy(frame.segment).into_owned();
                taken.push((now - start, segment, frame.check.verdict));
            }
            let used = step.used;
            front.buffer = buffer;
            front.used(now, used);
            if used == 0 {
                break;
            }
        }
    }
}

/// Writes these, `apart` from each other; every one that is good must be taken one pause after its last byte, and nothing is closed.
fn all_good_are_in_time(frames: &[(Vec<u8>, bool)], apart: Duration) -> Result<(), TestCaseError> {
    all_good_are_within(PAUSE, frames, apart)
}

fn all_good_are_within(most: Duration, frames: &[(Vec<u8>, bool)], apart: Duration) -> Result<(), TestCaseError> {
    let mut writes = Vec::new();
    let mut wanted = Vec::new();
    let mut at = Duration::ZERO;
    for (bytes, good) in frames {
        if *good {
            wanted.push((at, bytes.clone()));
        }
        if bytes.is_empty() {
            continue;
        }
        writes.push((at, bytes.clone()));
        at += apart;
    }
    let (taken, closed) = play(&writes, at + Duration::from_secs(3));
    prop_assert_eq!(closed, None);
    for (at, bytes) in wanted {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let found =
            taken.iter().find(|(_, segment, verdict)| *verdict == CrcVerdict::Right && text.contains(segment.as_str()));
        let Some((when, ..)) = found else {
            return Err(TestCaseError::fail(format!("never taken: {text} of {taken:?}")));
        };
        prop_assert!(*when <= at + most, "{:?} after {:?}: {}", when, at, text);
    }
    Ok(())
}

#[test]
fn three_frames_in_one_write_of_which_two_declare_far_too_much() {
    let long = |n| {
        let segment = segment(n, 0);
        frame(&format!("##{:04}", segment.len() + 567), &segment, &right(&segment))
    };
    let all = [long(1), long(2), good(3)].concat();
    let (taken, closed) = play(&[(Duration::ZERO, all)], Duration::from_secs(60));
    assert_eq!(closed, None);
    assert_eq!(taken.iter().map(|(at, ..)| *at).collect::<Vec<_>>(), [PAUSE; 3]);
    assert!(taken.iter().all(|(_, _, verdict)| *verdict == CrcVerdict::Right));
}

#[test]
fn every_excess_of_the_length_alone_and_in_bursts_however_far_apart() {
    for more in [2, 6, 12, 50, 100, 300, 567, 1000, 3000, 5000, 9000, 9884] {
        for apart in [0, 50, 100, 150, 250] {
            for count in [1, 2, 5, 10] {
                let frames: Vec<_> = (0..count)
                    .map(|n| {
                        let segment = segment(n, n * 13 % 80);
                        let declared = (segment.len() + more).min(9999);
                        (frame(&format!("##{declared:04}"), &segment, &right(&segment)), true)
                    })
                    .chain([(good(999), true)])
                    .collect();
                all_good_are_in_time(&frames, Duration::from_millis(apart)).unwrap();
            }
        }
    }
}

#[test]
fn constant_lengths_and_five_digits() {
    for apart in [0, 50, 100, 150, 250] {
        for head in ["##0888", "##0400", "##9999", "##1234", "LLLL0"] {
            let frames: Vec<_> = (0..10)
                .map(|n| {
                    let segment = segment(n, if head == "LLLL0" { n * 200 } else { n * 3 });
                    let head = if head == "LLLL0" { format!("##{:04}0", segment.len()) } else { head.to_owned() };
                    (frame(&head, &segment, &right(&segment)), true)
                })
                .collect();
            all_good_are_in_time(&frames, Duration::from_millis(apart)).unwrap();
        }
    }
}

#[test]
fn a_cut_frame_or_a_wrong_check_in_front_holds_nothing_back() {
    let long = segment(7, 9_700);
    let whole = frame(&format!("##{:04}", long.len()), &long, "0000");
    let one = segment(8, 0);
    for bad in [
        b"##9999QN=20260101".to_vec(),
        whole[..5000].to_vec(),
        whole[..whole.len() - 9].to_vec(),
        frame(&format!("##{:04}", one.len() + 567), &one, "59C0"),
        frame(&format!("##{:04}", one.len()), &one, "59C0"),
        frame("##0400", &one, ""),
        frame("##0400", &one, "XXXX"),
        b"##9999".to_vec(),
        b"0123 registration packet".to_vec(),
    ] {
        for apart in [0, 50, 100, 250] {
            let frames =
                [(bad.clone(), false), (good(1), true), (bad.clone(), false), (good(2), true), (good(3), true)];
            all_good_are_in_time(&frames, Duration::from_millis(apart)).unwrap();
        }
    }
}

#[test]
fn frames_every_five_seconds_with_far_too_long_a_length_close_nothing() {
    let writes: Vec<_> = (0..20)
        .map(|n| {
            let segment = segment(n, 0);
            (Duration::from_secs(5 * n as u64), frame("##0682", &segment, &right(&segment)))
        })
        .collect();
    let (taken, closed) = play(&writes, Duration::from_secs(200));
    assert_eq!((taken.len(), closed), (20, None));
    for ((at, ..), (sent, _)) in taken.iter().zip(&writes) {
        assert_eq!(*at, *sent + PAUSE);
    }
}

#[test]
fn a_slow_link_costs_no_frame_also_one_that_quotes_another() {
    let inner = String::from_utf8(good(5)).unwrap();
    let text = format!(
        "QN=20260401100001001;ST=32;CN=3020;PW=123456;MN=88888880070001;Flag=5;CP=&&DataTime=20260401100001;i11001-Info=//{}//&&",
        inner.trim_end()
    );
    let whole = frame(&format!("##{:04}", text.len()), &text, &right(&text));
    for size in [3, 10, 40] {
        let writes: Vec<_> = whole
            .chunks(size)
            .enumerate()
            .map(|(n, piece)| (Duration::from_millis(150 * n as u64), piece.to_vec()))
            .collect();
        let (taken, closed) = play(&writes, Duration::from_secs(300));
        // A frame that comes without a pause is never cut; it has `partial_max` to be complete.
        if writes.last().unwrap().0 < PARTIAL_MAX {
            assert_eq!((taken.len(), closed), (1, None), "{size}: {taken:?}");
            assert_eq!(taken[0].1, text);
        }
    }
}

#[test]
fn signs_of_life_of_a_modem_close_nothing_and_an_unfinished_frame_does() {
    let beats: Vec<_> = (0..20).map(|n| (Duration::from_secs(10 * n), vec![0xFE])).collect();
    assert_eq!(play(&beats, Duration::from_secs(400)).1, None);
    let cut = [(Duration::ZERO, b"##0500QN=20261123".to_vec())];
    assert_eq!(play(&cut, Duration::from_secs(400)).1, Some(PARTIAL_MAX));
}

/// A frame that is not good, or bytes that are none.
fn bad() -> impl Strategy<Value = Vec<u8>> {
    let head = prop_oneof![
        "[0-9]{4}".prop_map(|digits| format!("##{digits}")),
        "[0-9]{5}".prop_map(|digits| format!("##{digits}")),
        Just("##".to_owned()),
        Just("##$$$$".to_owned()),
        "## [0-9]{3}",
        "##[0-9]{4}[ ;,]",
    ];
    let check = prop_oneof![Just(String::new()), "[0-9A-F]{1,4}", "[X?]{4}", "0x[0-9A-F]{4}"];
    let ending = prop_oneof![Just(""), Just("\r\n"), Just("\n")];
    let framed = (head, 0..60usize, check, ending).prop_map(|(head, length, check, ending)| {
        format!("{head}{}{check}{ending}", segment(998, length)).into_bytes()
    });
    let cut = (framed.clone(), any::<proptest::sample::Index>()).prop_map(|(mut bytes, at)| {
        bytes.truncate(at.index(bytes.len()));
        bytes
    });
    let noise = proptest::collection::vec(any::<u8>(), 0..40);
    prop_oneof![2 => framed, 2 => cut, 1 => noise]
}

proptest! {
    #[test]
    fn good_frames_between_arbitrary_bad_ones_are_all_taken_within_two_pauses(
        pieces in proptest::collection::vec(prop_oneof![Just(None), bad().prop_map(Some)], 1..10),
        apart in proptest::sample::select(vec![0u64, 50, 100, 150, 250]),
    ) {
        let frames: Vec<_> = pieces.into_iter().enumerate().map(|(n, bad)| match bad {
            Some(bytes) => (bytes, false),
            None => (good(n), true),
        }).collect();
        // Bytes of no meaning may follow without a pause.
        all_good_are_within(2 * PAUSE, &frames, Duration::from_millis(apart))?;
    }
}

/// Without a check and a line end, `&&` and a pause are the end where the check is not looked at, and nowhere else: there the check may be on
/// its way.
#[test]
fn an_end_without_check_and_line_end_is_settled_where_the_check_is_not_looked_at() {
    for (mn, wanted) in [("88888880070009", Some(PAUSE)), ("88888880070001", None)] {
        for check in ["", "AE", "XXXX", "0x1"] {
            for length in [0, 400, 9999] {
                let segment = segment(1, 29).replace("88888880070001", mn);
                let length = if length == 0 { segment.len() } else { length };
                let bytes = format!("##{length:04}{segment}{check}").into_bytes();
                let (taken, closed) = play(&[(Duration::ZERO, bytes)], Duration::from_secs(5));
                assert_eq!(taken.first().map(|taken| taken.0), wanted, "{mn} {check} {length}");
                assert_eq!(closed, None);
            }
        }
    }
    // Behind the next frame's beginning it is settled at once, whoever sent it.
    let bare = |number| format!("##0400{}", segment(number, 29)).into_bytes();
    let bytes = [bare(1), bare(2), good(3)].concat();
    let (taken, _) = play(&[(Duration::ZERO, bytes)], Duration::from_secs(5));
    assert_eq!(taken.len(), 3);
    assert!(taken.iter().all(|taken| taken.0 <= PAUSE), "{taken:?}");
}
