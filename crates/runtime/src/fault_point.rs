//! Named places at which a test can make the process end, as a crash there would.
//!
//! They lie between a transaction and what follows it. The variable `PENSTOCK_FAULT_POINT` names
//! one, `name` or `name:count` for the count-th time that it is passed; without it a point does
//! nothing.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// The variable that names a point.
const VARIABLE: &str = "PENSTOCK_FAULT_POINT";

/// The point that ends the process, and how often it is passed before.
struct Chosen {
    name: String,
    left: AtomicU32,
}

/// Passes the point `name`; the process ends here if a test said so.
pub fn pass(name: &str) {
    static CHOSEN: OnceLock<Option<Chosen>> = OnceLock::new();
    let chosen = CHOSEN.get_or_init(|| {
        let text = crate::config::variable(VARIABLE)?;
        Some(Chosen::of(&text))
    });
    if chosen.as_ref().is_some_and(|it| it.is_reached(name)) {
        tracing::error!(name, "the process ends at a point that a test named");
        std::process::abort();
    }
}

impl Chosen {
    fn of(text: &str) -> Self {
        let (name, count) = text.split_once(':').unwrap_or((text, "1"));
        let left = AtomicU32::new(count.parse().unwrap_or(1));
        Self {
            name: name.to_owned(),
            left,
        }
    }

    /// Whether this passage is the one. After it none is, however many there are.
    fn is_reached(&self, name: &str) -> bool {
        name == self.name && self.left.fetch_sub(1, Ordering::Relaxed) == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_reached_at_its_count_only() {
        let once = Chosen::of("here");
        assert!(!once.is_reached("there"));
        assert!(once.is_reached("here"));
        assert!(!once.is_reached("here"));
        let third = Chosen::of("here:3");
        assert_eq!(
            [1, 2, 3, 4].map(|_| third.is_reached("here")),
            [false, false, true, false]
        );
    }
}
