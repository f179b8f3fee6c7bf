//! L11: the electronic ledger beside the flags.

use super::*;

fn work(id: &str, from: &str, to: &str) -> WorkSeen {
    WorkSeen { id: id.into(), offset: 7, since: at(from), until: at(to) }
}

fn flag(from: &str, to: &str) -> FlagSeen {
    FlagSeen { mark: "h17:C".into(), object: "a21026".into(), since: at(from), until: Some(at(to)) }
}

/// A week of hours beside these entries and flags: the leads of L11.
fn leads(marks: Marks) -> Vec<(String, String, String)> {
    let mut player = Player::new(&[limit("a21026", "80", "hour")]);
    player.marks = marks;
    for hour in 0..7 * 24 {
        let begin = Timestamp(at("2026-06-01 00:00").0 + hour * HOUR);
        player.value("a21026", LeadGrain::Hour, begin, &format!("5{}.{}", hour % 7, hour % 10));
        player.pass(Timestamp(begin.0 + HOUR));
    }
    let raised = player.raised();
    let own = raised.iter().filter(|lead| lead.detector == "L11");
    own.map(|lead| {
        let numbers = ["entries_without_flag", "flags_without_entry"].map(|name| number(lead, name).to_owned());
        let [entries, flags] = numbers;
        (lead.id(), entries, flags)
    })
    .collect()
}

fn lead(day: &str, entries: &str, flags: &str) -> (String, String, String) {
    (format!("L11-{day}"), entries.to_owned(), flags.to_owned())
}

#[test]
fn a_calibration_without_a_flag_and_a_flag_without_an_entry_are_leads() {
    let entries = |all: &[WorkSeen]| Marks { entries: Some(all.to_vec()), ..Marks::default() };
    let morning = work("L-1", "2026-06-02 09:00", "2026-06-02 09:40");
    assert_eq!(leads(entries(std::slice::from_ref(&morning))), [lead("20260602", "1", "0")]);
    // The flag came in time, or within half an hour of it.
    for (from, to) in [("2026-06-02 09:05", "2026-06-02 09:30"), ("2026-06-02 10:05", "2026-06-02 10:20")] {
        let marks = Marks { flags: vec![flag(from, to)], ..entries(std::slice::from_ref(&morning)) };
        assert_eq!(leads(marks), []);
    }
    // A flag two days later has no entry within a day of it.
    let late = vec![flag("2026-06-02 09:05", "2026-06-02 09:30"), flag("2026-06-04 15:00", "2026-06-04 15:20")];
    let marks = Marks { flags: late, ..entries(std::slice::from_ref(&morning)) };
    assert_eq!(leads(marks), [lead("20260604", "0", "1")]);
}

#[test]
fn what_is_left_out_is_no_lead() {
    let morning = work("L-1", "2026-06-02 09:00", "2026-06-02 09:40");
    let silent = Marks { entries: Some(vec![morning]), silent: true, ..Marks::default() };
    assert_eq!(leads(silent), [], "nothing came over its time");
    let flags = vec![flag("2026-06-02 09:05", "2026-06-02 09:30")];
    assert_eq!(leads(Marks { flags: flags.clone(), ..Marks::default() }), [], "nobody keeps a ledger");
    assert_eq!(leads(Marks { flags, entries: Some(Vec::new()), ..Marks::default() }), [lead("20260602", "0", "1")]);
    // Every night at two: automatic from the second night on.
    let nightly = (1..=6).map(|day| flag(&format!("2026-06-0{day} 02:00"), &format!("2026-06-0{day} 02:20"))).collect();
    let marks = Marks { flags: nightly, entries: Some(Vec::new()), ..Marks::default() };
    assert_eq!(leads(marks), [lead("20260601", "0", "1")]);
}
