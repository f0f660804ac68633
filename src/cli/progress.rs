//! The progress bar: on stderr, on a terminal, for long work.

use std::cell::RefCell;
use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::exchange::Progress;

/// Work of fewer steps shows nothing.
const LONG: u64 = 50;

/// A stack of bars, of which the innermost long one is drawn.
#[derive(Default)]
pub(super) struct Bars {
    shown: bool,
    bars: RefCell<Vec<Option<ProgressBar>>>,
}

impl Bars {
    /// Draws only when stderr is a terminal and `wanted`.
    pub(super) fn new(wanted: bool) -> Self {
        Self { shown: wanted && std::io::stderr().is_terminal(), bars: RefCell::default() }
    }
}

impl Progress for Bars {
    fn begin(&self, what: &str, total: u64) {
        let bar = (self.shown && total >= LONG).then(|| {
            let target = ProgressDrawTarget::stderr();
            let bar =
                ProgressBar::with_draw_target(Some(total), target).with_message(what.to_owned());
            let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}");
            if let Ok(style) = style {
                bar.set_style(style);
            }
            bar
        });
        self.bars.borrow_mut().push(bar);
    }

    fn step(&self) {
        if let Some(Some(bar)) = self.bars.borrow().last() {
            bar.inc(1);
        }
    }

    fn end(&self) {
        if let Some(Some(bar)) = self.bars.borrow_mut().pop() {
            bar.finish_and_clear();
        }
    }
}
