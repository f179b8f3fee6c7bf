//! Stations that show another MN than they are registered with, while their password and the address that they speak from stay.
//!
//! A logger that was given another MN by hand, or by a reset, would be refused until somebody looks at the page, and what it says meanwhile
//! would be lost. So its new MN is taken for a proposal: what is registered under the old one holds for the new one, and all that is published
//! under it says so, until the registration says something else.
//!
//! What must stay true:
//! * the password is the one that the old MN was last heard with, and one was said;
//! * the old MN was the only one that spoke on this connection; or, on a connection that nobody has spoken on yet, the only one ever heard
//!   from this address, and it is connected nowhere. Behind an address that several stations share nothing is proposed;
//! * an MN that was refused while the old one spoke is another device, and is never proposed ([`OTHERS_MAX`] are remembered of an address; where
//!   more were heard, nothing is proposed);
//! * where unregistered MNs are accepted as stations nothing is proposed: whoever asks sees to that;
//! * a proposal ends when the old MN is heard again, and is not made a second time;
//! * one new MN a station.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Unknown MNs remembered that were heard beside a station.
pub const OTHERS_MAX: usize = 8;
/// Stations remembered, with where they were last heard: the registered ones of the largest gateways.
pub const HEARD_ADDRESSES_MAX: usize = 500_000;

/// Where a station was last heard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct HeardAddress {
    address: IpAddr,
    /// A hash of its password; `None`: it said none.
    pw: Option<[u8; 16]>,
    /// Unknown MNs that were heard from there while it was connected.
    others: BTreeSet<String>,
}

/// See the head of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeardAddresses {
    /// By MN.
    of: BTreeMap<Box<str>, HeardAddress>,
    /// How many stations were last heard from an address, and the last of them by name.
    #[serde(skip)]
    at: BTreeMap<IpAddr, (usize, Box<str>)>,
    /// New MN by old one.
    moved: BTreeMap<String, String>,
    /// (old, new) that are two devices.
    apart: BTreeSet<(String, String)>,
    /// Whether anything is other than when it was last asked for.
    #[serde(skip)]
    changed: bool,
}

/// Who has another MN, apart from where stations were heard: it is small, and must not be lost.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moves {
    /// New MN by old one.
    moved: BTreeMap<String, String>,
    /// (old, new) that are two devices.
    apart: BTreeSet<(String, String)>,
    /// Old MNs of moves whose record may not be in the journal.
    pub unsure: BTreeSet<String>,
}

/// A station that may have another MN now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The MN that it is registered with.
    pub mn: String,
    /// The one that it shows.
    pub new_mn: String,
}

fn hash(pw: &[u8]) -> Option<[u8; 16]> {
    let digest = Sha256::digest(pw);
    (!pw.is_empty()).then(|| std::array::from_fn(|at| digest.get(at).copied().unwrap_or(0)))
}

impl HeardAddresses {
    /// What an earlier run remembered.
    #[must_use]
    pub fn restored(self) -> HeardAddresses {
        let mut restored = HeardAddresses { at: BTreeMap::new(), ..self };
        for (mn, heard_address) in &restored.of {
            let entry = restored.at.entry(heard_address.address).or_insert_with(|| (0, mn.clone()));
            *entry = (entry.0 + 1, mn.clone());
        }
        restored
    }

    /// A registered station was heard under its own MN; whether that ends a proposal, and which. `live`: it is no record of before.
    pub fn heard(&mut self, mn: &str, address: IpAddr, pw: &[u8], live: bool) -> Option<Moved> {
        let (pw, room) = (hash(pw), self.of.len() < HEARD_ADDRESSES_MAX);
        match self.of.get_mut(mn) {
            Some(heard_address) if heard_address.address == address && heard_address.pw == pw => {}
            Some(heard_address) if heard_address.address == address => {
                (heard_address.pw, self.changed) = (pw, true);
            }
            Some(heard_address) => {
                let before = std::mem::replace(&mut heard_address.address, address);
                (heard_address.pw, heard_address.others, self.changed) = (pw, BTreeSet::new(), true);
                self.leave(before);
                self.enter(address, mn);
            }
            None if room => {
                self.changed = true;
                self.of.insert(mn.into(), HeardAddress { address, pw, others: BTreeSet::new() });
                self.enter(address, mn);
            }
            None => {}
        }
        let new_mn = if live { self.moved.remove(mn)? } else { return None };
        self.apart.insert((mn.to_owned(), new_mn.clone()));
        self.changed = true;
        Some(Moved { mn: mn.to_owned(), new_mn })
    }

