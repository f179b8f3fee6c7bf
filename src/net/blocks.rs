//! What is counted per address block: connections that are open, and rejected things that were kept lately.
//!
//! What must stay true: the table is bounded; a block without connections is forgotten when its minute is over.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use crate::message::Timestamp;

/// Blocks remembered at a time. Newcomers of further blocks are refused.
pub(super) const BLOCKS_MAX: usize = 65_536;

const MINUTE: i64 = 60_000_000;

/// One IPv4 address, or one IPv6 /64: what one subscriber commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Block(IpAddr);

impl Block {
    pub(super) fn of(address: IpAddr) -> Block {
        match address.to_canonical() {
            IpAddr::V6(v6) => Block(IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)))),
            v4 @ IpAddr::V4(_) => Block(v4),
        }
    }
}

#[derive(Debug, Default)]
struct Account {
    connections: usize,
    rejected: u32,
    minute: i64,
}

/// See the head of the file.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    accounts: HashMap<Block, Account, foldhash::fast::RandomState>,
}

impl Blocks {
    /// Takes in a connection, unless the block has `most` or the table is full.
    pub(super) fn enter(&mut self, block: Block, most: usize, now: Timestamp) -> bool {
        if self.accounts.len() >= BLOCKS_MAX && !self.accounts.contains_key(&block) {
            let minute = now.0.div_euclid(MINUTE);
            self.accounts.retain(|_, account| account.connections > 0 || account.minute == minute);
            if self.accounts.len() >= BLOCKS_MAX {
                return false;
            }
        }
        let account = self.accounts.entry(block).or_default();
        let room = account.connections < most;
        account.connections += usize::from(room);
        room
    }

    /// A connection has ended.
    pub(super) fn leave(&mut self, block: Block, now: Timestamp) {
        let Some(account) = self.accounts.get_mut(&block) else { return };
        account.connections = account.connections.saturating_sub(1);
        if account.connections == 0 && account.minute != now.0.div_euclid(MINUTE) {
            self.accounts.remove(&block);
        }
    }

    /// Whether one more rejected thing of the block may be kept this minute.
    pub(super) fn may_keep(&mut self, block: Block, most: u32, now: Timestamp) -> bool {
        let account = self.accounts.entry(block).or_default();
        let minute = now.0.div_euclid(MINUTE);
        if account.minute != minute {
            (account.minute, account.rejected) = (minute, 0);
        }
        let room = account.rejected < most;
        account.rejected += u32::from(room);
        room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(text: &str) -> Block {
        Block::of(text.parse().unwrap())
    }

    #[test]
    fn a_block_is_an_ipv4_address_or_an_ipv6_64() {
        assert_eq!(block("::ffff:10.0.0.1"), block("10.0.0.1"));
        assert_ne!(block("10.0.0.1"), block("10.0.0.2"));
        assert_eq!(block("2001:db8::1"), block("2001:db8::ffff:1"));
        assert_ne!(block("2001:db8:0:1::1"), block("2001:db8::1"));
    }

    #[test]
    fn connections_and_rejected_things_are_limited_and_forgotten() {
        let (mut blocks, now) = (Blocks::default(), Timestamp(0));
        assert!(blocks.enter(block("10.0.0.1"), 2, now) && blocks.enter(block("10.0.0.1"), 2, now));
        assert!(!blocks.enter(block("10.0.0.1"), 2, now));
        blocks.leave(block("10.0.0.1"), now);
        assert!(blocks.enter(block("10.0.0.1"), 2, now));
        assert!(blocks.may_keep(block("10.0.0.1"), 1, now));
        assert!(!blocks.may_keep(block("10.0.0.1"), 1, now));
        let later = Timestamp(MINUTE);
        assert!(blocks.may_keep(block("10.0.0.1"), 1, later));
        let after = Timestamp(3 * MINUTE);
        blocks.leave(block("10.0.0.1"), after);
        blocks.leave(block("10.0.0.1"), after);
        assert!(blocks.accounts.is_empty());
    }
}
