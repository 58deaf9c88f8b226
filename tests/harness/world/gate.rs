//! A gate that a step waits at, so that a story says when the step goes on and no clock does.

use std::path::PathBuf;

use super::World;

/// Closed until [`Gate::open`].
#[derive(Debug)]
pub struct Gate {
    path: PathBuf,
}

impl World {
    /// A new gate, closed.
    pub fn gate(&self) -> Gate {
        Gate {
            path: self.dir().join(self.name("gate")),
        }
    }
}

impl Gate {
    /// Shell text that goes on once the gate is open.
    pub fn pass(&self) -> String {
        let path = self.path.display();
        format!("until test -e {path}; do sleep 0.02; done")
    }

    /// Lets pass whoever waits or comes.
    pub fn open(&self) {
        std::fs::write(&self.path, "").expect("a gate is a file in the world's folder");
    }
}
