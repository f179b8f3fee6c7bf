//! The scenes of every command, written from the table. `UPDATE_FIXTURES=1` writes the files anew; the difference is for review.

use super::super::table::{Answers, Kind, ORDERS, Order};
use super::stage::{mn_of, play};
use hj212::Edition;

const QN: &str = "20261123100000000";

pub(super) fn parameters(order: &Order) -> String {
    let value = |kind: Kind, name: &str| match kind {
        Kind::Whole(min, max) => (min + 10).min(max).to_string(),
        Kind::OneOf(list) => list[list.len() / 2].to_string(),
        Kind::Time | Kind::TimeOrNow if name == "EndTime" => r#""20261123090000""#.into(),
        Kind::Time => r#""20261123080000""#.into(),
        // A clock is set to now or not at all.
        Kind::TimeOrNow => r#""20261123100000""#.into(),
        Kind::HourMinute => r#""0130""#.into(),
        Kind::HourMinuteSecond => r#""013000""#.into(),
        Kind::Code if name == "InfoId" => r#""i13001""#.into(),
        Kind::Code => r#""w01018""#.into(),
        Kind::Codes => r#"["101","102"]"#.into(),
        Kind::Limits => {
            r#"[{"PolId":"101","LowValue":"1.1","UpValue":"9.9"},{"PolId":"102","LowValue":"2","UpValue":"8"}]"#.into()
        }
        Kind::Hours => "[4,10,16]".into(),
        Kind::Password => r#""654321""#.into(),
        Kind::NewMn => r#""010000A8900016F000169DC1""#.into(),
        Kind::Identifier => r#""LOGGER0000000000000001A""#.into(),
        Kind::Target => r#""13800000000""#.into(),
        Kind::Info => r#""12.5""#.into(),
    };
    let said: Vec<String> =
        order.parameters.iter().map(|p| format!(r#""{}":{}"#, p.name, value(p.kind, p.name))).collect();
    format!("{{{}}}", said.join(","))
}

struct Voice {
    edition: Edition,
}

impl Voice {
    fn says(&self, cn: u16, qn: &str, body: &str) -> String {
        let mn = mn_of(self.edition);
        match self.edition {
            Edition::V2005 => {
                let join = if body.is_empty() { "" } else { ";" };
                format!("station ST=91;CN={cn};PW=123456;MN={mn};Flag=0;CP=&&QN={qn}{join}{body}&&")
            }
            Edition::V2017 | Edition::V2025 => {
                let flag = self.edition.flag_bits();
                format!("station QN={qn};ST=91;CN={cn};PW=123456;MN={mn};Flag={flag};CP=&&{body}&&")
            }
        }
    }

    fn data(&self, order: &Order) -> String {
        let mn = mn_of(self.edition);
        let history = order.parameters.iter().any(|p| p.name == "BeginTime");
        let body = if history { "DataTime=20261123080000;w01018-Avg=40.1,w01018-Flag=N" } else { "PolId=w01018" };
        let st = order.st.unwrap_or("32");
        let flag = self.edition.flag_bits() + u8::from(history);
        match self.edition {
            Edition::V2005 => format!("station ST={st};CN={};PW=123456;MN={mn};CP=&&{body}&&", order.cn),
            Edition::V2017 | Edition::V2025 => {
                format!("station QN={QN};ST={st};CN={};PW=123456;MN={mn};Flag={flag};CP=&&{body}&&", order.cn)
            }
        }
    }
}

/// The inputs of all scenes of one command.
pub(super) fn script(order: &Order, edition: Edition) -> String {
    let voice = Voice { edition };
    let mut out = format!("# {} {} ({}), {}\nedition {}\n", order.cn, order.zh, order.en, order.name, edition.year());
    let ask = format!(
        r#"operator r1 {{"command":"{}","author":"li","why":"test","parameters":{}}}"#,
        order.name,
        parameters(order)
    );
    let mut scene = |title: &str, lines: &[String]| {
        out.push_str(&format!("\n== {title}\n{ask}\n"));
        if order.is_control() {
            out.push_str("confirm r1 wang\n");
        }
        for line in lines {
            out.push_str(line);
            out.push('\n');
        }
    };
    let word = |text: &str| text.to_owned();
    let online = word("online");
    if order.answers == Answers::Notice {
        let taken = voice.says(9013, QN, "");
        scene("success", &[online.clone(), taken.clone()]);
        scene("never answered", &[online.clone(), word("after 45s")]);
        scene(
            "answered after a resend and a reconnect",
            &[online.clone(), word("after 10s"), word("offline"), online.clone(), taken],
        );
        scene("an answer to something else", &[online, voice.says(9013, "20261123095959000", "")]);
        return out;
    }
    let accepted = voice.says(9011, QN, "QnRtn=1");
    let done = voice.says(9012, QN, "ExeRtn=1");
    let data = (order.answers == Answers::Data).then(|| voice.data(order));
    let with_data = |before: Vec<String>, after: Vec<String>| {
        before.into_iter().chain(data.clone()).chain(after).collect::<Vec<_>>()
    };
    scene("success", &with_data(vec![online.clone(), accepted.clone()], vec![done.clone()]));
    scene("refused", &[online.clone(), voice.says(9011, QN, "QnRtn=2")]);
    scene("failed", &[online.clone(), accepted.clone(), voice.says(9012, QN, "ExeRtn=3")]);
    if data.is_some() {
        scene("no data", &[online.clone(), accepted.clone(), voice.says(9012, QN, "ExeRtn=100")]);
    }
    scene("never answered", &[online.clone(), word("after 45s")]);
    scene("answered after a resend", &[online.clone(), word("after 11s"), accepted.clone(), done.clone()]);
    scene("never finished: nothing is sent again", &[online.clone(), accepted.clone(), word("after 65s")]);
    scene(
        "the result comes after a reconnect",
        &with_data(
            vec![online.clone(), accepted.clone(), word("offline"), word("after 5s"), online.clone()],
            vec![done.clone()],
        ),
    );
    scene(
        "answers to something else",
        &[
            online.clone(),
            voice.says(9011, "20261123095959000", "QnRtn=2"),
            voice.says(9012, "20261123095959000", "ExeRtn=1"),
            accepted,
            done,
        ],
    );
    // QN where the other edition has it, none at all, names in another case, numbers with spaces.
    let mn = mn_of(edition);
    let odd = match edition {
        Edition::V2005 => format!("station QN={QN};ST=91;CN=9011;PW=123456;MN={mn};Flag=0;CP=&&qnrtn= 1&&"),
        Edition::V2017 | Edition::V2025 => format!("station ST=91;CN=9011;PW=123456;MN={mn};CP=&&QN={QN};qnrtn= 1&&"),
    };
    scene("odd forms", &[online.clone(), odd, format!("station ST=91;CN=9012;MN={mn};CP=&&ExeRtn=01&&")]);
    scene(
        "the result overtakes the answer",
        &[online, format!("station ST=91;CN=9012;MN={mn};CP=&&QN={QN};ExeRtn=1&&")],
    );
    out
}

#[test]
fn every_command_of_every_edition_has_its_dialogues() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/dialogues");
    let update = std::env::var_os("UPDATE_FIXTURES").is_some();
    let mut count = 0;
    for order in ORDERS {
        for edition in order.editions {
            let file = root.join(edition.year()).join(format!("{}-{}.txt", order.cn, order.name));
            let text = play(&script(order, *edition));
            if update {
                std::fs::write(&file, &text).unwrap();
            }
            let kept = std::fs::read_to_string(&file).unwrap_or_default();
            assert_eq!(kept, text, "{}", file.display());
            count += 1;
        }
    }
    assert!(count > 80, "only {count}");
}

#[test]
fn the_committed_schemas_are_those_of_the_table() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/schema");
    for (name, schema) in super::super::schema::all() {
        let file = root.join(format!("command-{name}.schema.json"));
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            std::fs::write(&file, &text).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&file).unwrap_or_default(), text, "{name}");
        let validator = jsonschema::validator_for(&schema).unwrap();
        for order in ORDERS.iter().filter(|order| order.name == name) {
            let request =
                format!(r#"{{"command":"{name}","author":"li","why":"x","parameters":{}}}"#, parameters(order));
            assert!(validator.is_valid(&serde_json::from_str(&request).unwrap()), "{request}");
        }
    }
}
