//! `linear`: no host begins a task before every host has ended the one before.

use super::Strategy;
use crate::controller::scheduler::Position;

/// All hosts in step.
pub struct Linear;

impl Strategy for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn next(&self, ready: &[(usize, Position)], busy: &[(usize, Position)]) -> Vec<usize> {
        let Some(first) = ready.iter().chain(busy).map(|(_, position)| position).min() else { return Vec::new() };
        if busy.iter().any(|(_, position)| position < first) {
            return Vec::new();
        }
        ready.iter().filter(|(_, position)| position == first).map(|(host, _)| *host).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_ahead_wait_for_those_behind() {
        let at = |place: usize| vec![(0, 0), (place, 0)];
        assert_eq!(Linear.next(&[(0, at(1)), (1, at(0)), (2, at(1))], &[]), [1]);
        assert_eq!(Linear.next(&[(0, at(1)), (2, at(1))], &[(1, at(0))]), Vec::<usize>::new());
        assert_eq!(Linear.next(&[(0, at(1)), (2, at(1))], &[]), [0, 2]);
    }
}
