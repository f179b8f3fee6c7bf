//! What people call stations and factors; who runs the sinks knows it.

/// A station as people know it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StationName {
    /// Its registered name; may be empty.
    pub name: String,
    /// Its tag `region`.
    pub region: Option<String>,
}

/// Names by MN and by code, asked for when a text is written.
pub trait Names: Send + Sync + std::fmt::Debug {
    /// The station of that MN, if it is registered.
    fn station(&self, mn: &str) -> Option<StationName>;
    /// The name of a factor in Chinese, if it has one.
    fn factor(&self, code: &str) -> Option<String>;
}

/// Nothing has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Nameless;

impl Names for Nameless {
    fn station(&self, _mn: &str) -> Option<StationName> {
        None
    }

    fn factor(&self, _code: &str) -> Option<String> {
        None
    }
}
