//! The dictionary and the rules that are built in, read once in a process: reading them takes longer than interpreting a hundred records,
//! and many interpretations begin with them (a start, each page of history, each seed of the simulation).
//!
//! What must stay true: they are constants. What a context says makes its own dictionary and rules and changes nothing here.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use super::factors::Dictionary;
use hj212_cases::Rules;
use hj212_marking::RuleBook;

static DICTIONARY: LazyLock<Arc<Dictionary>> = LazyLock::new(|| Arc::new(Dictionary::new(&BTreeMap::new())));
static RULES: LazyLock<Option<Arc<RuleBook>>> = LazyLock::new(|| RuleBook::built_in().ok().map(Arc::new));

static CASES: LazyLock<Rules> = LazyLock::new(Rules::built_in);

/// Deadlines of cases and working days.
pub(super) fn cases() -> &'static Rules {
    &CASES
}

/// The dictionary with the operator's names and units, by code.
pub(super) fn dictionary(overrides: &BTreeMap<String, (String, String)>) -> Arc<Dictionary> {
    if overrides.is_empty() { Arc::clone(&DICTIONARY) } else { Arc::new(Dictionary::new(overrides)) }
}

/// The rules; `None` only if what is built in is wrong, which a test excludes.
pub(super) fn rules() -> Option<Arc<RuleBook>> {
    RULES.clone()
}
