//! `free` and `host_pinned`: every host goes as fast as it can.

use super::Strategy;
use crate::controller::scheduler::Position;

/// No host waits for another.
pub struct Free;

impl Strategy for Free {
    fn name(&self) -> &'static str {
        "free"
    }

    fn next(&self, ready: &[(usize, Position)], _: &[(usize, Position)]) -> Vec<usize> {
        ready.iter().map(|(host, _)| *host).collect()
    }
}

/// As `free`; a host that has begun is not held up by hosts that have not, which the limit of forks sees to.
pub struct HostPinned;

impl Strategy for HostPinned {
    fn name(&self) -> &'static str {
        "host_pinned"
    }

    fn next(&self, ready: &[(usize, Position)], busy: &[(usize, Position)]) -> Vec<usize> {
        Free.next(ready, busy)
    }
}
