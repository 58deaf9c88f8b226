//! An attempt of a run: one task from its assignment to its end.
//!
//! It begins the attempt at `pipeline`, starts what is granted, reports what has ended, and does as
//! it is told. What to do when is decided by [`state`], calls are made by [`calls`], what runs is kept
//! by [`tries`]; this is what carries it out.
//!
//! **Invariants:** nothing is reported once the lease has lapsed. No entry that a report counts is
//! lost with this process (I9).

mod calls;
mod convert;
pub(crate) mod state;
mod tries;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use contracts::pipeline::begin_attempt_response::Verdict;
use contracts::pipeline::{BeginAttemptResponse, ReportRequest, ReportResponse, StepReport};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::watch;
use tokio::time::Instant;

pub(crate) use self::convert::stop as stop_of;
use self::state::{Answer, Deed, End, Fate, Heard, State, Stop, Try};
use self::tries::Tries;
use crate::kit::Kit;
use crate::log::{Journal, Origin};
use crate::shift::{Key, Orders, Parting};
use crate::step::{Done, Facts, StepTry, Told};
use crate::workspace::Workspace;

/// How long an attempt in which nothing happens waits before it asks whether it is over.
const IDLE: Duration = Duration::from_secs(5);

/// Carries out an attempt that was assigned at `since`, and says how we part with it.
pub(crate) async fn carry_out(
    kit: Arc<Kit>,
    key: Key,
    traceparent: Option<String>,
    mut orders: watch::Receiver<Orders>,
) -> Parting {
    let since = Instant::now();
    let begun = tokio::select! {
        begun = calls::begin(&kit, &key) => match begun {
            Ok(begun) => begun,
            Err(fault) => return Parting::Unable(fault),
        },
        parting = fated(&mut orders) => return parting,
    };
    match begun.verdict() {
        Verdict::Busy => Parting::Busy(Some(begun.waits_for).filter(|it| !it.is_empty())),
        Verdict::Over | Verdict::Unspecified => Parting::Over,
        Verdict::Begun => match Attempt::new(kit, key, traceparent, orders, &begun) {
            Ok(attempt) => attempt.run(begun, since).await,
            Err(fault) => {
                tracing::error!("an attempt can't be carried out: {fault}");
                Parting::Unable(fault.to_string())
            }
        },
    }
}

/// Waits until the attempt isn't ours any more.
async fn fated(orders: &mut watch::Receiver<Orders>) -> Parting {
    match orders
        .wait_for(|orders| orders.fate != Fate::Own)
        .await
        .map(|orders| orders.fate)
    {
        Ok(Fate::HandedBack) => Parting::HandedBack,
        Ok(Fate::Own | Fate::Forgotten) | Err(_) => Parting::Unbegun,
    }
}

struct Attempt {
    kit: Arc<Kit>,
    key: Key,
    facts: Arc<Facts>,
    state: State,
    orders: watch::Receiver<Orders>,
    journal: Arc<Journal>,
    workspace: Arc<Workspace>,
    tries: Tries,
    outputs: Arc<HashMap<String, String>>,
    /// What the next report says.
    ended: Vec<StepReport>,
    report: Option<BoxFuture<'static, Option<ReportResponse>>>,
    wake_at: Option<Instant>,
}

impl Attempt {
    fn new(
        kit: Arc<Kit>,
        key: Key,
        traceparent: Option<String>,
        orders: watch::Receiver<Orders>,
        begun: &BeginAttemptResponse,
    ) -> Result<Self, crate::workspace::Fault> {
        let facts = Arc::new(Facts::of(&key, traceparent, begun));
        let origin = Origin {
            run_id: key.run_id.clone(),
            pipeline_id: begun.pipeline_id.clone(),
            attempt: key.attempt,
            traceparent: facts.traceparent.clone(),
        };
        let turn = begun.workspace_base + key.attempt;
        let workspace = kit.workspaces.of(workspace_id(&key, begun), turn)?;
        Ok(Self {
            state: State::new(facts.finalizers(), kit.parallel_steps),
            journal: Journal::open(&kit.logs, origin),
            workspace: Arc::new(workspace),
            kit,
            key,
            facts,
            orders,
            tries: Tries::default(),
            outputs: Arc::new(begun.outputs.clone()),
            ended: Vec::new(),
            report: None,
            wake_at: None,
        })
    }

    async fn run(mut self, begun: BeginAttemptResponse, since: Instant) -> Parting {
        // What was ordered while it began has been seen by then, and is no change any more.
        let begun = self.begun(begun, since);
        let mut heard = vec![begun, self.ordered(true)];
        loop {
            for heard in heard {
                for deed in self.state.hear(heard) {
                    if let Some(end) = self.perform(deed) {
                        return self.part(end);
                    }
                }
            }
            heard = self.next().await;
        }
    }

    /// Waits for something to happen.
    async fn next(&mut self) -> Vec<Heard> {
        let idle = self.state.is_idle().then(|| Instant::now() + IDLE);
        let wake_at = self.wake_at.or(idle);
        tokio::select! {
            biased;
            changed = self.orders.changed() => vec![self.ordered(changed.is_ok())],
            Some(done) = self.tries.ended() => self.finished(done),
            answer = answered(&mut self.report) => vec![self.answered(answer)],
            () = until(wake_at) => {
                self.wake_at = None;
                vec![Heard::Due]
            }
        }
    }

