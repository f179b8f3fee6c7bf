//! Limits are counted when something can have become of them, and not at every report: nothing is told later or otherwise for that.

use proptest::prelude::*;

use super::*;

const HOUR: i64 = 60 * MINUTE;

/// What happens to a station.
#[derive(Debug, Clone)]
enum Step {
    /// A report after so many minutes, whose letters follow from the number.
    Report(u8, u8),
    /// A fault on the furnace: so many minutes from now it begins, so long it is; 0: its end is open.
    Enter(&'static str, i16, u16),
    /// The entry of that number is withdrawn.
    Withdraw(u8),
    /// So many minutes pass.
    Quiet(u16),
}

fn step() -> impl Strategy<Value = Step> {
    let mark =
        proptest::sample::select(&["inc19:fault", "inc19:start", "inc19:stop", "inc19:accident", "inc19:dry"][..]);
    prop_oneof![
        6 => (1u8..90, any::<u8>()).prop_map(|(after, letters)| Step::Report(after, letters)),
        2 => (mark, -600i16..600, prop_oneof![Just(0u16), 1u16..900]).prop_map(|(m, from, long)| Step::Enter(m, from, long)),
        1 => any::<u8>().prop_map(Step::Withdraw),
        1 => (1u16..600).prop_map(Step::Quiet),
    ]
}

/// What is known of marks and limits, and what was told.
fn play(steps: &[Step], eager: bool) -> Vec<String> {
    let mut player = Player::new(&book(), &rig("inc19,dev22"), "2017", "air");
    player.now = super::super::calendar::read("2026-12-30T20:00:00+08:00").unwrap().0;
    let mut entered = 0u32;
    let mut seen = Vec::new();
    for step in steps {
        if eager {
            player.marks.owe();
        }
        match step {
            Step::Report(after, letters) => {
                player.now += i64::from(*after) * MINUTE;
                let flag = |bit: u8| Some(if letters >> bit & 1 == 0 { "N" } else { "D" }.to_owned());
                let value = |code: &str, bit: u8| (code.to_owned(), "5".to_owned(), flag(bit));
                player.report(Kind::Realtime, &[value("a21026", 0), value("a34013", 1), value("a21002", 2)]);
            }
            Step::Enter(mark, from, long) => {
                entered += 1;
                let begin = player.now + i64::from(*from) * MINUTE;
                let end = (*long > 0).then(|| Timestamp(begin + i64::from(*long) * MINUTE).to_rfc3339());
                let text = serde_json::json!({ "schema": "hj212.mark-entry/1", "id": format!("e{entered}"), "mark": mark,
                    "object": "furnace-1", "begin": Timestamp(begin).to_rfc3339(), "end": end, "reason": "r", "proof": "p", "author": "a" });
                player.enter(&text.to_string());
            }
            Step::Withdraw(which) => {
                let gone = format!("e{}", u32::from(*which) % entered.max(1) + 1);
                entered += 1;
                let text = serde_json::json!({ "schema": "hj212.mark-entry/1", "id": format!("e{entered}"), "withdraws": gone,
                    "reason": "r", "author": "a" });
                player.enter(&text.to_string());
            }
            Step::Quiet(minutes) => {
                for _ in 0..*minutes {
                    if eager {
                        player.marks.owe();
                    }
                    player.quiet(MINUTE);
                }
            }
        }
        let told = player.happenings.drain(..).filter(|h| h.kind.starts_with("limit"));
        seen.extend(told.map(|h| format!("{} {}", h.kind, h.detail)));
        let marks = player.marks.held().chain(player.marks.ended()).filter(|mark| mark.said.is_some());
        let of = |m: &Mark| format!("{} {:?} {:?}", m.by, m.spent, m.without);
        seen.push(marks.map(of).collect::<Vec<_>>().join(", "));
    }
    // How much was used when something was told differs with how often it is counted.
    seen.iter().map(|line| line.split("\"used_s\"").next().unwrap_or_default().to_owned()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn counting_when_it_is_due_tells_what_counting_always_tells(steps in proptest::collection::vec(step(), 1..40)) {
        prop_assert_eq!(play(&steps, false), play(&steps, true));
    }
}

#[test]
fn a_limit_is_told_with_the_report_that_reaches_it() {
    let mut player = Player::new(&book(), &rig("inc19"), "2017", "air");
    let begin = player.now;
    player.by_hand("inc19:fault", "furnace-1", 9 * HOUR, "holds");
    let mut told = Vec::new();
    for n in 1..=9 * 60 {
        player.now = begin + n * MINUTE;
        player.report(Kind::Realtime, &[("a21026".to_owned(), "5".to_owned(), Some("N".to_owned()))]);
        told.extend(player.happenings.drain(..).filter(|h| h.kind.starts_with("limit")).map(|h| (h.kind, n)));
    }
    // 80 % of four hours are 192 minutes; a fault of four hours is within its limit, one that is longer is not (GB 18485-2014, 7.3).
    assert_eq!(told, [("limit-near", 192), ("limit-spent", 241)]);
}

#[test]
fn the_end_of_another_mark_takes_nothing_back_that_was_told_as_spent() {
    let steps = [
        Step::Enter("inc19:accident", 297, 189),
        Step::Quiet(448),
        Step::Report(17, 0),
        Step::Enter("inc19:accident", -209, 0),
        Step::Report(32, 0),
        Step::Report(1, 0),
    ];
    let told = play(&steps, false);
    assert_eq!(told, play(&steps, true));
    // Both are one occasion from minute 256 on, which is longer than four hours from minute 496 on; the first ended ten minutes before.
    assert!(told.last().is_some_and(|line| line.starts_with("e2 true")), "{told:?}");
}
