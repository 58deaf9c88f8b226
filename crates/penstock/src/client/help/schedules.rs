//! What the help of the commands about schedules teaches.

pub(crate) const SCHEDULE: &str = "\
Examples:
  penstock schedule add nightly --cron \"30 4 * * MON-FRI\" --zone Europe/Bratislava
  penstock schedule list
  penstock schedule slots 7                why it fired, was late or was skipped

docs/schedules.md says how slots, daylight saving, overlaps and outages go together.";

pub(crate) const ADD: &str = "\
Examples:
  penstock schedule add nightly --cron \"30 4 * * *\" --zone Europe/Bratislava
  penstock schedule add sync --every \"15 minutes\" --first 2030-01-01T00:00:00Z --overlap queue
  penstock schedule add report --every \"1 month\" --first 2030-01-31T06:00:00+01:00 --zone Europe/Bratislava
  penstock schedule add switch-over --at 2030-06-01T03:00:00Z
  penstock schedule add publish --after nightly --after sync

Its runs are started for you, with the rights that you have when they start.";

pub(crate) const LIST: &str = "\
Examples:
  penstock schedule list
  penstock schedule list nightly -o json | jq -r '.[].next'";

pub(crate) const SHOW: &str = "\
Examples:
  penstock schedule show 7
  penstock schedule show 7 -o json | jq .latestSlot";

pub(crate) const PAUSE: &str = "\
Example:
  penstock schedule pause 7 -m \"the shop moves until Monday\"

What is due meanwhile is skipped; `penstock schedule slots` says so.";

pub(crate) const RESUME: &str = "\
Example:
  penstock schedule resume 7";

pub(crate) const PREVIEW: &str = "\
Examples:
  penstock schedule preview 7 --count 3
  penstock schedule preview --cron \"30 2 * * *\" --zone Europe/Bratislava --gap skip --count 400";

pub(crate) const SLOTS: &str = "\
Examples:
  penstock schedule slots 7
  penstock schedule slots 7 --limit 1000 -o json | jq '.[] | select(.state == \"skipped\")'";

pub(crate) const DELETE: &str = "\
Example:
  penstock schedule delete 7";
