//! The course a step's processes take, from running to killed: what is due, and when. Pure: the
//! caller supplies the time, in nanoseconds of the monotonic clock.

use std::time::Duration;

use crate::message::Order;

/// The pause after the first round of killing; it doubles with each.
const FIRST_PAUSE_NS: u64 = 1_000_000;
/// The longest pause between two rounds of killing.
const LAST_PAUSE_NS: u64 = 64_000_000;

/// The part of a lease that grace may take at its end. A step must outlive an outage that is shorter
/// than the lease, so this is little: most renewals that come late still come in time.
pub const LAST_PART: u32 = 20;

/// What is due now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// Nothing, before this time.
    Nothing(u64),
    /// Ask all processes to end.
    Terminate,
    /// Kill the main process and its group, which is one call that no fork escapes.
    KillGroup,
    /// Kill all processes that there are.
    KillAll,
}

/// Where a step's processes stand between start and end.
#[derive(Debug)]
pub(crate) struct Course {
    grace_ns: u64,
    deadline: u64,
    /// When TERM is due for KILL to be possible at the deadline.
    term_at: u64,
    main_runs: bool,
    phase: Phase,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    Running,
    Ending { kill_at: u64, is_told: bool },
    Killing { round_at: u64, pause: u64 },
}

impl Course {
    pub(crate) fn new(grace: Duration, deadline: u64, now: u64) -> Self {
        let grace_ns = u64::try_from(grace.as_nanos()).unwrap_or(u64::MAX);
        let mut course = Self {
            grace_ns,
            deadline,
            term_at: deadline,
            main_runs: true,
            phase: Phase::Running,
        };
        course.move_deadline(deadline, now);
        course
    }

    /// Takes in an order of the executor. What has begun to end can't be called back.
    pub(crate) fn obey(&mut self, order: Order, now: u64) {
        match (order, self.phase) {
            (Order::Deadline(deadline), _) => self.move_deadline(deadline, now),
            (Order::Term, Phase::Running) => {
                let kill_at = now.saturating_add(self.grace_ns);
                self.phase = Phase::Ending {
                    kill_at,
                    is_told: false,
                };
            }
            (Order::Kill, _) => self.kill(now),
            (Order::Term, Phase::Ending { .. } | Phase::Killing { .. }) => {}
        }
    }

    /// Takes in that the main process has ended. The rest is killed, unless it has grace.
    pub(crate) fn main_ended(&mut self, now: u64) {
        self.main_runs = false;
        match self.phase {
            Phase::Running => self.kill(now),
            Phase::Ending { .. } | Phase::Killing { .. } => {}
        }
    }

    /// Takes in that the executor is gone.
    pub(crate) fn executor_gone(&mut self, now: u64) {
        self.kill(now);
    }

    /// What is due at `now`; asked again until it answers [`Due::Nothing`].
    pub(crate) fn due(&mut self, now: u64) -> Due {
        match self.phase {
            Phase::Running if now >= self.deadline => self.begin_to_kill(now),
            Phase::Running if now >= self.term_at => {
                self.phase = Phase::Ending {
                    kill_at: self.deadline,
                    is_told: true,
                };
                Due::Terminate
            }
            Phase::Running => Due::Nothing(self.term_at),
            Phase::Ending { kill_at, .. } if now >= kill_at.min(self.deadline) => {
                self.begin_to_kill(now)
            }
            Phase::Ending {
                kill_at,
                is_told: false,
            } => {
                self.phase = Phase::Ending {
                    kill_at,
                    is_told: true,
                };
                Due::Terminate
            }
            Phase::Ending { kill_at, .. } => Due::Nothing(kill_at.min(self.deadline)),
            Phase::Killing { round_at, .. } if now < round_at => Due::Nothing(round_at),
            Phase::Killing { pause, .. } => self.killing_round(now, pause),
        }
    }

    fn move_deadline(&mut self, deadline: u64, now: u64) {
        let left = deadline.saturating_sub(now);
        self.deadline = deadline;
        self.term_at = deadline - self.grace_ns.min(left / u64::from(LAST_PART));
    }

    fn kill(&mut self, now: u64) {
        match self.phase {
            Phase::Running | Phase::Ending { .. } => {
                self.phase = Phase::Killing {
                    round_at: now,
                    pause: 0,
                };
            }
            Phase::Killing { .. } => {}
        }
    }

    fn begin_to_kill(&mut self, now: u64) -> Due {
        self.kill(now);
        self.killing_round(now, 0)
    }