    fn enter(&mut self, address: IpAddr, mn: &str) {
        let entry = self.at.entry(address).or_insert_with(|| (0, mn.into()));
        *entry = (entry.0 + 1, mn.into());
    }

    fn leave(&mut self, address: IpAddr) {
        let Some(entry) = self.at.get_mut(&address) else { return };
        entry.0 = entry.0.saturating_sub(1);
        if entry.0 == 0 {
            self.at.remove(&address);
        } else if entry.0 == 1
            && let Some((mn, _)) = self.of.iter().find(|(_, heard_address)| heard_address.address == address)
        {
            entry.1 = mn.clone();
        }
    }

    /// Which station an unknown MN may be the new one of, heard from `address` with `pw` on a connection on which `spoke` spoke.
    /// `connected`: whether a station is connected anywhere.
    #[must_use]
    pub fn candidate(
        &mut self,
        new_mn: &str,
        address: IpAddr,
        pw: &[u8],
        spoke: &[Box<str>],
        connected: impl Fn(&str) -> bool,
    ) -> Option<Moved> {
        let (mn, here): (Box<str>, bool) = match spoke {
            [one] => (one.clone(), true),
            [] => {
                let (count, mn) = self.at.get(&address)?;
                if *count != 1 {
                    return None;
                }
                (mn.clone(), false)
            }
            _ => return None,
        };
        let heard_address = self.of.get_mut(&mn).filter(|heard_address| heard_address.address == address)?;
        if !here && connected(&mn) {
            // It is there, and this is somebody else.
            if heard_address.others.len() <= OTHERS_MAX {
                self.changed |= heard_address.others.insert(new_mn.to_owned());
            }
            return None;
        }
        let other = heard_address.others.contains(new_mn) || heard_address.others.len() > OTHERS_MAX;
        let said = heard_address.pw.filter(|_| heard_address.pw == hash(pw));
        let known = self.moved.contains_key(&*mn) || self.moved.values().any(|moved| *moved == *mn);
        if other || known || said.is_none() || self.apart.contains(&(mn.to_string(), new_mn.to_owned())) {
            return None;
        }
        Some(Moved { mn: mn.into(), new_mn: new_mn.to_owned() })
    }

    /// It is taken for that.
    pub fn take(&mut self, moved: &Moved) {
        self.moved.insert(moved.mn.clone(), moved.new_mn.clone());
        self.changed = true;
    }

    /// It is not taken for that after all.
    pub fn give_up(&mut self, moved: &Moved) {
        self.moved.remove(&moved.mn);
        self.changed = true;
    }

    /// Who has another MN.
    #[must_use]
    pub fn moves(&self) -> Moves {
        Moves { moved: self.moved.clone(), apart: self.apart.clone(), unsure: BTreeSet::new() }
    }

    /// The same with what is known otherwise of who has another MN.
    #[must_use]
    pub fn with(self, moves: &Moves) -> HeardAddresses {
        HeardAddresses { moved: moves.moved.clone(), apart: moves.apart.clone(), ..self }
    }

    /// All of it, if it is other than when this was last given.
    pub fn to_keep(&mut self) -> Option<HeardAddresses> {
        std::mem::take(&mut self.changed).then(|| self.clone())
    }

