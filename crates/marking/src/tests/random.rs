//! What must hold of any day: noise of other factors changes no verdict, nor does a kill at any point, nor the order in which entries come in time.
//! In CI a few are played, always the same, beside random ones; with `HJ212_LONG` set two thousand.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::super::expr::{DAY, HOUR};
use super::*;

/// One thing that happens: minutes after the one before, what, and a number.
type Thing = (u8, u8, u8);

const MARKS: [(&str, &str); 6] = [
    ("inc19:fault", "furnace-1"),
    ("inc19:off", "furnace-1"),
    ("inc19:off", "furnace-2"),
    ("dev22:maint", "a21026"),
    ("dev22:force1", "outlet"),
    ("inc19:start", "furnace-2"),
];

fn things() -> impl Strategy<Value = Vec<Thing>> {
    proptest::collection::vec((prop_oneof![3 => 1u8..4, 1 => 20u8..90], 0u8..16, 0u8..64), 20..160)
}

struct World {
    player: Player,
    noisy: bool,
    day: i64,
    hour: i64,
    said: Vec<String>,
}

impl World {
    fn new(restored: bool, noisy: bool) -> World {
        let book = book();
        let mut facts = rig("inc19,dev22");
        facts.facilities = vec![
            facility("furnace-1", "furnace", "feed=f1 temp=t1"),
            facility("furnace-2", "furnace", "feed=f2 temp=t2"),
        ];
        let mut player = Player::new(&book, &facts, "2017", "air");
        player.restored = restored;
        let day = super::super::calendar::read("2026-03-02T00:00:00+08:00").unwrap().0;
        player.now = day;
        World { player, noisy, day, hour: 0, said: Vec::new() }
    }

    fn say(&mut self, kind: Kind, data: i64, number: u8) {
        self.player.restore();
        let flag = ["N", "N", "N", "N", "D", "C"][usize::from(number % 6)];
        let value = format!("{}", 40 + u32::from(number) * 3);
        let mut readings = vec![
            Reading { code: "a21026", text: &value, judged: None, none: false, doubtful: false, flag: Some(flag) },
            Reading { code: "a34013", text: &value, judged: None, none: false, doubtful: false, flag: Some("N") },
        ];
        let noise: Vec<String> = (0..8).map(|n| format!("noise{n}")).collect();
        if self.noisy {
            let flag = if number.is_multiple_of(2) { "M" } else { "N" };
            readings.extend(noise.iter().map(|code| Reading {
                code,
                text: "1",
                judged: None,
                none: false,
                doubtful: false,
                flag: Some(flag),
            }));
        }
        let seen =
            Observation { at: Timestamp(self.player.now), data: Some(Timestamp(data)), kind, readings: &readings };
        let mut out = MarkVerdict::default();
        self.player.marks.observe(&self.player.plan, &seen, &mut out);
        for judged in out.readings.iter().take(2) {
            self.said.push(format!("{kind:?} {data} {:?} {:?} {:?}", judged.validity, judged.marks, judged.proposed));
        }
        self.note(out);
    }

    fn note(&mut self, out: MarkVerdict) {
        for mut happening in out.happenings {
            if let Some(detail) = happening.detail.as_object_mut() {
                detail.remove("changed");
            }
            let object = happening.mark.as_ref().map_or("", |mark| &mark.object);
            let code = happening.detail["code"].as_str().unwrap_or_default();
            if !object.starts_with("noise") && !code.starts_with("noise") {
                self.said.push(format!("{} {} {object} {}", happening.kind, happening.at.0, happening.detail));
            }
        }
        for revision in out.revisions {
            for reading in revision.readings.iter().filter(|reading| !reading.code.starts_with("noise")) {
                self.said.push(format!(
                    "{:?} {} {} {:?}",
                    revision.kind,
                    revision.data_time.0,
                    reading.code,
                    (reading.was, reading.is)
                ));
            }
        }
    }

