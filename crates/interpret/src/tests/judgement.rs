//! Days of outlets played from records of a journal: `fixtures/judgement` (its README has the lines). The table that must come of them is
//! computed from the texts by a script that knows nothing of this.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use hj212_judgement::{alerts, calendar};
use hj212_model::message::{EmissionLimit, Facility, StationFacts};
use serde_json::{Value, json};

const MINUTE: i64 = 60_000_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

#[derive(Default)]
struct Case {
    name: String,
    facts: StationFacts,
    st: String,
    /// Records with their times.
    steps: Vec<Step>,
    last: i64,
}

/// One day of a case, as its lines say it.
#[derive(Default, Clone)]
struct Lines {
    day: i32,
    hours: BTreeMap<String, Vec<String>>,
    rest: Vec<Vec<String>>,
}

fn tokens(words: &[&str]) -> Vec<String> {
    let mut all = Vec::new();
    for word in words {
        let (count, rest) =
            word.split_once('x').and_then(|(count, rest)| Some((count.parse().ok()?, rest))).unwrap_or((1usize, *word));
        all.extend(std::iter::repeat_n(rest.to_owned(), count));
    }
    assert_eq!(all.len(), 24, "{words:?}");
    all
}

fn read() -> Vec<Case> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/judgement/days.txt");
    let text = std::fs::read_to_string(path).unwrap();
    let mut cases: Vec<Case> = Vec::new();
    let mut days: Vec<Lines> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let rest = &words[1..];
        if words[0] == "case" || words[0] == "day" {
            days.drain(..).for_each(|day| cases.last_mut().unwrap().play(&day));
        }
        if words[0] == "case" {
            cases.push(Case { name: rest.join(" "), ..Case::default() });
            continue;
        }
        let case = cases.last_mut().unwrap();
        match words[0] {
            "station" => {
                for (key, value) in rest.iter().filter_map(|word| word.split_once('=')) {
                    match key {
                        "rules" => {
                            case.facts.rules = value.split(',').filter(|r| !r.is_empty()).map(str::to_owned).collect();
                        }
                        _ => case.st = value.to_owned(),
                    }
                }
            }
            "facility" => {
                let factors = rest[2].strip_prefix("factors=").unwrap().split(',').map(str::to_owned).collect();
                let facility = Facility { id: rest[0].into(), kind: rest[1].into(), factors, ..Facility::default() };
                case.facts.facilities.push(facility);
            }
            "without" => case.facts.without.push(rest[0].into()),
            "limit" => case.facts.emission.push(EmissionLimit {
                code: rest[0].into(),
                max: rest[1].into(),
                of: "day".into(),
                basis: rest[3].into(),
                decimals: rest[2].parse().ok(),
                ..EmissionLimit::default()
            }),
            "day" => {
                let first = calendar::read(rest[0]).unwrap();
                let count: i32 = rest.get(1).map_or(1, |times| times[1..].parse().unwrap());
                days = (first..first + count).map(|day| Lines { day, ..Lines::default() }).collect();
            }
            "hours" => days.iter_mut().for_each(|day| drop(day.hours.insert(rest[0].into(), tokens(&rest[1..])))),
            "worth" | "final" | "due" => {}
            _ => days.iter_mut().for_each(|day| day.rest.push(words.iter().map(|w| (*w).to_owned()).collect())),
        }
    }
    days.drain(..).for_each(|day| cases.last_mut().unwrap().play(&day));
    cases
}

fn clock(text: &str) -> i64 {
    let (hour, minute) = text.split_once(':').unwrap();
    hour.parse::<i64>().unwrap() * HOUR + minute.parse::<i64>().unwrap() * MINUTE
}

impl Case {
    fn push(&mut self, time: i64, record: &Record<'_>) {
        self.last = self.last.max(time);
        self.steps.push(step(Timestamp(time), record));
    }

    fn report(&mut self, time: i64, cn: u16, data: i64, items: &str) {
        let text = |at: i64| {
            let digits: String = Timestamp(at).to_rfc3339().chars().filter(char::is_ascii_digit).collect();
            digits[..17].to_owned()
        };
        let segment = format!(
            "QN={};ST={};CN={cn};PW=123456;MN=M1;Flag=5;CP=&&DataTime={};{items}&&",
            text(time),
            self.st,
            &text(data)[..14]
        );
        self.last = self.last.max(time);
        self.steps.push(frame_step(Timestamp(time), segment.as_bytes()));
    }

