//! What is wrong with a drill file, where, and what to write instead.

use std::fmt;

use super::bilingual::Bilingual;

/// One mistake of a drill file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrillProblem {
    /// The file as it was named.
    pub file: String,
    /// Its line, from 1.
    pub line: usize,
    /// What stands there, as `key = value`; empty where it is the form of the file that is wrong.
    pub value: String,
    /// What is wrong with it.
    pub what: Bilingual,
    /// What to write instead.
    pub remedy: Bilingual,
}

impl fmt::Display for DrillProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DrillProblem { file, line, value, what, remedy } = self;
        let between = if value.is_empty() { "" } else { " " };
        write!(f, "{file}:{line}:{between}{value}\n  {}。{}。\n  {}. {}.", what.zh, remedy.zh, what.en, remedy.en)
    }
}
