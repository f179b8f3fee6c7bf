//! Anchors: one line a day that binds everything the journal held.
//!
//! What must stay true: what is signed are lines of text ([`Anchor::signed_text`]), not JSON, so that nobody has to agree on how JSON is written;
//! each anchor names the one before it by the SHA-256 of that text.

use data_encoding::HEXLOWER;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Hash, hex};

/// The schema of anchors.
pub const SCHEMA: &str = "hj212.anchor/1";

/// What binds the records `first..=last` of a journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// `hj212.anchor/1`.
    pub schema: String,
    /// The gateway's name.
    pub gateway: String,
    /// The journal's id, hexadecimal.
    pub journal: String,
    /// Counts from 1, without gaps.
    pub number: u64,
    /// The day that has ended, in Beijing; the span may be longer, if the gateway was away.
    pub day: String,
    /// When it was made, RFC 3339.
    pub made_at: String,
    /// The first record.
    pub first: u64,
    /// The last record.
    pub last: u64,
    /// How many records there are from first to last; fewer than the offsets say where some are damaged or lost.
    pub count: u64,
    /// The root of the tree over them, hexadecimal.
    pub root: String,
    /// The hash of the last record in the journal's chain, hexadecimal.
    pub head: String,
    /// SHA-256 of the signed text of the anchor before; 64 zeros: there was none.
    pub previous: String,
    /// The public key, hexadecimal.
    pub key: String,
    /// The signature, hexadecimal.
    pub signature: String,
}

impl Anchor {
    /// What is signed: the fields in their order, each with a line end. No field holds one.
    #[must_use]
    pub fn signed_text(&self) -> String {
        format!(
            "{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n",
            self.schema,
            self.gateway,
            self.journal,
            self.number,
            self.day,
            self.made_at,
            self.first,
            self.last,
            self.count,
            self.root,
            self.head,
            self.previous
        )
    }

    /// By what the next anchor names this one.
    #[must_use]
    pub fn name(&self) -> String {
        hex(&Sha256::digest(self.signed_text()))
    }

    /// Whether it is of this schema, has fields of one line each, and is signed with the key that it names.
    #[must_use]
    pub fn is_good(&self) -> bool {
        let texts = [&self.gateway, &self.journal, &self.day, &self.made_at, &self.root, &self.head, &self.previous];
        self.schema == SCHEMA
            && texts.iter().all(|text| !text.contains(['\n', '\r']))
            && self.first <= self.last
            && is_signed(&self.key, self.signed_text().as_bytes(), &self.signature)
    }
}

/// Whether `signature` of `text` was made with the private half of `key`; both hexadecimal.
#[must_use]
pub fn is_signed(key: &str, text: &[u8], signature: &str) -> bool {
    let (Ok(key), Ok(signature)) = (HEXLOWER.decode(key.as_bytes()), HEXLOWER.decode(signature.as_bytes())) else {
        return false;
    };
    UnparsedPublicKey::new(&ED25519, key).verify(text, &signature).is_ok()
}

/// What signs: an Ed25519 key pair.
pub struct Signer(Ed25519KeyPair);

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Signer").field(&self.public()).finish()
    }
}

impl Signer {
    /// The key pair whose private half is `seed` (32 bytes); nothing if it is no seed.
    #[must_use]
    pub fn of(seed: &[u8]) -> Option<Signer> {
        Ed25519KeyPair::from_seed_unchecked(seed).ok().map(Signer)
    }

    /// The public half, hexadecimal.
    #[must_use]
    pub fn public(&self) -> String {
        hex(self.0.public_key().as_ref())
    }

    /// The signature of `text`, hexadecimal.
    #[must_use]
    pub fn sign(&self, text: &[u8]) -> String {
        hex(self.0.sign(text).as_ref())
    }

    /// Puts key and signature into an anchor.
    pub fn sign_anchor(&self, anchor: &mut Anchor) {
        SCHEMA.clone_into(&mut anchor.schema);
        anchor.key = self.public();
        anchor.signature = self.sign(anchor.signed_text().as_bytes());
    }
}

/// What a span holds, for its anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first record.
    pub first: u64,
    /// The last.
    pub last: u64,
    /// How many there are.
    pub count: u64,
    /// The root of their tree.
    pub root: Hash,
    /// The last one's hash in the chain.
    pub head: Hash,
}
