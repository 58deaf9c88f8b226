//! What the help teaches about whose a pipeline is, and whether it may be run.

pub(crate) const DUPLICATE: &str = "\
Example:
  penstock duplicate report report-of-the-north

The copy is yours. Its runs count from 1, and schedules stay with the original.";

pub(crate) const TRANSFER: &str = "\
Example:
  penstock transfer report eve@example.org

The earlier owner keeps what the pipeline's rules give them.";

pub(crate) const LOCK: &str = "\
Example:
  penstock lock deploy --reason 'frozen until Monday'

No run of it is accepted until it is unlocked, whoever asks for one: people, schedules, other pipelines.
A pipeline with an unfinished run is not locked: stop it, or wait for its end.";

pub(crate) const UNLOCK: &str = "\
Example:
  penstock unlock deploy";