    /// The fields of one value: mean, converted if the limit is of that, sum, flag.
    fn item(&self, code: &str, token: &str) -> String {
        let (value, flag) = token.split_once('/').unwrap_or((token, "N"));
        let (mean, total) = value.split_once('^').map_or((value, None), |(mean, total)| (mean, Some(total)));
        let converted = self.facts.emission.iter().any(|limit| limit.code == code && limit.basis == "converted");
        let mut item = format!("{code}-Avg={mean}");
        if converted {
            item.push_str(&format!(",{code}-ZsAvg={mean}"));
        }
        if let Some(total) = total {
            item.push_str(&format!(",{code}-Cou={total}"));
        }
        format!("{item},{code}-Flag={flag};")
    }

    fn play(&mut self, lines: &Lines) {
        let begin = calendar::start(lines.day).0;
        let converted = self.facts.emission.iter().any(|limit| limit.basis == "converted");
        let oxygen = |lines: &Lines| converted && !lines.hours.contains_key("a19001");
        for hour in 0..24 {
            let mut items = String::new();
            for (code, all) in &lines.hours {
                if all[hour] != "*" {
                    items.push_str(&self.item(code, &all[hour]));
                }
            }
            if items.is_empty() {
                continue;
            }
            if oxygen(lines) {
                items.push_str("a19001-Avg=9,a19001-Flag=N;");
            }
            let at = begin + hour as i64 * HOUR;
            self.report(at + HOUR + 2 * MINUTE, 2061, at, &items);
        }
        for words in &lines.rest {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let id = |name: &str| format!("{name}-{}", calendar::text(lines.day));
            let at = |text: &str| Timestamp(begin + clock(text)).to_rfc3339();
            match *words.as_slice() {
                ["late", code, hour, value, days] => {
                    let data = begin + hour.parse::<i64>().unwrap() * HOUR;
                    let time = begin + days.parse::<i64>().unwrap() * DAY + 10 * HOUR;
                    let item = self.item(code, value);
                    self.report(time, 2061, data, &item);
                }
                ["said", code, value] => {
                    let item = self.item(code, value);
                    self.report(begin + DAY + 10 * MINUTE, 2031, begin, &item);
                }
                ["enter", name, mark, object, from, to, ..] => {
                    let time = begin + DAY + clock(words.get(6).unwrap_or(&"9:00"));
                    let entry = json!({ "schema": "hj212.mark-entry/1", "id": id(name), "mark": mark, "object": object,
                        "begin": at(from), "end": at(to), "reason": "log book", "proof": "photo", "author": "Wang" });
                    self.push(time, &Record::MarkEntry { mn: "M1", id: &id(name), json: entry.to_string().as_bytes() });
                }
                ["withdraw", name, gone, ..] => {
                    let time = begin + DAY + clock(words.get(3).unwrap_or(&"10:00"));
                    let entry = json!({ "schema": "hj212.mark-entry/1", "id": id(name), "withdraws": id(gone),
                        "reason": "mistaken", "author": "Wang" });
                    self.push(time, &Record::MarkEntry { mn: "M1", id: &id(name), json: entry.to_string().as_bytes() });
                }
                ["ruled", days, role, about, ruling, ..] => {
                    let time = begin + days.parse::<i64>().unwrap() * DAY + 15 * HOUR;
                    let name = id(&format!("R-{about}"));
                    let mut json = json!({ "schema": "hj212.mark-ruling/1", "id": name, "about": id(about),
                        "ruling": ruling, "reason": "DCS", "author": "pa-1", "decision": "1" });
                    if let [from, to] = words[5..] {
                        (json["from"], json["to"]) = (at(from).into(), at(to).into());
                    }
                    let json = json.to_string();
                    self.push(time, &Record::MarkRuling { mn: "M1", role, id: &name, json: json.as_bytes() });
                }
                _ => panic!("{words:?}"),
            }
        }
        self.last = self.last.max(begin + 2 * DAY);
    }

    /// All records in the order of time, with what lets time pass.
    fn journal(mut self) -> (String, Vec<Step>) {
        self.facts.st = Some(self.st.clone());
        let first = self.steps.iter().map(|step| step.time.0).min().unwrap() - 2 * HOUR;
        let context = Context {
            stations: BTreeMap::from([("M1".to_owned(), self.facts.into())]),
            alerts: alerts::built_in_texts(),
            ..Context::default()
        };
        let mut steps = vec![step(Timestamp(first), &Record::Started("0.1.0"))];
        steps.extend(context_steps(Timestamp(first), &context));
        let end = self.last + DAY;
        let mut ticks: Vec<Step> = (first / MINUTE..end / MINUTE)
            .step_by(5)
            .map(|at| step(Timestamp(at * MINUTE + 1), &Record::Tick))
            .collect();
        ticks.extend(self.steps);
        ticks.sort_by_key(|step| step.time);
        steps.extend(ticks.into_iter().filter(|step| step.time.0 > first));
        (self.name, steps)
    }
}

