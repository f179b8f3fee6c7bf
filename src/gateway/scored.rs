//! Scorecards as JSON, for the command line and the status page.
//!
//! What must stay true: one form for both; what is shown is what was said last of each station, and sums are sums of those pairs; no value stands
//! without them; lists are bounded ([`SHOWN_MAX`]) and say how many were left out.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::judged::SHOWN_MAX;
use hj212_interpret::Interpreter;
use hj212_scores::{GradeOf, MonthNumber, ScoreCard, ScoreRules};

/// Which stations are asked about; what is `None` asks for all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScoresWanted {
    /// The month; `None`: the one that holds the gateway's time.
    pub month: Option<MonthNumber>,
    /// One station.
    pub mn: Option<String>,
    /// The stations of a company.
    pub operator: Option<String>,
    /// Those of a county, by their tag `county`.
    pub county: Option<String>,
    /// Those of a city, by their tag `city`.
    pub city: Option<String>,
}

/// The cards of a month: of stations, of companies, and of all that were asked about.
#[must_use]
pub fn sheet(interpreter: &Interpreter, wanted: &ScoresWanted) -> Value {
    let now = interpreter.time();
    let month = wanted.month.unwrap_or_else(|| MonthNumber::of(now));
    let Some(rules) = interpreter.score_rules() else {
        return json!({ "enabled": false, "month": month.text(), "time": now.to_rfc3339() });
    };
    let tag = |mn: &str, tag: &str| interpreter.tag(mn, tag).map(str::to_owned);
    let is = |wanted: &Option<String>, said: Option<&str>| wanted.as_deref().is_none_or(|wanted| said == Some(wanted));
    let (mut stations, mut companies) = (Vec::new(), BTreeMap::<String, ScoreCard>::new());
    let mut sum = ScoreCard::default();
    for shown in interpreter.score_cards(month) {
        let mn = shown.mn;
        let (county, city) = (tag(mn, "county"), tag(mn, "city"));
        let asked = is(&wanted.mn, Some(mn))
            && is(&wanted.operator, shown.operator)
            && is(&wanted.county, county.as_deref())
            && is(&wanted.city, city.as_deref());
        let Some(card) = shown.told.card().filter(|_| asked) else { continue };
        sum.add(card);
        if let Some(operator) = shown.operator {
            companies.entry(operator.to_owned()).or_default().add(card);
        }
        let mut view = brief(rules, GradeOf::Station, card);
        view["mn"] = mn.into();
        view["name"] = interpreter.name_of(mn).into();
        view["region"] = tag(mn, "region").into();
        view["operator"] = shown.operator.into();
        (view["county"], view["city"]) = (county.into(), city.into());
        (view["stage"], view["revision"]) = (shown.told.stage.name().into(), shown.told.revision.into());
        stations.push(view);
    }
    stations.sort_by(|one, other| one["mn"].as_str().cmp(&other["mn"].as_str()));
    let left_out = stations.len().saturating_sub(SHOWN_MAX);
    stations.truncate(SHOWN_MAX);
    let company = |(operator, card): (&String, &ScoreCard)| {
        let mut view = brief(rules, GradeOf::Company, card);
        (view["operator"], view["stations"]) = (operator.as_str().into(), card.stations.into());
        view
    };
    let measure = |row: &hj212_scores::ScoreMeasure| {
        json!({
            "id": row.id, "zh": row.zh, "en": row.en, "unit": row.unit.name(), "clause": row.clause, "certainty": row.certainty,
        })
    };
    let mut whole = brief(rules, GradeOf::Company, &sum);
    whole["stations"] = sum.stations.into();
    // A grade is a station's or a company's: what else is summed has none.
    whole.as_object_mut().map(|whole| whole.remove("grade"));
    json!({
        "enabled": true, "placeholder": rules.placeholder, "month": month.text(), "time": now.to_rfc3339(),
        "months": [MonthNumber::of(now).later(-1).text(), MonthNumber::of(now).text()],
        "measures": rules.measure.iter().map(measure).collect::<Vec<_>>(), "stations": stations, "left_out": left_out,
        "operators": companies.iter().map(company).collect::<Vec<_>>(), "sum": whole,
    })
}

/// The values of a card with their pairs, by measure, and its grade.
fn brief(rules: &ScoreRules, of: GradeOf, card: &ScoreCard) -> Value {
    let measure = |row: &hj212_scores::ScoreMeasure| {
        let pair = |part: &hj212_scores::ScorePart| {
            let pair = card.pair(*part);
            json!({ "id": part.name(), "num": pair.num, "den": pair.den })
        };
        let parts: Vec<Value> = row.parts.iter().map(pair).collect();
        (row.id.clone(), json!({ "value": row.value(card), "parts": parts }))
    };
    let measures: serde_json::Map<String, Value> = rules.measure.iter().map(measure).collect();
    let grade = rules.grade(of, card).map(|grade| json!({ "id": grade.id, "zh": grade.zh, "en": grade.en }));
    json!({ "measures": measures, "grade": grade })
}
