//! The one writer behind everything that is shown: it survives a closed pipe and makes room for live lines.

use std::{
    io::{IsTerminal, Write},
    sync::{Arc, Mutex, PoisonError},
};

use indicatif::{MultiProgress, ProgressDrawTarget};

use super::Paint;

/// Columns where nobody says how wide the screen is.
const PLAIN_COLUMNS: usize = 79;
/// Live lines redrawn per second.
const REDRAWS: u8 = 10;

/// What the screen can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Colours.
    pub colour: bool,
    /// Lines that move and vanish.
    pub live: bool,
}

impl Look {
    /// What standard output can show. `NO_COLOR`, `CI` and `TERM=dumb` make it plain, `forced` decides about colours.
    #[must_use]
    pub fn detect(forced: Option<bool>) -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let rich = std::io::stdout().is_terminal() && !set("CI") && !dumb;
        Self { colour: forced.unwrap_or(rich && !set("NO_COLOR")), live: rich && !set("NO_COLOR") }
    }

    /// Whether standard error is coloured.
    #[must_use]
    pub fn stderr_colour() -> bool {
        std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
    }
}

/// Where lines go. Clones share it.
#[derive(Clone)]
pub struct Screen {
    out: Arc<Mutex<Output>>,
    /// Where warnings go, if not among the rest.
    aside: Option<(Arc<Mutex<Output>>, Paint)>,
    live: Option<MultiProgress>,
    paint: Paint,
}

struct Output {
    to: Box<dyn Write + Send>,
    /// Nobody reads any more. The run goes on: hosts must not be left half-done because of a closed pager.
    closed: bool,
}

impl Output {
    fn write(output: &Mutex<Self>, text: &str) {
        let mut out = output.lock().unwrap_or_else(PoisonError::into_inner);
        if !out.closed {
            let written = out.to.write_all(text.as_bytes()).and_then(|()| out.to.flush());
            out.closed = written.is_err();
        }
    }
}

impl Screen {
    /// Standard output; warnings go to standard error, as Ansible's do.
    #[must_use]
    pub fn stdout(look: Look) -> Self {
        let mut screen = Self::to(std::io::stdout(), look.colour);
        let aside = Output { to: Box::new(std::io::stderr()), closed: false };
        screen.aside = Some((Arc::new(Mutex::new(aside)), Paint { colour: look.colour && Look::stderr_colour() }));
        if look.live {
            screen.live = Some(MultiProgress::with_draw_target(ProgressDrawTarget::stdout_with_hz(REDRAWS)));
        }
        screen
    }

    /// Any writer, without live lines.
    pub fn to(to: impl Write + Send + 'static, colour: bool) -> Self {
        let out = Output { to: Box::new(to), closed: false };
        Self { out: Arc::new(Mutex::new(out)), aside: None, live: None, paint: Paint { colour } }
    }

    /// How things are coloured.
    #[must_use]
    pub const fn paint(&self) -> Paint {
        self.paint
    }

    /// Where live lines are added, if the screen has any.
    #[must_use]
    pub const fn live(&self) -> Option<&MultiProgress> {
        self.live.as_ref()
    }

    /// Writes one line, or several with line feeds between.
    pub fn line(&self, text: &str) {
        self.write(&format!("{text}\n"));
    }

    /// Writes text as it is.
    pub fn write(&self, text: &str) {
        self.suspend(|| Output::write(&self.out, text));
    }

    /// Writes a warning.
    pub fn warning(&self, text: &str) {
        let (out, paint) = self.aside.as_ref().map_or((&self.out, self.paint), |(out, paint)| (out, *paint));
        self.suspend(|| Output::write(out, &format!("{}\n", paint.warning(&format!("[WARNING]: {text}")))));
    }

    /// Does something else on the terminal while no live line moves.
    pub fn suspend<T>(&self, act: impl FnOnce() -> T) -> T {
        match &self.live {
            Some(live) => live.suspend(act),
            None => act(),
        }
    }

    /// Columns for text.
    #[must_use]
    pub fn columns(&self) -> usize {
        let size = self.live.as_ref().and_then(|_| rustix::termios::tcgetwinsize(std::io::stdout()).ok());
        let columns = size.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 1);
        columns.map_or(PLAIN_COLUMNS, |columns| columns - 1)
    }
}

/// A screen for tests, whose text can be read.
#[cfg(test)]
#[derive(Clone, Default)]
pub(in crate::controller) struct Shown(Arc<Mutex<Vec<u8>>>);

#[cfg(test)]
impl Shown {
    pub(in crate::controller) fn screen() -> (Screen, Self) {
        let shown = Self::default();
        (Screen::to(shown.clone(), false), shown)
    }

    pub(in crate::controller) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[cfg(test)]
impl Write for Shown {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_pipe_ends_the_writing_and_nothing_else() {
        #[derive(Clone, Default)]
        struct Closed(Arc<Mutex<u32>>);
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                *self.0.lock().unwrap() += 1;
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let pipe = Closed::default();
        let screen = Screen::to(pipe.clone(), false);
        screen.line("one");
        screen.line("two");
        assert_eq!(*pipe.0.lock().unwrap(), 1);
    }
}