    fn killing_round(&mut self, now: u64, pause: u64) -> Due {
        let next = (pause * 2).clamp(FIRST_PAUSE_NS, LAST_PAUSE_NS);
        self.phase = Phase::Killing {
            round_at: now.saturating_add(next),
            pause: next,
        };
        // Mostly the main process and its group are all there is, and no search is needed.
        if pause == 0 && self.main_runs {
            Due::KillGroup
        } else {
            Due::KillAll
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn course(grace_ms: u64, deadline_ms: u64) -> Course {
        Course::new(Duration::from_millis(grace_ms), deadline_ms * MS, 0)
    }

    #[test]
    fn grace_and_kill_fit_inside_the_deadline() {
        let mut course = course(100, 1000);
        assert_eq!(course.due(0), Due::Nothing(950 * MS));
        assert_eq!(course.due(950 * MS), Due::Terminate);
        assert_eq!(course.due(951 * MS), Due::Nothing(1000 * MS));
        assert_eq!(course.due(1000 * MS), Due::KillGroup);
    }

    #[test]
    fn a_short_grace_is_left_whole_and_a_long_one_takes_little_of_the_lease() {
        assert_eq!(course(10, 1000).due(0), Due::Nothing(990 * MS));
        let mut course = course(10_000, 1000);
        assert_eq!(course.due(0), Due::Nothing(950 * MS));
        course.obey(Order::Deadline(1400 * MS), 400 * MS);
        assert_eq!(course.due(500 * MS), Due::Nothing(1350 * MS));
    }

    #[test]
    fn a_renewal_moves_the_deadline_until_the_end_has_begun() {
        let mut course = course(100, 1000);
        course.obey(Order::Deadline(2000 * MS), 800 * MS);
        assert_eq!(course.due(900 * MS), Due::Nothing(1940 * MS));
        assert_eq!(course.due(1940 * MS), Due::Terminate);
        course.obey(Order::Deadline(9000 * MS), 1950 * MS);
        assert_eq!(course.due(1999 * MS), Due::Nothing(2000 * MS));
        assert_eq!(course.due(2000 * MS), Due::KillGroup);
    }

    #[test]
    fn term_is_told_once_and_killed_after_its_grace() {
        let mut course = course(100, 5000);
        course.obey(Order::Term, 10 * MS);
        assert_eq!(course.due(10 * MS), Due::Terminate);
        course.obey(Order::Term, 50 * MS);
        assert_eq!(course.due(50 * MS), Due::Nothing(110 * MS));
        assert_eq!(course.due(110 * MS), Due::KillGroup);
    }

    #[test]
    fn a_deadline_cuts_the_grace_short() {
        let mut course = course(100, 250);
        course.obey(Order::Term, 140 * MS);
        course.obey(Order::Deadline(200 * MS), 145 * MS);
        assert_eq!(course.due(150 * MS), Due::Terminate);
        assert_eq!(course.due(160 * MS), Due::Nothing(200 * MS));
        assert_eq!(course.due(200 * MS), Due::KillGroup);
    }

    #[test]
    fn the_end_of_the_main_process_ends_all_others() {
        let mut course = course(100, 5000);
        course.main_ended(10 * MS);
        assert_eq!(course.due(10 * MS), Due::KillAll);
    }

    #[test]
    fn others_keep_their_grace_when_the_main_process_obeys_at_once() {
        let mut course = course(100, 5000);
        course.obey(Order::Term, 0);
        assert_eq!(course.due(0), Due::Terminate);
        course.main_ended(MS);
        assert_eq!(course.due(MS), Due::Nothing(100 * MS));
        assert_eq!(course.due(100 * MS), Due::KillAll);
    }

    #[test]
    fn kill_and_a_lost_executor_leave_no_grace() {
        for lost in [false, true] {
            let mut course = course(100, 5000);
            course.obey(Order::Term, 0);
            if lost {
                course.executor_gone(0);
            } else {
                course.obey(Order::Kill, 0);
            }
            assert_eq!(course.due(0), Due::KillGroup);
        }
    }

    #[test]
    fn rounds_of_killing_never_end_and_grow_rarer() {
        let mut course = course(100, 5000);
        course.obey(Order::Kill, 0);
        assert_eq!(course.due(0), Due::KillGroup);
        let mut now = 0;
        for pause_ms in [1, 2, 4, 8, 16, 32, 64, 64] {
            assert_eq!(course.due(now), Due::Nothing(now + pause_ms * MS));
            now += pause_ms * MS;
            course.obey(Order::Kill, now);
            assert_eq!(course.due(now), Due::KillAll);
        }
    }

    #[test]
    fn a_deadline_that_has_passed_kills_at_once() {
        let mut course = Course::new(Duration::from_secs(1), 5, 10);
        assert_eq!(course.due(10), Due::KillGroup);
    }
}
