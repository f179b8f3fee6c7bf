//! The remembered days of one thing: a factor, a furnace.
//!
//! What must stay true: they are in order, each once, and at most [`DAYS_KEPT`]; a newer one takes the place of the oldest.

use std::collections::VecDeque;

/// Days that are remembered: a calendar month, and the days in which its last entries and rulings come.
pub const DAYS_KEPT: usize = 35;

/// A day that knows its number.
pub(super) trait Numbered {
    /// One of which nothing is known yet.
    fn empty(number: i32) -> Self;
    /// Its number.
    fn number(&self) -> i32;
}

/// The day of that number, a new one if need be; `None`: it is older than what is remembered.
pub(super) fn entry<D: Numbered>(days: &mut VecDeque<D>, number: i32) -> Option<&mut D> {
    match days.binary_search_by_key(&number, Numbered::number) {
        Ok(at) => days.get_mut(at),
        Err(mut at) => {
            if days.len() >= DAYS_KEPT {
                if at == 0 {
                    return None;
                }
                days.pop_front();
                at -= 1;
            }
            days.insert(at, D::empty(number));
            days.get_mut(at)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Numbered for i32 {
        fn empty(number: i32) -> i32 {
            number
        }

        fn number(&self) -> i32 {
            *self
        }
    }

    #[test]
    fn days_stay_in_order_and_the_oldest_gives_way() {
        let mut days = VecDeque::new();
        let last = i32::try_from(DAYS_KEPT).unwrap_or(i32::MAX);
        for number in [2, 1].into_iter().chain(2..=last) {
            assert_eq!(entry(&mut days, number).copied(), Some(number));
        }
        assert_eq!(entry(&mut days, 0), None, "older than all");
        assert_eq!(entry(&mut days, last + 1).copied(), Some(last + 1));
        assert_eq!(days.len(), DAYS_KEPT);
        assert!(days.iter().copied().eq(2..=last + 1));
    }
}
