//! Names of what messages name by a code, Chinese and English: for the page.
//!
//! What must stay true: they are those of the tables that messages are made by, none is written twice.

use serde_json::{Map, Value, json};

use hj212::Deviation;
use hj212_interpret::table;
use hj212_model::message::RejectReason;

/// Of factors (the newest generation that has the code), deviations and reasons of refusals.
pub(super) fn by_code() -> Value {
    let factors: Map<String, Value> =
        table::factors().into_iter().map(|row| (row.code, json!([row.name, row.name_en]))).collect();
    let deviations: Map<String, Value> =
        Deviation::ALL.iter().map(|one| (one.code().to_owned(), json!([one.explain_zh(), one.explain_en()]))).collect();
    let reasons: Map<String, Value> = RejectReason::ALL
        .iter()
        .map(|one| (one.code().to_owned(), json!([one.explain_zh(), one.explain_en()])))
        .collect();
    json!({ "factors": factors, "deviations": deviations, "reasons": reasons })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_factor_has_its_name_of_today_in_both_languages() {
        let words = by_code();
        assert_eq!(words["factors"]["a21026"], json!(["二氧化硫", "sulfur dioxide"]));
        assert_eq!(words["reasons"]["pw-wrong"][0], "PW 与登记的不符");
        assert!(words["deviations"]["crc-lowercase"][1].is_string());
    }
}
