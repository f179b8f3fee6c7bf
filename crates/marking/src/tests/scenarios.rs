//! Plays `fixtures/marking/scenarios`: what a station said, and what must follow by the texts. Each case is played as it stands, over a
//! snapshot before every record, and beside the noise of other factors: the verdicts are the same.

use super::super::expr::{DAY, HOUR};
use super::*;

/// How a case is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Plain,
    Restored,
    /// Twelve factors more, each flagged M every other report.
    Noisy,
}

#[derive(Default)]
struct Case {
    name: String,
    facts: StationFacts,
    edition: String,
    medium: String,
    /// A rule file besides those that are built in.
    file: Option<String>,
    lines: Vec<(usize, String)>,
}

fn read(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let pairs = || words.iter().skip(1).filter_map(|word| word.split_once('='));
        if let Some(name) = line.strip_prefix("case ") {
            cases.push(Case { name: name.to_owned(), ..Case::default() });
            continue;
        }
        let case = cases.last_mut().unwrap();
        match words[0] {
            "station" => {
                for (key, value) in pairs() {
                    match key {
                        "rules" => {
                            case.facts.rules = value.split(',').filter(|r| !r.is_empty()).map(str::to_owned).collect();
                        }
                        "edition" => case.edition = value.to_owned(),
                        "medium" => case.medium = value.to_owned(),
                        other => panic!("line {number}: {other}"),
                    }
                }
            }
            "facility" => {
                let mut facility = Facility { id: words[1].into(), kind: words[2].into(), ..Facility::default() };
                for (key, value) in pairs() {
                    match key {
                        "factors" => facility.factors = value.split(',').map(str::to_owned).collect(),
                        name => drop(facility.aliases.insert(name.to_owned(), value.to_owned())),
                    }
                }
                case.facts.facilities.push(facility);
            }
            "file" => case.file = Some(words[1].to_owned()),
            "without" => case.facts.without.push(words[1].into()),
            "range" => {
                let others = case.facts.ranges.iter().map(|(code, range)| (code.to_owned(), range.clone()));
                let own = (words[1].to_owned(), (words[2].into(), words[3].into()));
                case.facts.ranges = others.chain([own]).collect();
            }
            _ => case.lines.push((number + 1, line.to_owned())),
        }
    }
    cases
}

fn moment(text: &str) -> i64 {
    super::super::calendar::read(&format!("{}:00+08:00", text.replace(' ', "T"))).unwrap().0
}

struct Played {
    player: Player,
    how: How,
    /// The data time.
    clock: i64,
    last: BTreeMap<String, Judged>,
    from: usize,
    revised: usize,
    reports: u32,
}

impl Played {
    fn say(&mut self, kind: Kind, text: &str) {
        let (length, apart) = match kind {
            Kind::Minute => (MINUTE, MINUTE),
            Kind::Hour => (HOUR, HOUR),
            Kind::Day => (DAY, DAY),
            Kind::Furnace => (5 * MINUTE, 5 * MINUTE),
            _ => (0, MINUTE),
        };
        for step in text.split('|').map(str::trim) {
            if let Some(span) = step.strip_prefix('~') {
                self.player.now = self.player.now.max(self.clock);
                self.player.quiet(expr::span(span).unwrap());
                self.clock = self.player.now;
                continue;
            }
            let (times, values) = step.strip_prefix('x').and_then(|rest| rest.split_once(' ')).unwrap_or(("1", step));
            let (count, apart) = match times.split_once('/') {
                Some((count, apart)) => (count, expr::span(apart).unwrap()),
                None => (times, apart),
            };
            let count: u32 = count.parse().unwrap();
            for n in 0..count {
                self.report(kind, length, values, f64::from(n) / f64::from((count - 1).max(1)));
                self.clock += apart;
            }
        }
    }