    fn ordered(&mut self, is_held: bool) -> Heard {
        let Orders { stop, fate } = *self.orders.borrow_and_update();
        Heard::Ordered(stop, if is_held { fate } else { Fate::Forgotten })
    }

    fn begun(&mut self, begun: BeginAttemptResponse, since: Instant) -> Heard {
        self.wake(begun.wake_after_ms);
        let stop = convert::stop(begun.stop);
        let granted = self.tries.grant(begun.grants, since);
        Heard::Answer(Answer {
            granted,
            stop,
            end: None,
        })
    }

    fn answered(&mut self, answer: Option<ReportResponse>) -> Heard {
        self.report = None;
        let Some(answer) = answer else {
            return Heard::Answer(Answer {
                end: Some(End::Lost),
                ..Answer::default()
            });
        };
        self.wake(answer.wake_after_ms);
        let (stop, end) = (convert::stop(answer.stop), convert::end(&answer));
        let granted = self.tries.grant(answer.grants, Instant::now());
        Heard::Answer(Answer { granted, stop, end })
    }

    fn wake(&mut self, after_ms: u32) {
        let after = Duration::from_millis(after_ms.into());
        self.wake_at = (after_ms > 0).then(|| Instant::now() + after);
    }

    fn finished(&mut self, done: Result<Done, tokio::task::JoinError>) -> Vec<Heard> {
        let Ok(Done { of, report, is_cut }) = done else {
            return vec![Heard::Broken];
        };
        runtime::fault_point::pass("step.ended");
        if !self.kit.lease.is_live() {
            // It may have ended because of that, and whatever it says comes too late.
            return vec![
                Heard::Ordered(Stop::None, Fate::Forgotten),
                Heard::Finished(of),
            ];
        }
        if is_cut {
            return vec![Heard::Cut(of)];
        }
        if !report.outputs.is_empty() {
            let outputs = Arc::make_mut(&mut self.outputs);
            let named = report.outputs.iter();
            outputs.extend(named.map(|(key, value)| (format!("{}.{key}", of.step), value.clone())));
        }
        self.ended.push(report);
        vec![Heard::Finished(of)]
    }

    fn perform(&mut self, deed: Deed) -> Option<End> {
        match deed {
            Deed::Start(one) => self.start(one),
            Deed::Skip(one) => {
                let skipped = self.tries.skip(one);
                self.ended.push(skipped);
            }
            Deed::Leave(one) => self.tries.tell(&one, Told::Leave),
            Deed::Term(one) => self.tries.tell(&one, Told::Term),
            Deed::Drop(one) => self.tries.tell(&one, Told::Drop),
            Deed::Kill(one) => self.tries.tell(&one, Told::Kill),
            Deed::Report => self.report(),
            Deed::End(end) => return Some(end),
        }
        None
    }

    fn start(&mut self, one: Try) {
        let granted = self.tries.take(&one);
        self.journal.hide(granted.secrets.values());
        self.tries.start(StepTry {
            kit: self.kit.clone(),
            facts: self.facts.clone(),
            workspace: self.workspace.clone(),
            journal: self.journal.clone(),
            outputs: self.outputs.clone(),
            of: one,
            secrets: granted.secrets,
            tool: granted.tool,
            since: granted.since,
        });
    }

    fn report(&mut self) {
        let request = ReportRequest {
            run_id: self.key.run_id.clone(),
            attempt: self.key.attempt,
            steps: std::mem::take(&mut self.ended),
            last_seq: self.journal.last_seq(),
        };
        let (kit, journal) = (self.kit.clone(), self.journal.clone());
        let report = async move {
            journal.secure().await;
            calls::report(kit, request).await
        };
        self.report = Some(report.boxed());
    }

    fn part(self, end: End) -> Parting {
        match end {
            End::Over {
                run_ended,
                workspace_kept,
            } => {
                if run_ended {
                    self.clean_up(workspace_kept);
                }
                Parting::Over
            }
            End::Refused => Parting::Over,
            End::HandedBack => Parting::HandedBack,
            End::Lost => Parting::Lost,
            End::Forgotten => Parting::Forgotten,
        }
    }

    /// Removes what the run has here, but for a workspace that is kept. Nobody waits for it, and
    /// the sweep does what it can't.
    fn clean_up(self, workspace_kept: bool) {
        self.kit.logs.forget(&self.key.run_id);
        let kit = self.kit.clone();
        self.kit.tasks.spawn(async move {
            if workspace_kept && kit.workspaces.has_room() {
                return;
            }
            if let Err(error) = kit.workspaces.remove(self.workspace.id()).await {
                tracing::warn!(run.id = self.key.run_id, "{error}");
            }
        });
    }
}

/// The run whose workspace an attempt works in: its own, unless it goes on from another.
fn workspace_id<'a>(key: &'a Key, begun: &'a BeginAttemptResponse) -> &'a str {
    match begun.workspace_id.as_str() {
        "" => &key.run_id,
        named => named,
    }
}

async fn answered(
    report: &mut Option<BoxFuture<'static, Option<ReportResponse>>>,
) -> Option<ReportResponse> {
    match report {
        Some(report) => report.await,
        None => std::future::pending().await,
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
