//! What is to be found: which topic, which members of the message.

use serde_json::Value;

use super::bilingual::Bilingual;

/// Who finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finder {
    /// The gateway, by a message.
    Gateway,
    /// People; the trainer gives the points on the printed sheet.
    People,
}

/// Something that is to be found, or must not appear.
#[derive(Debug, Clone, PartialEq)]
pub struct Expected {
    /// What it is.
    pub name: Bilingual,
    /// Who finds it.
    pub by: Finder,
    /// The MN; `None`: any of the drill's.
    pub mn: Option<String>,
    /// What follows the MN in the topic; `+` stands for a level, `#` for the rest.
    pub topic: String,
    /// What the members are.
    pub members: Vec<Member>,
    /// When the story has it happen, minutes since the begin.
    pub from: i64,
    /// Until when it counts.
    pub until: i64,
    /// Whether [`Expected::from`] and [`Expected::until`] are of the drill's clock when the message was heard; else of the message's own time.
    pub heard: bool,
    /// What it is worth.
    pub points: u32,
    /// It must not appear.
    pub never: bool,
}

/// A member of a message and what it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// Names from the outside in, with `.` between; a number is a place of a list.
    pub path: String,
    /// What it is.
    pub test: MemberTest,
}

/// What a member is compared with.
#[derive(Debug, Clone, PartialEq)]
pub enum MemberTest {
    /// One of these. A number equals a text that says it.
    OneOf(Vec<Value>),
    /// A number, or a text that says one, of at least and at most so much.
    Between(Option<f64>, Option<f64>),
}

impl Expected {
    /// Whether a message on `topic` (behind the MN) with this body is it, whatever its time.
    #[must_use]
    pub fn is(&self, mn: &str, topic: &str, body: &Value) -> bool {
        self.by == Finder::Gateway
            && self.mn.as_deref().is_none_or(|wanted| wanted == mn)
            && fits(&self.topic, topic)
            && self.members.iter().all(|member| member.holds(body))
    }
}

impl Member {
    fn holds(&self, body: &Value) -> bool {
        let found = self.path.split('.').try_fold(body, |at, name| match at {
            Value::Array(list) => list.get(name.parse::<usize>().ok()?),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => at.get(name),
        });
        let Some(found) = found else { return false };
        match &self.test {
            MemberTest::OneOf(values) => values.iter().any(|value| is_same(value, found)),
            MemberTest::Between(least, most) => number(found)
                .is_some_and(|found| least.is_none_or(|least| found >= least) && most.is_none_or(|most| found <= most)),
        }
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn is_same(wanted: &Value, found: &Value) -> bool {
    if wanted.is_number() { number(wanted) == number(found) } else { wanted == found }
}

/// Whether `topic` fits `filter`, as MQTT has it.
fn fits(filter: &str, topic: &str) -> bool {
    let mut levels = topic.split('/');
    for wanted in filter.split('/') {
        match (wanted, levels.next()) {
            ("#", _) => return true,
            ("+", Some(_)) => {}
            (wanted, Some(level)) if wanted == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn topics_fit_level_by_level() {
        for (filter, topic, fit) in [
            ("event/lead", "event/lead", true),
            ("event/lead", "event/leads", false),
            ("event/lead", "event/lead/x", false),
            ("data/+", "data/hour", true),
            ("data/+", "data", false),
            ("#", "event/lead", true),
            ("event/#", "data/hour", false),
        ] {
            assert_eq!(fits(filter, topic), fit, "{filter} {topic}");
        }
    }

    #[test]
    fn members_are_compared_by_value_whatever_their_form() {
        let body = json!({ "a": { "b": "96.1", "list": ["x", 3] }, "flag": true, "none": null });
        for (path, test, holds) in [
            ("a.b", MemberTest::OneOf(vec![json!(96.1)]), true),
            ("a.b", MemberTest::OneOf(vec![json!("96.10")]), false),
            ("a.b", MemberTest::Between(Some(96.0), None), true),
            ("a.b", MemberTest::Between(None, Some(96.0)), false),
            ("a.list.1", MemberTest::OneOf(vec![json!(1), json!(3)]), true),
            ("a.list.0", MemberTest::Between(None, None), false),
            ("flag", MemberTest::OneOf(vec![json!(true)]), true),
            ("none", MemberTest::OneOf(vec![json!(false)]), false),
            ("missing", MemberTest::Between(None, None), false),
        ] {
            assert_eq!(Member { path: path.into(), test }.holds(&body), holds, "{path}");
        }
    }
}