    fn report(&mut self, kind: Kind, length: i64, values: &str, part: f64) {
        self.player.restore();
        self.reports += 1;
        let mut said: Vec<(String, String, Option<String>, Option<String>)> = Vec::new();
        for value in values.split_whitespace() {
            let (code, rest) = value.split_once('=').unwrap();
            let (rest, judged) = rest.split_once('~').map_or((rest, None), |(rest, zs)| (rest, Some(zs.to_owned())));
            let (text, flag) = rest.split_once('/').map_or((rest, None), |(text, flag)| (text, Some(flag.to_owned())));
            let text = text.split_once("..").map_or(text.to_owned(), |(from, to)| {
                let (from, to): (f64, f64) = (from.parse().unwrap(), to.parse().unwrap());
                format!("{:.2}", from + (to - from) * part)
            });
            said.push((code.to_owned(), text, flag, judged));
        }
        let wanted = said.len();
        if self.how == How::Noisy {
            let flag = if self.reports.is_multiple_of(2) { "N" } else { "M" };
            said.extend((0..12).map(|n| (format!("noise{n}"), "1".to_owned(), Some(flag.to_owned()), None)));
        }
        let readings: Vec<Reading<'_>> = said
            .iter()
            .map(|(c, t, f, j)| Reading {
                code: c,
                text: t,
                judged: j.as_deref(),
                none: t.is_empty(),
                doubtful: false,
                flag: f.as_deref(),
            })
            .collect();
        self.player.now = self.player.now.max(self.clock + length);
        let (at, data) = (Timestamp(self.player.now), Some(Timestamp(self.clock)));
        let mut out = MarkVerdict::default();
        self.player.marks.observe(&self.player.plan, &Observation { at, data, kind, readings: &readings }, &mut out);
        for ((code, ..), judged) in said.iter().zip(out.readings).take(wanted) {
            self.last.insert(code.clone(), judged);
        }
        let noise = |h: &Happening| {
            h.mark.as_ref().is_some_and(|m| m.object.starts_with("noise"))
                || h.detail["code"].as_str().is_some_and(|code| code.starts_with("noise"))
        };
        let noisy = |r: &Revision| r.readings.iter().all(|reading| reading.code.starts_with("noise"));
        self.player.revisions.extend(out.revisions.into_iter().filter(|r| !noisy(r)));
        self.player.happenings.extend(out.happenings.into_iter().filter(|h| !noise(h)));
    }