fn judging() -> Settings {
    let judgement = hj212_judgement::Settings { enabled: true, settle_spread: Duration::ZERO };
    Settings { judgement, cases: true, ..settings() }
}

fn bodies(out: &[TypedPublication], level: &str) -> Vec<Value> {
    let of = |said: &&TypedPublication| said.topic.contains(level) && !said.payload.is_empty();
    out.iter().filter(of).map(|said| serde_json::from_slice(&said.payload).unwrap()).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

/// The colour of each day that stands in an alert that was not taken back.
#[allow(clippy::type_complexity, reason = "a table of one test")]
fn colours(out: &[TypedPublication]) -> BTreeMap<(String, String), String> {
    type Days = Vec<(String, String, String)>;
    let mut by_alert: BTreeMap<String, (usize, Days)> = BTreeMap::new();
    for (number, body) in bodies(out, "/alert/").into_iter().enumerate() {
        let id = text(&body["alert"]).to_owned();
        let code = text(&body["code"]);
        if body["colour"].is_null() {
            if body["why"] != "met-again" {
                by_alert.remove(&id);
            }
            continue;
        }
        let days = body["days"].as_array().unwrap().iter();
        let days = days.map(|day| (text(&day["day"]).to_owned(), code.to_owned(), text(&day["colour"]).to_owned()));
        by_alert.insert(id, (number, days.collect()));
    }
    // What was said last of a day holds.
    let mut all: Vec<_> = by_alert.into_values().collect();
    all.sort_by_key(|(number, _)| *number);
    all.into_iter().flat_map(|(_, days)| days).map(|(day, code, colour)| ((day, code), colour)).collect()
}

/// The table of a case: of each day and factor what it was settled as, and what it is in the end.
fn table(name: &str, out: &[TypedPublication]) -> Vec<String> {
    let colours = colours(out);
    let mut settled: BTreeMap<(String, String), Vec<Value>> = BTreeMap::new();
    for body in bodies(out, "/judgement/day") {
        // The table has factors, and no tests of furnaces.
        if body["stage"] == "settled" && body["object"].is_null() {
            let key = (text(&body["data_time"])[..10].to_owned(), text(&body["code"]).to_owned());
            settled.entry(key).or_default().push(body);
        }
    }
    let mut lines = Vec::new();
    for ((day, code), all) in settled {
        let ends: Vec<&Value> = if all.len() > 1 { vec![&all[0], all.last().unwrap()] } else { vec![&all[0]] };
        for (at, body) in ends.iter().enumerate() {
            let values = &body["values"];
            let between = values["between"].as_array();
            let band = between.map_or("-".to_owned(), |two| format!("{}..{}", text(&two[0]), text(&two[1])));
            let hours = &values["hours"];
            let count = |key: &str| hours[key].as_u64().unwrap().to_string();
            let counts = ["valid", "conditional", "exempt", "excluded", "invalid", "missing"].map(count).join("/");
            let reasons: Vec<&str> = body["reasons"].as_array().unwrap().iter().map(text).collect();
            let reasons = if reasons.is_empty() { "-".to_owned() } else { reasons.join(",") };
            let last = at + 1 == ends.len();
            let colour = colours.get(&(day.clone(), code.clone())).filter(|_| last).map_or("-", String::as_str);
            let means = ["reported", "marked", "exempt"].map(|key| text(&values[key])).join(" ");
            lines.push(format!(
                "{name} | {day} | {code} | settled {} | {means} {band} | {counts} of {} | {} {reasons} {} | {colour}",
                body["revision"],
                count("due"),
                text(&body["outcome"]),
                text(&body["ratio"]),
            ));
        }
    }
    lines
}

#[test]
fn days_come_to_what_the_texts_say() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/judgement/days.want");
    let wanted = std::fs::read_to_string(path).unwrap();
    let wanted: BTreeSet<&str> = wanted.lines().collect();
    let schemas = Schemas::new();
    let mut found = BTreeSet::new();
    for case in read() {
        let (name, steps) = case.journal();
        let mut player = Player::new(judging());
        player.play(&steps);
        player.out.iter().for_each(|publication| schemas.check(publication));
        if std::env::var_os("HJ212_SHOW").is_some_and(|case| case.to_string_lossy() == name) {
            player
                .out
                .iter()
                .filter(|said| said.topic.contains("alert") || said.topic.ends_with("judgement/day"))
                .for_each(|said| {
                    println!("{} {}", said.topic, String::from_utf8_lossy(&said.payload));
                });
        }
        found.extend(table(&name, &player.out));
    }
    let missing: Vec<&str> = wanted.iter().filter(|line| !found.contains(**line)).copied().collect();
    let days: BTreeSet<Vec<&str>> = wanted.iter().map(|line| line.split(" | ").take(3).collect()).collect();
    // Days after the last one of a case are not asked for.
    let asked = |line: &&String| days.contains(&line.split(" | ").take(3).collect::<Vec<_>>());
    let other: Vec<&String> = found.iter().filter(|line| !wanted.contains(line.as_str())).filter(asked).collect();
    assert!(missing.is_empty() && other.is_empty(), "wanted:\n{}\nfound:\n{other:#?}", missing.join("\n"));
    assert!(days.len() >= 40, "{}", days.len());
}

