//! A small map by name that takes no more room than what is in it. A registered station has seven of them, nearly all empty or with two or
//! three entries; a B-tree takes half a kilobyte for the first, and there may be 300,000 stations.
//!
//! What must stay true: names are in order and none stands twice, so that equal maps are equal bytes wherever they are written; written, it
//! is what a `BTreeMap` of the same entries is.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// See the head of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pairs<V>(Box<[(Box<str>, V)]>);

impl<V> Pairs<V> {
    /// What stands under `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&V> {
        let at = self.0.binary_search_by(|(own, _)| (**own).cmp(name)).ok()?;
        self.0.get(at).map(|(_, value)| value)
    }

    /// Whether anything stands under `name`.
    #[must_use]
    pub fn contains_key(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The entries in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &V)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    /// The names in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| &**name)
    }

    /// The values in the order of their names.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().map(|(_, value)| value)
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<V> Default for Pairs<V> {
    fn default() -> Self {
        Pairs(Box::default())
    }
}

/// Of two entries of one name the later one stands.
impl<N: Into<Box<str>>, V> FromIterator<(N, V)> for Pairs<V> {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(entries: I) -> Self {
        let sorted: BTreeMap<Box<str>, V> = entries.into_iter().map(|(name, value)| (name.into(), value)).collect();
        Pairs(sorted.into_iter().collect())
    }
}

impl<N: Into<Box<str>>, V, const COUNT: usize> From<[(N, V); COUNT]> for Pairs<V> {
    fn from(entries: [(N, V); COUNT]) -> Self {
        entries.into_iter().collect()
    }
}

impl<V: Serialize> Serialize for Pairs<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Pairs<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Pairs(BTreeMap::deserialize(deserializer)?.into_iter().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_and_read_as_a_map_is() {
        let tree: BTreeMap<String, u8> = [("b".to_owned(), 2), ("a".to_owned(), 1)].into();
        for tree in [tree, BTreeMap::new()] {
            let pairs: Pairs<u8> = tree.clone().into_iter().collect();
            let json = serde_json::to_string(&tree).unwrap();
            assert_eq!(serde_json::to_string(&pairs).unwrap(), json);
            assert_eq!(serde_json::from_str::<Pairs<u8>>(&json).unwrap(), pairs);
            assert_eq!(pairs.keys().collect::<Vec<_>>(), tree.keys().collect::<Vec<_>>());
        }
    }

    #[test]
    fn of_two_of_one_name_the_later_stands() {
        let pairs: Pairs<u8> = [("a", 1), ("c", 3), ("a", 2)].into();
        assert_eq!(pairs.iter().collect::<Vec<_>>(), [("a", &2), ("c", &3)]);
        assert_eq!((pairs.get("a"), pairs.get("b"), pairs.len()), (Some(&2), None, 2));
        assert_eq!(serde_json::from_str::<Pairs<u8>>(r#"{"c":1,"a":2,"c":3}"#).unwrap(), [("a", 2), ("c", 3)].into());
    }
}
