//! Colours, and text that cannot harm a terminal.

use super::args::Color;
use super::table;

/// How results are printed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    colored: bool,
}

/// What a word means.
#[derive(Clone, Copy, Debug)]
pub(super) enum Tone {
    Good,
    News,
    Trouble,
    Bad,
    Quiet,
    Strong,
}

impl Style {
    /// By `--color`, `NO_COLOR` and whether the stream is a terminal.
    #[allow(clippy::disallowed_methods, reason = "`cli` reads the environment")]
    pub(super) fn new(color: Color, terminal: bool) -> Self {
        let colored = match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            }
        };
        Self { colored }
    }

    /// Whether there are colours.
    pub(super) fn is_colored(self) -> bool {
        self.colored
    }

    /// The word in its tone.
    pub(super) fn paint(self, tone: Tone, text: &str) -> String {
        if !self.colored {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Good => "32",
            Tone::News => "36",
            Tone::Trouble => "33",
            Tone::Bad => "31",
            Tone::Quiet => "2",
            Tone::Strong => "1",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// Text from outside, on one line: control characters are shown, not obeyed.
pub(super) fn plain(text: &str) -> String {
    table::escape(text).into_owned()
}

/// At most `most` columns, with an ellipsis where it was longer.
pub(super) fn short(text: &str, most: usize) -> String {
    table::cut(text, most).into_owned()
}
