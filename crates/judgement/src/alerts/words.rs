//! Rules of alerts in words: the condition as people read it, and how sure it is.
//!
//! What must stay true: what has no words stays as it is written.

/// A condition as it is written, Chinese and English.
pub(super) fn condition(when: &str) -> (String, String) {
    let (mut zh, mut en) = (String::new(), String::new());
    for word in when.split_whitespace() {
        let (of_zh, of_en) = match word {
            "ratio" => ("均值为限值的倍数", "mean / limit"),
            "running_ratio" => ("当日至今均值为限值的倍数", "mean of the day so far / limit"),
            "run" => ("连续超标天数", "days in a row"),
            "of_month" => ("当月超标天数", "days of the month"),
            "factors" => ("同时超标因子数", "factors at once"),
            "hours" => ("有效小时数", "hours"),
            "or" => ("，或", "or"),
            "and" => ("，且", "and"),
            ">=" => (" ≥ ", "≥"),
            "<=" => (" ≤ ", "≤"),
            ">" => (" > ", ">"),
            "<" => (" < ", "<"),
            other => (other, other),
        };
        zh.push_str(of_zh);
        if !en.is_empty() {
            en.push(' ');
        }
        en.push_str(of_en);
    }
    (zh, en)
}

/// How sure a row of the rules is, Chinese and English; a letter that has no words stays.
pub(super) fn certainty(letter: &str) -> (&str, &str) {
    match letter {
        "V" => ("已核对原文", "read in the text"),
        "S" => ("据二手资料", "from a secondary source"),
        "C" => ("据平台代码", "seen in code"),
        "R" => ("凭记忆，待核对", "recalled, to be checked"),
        "I" => ("本项目自定", "our choice"),
        "U" => ("不确定", "unsure"),
        other => (other, other),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Rules;
    use super::*;

    #[test]
    fn conditions_of_the_built_in_rules_have_no_names_of_the_file_left() {
        for (name, text) in super::super::built_in_texts() {
            let rules = Rules::read(&name, &text).expect("the built-in rules");
            let conditions =
                rules.colours.iter().map(|colour| &colour.when).chain(rules.pre.iter().map(|pre| &pre.when));
            for when in conditions {
                let (zh, en) = condition(when);
                for left in ["ratio", "run", "of_month", "factors", "hours", " or ", ">=", "_"] {
                    assert!(!zh.contains(left), "{left} in {zh}");
                }
                assert!(!en.contains('_') && !en.contains(">="), "{en}");
            }
        }
        assert_eq!(condition("ratio >= 3 or run >= 5").0, "均值为限值的倍数 ≥ 3，或连续超标天数 ≥ 5");
    }
}
