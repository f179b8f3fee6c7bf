//! Which rows of the board are wanted.

use serde::Deserialize;

use super::Row;

/// Which stations by their state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Only {
    /// All.
    #[default]
    All,
    /// Those that need a look.
    Failing,
    /// Those that are connected.
    Online,
    /// Those that are not.
    Offline,
}

/// A page of the board.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Query {
    /// Stands in the MN, the name or a tag; case does not matter.
    pub text: String,
    /// The tag `region`; empty: any.
    pub region: String,
    /// By state.
    pub only: Only,
    /// How many rows to skip.
    pub first: usize,
    /// How many rows to show, at most [`super::ROWS_MAX`].
    pub rows: usize,
}

impl Default for Query {
    fn default() -> Self {
        Query { text: String::new(), region: String::new(), only: Only::All, first: 0, rows: 50 }
    }
}

impl Query {
    /// Whether `row` is wanted; `text` is the query's in lower case.
    pub(super) fn wants(&self, row: &Row, text: &str) -> bool {
        let state = match self.only {
            Only::All => true,
            Only::Failing => row.fails(),
            Only::Online => row.online,
            Only::Offline => !row.online,
        };
        let region = self.region.is_empty() || row.tags.get("region") == Some(&self.region);
        state && region && row.sought.contains(text)
    }
}
