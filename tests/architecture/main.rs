//! What the workspace must look like, whatever it does: who may depend on whom, that the README's
//! tree is the real one, and what no file may hold.

mod dependencies;
mod files;
mod tree;
