//! How quickly bytes leave for a host: what is worth packing on a slow line is not on a quick one.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::protocol::packing::Effort;

/// Bytes a second below which content is packed quickly, and as usual: what one processor does so stays above both.
const SLOW: f64 = 40e6;
const VERY_SLOW: f64 = 10e6;

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

    /// How hard to try to send fewer bytes; not at all on a quick line.
    pub(super) fn effort(&self) -> Option<Effort> {
        let (bytes, seconds) = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if bytes < KNOWN_BYTES || bytes >= SLOW * seconds {
            return None;
        }
        Some(if bytes < VERY_SLOW * seconds { Effort::Usual } else { Effort::Quick })
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
        assert_eq!(Pace::default().effort(), None);
        assert_eq!(after(3, 100).effort(), None);
        assert_eq!(after(8, 100).effort(), Some(Effort::Usual));
        assert_eq!(after(8, 15).effort(), Some(Effort::Quick));
        assert_eq!(after(8, 2).effort(), None);
    }

    #[test]
    fn a_line_that_becomes_quicker_is_no_longer_slow() {
        let pace = after(8, 100);
        (0..100).for_each(|_| pace.note(PIECE, Duration::from_millis(1)));
        assert_eq!(pace.effort(), None);
    }
}
