//! The catalog of renderers: each turns the one stream of events into something for people or machines.

pub mod json;
mod paint;
mod screen;
pub mod terminal;

use std::sync::{Arc, Mutex, PoisonError};

pub use paint::Paint;
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
}

/// The renderer of a format.
#[must_use]
pub fn renderer(format: Format, screen: Screen, verbosity: u8) -> Box<dyn Renderer> {
    match format {
        Format::Terminal => Box::new(terminal::Terminal::new(screen, verbosity)),
        Format::Json => Box::new(json::JsonLines::new(screen)),
    }
}

/// A renderer that the whole run can send to.
#[derive(Clone)]
pub struct Report(Arc<Mutex<Box<dyn Renderer>>>);

impl Report {
    /// Shares a renderer.
    #[must_use]
    pub fn new(renderer: Box<dyn Renderer>) -> Self {
        Self(Arc::new(Mutex::new(renderer)))
    }

    /// Where the run sends its events.
    #[must_use]
    pub fn events(&self) -> Events {
        let shared = self.clone();
        Events::new(move |event| shared.with(|renderer| renderer.event(&event)))
    }

    /// Shows what is held back.
    pub fn finish(&self) {
        self.with(|renderer| renderer.finish());
    }

    fn with(&self, act: impl FnOnce(&mut dyn Renderer)) {
        // A renderer that panicked once still shows what it can: the panic is reported by its hook.
        act(self.0.lock().unwrap_or_else(PoisonError::into_inner).as_mut());
    }
}