    /// All that is proposed.
    pub fn moved(&self) -> impl Iterator<Item = Moved> + '_ {
        self.moved.iter().map(|(mn, new_mn)| Moved { mn: mn.clone(), new_mn: new_mn.clone() })
    }

    /// Forgets what is decided.
    pub fn retain(&mut self, wanted: impl Fn(&str, &str) -> bool) {
        let before = self.moved.len();
        self.moved.retain(|mn, new_mn| wanted(mn, new_mn));
        self.changed |= self.moved.len() != before;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    fn boxed(mns: &[&str]) -> Vec<Box<str>> {
        mns.iter().map(|mn| (*mn).into()).collect()
    }

    /// A station that was heard from address 1 with a password.
    fn one() -> HeardAddresses {
        let mut heard_addresses = HeardAddresses::default();
        heard_addresses.heard("A", ip(1), b"123456", true);
        heard_addresses
    }

    fn candidate(
        heard_addresses: &mut HeardAddresses,
        new: &str,
        from: u8,
        pw: &[u8],
        spoke: &[&str],
        there: bool,
    ) -> Option<String> {
        heard_addresses.candidate(new, ip(from), pw, &boxed(spoke), |_| there).map(|moved| moved.mn)
    }

    #[test]
    fn the_same_password_from_the_same_address_when_the_old_one_is_gone() {
        assert_eq!(candidate(&mut one(), "N", 1, b"123456", &[], false).as_deref(), Some("A"));
        assert_eq!(candidate(&mut one(), "N", 1, b"123456", &["A"], true).as_deref(), Some("A"), "on its connection");
        assert_eq!(candidate(&mut one(), "N", 1, b"654321", &[], false), None, "another password");
        assert_eq!(candidate(&mut one(), "N", 1, b"", &[], false), None, "no password");
        assert_eq!(candidate(&mut one(), "N", 2, b"123456", &[], false), None, "another address");
        assert_eq!(candidate(&mut one(), "N", 1, b"123456", &["A", "B"], true), None, "a line of several stations");
        let mut silent = HeardAddresses::default();
        silent.heard("A", ip(1), b"", true);
        assert_eq!(candidate(&mut silent, "N", 1, b"", &[], false), None, "it never said one");
    }

    #[test]
    fn an_address_that_several_share_proposes_nothing_until_one_is_left() {
        let mut heard_addresses = one();
        heard_addresses.heard("B", ip(1), b"123456", true);
        assert_eq!(candidate(&mut heard_addresses, "N", 1, b"123456", &[], false), None);
        heard_addresses.heard("B", ip(2), b"123456", true);
        assert_eq!(candidate(&mut heard_addresses, "N", 1, b"123456", &[], false).as_deref(), Some("A"));
        let kept = heard_addresses.to_keep().unwrap();
        assert_eq!(heard_addresses.to_keep(), None);
        let bytes = serde_json::to_vec(&kept).unwrap();
        let mut again = serde_json::from_slice::<HeardAddresses>(&bytes).unwrap().restored();
        assert_eq!(again, heard_addresses);
        assert_eq!(candidate(&mut again, "N", 2, b"123456", &[], false).as_deref(), Some("B"));
    }

    #[test]
    fn another_device_beside_the_station_is_no_new_mn_of_it() {
        let mut heard_addresses = one();
        assert_eq!(candidate(&mut heard_addresses, "N", 1, b"123456", &[], true), None);
        assert_eq!(candidate(&mut heard_addresses, "N", 1, b"123456", &[], false), None, "it was heard beside it");
        assert_eq!(candidate(&mut heard_addresses, "M", 1, b"123456", &[], false).as_deref(), Some("A"));
        for other in 0..=OTHERS_MAX {
            candidate(&mut heard_addresses, &format!("O{other}"), 1, b"123456", &[], true);
        }
        assert_eq!(candidate(&mut heard_addresses, "M", 1, b"123456", &[], false), None, "too many to be told apart");
    }

    #[test]
    fn the_old_mn_ends_it_for_good_unless_it_is_a_record_of_before() {
        let mut heard_addresses = one();
        let moved = Moved { mn: "A".into(), new_mn: "N".into() };
        heard_addresses.take(&moved);
        assert_eq!(candidate(&mut heard_addresses, "M", 1, b"123456", &[], false), None, "one at a time");
        heard_addresses.heard("N", ip(1), b"123456", true);
        assert_eq!(heard_addresses.heard("A", ip(1), b"123456", false), None, "a kept record");
        assert_eq!(heard_addresses.heard("A", ip(1), b"123456", true), Some(moved));
        assert_eq!(heard_addresses.moved().count(), 0);
        assert_eq!(candidate(&mut heard_addresses, "N", 1, b"123456", &["A"], true), None);
    }

    #[test]
    fn who_has_another_mn_is_known_apart_from_where_stations_were_heard() {
        let mut heard_addresses = one();
        let moved = Moved { mn: "A".into(), new_mn: "N".into() };
        heard_addresses.take(&moved);
        let moves: Moves = serde_json::from_slice(&serde_json::to_vec(&heard_addresses.moves()).unwrap()).unwrap();
        assert!(HeardAddresses::default().with(&moves).moved().eq([moved.clone()]));
        heard_addresses.give_up(&moved);
        assert_eq!(heard_addresses.moved().count(), 0);
        assert_eq!(
            candidate(&mut heard_addresses, "N", 1, b"123456", &[], false).as_deref(),
            Some("A"),
            "it may be tried again"
        );
    }
}