    fn entry(&mut self, number: u8) {
        let (mark, object) = MARKS[usize::from(number) % MARKS.len()];
        let begin = self.player.now - i64::from(number) * 10 * MINUTE;
        let end = begin + (1 + i64::from(number % 5)) * HOUR;
        let (begin, end) = (Timestamp(begin).to_rfc3339(), Timestamp(end).to_rfc3339());
        let id = format!("e{number}");
        let text = serde_json::json!({ "schema": "hj212.mark-entry/1", "id": id, "mark": mark, "object": object,
            "begin": begin, "end": end, "reason": "r", "proof": "p", "author": "a" });
        let mut out = MarkVerdict::default();
        let now = Timestamp(self.player.now);
        let code = |code: &str| Some(code.to_owned());
        self.player.restore();
        let answer =
            self.player.marks.enter(&self.player.plan, now, (&id, text.to_string().as_bytes()), &code, &mut out);
        self.said.push(format!("{answer:?}"));
        self.note(out);
    }

    fn ruling(&mut self, number: u8) {
        let what = ["accept", "doubt", "annul", "restore"][usize::from(number % 4)];
        let role = ["county", "city", "province"][usize::from(number % 3)];
        let id = format!("r{}", self.said.len());
        let text = serde_json::json!({ "schema": "hj212.mark-ruling/1", "id": id, "about": format!("e{}", number / 2 * 2),
            "ruling": what, "reason": "r", "author": "a" });
        let mut out = MarkVerdict::default();
        self.player.restore();
        let answer = self.player.marks.rule(
            &self.player.plan,
            Timestamp(self.player.now),
            (role, &id, text.to_string().as_bytes()),
            &mut out,
        );
        // How many periods it changed counts those of other codes too.
        self.said.push(format!("{:?}", answer.refused.as_ref().map(|(code, ..)| *code)));
        self.note(out);
    }

    fn tick(&mut self) {
        self.player.restore();
        let mut out = MarkVerdict::default();
        self.player.marks.tick(&self.player.plan, Timestamp(self.player.now), &mut out);
        self.note(out);
    }

    fn play(mut self, things: &[Thing]) -> Vec<String> {
        for (minutes, what, number) in things {
            self.player.now += i64::from(*minutes) * MINUTE;
            while self.player.now >= self.day + (self.hour + 1) * HOUR {
                self.say(Kind::Hour, self.day + self.hour * HOUR, *number);
                self.hour += 1;
                if self.hour % 24 == 0 {
                    self.say(Kind::Day, self.day + (self.hour - 24) * HOUR, 0);
                }
            }
            match what {
                0..=8 => self.say(Kind::Minute, self.player.now / MINUTE * MINUTE - MINUTE, *number),
                // A minute of hours ago.
                9 => self.say(Kind::Minute, self.player.now / MINUTE * MINUTE - 90 * MINUTE, *number),
                10..=12 => self.entry(*number),
                13 | 14 => self.ruling(*number),
                _ => self.tick(),
            }
        }
        self.player.now += DAY + 13 * HOUR;
        self.tick();
        self.said
    }
}

fn check(things: &[Thing]) -> Result<(), TestCaseError> {
    let plain = World::new(false, false).play(things);
    prop_assert_eq!(&World::new(true, false).play(things), &plain, "killed before every step");
    prop_assert_eq!(&World::new(false, true).play(things), &plain, "beside eight noisy factors");
    Ok(())
}

/// The same cases every time.
#[test]
fn seeded_days_are_the_same_beside_noise_and_killed_at_any_point() {
    let cases = if std::env::var_os("HJ212_LONG").is_some() { 2000 } else { 24 };
    let config = Config { cases, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[15; 32]));
    runner.run(&things(), |things| check(&things)).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn any_day_is_the_same_beside_noise_and_killed_at_any_point(things in things()) {
        check(&things)?;
    }
}
