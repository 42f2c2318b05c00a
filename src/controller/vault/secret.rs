//! A box for a value that must not be shown: nothing prints it, and it is wiped when dropped.

use zeroize::{Zeroize, Zeroizing};

/// A value that has neither `Debug` nor `Display` of its content; memory is zeroed on drop.
#[derive(Clone)]
pub struct Secret<T: Zeroize>(Zeroizing<T>);

impl<T: Zeroize> Secret<T> {
    /// Boxes a value.
    pub fn new(value: T) -> Self {
        Self(Zeroizing::new(value))
    }

    /// The value, for the one place that uses it.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> std::fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[secret]")
    }
}

impl From<&str> for Secret<Vec<u8>> {
    fn from(value: &str) -> Self {
        Self::new(value.as_bytes().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_hides_the_content() {
        let text = format!("{:?}", Some(Secret::from("hunter2")));
        assert_eq!(text, "Some([secret])");
    }
}
