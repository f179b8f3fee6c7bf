//! The records that a station sent lately, as hashes: is this one a re-send, or does it say something new of the same record?
//!
//! A ring of fixed size: the oldest is forgotten first. What has been forgotten is published again with the same id, which
//! consumers must be able to take twice anyway.

use serde::{Deserialize, Serialize};

/// The last records, each by the hash of its key and of its content.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Recent {
    keys: Vec<u64>,
    contents: Vec<u64>,
    revisions: Vec<u16>,
    next: u32,
}

/// What is known of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// It is new.
    New,
    /// It was said before, with the same content.
    Resent,
    /// It was said before, with other content: this is revision n.
    Revised(u16),
}

impl Recent {
    /// Looks the record up and remembers it, among at most `max`.
    pub(super) fn meet(&mut self, key: u64, content: u64, max: usize) -> Known {
        if let Some(at) = self.keys.iter().position(|known| *known == key) {
            let (Some(known), Some(revision)) = (self.contents.get_mut(at), self.revisions.get_mut(at)) else {
                return Known::New;
            };
            if *known == content {
                return Known::Resent;
            }
            *known = content;
            *revision = revision.saturating_add(1);
            return Known::Revised(*revision);
        }
        if max == 0 {
            return Known::New;
        }
        if self.keys.len() < max {
            self.keys.push(key);
            self.contents.push(content);
            self.revisions.push(0);
            return Known::New;
        }
        let at = self.next as usize % self.keys.len();
        self.next = u32::try_from((at + 1) % self.keys.len()).unwrap_or(0);
        let slots = (self.keys.get_mut(at), self.contents.get_mut(at), self.revisions.get_mut(at));
        if let (Some(k), Some(c), Some(r)) = slots {
            (*k, *c, *r) = (key, content, 0);
        }
        Known::New
    }

    /// Whether the record is known with this content.
    pub(super) fn has(&self, key: u64, content: u64) -> bool {
        self.content(key) == Some(content)
    }

    /// Whether some record is known with this content.
    pub(super) fn is_content(&self, content: u64) -> bool {
        self.contents.contains(&content)
    }

    /// The content that was met last with this key.
    pub(super) fn content(&self, key: u64) -> Option<u64> {
        let at = self.keys.iter().position(|known| *known == key)?;
        self.contents.get(at).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resent_revised_and_forgotten() {
        let mut recent = Recent::default();
        assert_eq!(recent.meet(1, 10, 2), Known::New);
        assert_eq!(recent.meet(1, 10, 2), Known::Resent);
        assert_eq!(recent.meet(1, 11, 2), Known::Revised(1));
        assert_eq!(recent.meet(1, 10, 2), Known::Revised(2));
        assert_eq!(recent.meet(2, 1, 2), Known::New);
        assert_eq!(recent.meet(3, 1, 2), Known::New);
        assert_eq!(recent.meet(1, 10, 2), Known::New, "the oldest is forgotten");
        assert_eq!(recent.keys.len(), 2);
        assert_eq!(recent.meet(9, 9, 0), Known::New, "a ring of no size remembers nothing");
    }
}
