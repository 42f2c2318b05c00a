//! Content made smaller for the way, a piece at a time.

use std::io;

use miniz_oxide::{deflate::compress_to_vec, inflate::decompress_to_vec_with_limit};

/// How hard to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Deflate's quickest level: some 100 MB a second.
    Quick,
    /// Its usual level: some 30 MB a second.
    Usual,
}

/// In a hundred: what is not smaller than this afterwards is not worth the time on the other side.
const WORTH_PERCENT: usize = 90;

/// A piece as raw deflate; nothing where that does not pay.
#[must_use]
pub fn pack(piece: &[u8], effort: Effort) -> Option<Vec<u8>> {
    let level = match effort {
        Effort::Quick => 1,
        Effort::Usual => 6,
    };
    let packed = compress_to_vec(piece, level);
    (packed.len() < piece.len() / 100 * WORTH_PERCENT).then_some(packed)
}

/// The piece that was packed, of at most so many bytes.
///
/// # Errors
/// When it is not deflate, or larger than agreed.
pub fn unpack(packed: &[u8], most: usize) -> io::Result<Vec<u8>> {
    decompress_to_vec_with_limit(packed, most)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("a piece cannot be unpacked: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_back_whole_and_no_larger_than_agreed() {
        let piece = b"one line like the other\n".repeat(1000);
        for effort in [Effort::Quick, Effort::Usual] {
            let packed = pack(&piece, effort).unwrap();
            assert!(packed.len() < piece.len() / 10);
            assert_eq!(unpack(&packed, piece.len()).unwrap(), piece);
            assert!(unpack(&packed, piece.len() - 1).is_err());
        }
        assert!(unpack(b"no deflate", 100).is_err());
    }

    #[test]
    fn what_stays_as_large_is_left_alone() {
        // What a linear congruential generator gives has no pattern that deflate could find.
        let next =
            |state: &u64| Some(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407));
        let bytes: Vec<u8> =
            std::iter::successors(Some(1), next).map(|state| state.to_be_bytes()[0]).take(16_000).collect();
        assert!(pack(&bytes, Effort::Quick).is_none());
    }
}