/// A replay from any checkpoint says the same, byte for byte, and so does one that is restored before every record of some hours.
#[test]
fn a_replay_judges_the_same() {
    for name in ["rulings weeks later", "no flow and flow of zero", "a bad week"] {
        let case = read().into_iter().find(|case| case.name == name).unwrap();
        let (_, steps) = case.journal();
        let mut live = Player::new(judging());
        live.play(&steps);
        let mut again = Player::new(judging());
        for (number, step) in steps.iter().enumerate() {
            again.play(std::slice::from_ref(step));
            if number % 97 == 0 {
                again.interpreter = Interpreter::restore(judging(), &again.interpreter.snapshot()).unwrap();
            }
        }
        assert!(live.out == again.out, "{name}");
        assert!(!bodies(&live.out, "/judgement/running").is_empty());
    }
}

/// Entries that come in time may come in any order, and before or after the hours: what a day is settled as is the same.
#[test]
fn settlement_does_not_depend_on_the_order_of_entries() {
    let settle = |entries: &[(&str, &str, &str, i64)]| {
        let mut case = read().into_iter().find(|case| case.name == "a fault of five hours").unwrap();
        case.steps.clear();
        let day = calendar::read("2026-06-01").unwrap();
        let begin = calendar::start(day).0;
        let lines = Lines {
            day,
            hours: BTreeMap::from([
                ("a21026".to_owned(), tokens(&["8x60", "8x300", "8x60"])),
                ("a34013".to_owned(), tokens(&["24x10"])),
            ]),
            rest: Vec::new(),
        };
        case.play(&lines);
        for (id, from, to, hours) in entries {
            let at = |text: &str| Timestamp(begin + clock(text)).to_rfc3339();
            let entry = json!({ "schema": "hj212.mark-entry/1", "id": id, "mark": "inc19:fault", "object": "furnace-1",
                "begin": at(from), "end": at(to), "reason": "log book", "proof": "photo", "author": "Wang" });
            case.push(
                begin + hours * HOUR + MINUTE,
                &Record::MarkEntry { mn: "M1", id, json: entry.to_string().as_bytes() },
            );
        }
        let (name, steps) = case.journal();
        let mut player = Player::new(judging());
        player.play(&steps);
        table(&name, &player.out).into_iter().find(|line| line.contains("2026-06-01")).unwrap()
    };
    let (one, two, three) = (("a", "08:00", "10:30"), ("b", "10:45", "13:00"), ("c", "14:00", "16:00"));
    let at = |(id, from, to): (&'static str, &'static str, &'static str), hours: i64| (id, from, to, hours);
    let plain = settle(&[at(one, 25), at(two, 26), at(three, 27)]);
    for order in [
        [at(three, 17), at(one, 18), at(two, 19)],
        [at(two, 33), at(three, 34), at(one, 35)],
        [at(one, 14), at(three, 30), at(two, 20)],
    ] {
        assert_eq!(settle(&order), plain);
    }
}

#[test]
fn nothing_is_judged_unless_it_is_switched_on() {
    let case = read().into_iter().find(|case| case.name == "a bad week").unwrap();
    let (_, steps) = case.journal();
    let mut player = Player::new(settings());
    player.play(&steps[..600]);
    assert!(player.out.iter().all(|said| !said.topic.contains("judgement") && !said.topic.contains("alert")));
    assert!(player.interpreter.stations.iter().all(|station| station.outlet.is_empty()));
}

#[test]
fn the_furnace_test_counts_windows_that_no_mark_lifts() {
    let mut case = Case { st: "31".into(), ..Case::default() };
    case.facts.rules = vec!["inc19".into()];
    case.facts.facilities.push(Facility {
        id: "furnace-1".into(),
        kind: "furnace".into(),
        aliases: BTreeMap::from([("temp".to_owned(), "a01901".to_owned())]),
        ..Facility::default()
    });
    let day = calendar::read("2026-06-01").unwrap();
    let begin = calendar::start(day).0;
    for window in 0..288 {
        let at = begin + window * 5 * MINUTE;
        let temp = if (100..107).contains(&window) { "849.9" } else { "860" };
        case.report(at + 6 * MINUTE, 2111, at, &format!("a01901-Avg={temp},a01901-Flag=N;"));
    }
    let entry = json!({ "schema": "hj212.mark-entry/1", "id": "d", "mark": "inc19:dry", "object": "furnace-1",
        "begin": Timestamp(begin + 100 * 5 * MINUTE).to_rfc3339(), "end": Timestamp(begin + 102 * 5 * MINUTE).to_rfc3339(),
        "reason": "r", "proof": "p", "author": "a" });
    case.push(begin + 30 * HOUR, &Record::MarkEntry { mn: "M1", id: "d", json: entry.to_string().as_bytes() });
    case.last = begin + 3 * DAY;
    let (_, steps) = case.journal();
    let mut player = Player::new(judging());
    player.play(&steps);
    let schemas = Schemas::new();
    player.out.iter().for_each(|publication| schemas.check(publication));
    let said = bodies(&player.out, "/judgement/day");
    let view = |body: &Value| {
        (
            text(&body["code"]).to_owned(),
            text(&body["stage"]).to_owned(),
            text(&body["outcome"]).to_owned(),
            body["values"]["windows"]["low"].clone(),
        )
    };
    // Seven low ones, of which two lie under the drying that was entered the next morning.
    let code = || "t850@furnace-1".to_owned();
    assert_eq!(
        said.iter().map(view).collect::<Vec<_>>(),
        [
            (code(), "provisional".into(), "exceeded".into(), json!(7)),
            (code(), "provisional".into(), "met".into(), json!(5)),
            (code(), "settled".into(), "met".into(), json!(5)),
            // Nothing came on the days after it.
            (code(), "provisional".into(), "not-judged".into(), json!(0)),
            (code(), "settled".into(), "not-judged".into(), json!(0)),
            (code(), "provisional".into(), "not-judged".into(), json!(0)),
            (code(), "settled".into(), "not-judged".into(), json!(0)),
        ]
    );
    let alerts: Vec<_> = bodies(&player.out, "/alert/").iter().map(|body| text(&body["why"]).to_owned()).collect();
    assert_eq!(alerts, ["exceeded", "settled-met"]);
}

#[test]
fn a_settled_alert_opens_a_case_and_a_worse_one_raises_it() {
    let case = read().into_iter().find(|case| case.name == "a bad week").unwrap();
    let (_, steps) = case.journal();
    let mut player = Player::new(judging());
    player.play(&steps);
    let view = |body: &Value| (text(&body["code"]).to_owned(), text(&body["colour"]).to_owned());
    let cases: Vec<_> = bodies(&player.out, "/case/").iter().map(view).collect();
    let of = |code: &str| {
        // A case is also told when it is overdue.
        let mut all: Vec<&str> = cases.iter().filter(|(of, _)| of == code).map(|(_, colour)| colour.as_str()).collect();
        all.dedup();
        all
    };
    // Exceeded on the first two days and, with two others, on the third; provisional alerts open nothing.
    assert_eq!(of("a21026"), ["blue", "yellow", "orange"]);
    assert_eq!(of("a34013").last(), Some(&"red"));
    assert!(of("a21002").contains(&"orange"));
    // Nobody could bring a case on where no steps are taken.
    let mut without = Player::new(Settings { cases: false, ..judging() });
    without.play(&steps);
    assert!(without.out.iter().all(|said| !said.topic.contains("/case")), "no case and no event of one");
    assert_eq!(bodies(&without.out, "/alert/").len(), bodies(&player.out, "/alert/").len());
}
