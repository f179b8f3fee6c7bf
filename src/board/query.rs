//! Which rows of the board are wanted.

use serde::Deserialize;

use super::Row;
use super::order::RowOrder;

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
    /// By what they are sorted.
    pub sort: RowOrder,
    /// Whether the other way round.
    pub down: bool,
    /// How many rows to skip.
    pub first: usize,
    /// How many rows to show, at most [`super::ROWS_MAX`].
    pub rows: usize,
}

impl Default for Query {
    fn default() -> Self {
        Query {
            text: String::new(),
            region: String::new(),
            only: Only::All,
            sort: RowOrder::Mn,
            down: false,
            first: 0,
            rows: 50,
        }
    }
}

impl Query {
    /// Whether the row of `mn` is wanted; `text` is the query's in lower case.
    pub(super) fn wants(&self, mn: &str, row: &Row, text: &str) -> bool {
        let state = match self.only {
            Only::All => true,
            Only::Failing => row.fails(),
            Only::Online => row.is_online(),
            Only::Offline => !row.is_online(),
        };
        let region = self.region.is_empty() || row.tag("region") == Some(&self.region);
        let told = || row.facts.iter().flat_map(|facts| std::iter::once(&facts.name).chain(facts.tags.values()));
        state && region && (text.is_empty() || stands_in(text, mn) || told().any(|told| stands_in(text, told)))
    }
}

/// Whether `text`, in lower case, stands in `told` in any case. Nothing is kept in lower case for it, and nothing is made of what has no
/// capitals, as Chinese names have none.
fn stands_in(text: &str, told: &str) -> bool {
    told.contains(text) || told.contains(char::is_uppercase) && told.to_lowercase().contains(text)
}
