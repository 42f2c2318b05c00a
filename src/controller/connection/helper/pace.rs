//! How quickly bytes leave for a host: what is worth packing on a slow line is not on a quick one.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// Bytes a second below which content is packed: about what one processor packs.
const SLOW: f64 = 40e6;

/// Bytes that must have left before anything can be said: a connection swallows the first ones at once.
const KNOWN_BYTES: f64 = 1e6;

/// Bytes over which the pace is taken; those before count less and less.
const SPAN_BYTES: f64 = 4e6;

/// Bytes and the seconds they took.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<(f64, f64)>);

impl Pace {
    /// So many bytes have been taken in so much time.
    #[expect(clippy::cast_precision_loss, reason = "a pace need not be exact")]
    pub(super) fn note(&self, bytes: usize, took: Duration) {
        let mut sums = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sums.0 += bytes as f64;
        sums.1 += took.as_secs_f64();
        if sums.0 > SPAN_BYTES {
            *sums = (sums.0 / 2.0, sums.1 / 2.0);
        }
    }

    /// Whether fewer bytes would be quicker.
    pub(super) fn is_slow(&self) -> bool {
        let (bytes, seconds) = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        bytes >= KNOWN_BYTES && bytes < SLOW * seconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECE: usize = 256 << 10;

    fn after(pieces: u32, milliseconds: u64) -> Pace {
        let pace = Pace::default();
        (0..pieces).for_each(|_| pace.note(PIECE, Duration::from_millis(milliseconds)));
        pace
    }

    #[test]
    fn a_line_is_slow_once_enough_has_left_slowly() {
        assert!(!Pace::default().is_slow());
        assert!(!after(3, 100).is_slow());
        assert!(after(8, 100).is_slow());
        assert!(!after(8, 2).is_slow());
    }

    #[test]
    fn a_line_that_becomes_quicker_is_no_longer_slow() {
        let pace = after(8, 100);
        (0..100).for_each(|_| pace.note(PIECE, Duration::from_millis(1)));
        assert!(!pace.is_slow());
    }
}
