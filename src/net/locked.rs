//! Locks that one thread's fall leaves usable.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A lock is never poisoned into uselessness: what it guards is consistent after every single step.
pub(super) fn open<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
