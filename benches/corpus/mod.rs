//! 10,000 valid frames as a data centre hears them, the same at every run: half of them real-time records, then minute, hour and
//! day records, answers and heartbeats; about 516 bytes on average.

#![allow(dead_code, reason = "each bench uses its own part")]
#![allow(missing_docs, reason = "no library")]

use hj212::write;

/// How many frames there are.
pub(crate) const FRAMES: usize = 10_000;

const AIR: [&str; 26] = [
    "a01001", "a01002", "a01006", "a01007", "a01008", "a01011", "a01012", "a01013", "a01014", "a01017", "a05001",
    "a19001", "a20025", "a21001", "a21002", "a21003", "a21004", "a21005", "a21018", "a21026", "a24088", "a25002",
    "a34001", "a34002", "a34004", "a34013",
];
const WATER: [&str; 22] = [
    "w00000", "w01001", "w01003", "w01006", "w01009", "w01010", "w01014", "w01017", "w01018", "w01019", "w20115",
    "w20116", "w20117", "w20119", "w20120", "w20122", "w20123", "w21001", "w21003", "w21006", "w21011", "w21016",
];
const SEGMENT_MAX: usize = 1000;

/// The frames, and the same as one stream.
pub(crate) struct Corpus {
    pub(crate) frames: Vec<Vec<u8>>,
    pub(crate) stream: Vec<u8>,
}

impl Corpus {
    pub(crate) fn new() -> Corpus {
        let mut rng = SeededRandom(212);
        let stations: Vec<String> = (0..500)
            .map(|_| format!("{:024X}", u128::from(rng.next()) << 32 | u128::from(rng.next() as u32)))
            .collect();
        let mut millis = 8 * 3_600_000u64;
        let frames: Vec<Vec<u8>> = (0..FRAMES)
            .map(|_| {
                millis += 1 + rng.below(899) as u64;
                frame(&mut rng, &stations, millis)
            })
            .collect();
        let stream = frames.concat();
        Corpus { frames, stream }
    }

    /// The segments of the frames: what length and check speak of.
    pub(crate) fn segments(&self) -> Vec<&[u8]> {
        self.frames.iter().map(|frame| &frame[6..frame.len() - 6]).collect()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.stream.len() as u64
    }
}

/// A generator that is the same on every machine.
struct SeededRandom(u64);

impl SeededRandom {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    fn percent(&mut self, share: usize) -> bool {
        self.below(100) < share
    }

    fn value(&mut self) -> String {
        let scale = self.one_of(&[1, 10, 100, 1000]);
        let digits = self.one_of(&[1usize, 2, 3]);
        let number = self.below(scale * 1000) as f64 / 1000.0;
        format!("{number:.digits$}")
    }

    fn some(&mut self, pool: &[&'static str], count: usize) -> Vec<&'static str> {
        let mut pool = pool.to_vec();
        (0..count)
            .map(|_| {
                let at = self.below(pool.len());
                pool.swap_remove(at)
            })
            .collect()
    }
}

fn frame(rng: &mut SeededRandom, stations: &[String], millis: u64) -> Vec<u8> {
    let mn = &stations[rng.below(stations.len())];
    let air = mn.as_bytes()[23].is_multiple_of(2);
    let st = match (rng.percent(85), air) {
        (true, true) => "31",
        (true, false) => "32",
        (false, true) => "22",
        (false, false) => "21",
    };
    let pool: &[&'static str] = if air { &AIR } else { &WATER };
    let flag = rng.one_of(&[4, 5, 5, 5, 9]);
    let seconds = millis / 1000;
    let clock = format!("{:02}{:02}{:02}", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let qn = format!("20261120{clock}{:03}", millis % 1000);
    let cn = match rng.below(100) {
        0..50 => "2011",
        50..70 => "2051",
        70..78 => "2061",
        78..82 => "2031",
        82..92 => "9014",
        _ => "9015",
    };
    let parts = if flag == 9 && cn.starts_with('2') { ";PNUM=1;PNO=1" } else { "" };
    let (st, flag) = if cn == "9014" { ("91", 4) } else { (st, flag) };
    let head = format!("QN={qn};ST={st};CN={cn};PW=123456;MN={mn};Flag={flag}{parts};CP=&&");
    let mut items = items(rng, cn, pool, &clock, air && st == "31");
    while head.len() + items.iter().map(|item| item.len() + 1).sum::<usize>() + 2 > SEGMENT_MAX {
        items.pop();
    }
    let mut out = Vec::new();
    write::frame(&mut out, |out| {
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(items.join(";").as_bytes());
        out.extend_from_slice(b"&&");
    });
    out
}

fn items(rng: &mut SeededRandom, cn: &str, pool: &[&'static str], clock: &str, converted: bool) -> Vec<String> {
    let time = match cn {
        "9014" => return Vec::new(),
        "2051" => format!("{}00", &clock[..4]),
        "2061" => format!("{}0000", &clock[..2]),
        "2031" => "000000".to_owned(),
        _ => clock.to_owned(),
    };
    let mut items = vec![format!("DataTime=20261120{time}")];
    if cn == "2011" {
        let count = 8 + rng.below(9);
        for code in rng.some(pool, count) {
            let mut item = String::new();
            if rng.percent(2) {
                item.push_str(&format!("{code}-SampleTime=20261120{clock},"));
            }
            item.push_str(&format!("{code}-Rtd={},", rng.value()));
            if converted {
                item.push_str(&format!("{code}-ZsRtd={},", rng.value()));
            }
            let mark = if rng.percent(90) { 'N' } else { rng.one_of(&['F', 'M', 'S', 'D', 'C', 'T', 'B']) };
            item.push_str(&format!("{code}-Flag={mark}"));
            items.push(item);
        }
    } else if cn.starts_with('2') {
        let count = 3 + rng.below(8);
        for code in rng.some(pool, count) {
            let (cou, min, avg, max) = (rng.value(), rng.value(), rng.value(), rng.value());
            let mut item = format!("{code}-Cou={cou},{code}-Min={min},{code}-Avg={avg},{code}-Max={max}");
            if rng.percent(60) {
                item.push_str(&format!(",{code}-Flag=N"));
            }
            items.push(item);
        }
    }
    items
}
