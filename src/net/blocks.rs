//! What is counted per address block: connections that are open, and rejected things that were kept lately.
//!
//! What must stay true:
//! * the table is bounded by [`BLOCKS_MAX`] and the open connections; **nobody is shut out because others made noise**: when it is full,
//!   blocks without connections are forgotten, those first from which no station ever spoke;
//! * what is kept of rejected bytes is bounded for a block, for the wider networks around it, and in all, in things and in bytes; what
//!   is beyond is counted and summed up in [`Unkept`]. Blocks from which a station spoke have only the block's own limit: noise of others
//!   never hides what a real logger does wrong.
//!
//! # Networks
//!
//! A block is one IPv4 address or one IPv6 /64: what one subscriber commands. An attacker may command more: of what is kept in all, a /24
//! (IPv4) or /48 (IPv6) has a quarter at most, a /16 or /32 half of it.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::bucket::Bucket;
use hj212_model::message::Timestamp;

/// Blocks without connections remembered at a time.
pub(super) const BLOCKS_MAX: usize = 65_536;
/// Networks named in a summary.
const NAMED_MAX: usize = 8;

const MINUTE: i64 = 60_000_000;

/// One IPv4 address, or one IPv6 /64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Block(IpAddr);

impl Block {
    pub(super) fn of(address: IpAddr) -> Block {
        Block(network(address, 32, 64))
    }

    /// The networks around it, each with the share of what is kept in all that it may have, as a divisor.
    fn around(self) -> [(IpAddr, u32); 2] {
        [(network(self.0, 24, 48), 4), (network(self.0, 16, 32), 2)]
    }
}

/// The first bits of an address.
fn network(address: IpAddr, v4: u32, v6: u32) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() & u32::MAX.checked_shl(32 - v4).unwrap_or(0))),
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & u128::MAX.checked_shl(128 - v6).unwrap_or(0))),
    }
}

/// What may be kept of rejected things in a minute.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keep {
    /// Things of one block.
    pub(super) block: u32,
    /// Things in all.
    pub(super) all: u32,
    /// Bytes in all.
    pub(super) bytes: u64,
}

/// What was rejected and not kept, since it was last said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unkept {
    /// Things.
    pub count: u64,
    /// Bytes.
    pub bytes: u64,
    /// The first networks of them (IPv4 /24, IPv6 /48), and how many things each.
    pub networks: BTreeMap<IpAddr, u64>,
}

#[derive(Debug, Default)]
struct Account {
    connections: usize,
    rejected: u32,
    minute: i64,
    /// Whether a station spoke from here.
    known: bool,
}

/// See the head of the file.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    accounts: HashMap<Block, Account, foldhash::fast::RandomState>,
    /// Things kept of wider networks in this minute: number of bits does not matter, shares differ.
    wide: HashMap<(IpAddr, u32), u32, foldhash::fast::RandomState>,
    wide_minute: i64,
    things: Option<Bucket>,
    bytes: Option<Bucket>,
    unkept: Unkept,
}

impl Blocks {
    /// Takes in a connection, unless the block has `most`.
    pub(super) fn enter(&mut self, block: Block, most: usize, now: Timestamp) -> bool {
        self.make_room(block, now);
        let account = self.accounts.entry(block).or_default();
        let room = account.connections < most;
        account.connections += usize::from(room);
        room
    }

    /// Forgets blocks if there are too many: those of former minutes, then those without a station, then all without connections.
    fn make_room(&mut self, block: Block, now: Timestamp) {
        if self.accounts.len() < BLOCKS_MAX || self.accounts.contains_key(&block) {
            return;
        }
        let minute = now.0.div_euclid(MINUTE);
        self.accounts.retain(|_, account| account.connections > 0 || account.known || account.minute == minute);
        if self.accounts.len() >= BLOCKS_MAX {
            self.accounts.retain(|_, account| account.connections > 0 || account.known);
        }
        if self.accounts.len() >= BLOCKS_MAX {
            self.accounts.retain(|_, account| account.connections > 0);
        }
    }

    /// A station spoke from the block.
    pub(super) fn known(&mut self, block: Block) {
        if let Some(account) = self.accounts.get_mut(&block) {
            account.known = true;
        }
    }

    /// A connection has ended.
    pub(super) fn leave(&mut self, block: Block, now: Timestamp) {
        let Some(account) = self.accounts.get_mut(&block) else { return };
        account.connections = account.connections.saturating_sub(1);
        if account.connections == 0 && !account.known && account.minute != now.0.div_euclid(MINUTE) {
            self.accounts.remove(&block);
        }
    }

    /// Whether one more rejected thing of `bytes` of the block may be kept.
    pub(super) fn may_keep(&mut self, block: Block, bytes: u64, keep: &Keep, now: Timestamp) -> bool {
        let may = self.within(block, bytes, keep, now);
        if !may {
            self.unkept.count += 1;
            self.unkept.bytes = self.unkept.bytes.saturating_add(bytes);
            let (network, _) = block.around()[0];
            let networks = &mut self.unkept.networks;
            if networks.len() < NAMED_MAX || networks.contains_key(&network) {
                *networks.entry(network).or_default() += 1;
            }
        }
        may
    }

