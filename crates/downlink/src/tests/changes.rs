//! What we told a station about how it is spoken to is followed, whichever form it answers in.

use super::super::*;
use super::stage::{Stage, address, open_settings};
use hj212::Edition;

fn password() -> Stage {
    let mut stage = Stage::new(Edition::V2017, open_settings(), None);
    stage.line("online");
    stage.line(r#"operator a {"command":"set-password","author":"li","why":"x","parameters":{"NewPW":"654321"}}"#);
    stage.line("confirm a wang");
    assert!(stage.frames()[0].contains("PW=123456;"), "{:?}", stage.frames());
    assert_eq!(stage.desk.followed()[0].passwords, ["654321"], "before the bytes are out");
    stage
}

fn says(stage: &mut Stage, cn: u16, pw: &str, body: &str) {
    let (mn, qn) = (address(Edition::V2017).mn, stage.sent.last().unwrap().0.clone());
    let st = if cn > 9000 { 91 } else { 32 };
    stage.says(&mn, &format!("QN={qn};ST={st};CN={cn};PW={pw};MN={mn};Flag=4;CP=&&{body}&&"), None);
}

#[test]
fn a_new_password_is_used_once_the_station_uses_it() {
    for (answers, kill) in [("123456", false), ("654321", false), ("654321", true)] {
        let mut stage = password();
        says(&mut stage, 9011, answers, "QnRtn=1");
        says(&mut stage, 9012, answers, "ExeRtn=1");
        assert_eq!(stage.outcome("a"), Some(Outcome::Done), "answered under {answers}");
        if kill {
            stage.line("offline");
            stage.killed();
            stage.connections_begin_with("654321");
        }
        says(&mut stage, 2011, "654321", "DataTime=20261123100000");
        stage.line(r#"operator b {"command":"get-time","author":"li","why":"x"}"#);
        let last = stage.frames().pop().unwrap();
        assert!(last.contains("CN=1011;PW=654321;"), "{last}");
        // The registration is brought up to date: nothing is followed any more.
        let new = Address { pw: Some("654321".into()), ..address(Edition::V2017) };
        let effects = stage.desk.readdress(|_| Some(new.clone()), stage.now);
        stage.act(effects);
        assert!(stage.desk.followed().is_empty());
    }
}

#[test]
fn a_password_that_was_taken_without_a_word_shows_itself() {
    for lost in [false, true] {
        let mut stage = password();
        if lost {
            stage.line("offline");
            stage.line("after 100s");
            stage.connections_begin_with("654321");
            assert_eq!(stage.sent.len(), 1, "it has it");
        } else {
            says(&mut stage, 2011, "654321", "DataTime=20261123100000");
        }
        stage.line("after 5s");
        assert_eq!((stage.outcome("a"), stage.sent.len()), (Some(Outcome::Done), 1));
    }
}

#[test]
fn a_refused_password_is_not_followed() {
    let mut stage = password();
    says(&mut stage, 9011, "123456", "QnRtn=2");
    assert_eq!((stage.outcome("a"), stage.desk.followed().len()), (Some(Outcome::Refused), 0));
    stage.killed();
    assert!(stage.desk.followed().is_empty());
}

/// The first packet was taken and its answer lost; the resend, made for the old password, is refused.
#[test]
fn a_refused_resend_is_no_refusal_of_a_password_that_is_used() {
    for (answer, cn) in [("QnRtn=3", 9011), ("ExeRtn=2", 9012)] {
        for (heard, outcome) in [("654321", Outcome::Done), ("123456", Outcome::Refused), ("", Outcome::NoAnswer)] {
            let mut stage = password();
            stage.line("after 11s");
            assert_eq!(stage.sent.len(), 2);
            let under = if heard.is_empty() { "654321" } else { heard };
            says(&mut stage, cn, under, answer);
            assert_eq!(stage.outcome("a"), None, "nobody knows yet");
            if !heard.is_empty() {
                says(&mut stage, 2011, heard, "DataTime=20261123100000");
            }
            stage.line("after 400s");
            let outcome = if cn == 9012 && outcome == Outcome::Refused { Outcome::Failed } else { outcome };
            assert_eq!((stage.outcome("a"), stage.sent.len()), (Some(outcome), 2), "{answer} {heard}");
            assert_eq!(stage.desk.followed()[0].passwords, ["654321"]);
        }
    }
}

#[test]
fn a_refused_resend_is_no_refusal_of_an_mn_that_is_used() {
    const NEW: &str = "010000A8900016F000169DC1";
    for (under, outcome) in [(NEW, Outcome::Done), ("010000A8900016F000169DC0", Outcome::Refused)] {
        let mut stage = Stage::new(Edition::V2025, open_settings(), None);
        stage.line("online");
        stage.line(&format!(
            r#"operator a {{"command":"set-mn","author":"li","why":"x","parameters":{{"MN":"{NEW}","LoggerId":"L1"}}}}"#
        ));
        stage.line("confirm a wang");
        stage.line("after 11s");
        let qn = stage.sent[1].0.clone();
        stage.says(under, &format!("QN={qn};ST=91;CN=9011;PW=123456;MN={under};Flag=8;CP=&&QnRtn=4&&"), None);
        assert_eq!((stage.sent.len(), stage.outcome("a")), (2, None), "nobody knows yet");
        stage.says(under, &format!("QN=20261123100030001;ST=32;CN=9015;PW=123456;MN={under};Flag=8;CP=&&&&"), None);
        stage.line("after 5s");
        assert_eq!(stage.outcome("a"), Some(outcome), "{under}");
        assert_eq!(stage.desk.followed()[0].new_mn.as_deref(), Some(NEW));
    }
}

#[test]
fn a_new_mn_is_answered_under_either() {
    const NEW: &str = "010000A8900016F000169DC1";
    for (under, registered) in [(NEW, true), (NEW, false), ("010000A8900016F000169DC0", false)] {
        let mut stage = Stage::new(Edition::V2025, open_settings(), None);
        stage.line("online");
        stage.line(&format!(
            r#"operator a {{"command":"set-mn","author":"li","why":"x","parameters":{{"MN":"{NEW}","LoggerId":"L1"}}}}"#
        ));
        stage.line("confirm a wang");
        assert_eq!(stage.desk.followed()[0].new_mn.as_deref(), Some(NEW));
        let qn = stage.sent[0].0.clone();
        let accepted = format!("QN={qn};ST=91;CN=9011;PW=123456;MN={under};Flag=8;CP=&&QnRtn=1&&");
        // The connection opens the lane of the new MN with the first answer, if it is another.
        if registered || under == NEW {
            stage.comes(&Address::new(NEW, Edition::V2025), &accepted, None);
        } else {
            stage.says(under, &accepted, None);
        }
        stage.says(under, &accepted.replace("9011", "9012").replace("QnRtn", "ExeRtn"), None);
        assert_eq!(stage.outcome("a"), Some(Outcome::Done), "{under} {registered}");
    }
}

fn gives(stage: &mut Stage, id: &str, new: &str) {
    stage.line(&format!(
        r#"operator {id} {{"command":"set-password","author":"li","why":"x","parameters":{{"NewPW":"{new}"}}}}"#
    ));
    stage.line(&format!("confirm {id} wang"));
}

/// The registered password is 123456; 654321 was given, taken and is used; 111111 is given then.
fn second_password(answers: &[&str], kill: bool) -> Stage {
    let mut stage = password();
    says(&mut stage, 9011, "123456", "QnRtn=1");
    says(&mut stage, 9012, "123456", "ExeRtn=1");
    says(&mut stage, 2011, "654321", "DataTime=20261123100000");
    gives(&mut stage, "c", "111111");
    assert!(stage.frames().pop().unwrap().contains("PW=654321;"), "with the one heard last");
    assert_eq!(stage.desk.followed()[0].passwords, ["654321", "111111"], "from the sending on");
    for answer in answers {
        says(&mut stage, if answer.starts_with('Q') { 9011 } else { 9012 }, "654321", answer);
    }
    if answers.is_empty() {
        stage.line("after 1000s");
    }
    if kill {
        stage.line("offline");
        stage.killed();
        stage.connections_begin_with("654321");
        says(&mut stage, 2011, "654321", "DataTime=20261123100100");
    }
    stage
}

#[test]
fn a_second_new_password_leaves_the_first_one_good() {
    let done = ["QnRtn=1", "ExeRtn=1"];
    let (refused, failed) = (["QnRtn=2"], ["QnRtn=1", "ExeRtn=2"]);
    let cases: [(&[&str], &[&str]); 4] =
        [(&[], &["654321", "111111"]), (&done, &["654321", "111111"]), (&refused, &["654321"]), (&failed, &["654321"])];
    for (answers, good) in cases {
        for kill in [false, true] {
            let mut stage = second_password(answers, kill);
            assert_eq!(stage.desk.followed()[0].passwords, good, "{answers:?} {kill}");
            stage.line(r#"operator d {"command":"get-time","author":"li","why":"x"}"#);
            let last = stage.frames().pop().unwrap();
            assert!(last.contains("CN=1011;PW=654321;"), "{answers:?} {kill}: {last}");
        }
    }
}

#[test]
fn a_password_that_is_offered_again_and_refused_is_still_good() {
    let mut stage = second_password(&["QnRtn=2"], false);
    gives(&mut stage, "e", "654321");
    says(&mut stage, 9011, "654321", "QnRtn=2");
    assert_eq!(stage.outcome("e"), Some(Outcome::Refused));
    assert_eq!(stage.desk.followed()[0].passwords, ["654321"]);
}

#[test]
fn a_row_that_has_the_first_new_password_leaves_the_second_good() {
    for (row, left) in [("654321", &["111111"][..]), ("111111", &[]), ("123456", &["654321", "111111"])] {
        let mut stage = second_password(&[], false);
        let new = Address { pw: Some(row.into()), ..address(Edition::V2017) };
        let effects = stage.desk.readdress(|_| Some(new.clone()), stage.now);
        stage.act(effects);
        let followed = stage.desk.followed();
        assert_eq!(followed.first().map_or(&[][..], |told| &told.passwords), left, "{row}");
    }
}

#[test]
fn so_many_passwords_are_followed_and_the_one_taken_last_stays() {
    for kill in [false, true] {
        let mut stage = second_password(&[], false);
        for number in 0..6 {
            gives(&mut stage, &format!("n{number}"), &format!("22222{number}"));
            stage.line("after 1000s");
        }
        if kill {
            stage.killed();
        }
        assert_eq!(stage.desk.followed()[0].passwords, ["654321", "222223", "222224", "222225"], "{kill}");
    }
}
