//! The detectors, a file each: their rows of rule files, what they remember of a factor or a station, and what they look for. Which there are says
//! [`super::table`].

pub(super) mod capped;
pub(super) mod clock;
pub(super) mod constant;
pub(super) mod ledger;
pub(super) mod mark_abuse;
pub(super) mod revised;
pub(super) mod stopped_running;
