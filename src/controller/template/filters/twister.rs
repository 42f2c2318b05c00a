//! Python's seeded generator (MT19937), so that a seeded choice falls as it does there.

use minijinja::Value;
use minijinja::value::ValueKind;
use sha2::{Digest, Sha512};

use super::super::emit::python;

const SIZE: usize = 624;
const SHIFT: usize = 397;

/// Python's `random.Random`, or the system's randomness.
#[derive(Debug)]
pub enum Random {
    /// From a seed.
    Seeded(Box<Twister>),
    /// From the system.
    System,
}

/// The state of the generator.
#[derive(Debug)]
pub struct Twister {
    words: [u32; SIZE],
    next: usize,
}

impl Random {
    /// Seeded as `random.Random(seed)`; without a seed, from the system.
    pub fn new(seed: Option<&Value>) -> Self {
        seed.map_or(Self::System, |seed| Self::Seeded(Box::new(Twister::new(&seed_words(seed)))))
    }

    /// A whole number from zero to below `limit`, which must not be zero.
    pub fn below(&mut self, limit: u128) -> u128 {
        let bits = u128::BITS - limit.leading_zeros();
        loop {
            let number = self.bits(bits);
            if number < limit {
                return number;
            }
        }
    }

    fn bits(&mut self, bits: u32) -> u128 {
        let (mut number, mut have) = (0_u128, 0);
        while have < bits {
            let wanted = (bits - have).min(32);
            number |= u128::from(self.word() >> (32 - wanted)) << have;
            have += wanted;
        }
        number
    }

    fn word(&mut self) -> u32 {
        match self {
            Self::Seeded(twister) => twister.word(),
            Self::System => rand::random(),
        }
    }

    /// Shuffles in place.
    pub fn shuffle(&mut self, list: &mut [Value]) {
        for index in (1..list.len()).rev() {
            let other = self.below(index as u128 + 1);
            list.swap(index, usize::try_from(other).unwrap_or(0));
        }
    }
}

/// The seed as 32-bit words, lowest first: numbers by their size, strings with their SHA-512 behind them.
fn seed_words(seed: &Value) -> Vec<u32> {
    let bytes: Vec<u8> = match seed.kind() {
        ValueKind::Bool => vec![u8::from(seed.is_true())],
        ValueKind::Number if seed.is_integer() => {
            i128::try_from(seed.clone()).unwrap_or(0).unsigned_abs().to_be_bytes().to_vec()
        }
        _ => {
            let text = python::text(seed);
            let digest = Sha512::digest(text.as_bytes());
            [text.as_bytes(), digest.as_slice()].concat()
        }
    };
    let mut words: Vec<u32> =
        bytes.rchunks(4).map(|chunk| chunk.iter().fold(0, |word, byte| (word << 8) | u32::from(*byte))).collect();
    while words.len() > 1 && words.last() == Some(&0) {
        words.pop();
    }
    words
}

impl Twister {
    fn new(key: &[u32]) -> Self {
        let mut words = [0_u32; SIZE];
        words[0] = 19_650_218;
        for index in 1..SIZE {
            let last = words[index - 1];
            words[index] = 1_812_433_253_u32.wrapping_mul(last ^ (last >> 30)).wrapping_add(low(index));
        }
        let (mut at, mut from) = (1, 0);
        for _ in 0..SIZE.max(key.len()) {
            let last = words[at - 1];
            words[at] = (words[at] ^ (last ^ (last >> 30)).wrapping_mul(1_664_525))
                .wrapping_add(key[from])
                .wrapping_add(low(from));
            at += 1;
            from = (from + 1) % key.len();
            if at == SIZE {
                words[0] = words[SIZE - 1];
                at = 1;
            }
        }
        for _ in 1..SIZE {
            let last = words[at - 1];
            words[at] = (words[at] ^ (last ^ (last >> 30)).wrapping_mul(1_566_083_941)).wrapping_sub(low(at));
            at += 1;
            if at == SIZE {
                words[0] = words[SIZE - 1];
                at = 1;
            }
        }
        words[0] = 0x8000_0000;
        Self { words, next: SIZE }
    }

    fn word(&mut self) -> u32 {
        if self.next == SIZE {
            for index in 0..SIZE {
                let mixed = (self.words[index] & 0x8000_0000) | (self.words[(index + 1) % SIZE] & 0x7fff_ffff);
                let odd = if mixed & 1 == 1 { 0x9908_b0df } else { 0 };
                self.words[index] = self.words[(index + SHIFT) % SIZE] ^ (mixed >> 1) ^ odd;
            }
            self.next = 0;
        }
        let mut word = self.words[self.next];
        self.next += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c_5680;
        word ^= (word << 15) & 0xefc6_0000;
        word ^ (word >> 18)
    }
}

/// An index as a word; all are below 2^32.
fn low(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn falls_as_in_python() {
        let table = [
            (Value::from("host1"), [31, 15, 57, 11, 45]),
            (Value::from(5), [39, 16, 47, 22, 50]),
            (Value::from("a".repeat(30)), [34, 41, 30, 12, 41]),
        ];
        for (seed, expected) in table {
            let mut random = Random::new(Some(&seed));
            assert_eq!(expected.map(|_| random.below(60)), expected, "{seed}");
        }
        let mut list: Vec<Value> = (0..8).map(Value::from).collect();
        Random::new(Some(&Value::from("host1"))).shuffle(&mut list);
        assert_eq!(python::repr(&Value::from(list)), "[0, 2, 4, 3, 5, 6, 1, 7]");
    }
}
