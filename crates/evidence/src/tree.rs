//! The tree of hashes over the records of a span (the form of RFC 6962, section 2.1).
//!
//! ```text
//! leaf  SHA-256( 0x00 | offset u64 | time i64, microseconds | kind u8 | body )     numbers little-endian, as in the journal's chain
//! node  SHA-256( 0x01 | left | right )
//! ```
//!
//! Leaves are pushed from left to right; two trees of equal height at the right end become one; in the end what is left is joined from the right.
//! A part of the tree can be told by **items**: whole trees of a height, or leaves, from left to right; pushing them gives the same root.
//!
//! What must stay true: a leaf does not rest on the record before it, so that a gap in the journal costs no other record its proof.

use sha2::{Digest, Sha256};

use super::Hash;

/// The hash of a record.
#[must_use]
pub fn leaf(offset: u64, time: i64, kind: u8, body: &[u8]) -> Hash {
    let mut hash = Sha256::new();
    hash.update([0]);
    hash.update(offset.to_le_bytes());
    hash.update(time.to_le_bytes());
    hash.update([kind]);
    hash.update(body);
    hash.finalize().into()
}

/// The hash of two trees beside each other.
#[must_use]
pub fn node(left: &Hash, right: &Hash) -> Hash {
    let mut hash = Sha256::new();
    hash.update([1]);
    hash.update(left);
    hash.update(right);
    hash.finalize().into()
}

/// The hash that a record has in the journal's chain.
#[must_use]
pub fn chain(previous: &Hash, offset: u64, time: i64, kind: u8, body: &[u8]) -> Hash {
    let mut hash = Sha256::new();
    hash.update(previous);
    hash.update(offset.to_le_bytes());
    hash.update(time.to_le_bytes());
    hash.update([kind]);
    hash.update(body);
    hash.finalize().into()
}

/// A tree that grows at its right end; it holds at most 64 hashes.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    stack: Vec<(u8, Hash)>,
    count: u64,
}

impl Tree {
    /// Puts a whole tree of 2^`height` leaves at the right end; false if one of that height cannot stand there.
    #[must_use]
    pub fn push(&mut self, height: u8, hash: Hash) -> bool {
        let Some(size) = 1_u64.checked_shl(u32::from(height)) else { return false };
        let Some(count) = self.count.checked_add(size).filter(|_| self.count.is_multiple_of(size)) else {
            return false;
        };
        self.count = count;
        let mut new = (height, hash);
        while let Some((_, left)) = self.stack.pop_if(|(height, _)| *height == new.0) {
            new = (new.0.saturating_add(1), node(&left, &new.1));
        }
        self.stack.push(new);
        true
    }

    /// Leaves.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The root; of no leaves SHA-256 of nothing.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut all = self.stack.iter().rev().map(|(_, hash)| *hash);
        let Some(last) = all.next() else { return Sha256::digest([]).into() };
        all.fold(last, |right, left| node(&left, &right))
    }
}

/// A part of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item<T> {
    /// A whole tree of 2^height leaves of which nothing is shown.
    Node(u8, Hash),
    /// A leaf that is shown.
    Leaf(T),
}

/// A tree that remembers what of it is to be shown: memory for what is shown, and some hashes for each.
#[derive(Debug)]
pub struct Selection<T> {
    stack: Vec<Part<T>>,
    tree: Tree,
}

#[derive(Debug)]
struct Part<T> {
    height: u8,
    hash: Hash,
    /// Empty: nothing of it is shown.
    items: Vec<Item<T>>,
}

impl<T> Part<T> {
    fn items(self) -> Vec<Item<T>> {
        if self.items.is_empty() { vec![Item::Node(self.height, self.hash)] } else { self.items }
    }
}

impl<T> Default for Selection<T> {
    fn default() -> Self {
        Selection { stack: Vec::new(), tree: Tree::default() }
    }
}

impl<T> Selection<T> {
    /// The next leaf, and what it shows if it is to be shown.
    pub fn push(&mut self, leaf: Hash, shown: Option<T>) {
        // A leaf can stand anywhere.
        let _ = self.tree.push(0, leaf);
        let mut new = Part { height: 0, hash: leaf, items: shown.map(Item::Leaf).into_iter().collect() };
        while let Some(left) = self.stack.pop_if(|part| part.height == new.height) {
            let (height, hash) = (new.height.saturating_add(1), node(&left.hash, &new.hash));
            let items = if left.items.is_empty() && new.items.is_empty() {
                Vec::new()
            } else {
                let mut items = left.items();
                items.extend(new.items());
                items
            };
            new = Part { height, hash, items };
        }
        self.stack.push(new);
    }

    /// Leaves.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.tree.count()
    }

    /// The root, and the items from left to right.
    #[must_use]
    pub fn finish(self) -> (Hash, Vec<Item<T>>) {
        (self.tree.root(), self.stack.into_iter().flat_map(Part::items).collect())
    }
}