    fn told(&self) -> Vec<(&'static str, String)> {
        let text = |h: &Happening| {
            let mark = h.mark.as_ref().map(|mark| mark.view().to_string()).unwrap_or_default();
            format!("{mark} {}", h.detail)
        };
        self.player.happenings.iter().skip(self.from).map(|h| (h.kind, text(h))).collect()
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let rest = line.split_once(' ').map_or("", |(_, rest)| rest).trim();
        let time = |text: &str| Timestamp(moment(text)).to_rfc3339();
        match words[0] {
            "at" => self.clock = moment(rest),
            "arrive" => self.player.now = self.player.now.max(moment(rest)),
            "say" => self.say(Kind::Realtime, rest),
            "minute" => self.say(Kind::Minute, rest),
            "hour" => self.say(Kind::Hour, rest),
            "day" => self.say(Kind::Day, rest),
            "furnace" => self.say(Kind::Furnace, rest),
            _ if line.starts_with('~') => self.say(Kind::Realtime, line),
            "enter" => {
                self.player.now = self.player.now.max(self.clock);
                let end = (words[5] != "-").then(|| time(words[5]));
                let proof = if words.contains(&"noproof") { "" } else { "photo" };
                let entry = serde_json::json!({ "schema": "hj212.mark-entry/1", "id": words[1], "mark": words[2],
                    "object": words[3], "begin": time(words[4]), "end": end, "reason": "log book", "proof": proof, "author": "Wang" });
                self.player.enter(&entry.to_string());
            }
            "withdraw" => {
                let entry = serde_json::json!({ "schema": "hj212.mark-entry/1", "id": words[1], "withdraws": words[2],
                    "reason": "mistaken", "author": "Wang" });
                self.player.enter(&entry.to_string());
            }
            "supersede" => {
                self.player.now = self.player.now.max(self.clock);
                let end = (words[6] != "-").then(|| time(words[6]));
                let entry = serde_json::json!({ "schema": "hj212.mark-entry/1", "id": words[1], "supersedes": words[2], "mark": words[3],
                    "object": words[4], "begin": time(words[5]), "end": end, "reason": "log book", "proof": "photo", "author": "Wang" });
                self.player.enter(&entry.to_string());
            }
            "rule" => {
                let mut ruling = serde_json::json!({ "schema": "hj212.mark-ruling/1", "id": words[1], "about": words[3],
                    "ruling": words[4], "reason": "DCS", "author": "pa-1" });
                if let [from, to] = words[5..] {
                    (ruling["from"], ruling["to"]) = (time(from).into(), time(to).into());
                }
                self.player.rule((words[2], words[1]), &ruling.to_string());
            }
            "now" => {
                let kind = Kind::ALL.iter().copied().find(|kind| kind.name() == words[1]).ok_or("no such kind")?;
                let at = Timestamp(moment(&format!("{} {}", words[2], words[3])));
                let worth = self.player.marks.worth_now(&self.player.plan, words[4], kind, at, None);
                let worth = worth.map_or("none", Validity::name);
                if worth != words[5] {
                    return Err(format!("it is {worth}"));
                }
            }
            "revised" => {
                let kind = |word: &str| Kind::ALL.iter().copied().find(|kind| kind.name() == word);
                let wanted = kind(words[1]).ok_or("no such kind")?;
                let count = self.player.revisions.iter().skip(self.revised).filter(|r| r.kind == wanted).count();
                if count.to_string() != words[2] {
                    return Err(format!(
                        "{count} were: {:?}",
                        self.player.revisions.iter().skip(self.revised).collect::<Vec<_>>()
                    ));
                }
            }
            "told" => {
                let mut marks = self.player.marks.held().chain(self.player.marks.ended());
                let mark = marks.find(|mark| mark.by == words[1]).ok_or("no such mark")?;
                let works = self.player.marks.working(&self.player.plan, mark, words[2], None).ok_or("not about it")?;
                let said = works.of_time().en;
                let wanted = rest.splitn(3, ' ').nth(2).unwrap_or_default();
                if !said.contains(wanted) {
                    return Err(format!("told was: {said}"));
                }
            }
            "so" => (self.from, self.revised) = (self.player.happenings.len(), self.player.revisions.len()),
            "right" => {
                let (kind, start) = (words[1], moment(&words[2].replace('T', " ")));
                let of_it = |r: &&Revision| r.kind.name() == kind && r.data_time.0 == start;
                let all = self.player.revisions.iter().skip(self.revised).filter(of_it);
                let all: Vec<&Revised> =
                    all.flat_map(|r| &r.readings).filter(|reading| reading.code == words[3]).collect();
                let name = |validity: Option<Validity>| validity.map_or("none", Validity::name);
                let marked = |r: &Revised| words[6..].iter().all(|mark| r.marks.iter().any(|m| *m == mark[1..]));
                let (was, is) = (all.first().map(|r| name(r.was)), all.last().map(|r| name(r.is)));
                if was != Some(words[4]) || is != Some(words[5]) || !all.last().is_some_and(|r| marked(r)) {
                    return Err(format!("put right was {all:?} of {} in all", self.player.revisions.len()));
                }
            }
            "unrighted" => {
                let of_it = |r: &&Revision| r.kind.name() == words[1];
                let code = |r: &Revised| words.get(2).is_none_or(|code| r.code == *code);
                if let Some(found) = self
                    .player
                    .revisions
                    .iter()
                    .skip(self.revised)
                    .filter(of_it)
                    .flat_map(|r| &r.readings)
                    .find(|r| code(r))
                {
                    return Err(format!("put right was {found:?}"));
                }
            }
            "answer" => {
                let last = self.player.answers.last().ok_or("nothing was entered")?;
                let nothing = last.changed.as_ref().and_then(|changed| changed.nothing);
                let said = match (&last.refused, nothing, last.late) {
                    (Some((code, ..)), ..) => code,
                    (None, Some(nothing), _) => nothing.words().0,
                    (None, None, true) => "late",
                    (None, None, false) => "accepted",
                };
                if said != rest {
                    return Err(format!("answered {said}"));
                }
            }
            "event" => {
                let (kind, text) = rest.split_once(' ').unwrap_or((rest, ""));
                if !self.told().iter().any(|(known, said)| *known == kind && said.contains(text)) {
                    return Err(format!("told was {:#?}", self.told()));
                }
            }
            "quiet" => {
                if let Some(found) = self.told().iter().find(|(kind, _)| *kind == rest) {
                    return Err(format!("told was {found:?}"));
                }
            }
            "want" => {
                let judged = self.last.get(words[1]).ok_or("never said")?;
                let mean = judged.recomputed.as_ref();
                for word in words.iter().skip(2) {
                    let named = |list: &[String], name: &str| list.iter().any(|mark| mark == name);
                    let yes = |is: Option<bool>| is.map_or("none", |is| if is { "yes" } else { "no" }).to_owned();
                    let number = |of: fn(&Recomputed) -> u32| mean.map_or("none".to_owned(), |m| of(m).to_string());
                    let is = match (word.split_at(1), word.split_once('=')) {
                        (("+", name), _) => named(&judged.marks, name),
                        (("-", name), _) => !named(&judged.marks, name),
                        (("?", name), _) => named(&judged.proposed, name),
                        (_, Some(("mean", wanted))) => yes(mean.map(|m| m.valid)) == wanted,
                        (_, Some(("flag", wanted))) => yes(mean.and_then(|m| Some(m.flag.as_ref()?.valid))) == wanted,
                        (_, Some(("good", wanted))) => number(|m| m.good) == wanted,
                        (_, Some(("expected", wanted))) => number(|m| m.expected) == wanted,
                        (_, Some(("recomputed", _))) => mean.is_none(),
                        _ => judged.validity.map_or("none", Validity::name) == *word,
                    };
                    if !is {
                        return Err(format!("{word} is not so: {judged:?}"));
                    }
                }
            }
            other => return Err(format!("no such line: {other}")),
        }
        Ok(())
    }
}

