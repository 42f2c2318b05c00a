//! Where one host is in the tree of items, and where a success or a failure takes it.

use std::sync::Arc;

use crate::controller::playbook::{Block, Item, Task};

/// A place in the tree: comparing two tells which comes first.
pub type Position = Vec<(usize, u32)>;

/// How a task ended, as far as the way on depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// On to what follows.
    Passed,
    /// To `rescue`, else out of the play.
    Failed,
}

/// One host's way through a play.
#[derive(Clone, Debug, Default)]
pub struct Cursor {
    frames: Vec<Frame>,
    /// Whether the host has left the play by a failure that nothing rescued.
    failed: bool,
    /// Failures that a `rescue` has caught.
    rescued: u32,
}

#[derive(Clone, Debug)]
struct Frame {
    items: Arc<Vec<Item>>,
    at: usize,
    /// Tells apart what different hosts include at the same place.
    group: u32,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    /// A list by itself: a section of the play, or something included.
    List,
    /// One of the three parts of a block.
    Block { block: Arc<Block>, phase: Phase, failed: bool },
    /// Handlers, each of which is offered and taken only by hosts it was notified for.
    Handlers,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Body,
    Rescue,
    Always,
}

impl Cursor {
    /// A host at the beginning of some items.
    #[must_use]
    pub fn new(items: Arc<Vec<Item>>) -> Self {
        let mut cursor =
            Self { frames: vec![Frame { items, at: 0, group: 0, kind: Kind::List }], failed: false, rescued: 0 };
        cursor.settle();
        cursor
    }

    /// The task to do next; `None` at the end.
    #[must_use]
    pub fn task(&self) -> Option<&Arc<Task>> {
        let frame = self.frames.last()?;
        match frame.items.get(frame.at)? {
            Item::Task(task) => Some(task),
            Item::Block(_) => None,
        }
    }

    /// Where that task is.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.task()?;
        Some(
            self.frames
                .iter()
                .flat_map(|frame| {
                    let phase = match &frame.kind {
                        Kind::Block { phase, .. } => *phase as usize,
                        _ => 0,
                    };
                    [(phase, frame.group), (frame.at, 0)]
                })
                .collect(),
        )
    }

    /// Whether a failure has taken the host out of the play.
    #[must_use]
    pub const fn failed(&self) -> bool {
        self.failed
    }

    /// How many failures a `rescue` has caught.
    #[must_use]
    pub const fn rescued(&self) -> u32 {
        self.rescued
    }

    /// Whether a failure here would be caught.
    #[must_use]
    pub fn would_rescue(&self) -> bool {
        self.frames.iter().any(|frame| match &frame.kind {
            Kind::Block { block, phase: Phase::Body, .. } => !block.rescue.is_empty(),
            _ => false,
        })
    }

    /// Goes on behind the current task.
    pub fn advance(&mut self, ending: Ending) {
        match ending {
            Ending::Passed => {
                if let Some(frame) = self.frames.last_mut() {
                    frame.at += 1;
                }
            }
            Ending::Failed => self.fail(),
        }
        self.settle();
    }

    /// Does these items next, in place of the current task. `group` orders what hosts include differently.
    pub fn include(&mut self, items: Arc<Vec<Item>>, group: u32) {
        self.frames.push(Frame { items, at: 0, group, kind: Kind::List });
        self.settle();
    }

    /// Is offered these handlers next, in place of the current task.
    pub fn flush(&mut self, handlers: Arc<Vec<Item>>) {
        self.frames.push(Frame { items: handlers, at: 0, group: 0, kind: Kind::Handlers });
        self.settle();
    }

    /// The number of the handler that is offered here, if one is.
    #[must_use]
    pub fn offered(&self) -> Option<usize> {
        self.frames.last().filter(|frame| matches!(frame.kind, Kind::Handlers)).map(|frame| frame.at)
    }

    /// Whether the host is in a handler, or in what one has included.
    #[must_use]
    pub fn in_handlers(&self) -> bool {
        self.frames.iter().any(|frame| matches!(frame.kind, Kind::Handlers))
    }

    /// Goes to the first item of the outermost list, from the current one on, that `wanted` picks; to the end without one.
    pub fn skip_to(&mut self, wanted: impl Fn(&Item) -> bool) {
        self.frames.truncate(1);
        if let Some(frame) = self.frames.last_mut() {
            let found = frame.items.iter().skip(frame.at).position(wanted);
            frame.at = found.map_or(frame.items.len(), |offset| frame.at + offset);
        }
        self.settle();
    }

    /// Leaves the list that the current task is in (`meta: end_role` and the like), up to `keep` outer frames.
    pub fn leave(&mut self, keep: usize) {
        self.frames.truncate(keep.max(1));
        if let Some(frame) = self.frames.last_mut() {
            frame.at += 1;
        }
        self.settle();
    }

    /// Ends the play for this host without a failure.
    pub fn end(&mut self) {
        self.frames.clear();
    }

    /// Takes failures away, those of the blocks around included (`meta: clear_host_errors`).
    pub fn forgive(&mut self) {
        self.failed = false;
        for frame in &mut self.frames {
            if let Kind::Block { failed, .. } = &mut frame.kind {
                *failed = false;
            }
        }
    }

    fn fail(&mut self) {
        while let Some(frame) = self.frames.last_mut() {
            match &mut frame.kind {
                Kind::Block { block, phase: phase @ Phase::Body, failed } => {
                    *failed = true;
                    *phase = if block.rescue.is_empty() { Phase::Always } else { Phase::Rescue };
                    frame.items = if block.rescue.is_empty() { block.always.clone() } else { block.rescue.clone() };
                    frame.at = 0;
                    return;
                }
                Kind::Block { block, phase: phase @ Phase::Rescue, failed } => {
                    *failed = true;
                    *phase = Phase::Always;
                    frame.items = block.always.clone();
                    frame.at = 0;
                    return;
                }
                _ => {
                    self.frames.pop();
                }
            }
        }
        self.failed = true;
    }

    /// Goes into blocks and out of what is done, until a task is next or nothing is.
    fn settle(&mut self) {
        loop {
            let Some(frame) = self.frames.last_mut() else { return };
            match frame.items.get(frame.at) {
                Some(Item::Task(_)) => return,
                Some(Item::Block(block)) => {
                    let block = block.clone();
                    let kind = Kind::Block { block: block.clone(), phase: Phase::Body, failed: false };
                    self.frames.push(Frame { items: block.body.clone(), at: 0, group: 0, kind });
                }
                None => self.close(),
            }
        }
    }

    /// Ends the innermost list.
    fn close(&mut self) {
        let Some(frame) = self.frames.last_mut() else { return };
        match &mut frame.kind {
            Kind::Block { block, phase, failed } if *phase != Phase::Always => {
                if *phase == Phase::Rescue {
                    *failed = false;
                    self.rescued += 1;
                }
                *phase = Phase::Always;
                frame.items = block.always.clone();
                frame.at = 0;
            }
            Kind::Block { failed: true, .. } => {
                self.frames.pop();
                self.fail();
            }
            _ => {
                self.frames.pop();
                // What was included stands at the place of the task that brought it: behind it comes what follows that task.
                if let Some(outer) = self.frames.last_mut() {
                    outer.at += 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
