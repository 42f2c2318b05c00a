//! The catalog of renderers: each turns the one stream of events into something for people or machines.

pub mod ansible;
mod difference;
pub mod json;
mod paint;
pub mod releases;
#[cfg(test)]
mod samples;
mod screen;
pub mod terminal;
pub mod trace;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use paint::Paint;
#[cfg(test)]
pub(in crate::controller) use screen::Shown;
pub use screen::{Look, Screen};

use super::event::{Event, Events};

/// Shows events as they come.
pub trait Renderer: Send {
    /// Something happened.
    fn event(&mut self, event: &Event);
    /// Nothing more will happen; whatever is held back is shown. May be called twice.
    fn finish(&mut self);
}

/// The renderers by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people: plays, tasks, results, a recap
    #[default]
    Terminal,
    /// For machines: one JSON object per line and event
    Json,
    /// As Ansible's default callback writes it
    Ansible,
}

/// The renderer of a format.
#[must_use]
pub fn renderer(format: Format, screen: Screen, verbosity: u8) -> Box<dyn Renderer> {
    match format {
        Format::Terminal => Box::new(terminal::Terminal::new(screen, verbosity)),
        Format::Json => Box::new(json::JsonLines::new(screen)),
        Format::Ansible => Box::new(ansible::Ansible::new(screen, verbosity)),
    }
}

/// A renderer that the whole run can send to.
#[derive(Clone)]
pub struct Sink(Arc<Mutex<Shared>>);

struct Shared {
    renderer: Box<dyn Renderer>,
    /// What was interrupted may still speak; nobody listens any more.
    finished: bool,
}

impl Sink {
    /// Shares a renderer.
    #[must_use]
    pub fn new(renderer: Box<dyn Renderer>) -> Self {
        Self(Arc::new(Mutex::new(Shared { renderer, finished: false })))
    }

    /// Where the run sends its events.
    #[must_use]
    pub fn events(&self) -> Events {
        let sink = self.clone();
        Events::new(move |event| {
            let mut shared = sink.lock();
            if !shared.finished {
                shared.renderer.event(&event);
            }
        })
    }

    /// Shows what is held back; whatever is sent later is not shown.
    pub fn finish(&self) {
        let mut shared = self.lock();
        shared.finished = true;
        shared.renderer.finish();
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // A renderer that panicked once still shows what it can: the panic is reported by its hook.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