fn play(book: &RuleBook, case: &Case, how: How) -> Vec<String> {
    let mut player = Player::new(book, &case.facts, &case.edition, &case.medium);
    player.restored = how == How::Restored;
    player.now = 0;
    let mut played = Played { player, how, clock: 0, last: BTreeMap::new(), from: 0, revised: 0, reports: 0 };
    let mut wrong = Vec::new();
    for (number, line) in &case.lines {
        if let Err(why) = played.line(line) {
            wrong.push(format!("line {number} ({}, {how:?}): {line}: {why}", case.name));
        }
    }
    wrong
}

#[test]
fn every_case_comes_out_as_the_texts_say_over_snapshots_and_beside_noise_too() {
    let book = book();
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/marking/scenarios");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let (mut wrong, mut count) = (Vec::new(), 0);
    for file in files.iter().filter(|file| file.extension().is_some_and(|end| end == "txt")) {
        for case in read(&std::fs::read_to_string(file).unwrap()) {
            let own = case.file.as_ref().map(|name| {
                let text = std::fs::read_to_string(file.with_file_name(name)).unwrap();
                let files: Vec<_> = built_in_texts().into_iter().chain([(name.clone(), text)]).collect();
                RuleBook::load(&files).unwrap_or_else(|problems| panic!("{problems:#?}"))
            });
            let book = own.as_ref().unwrap_or(&book);
            for how in [How::Plain, How::Restored, How::Noisy] {
                let name = file.file_name().unwrap().to_string_lossy().into_owned();
                wrong.extend(play(book, &case, how).into_iter().map(|line| format!("{name}, {line}")));
                count += 1;
            }
        }
    }
    assert!(count >= 100, "{count} were played");
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