    fn within(&mut self, block: Block, bytes: u64, keep: &Keep, now: Timestamp) -> bool {
        let account = self.accounts.entry(block).or_default();
        let minute = now.0.div_euclid(MINUTE);
        if account.minute != minute {
            (account.minute, account.rejected) = (minute, 0);
        }
        if account.rejected >= keep.block {
            return false;
        }
        if !account.known {
            if self.wide_minute != minute {
                self.wide_minute = minute;
                self.wide.clear();
            }
            let most = |share: u32| (keep.all / share).max(1);
            if block.around().iter().any(|place| self.wide.get(place).is_some_and(|kept| *kept >= most(place.1))) {
                return false;
            }
            let things = self.things.get_or_insert_with(|| Bucket::new(u64::from(keep.all), now));
            let kept = self.bytes.get_or_insert_with(|| Bucket::new(keep.bytes, now));
            if !things.has(1, u64::from(keep.all), now) || !kept.has(bytes.min(keep.bytes), keep.bytes, now) {
                return false;
            }
            things.take(1, u64::from(keep.all), now);
            kept.take(bytes, keep.bytes, now);
            if self.wide.len() < BLOCKS_MAX {
                block.around().into_iter().for_each(|place| *self.wide.entry(place).or_default() += 1);
            }
        }
        if let Some(account) = self.accounts.get_mut(&block) {
            account.rejected += 1;
        }
        true
    }

    /// What was not kept since it was last asked for, if anything.
    pub(super) fn unkept(&mut self) -> Option<Unkept> {
        (self.unkept.count > 0).then(|| std::mem::take(&mut self.unkept))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEP: Keep = Keep { block: 10, all: 100, bytes: 1 << 20 };

    fn block(text: &str) -> Block {
        Block::of(text.parse().unwrap())
    }

    fn v6(network: u128, number: u128) -> Block {
        Block::of(IpAddr::V6(Ipv6Addr::from_bits(network << 96 | number << 64)))
    }

    #[test]
    fn a_block_is_an_ipv4_address_or_an_ipv6_64() {
        assert_eq!(block("::ffff:10.0.0.1"), block("10.0.0.1"));
        assert_ne!(block("10.0.0.1"), block("10.0.0.2"));
        assert_eq!(block("2001:db8::1"), block("2001:db8::ffff:1"));
        assert_ne!(block("2001:db8:0:1::1"), block("2001:db8::1"));
        assert_eq!(block("10.1.2.3").around().map(|(ip, _)| ip.to_string()), ["10.1.2.0", "10.1.0.0"]);
    }

    #[test]
    fn connections_and_rejected_things_are_limited_and_forgotten() {
        let (mut blocks, now) = (Blocks::default(), Timestamp(0));
        let keep = Keep { block: 1, ..KEEP };
        assert!(blocks.enter(block("10.0.0.1"), 2, now) && blocks.enter(block("10.0.0.1"), 2, now));
        assert!(!blocks.enter(block("10.0.0.1"), 2, now));
        blocks.leave(block("10.0.0.1"), now);
        assert!(blocks.enter(block("10.0.0.1"), 2, now));
        assert!(blocks.may_keep(block("10.0.0.1"), 1, &keep, now));
        assert!(!blocks.may_keep(block("10.0.0.1"), 1, &keep, now));
        assert_eq!(blocks.unkept().unwrap().count, 1);
        assert!(blocks.unkept().is_none());
        let later = Timestamp(MINUTE);
        assert!(blocks.may_keep(block("10.0.0.1"), 1, &keep, later));
        let after = Timestamp(3 * MINUTE);
        blocks.leave(block("10.0.0.1"), after);
        blocks.leave(block("10.0.0.1"), after);
        assert!(blocks.accounts.is_empty());
    }

    #[test]
    fn noise_from_any_number_of_blocks_shuts_nobody_out() {
        let (mut blocks, now) = (Blocks::default(), Timestamp(0));
        assert!(blocks.enter(block("192.0.2.1"), 5, now));
        blocks.known(block("192.0.2.1"));
        blocks.leave(block("192.0.2.1"), now);
        for number in 0..3 * BLOCKS_MAX as u128 {
            let from = v6(0xfd00_0000, number);
            assert!(blocks.enter(from, 5, now), "newcomer {number}");
            blocks.may_keep(from, 1, &KEEP, now);
            blocks.leave(from, now);
        }
        assert!(blocks.accounts.len() <= BLOCKS_MAX);
        assert!(blocks.accounts.contains_key(&block("192.0.2.1")), "a station's network is forgotten last");
        assert!(blocks.enter(block("198.51.100.7"), 5, now), "a logger from a new network");
    }

    #[test]
    fn what_is_kept_is_bounded_for_networks_of_every_length_and_in_all() {
        let (mut blocks, now) = (Blocks::default(), Timestamp(0));
        let kept = |blocks: &mut Blocks, from: Block| {
            (0..KEEP.block * 2).filter(|_| blocks.may_keep(from, 1, &KEEP, now)).count()
        };
        assert_eq!(kept(&mut blocks, v6(1, 0)), 10, "a /64");
        assert_eq!((1..50).map(|n| kept(&mut blocks, v6(1, n))).sum::<usize>(), 15, "a /48 has a quarter");
        assert_eq!((1..50).map(|n| kept(&mut blocks, v6(1, n << 16))).sum::<usize>(), 25, "a /32 has half");
        assert_eq!((2..50).map(|n| kept(&mut blocks, v6(n, 0))).sum::<usize>(), 50, "and all have the whole");
        assert!(!blocks.may_keep(block("10.0.0.1"), 1, &KEEP, now));
        blocks.enter(block("10.0.0.2"), 1, now);
        blocks.known(block("10.0.0.2"));
        assert!(blocks.may_keep(block("10.0.0.2"), 1, &KEEP, now), "a station's network has its own");
        let mut bytes = Blocks::default();
        assert!(bytes.may_keep(block("10.0.0.1"), 1 << 20, &KEEP, now));
        assert!(!bytes.may_keep(block("10.9.0.1"), 1, &KEEP, now), "bytes count as well");
        let unkept = bytes.unkept().unwrap();
        assert_eq!((unkept.bytes, unkept.networks.len()), (1, 1));
    }
}
