//! How stations speak, as far as their registration does not say it: learned from their frames, and kept over a restart.
//!
//! What must stay true: what is registered counts before what was learned; nothing is sent before the frame that brought the station was looked
//! at, and what that frame says counts before what was learned earlier; a password is in [`Spoken`] and in no print.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Desk;
use crate::Address;
use hj212::Edition;

/// What a station's frames showed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spoken {
    /// The edition that it is spoken to in.
    pub edition: Edition,
    /// The ST that it writes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub st: Option<String>,
    /// The PW that it writes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pw: Option<String>,
    /// Whether its Flag has the version bits of 2025.
    #[serde(default)]
    pub flag8: bool,
}

impl std::fmt::Debug for Spoken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Spoken({}, ST {:?}, password {}, {})", self.edition.year(), self.st, self.pw.is_some(), self.flag8)
    }
}

impl Desk {
    /// Whether something was learned since [`Desk::spoken`] was last called.
    #[must_use]
    pub const fn has_learned(&self) -> bool {
        self.learned
    }

    /// What was learned of stations whose registration leaves something open; `open` says of whom the edition is. `None`: nothing new since
    /// this was last called.
    pub fn spoken(&mut self, open: impl Fn(&str) -> bool) -> Option<BTreeMap<String, Spoken>> {
        if !std::mem::take(&mut self.learned) {
            return None;
        }
        let left_open = |address: &Address| {
            address.st.is_none() || address.pw.is_none() || !address.other_pws.is_empty() || open(&address.mn)
        };
        let lanes = self.lanes.values().filter(|lane| lane.registered && lane.heard && left_open(&lane.address));
        let spoken = lanes.map(|lane| {
            let (st, pw) = (lane.heard_st.clone(), lane.heard_pw.clone());
            (lane.address.mn.clone(), Spoken { edition: lane.address.edition, st, pw, flag8: lane.heard_flag8 })
        });
        Some(spoken.collect())
    }

    /// Takes up what an earlier run had learned. To be called before the first station comes.
    pub fn know_spoken(
        &mut self,
        spoken: &BTreeMap<String, Spoken>,
        address: impl Fn(&str, Edition) -> Option<Address>,
    ) {
        for (mn, said) in spoken {
            let Some(address) = address(mn, said.edition) else { continue };
            let mut lane = self.lane(&address);
            lane.heard_st.clone_from(&said.st);
            lane.heard_pw.clone_from(&said.pw);
            (lane.heard_flag8, lane.heard) = (said.flag8, true);
        }
    }
}
