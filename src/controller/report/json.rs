//! Events as JSON lines, for machines.

use super::{Renderer, Screen};
use crate::controller::event::Event;

/// One JSON object per line; the field `event` says what happened.
pub struct JsonLines {
    screen: Screen,
}

impl JsonLines {
    /// Lines on a screen.
    #[must_use]
    pub const fn new(screen: Screen) -> Self {
        Self { screen }
    }
}

impl Renderer for JsonLines {
    fn event(&mut self, event: &Event) {
        match serde_json::to_string(event) {
            Ok(line) => self.screen.line(&line),
            Err(error) => tracing::error!(%error, ?event, "an event cannot be written as JSON"),
        }
    }

    fn finish(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::report::screen::Shown;

    #[test]
    fn every_event_is_a_line() {
        let (screen, shown) = Shown::screen();
        let mut json = JsonLines::new(screen);
        json.event(&Event::Warning { text: "two\nlines".to_owned() });
        json.event(&Event::NoHosts { name: "all".to_owned() });
        json.finish();
        assert_eq!(
            shown.text(),
            "{\"event\":\"warning\",\"text\":\"two\\nlines\"}\n{\"event\":\"no_hosts\",\"name\":\"all\"}\n"
        );
    }
}
