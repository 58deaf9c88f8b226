//! An executor at its stream, as a test leads it.

use contracts::scheduler::from_executor::Said;
use contracts::scheduler::to_executor::Says;
use contracts::scheduler::{
    Assignment, Attempt, Ended, FromExecutor, HandBack, Hello, Renew, ToExecutor,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::{LIMIT, Scheduler};

/// An executor whose stream is open.
pub(crate) struct Executor {
    say: mpsc::Sender<FromExecutor>,
    hear: Streaming<ToExecutor>,
}

impl Executor {
    /// Says hello.
    pub(crate) async fn hello(
        scheduler: &Scheduler,
        executor: &str,
        boot: u64,
        slots: u32,
    ) -> Result<Self, Status> {
        let (say, said) = mpsc::channel(16);
        let executor = executor.into();
        let hello = Said::Hello(Hello {
            executor,
            boot,
            slots,
        });
        say.try_send(FromExecutor { said: Some(hello) }).unwrap();
        let mut client = scheduler.client.clone();
        let hear = client.work(ReceiverStream::new(said)).await?.into_inner();
        Ok(Self { say, hear })
    }

    /// Says something. A stream that has ended hears nothing.
    pub(crate) async fn says(&self, said: Said) {
        let _ = self.say.send(FromExecutor { said: Some(said) }).await;
    }

    /// Renews its lease, with these runs and attempts in its hands.
    pub(crate) async fn renew(&self, holding: &[(String, u32)]) {
        let attempt = |(run_id, attempt): &(String, u32)| Attempt {
            run_id: run_id.clone(),
            attempt: *attempt,
        };
        let renew = Renew {
            sent_at_ns: 7,
            holding: holding.iter().map(attempt).collect(),
            draining: false,
        };
        self.says(Said::Renew(renew)).await;
    }

    /// Says that it takes no more work.
    pub(crate) async fn drains(&self) {
        let renew = Renew {
            sent_at_ns: 6,
            holding: Vec::new(),
            draining: true,
        };
        self.says(Said::Renew(renew)).await;
    }

    /// Is through with an attempt.
    pub(crate) async fn ends(&self, run_id: &str, attempt: u32, busy: bool) {
        let attempt = Some(attempt_of(run_id, attempt));
        self.says(Said::Ended(Ended {
            attempt,
            busy,
            ..Ended::default()
        }))
        .await;
    }

    /// Could not begin because of a run of another pipeline.
    pub(crate) async fn waits_for(&self, run_id: &str, pipeline_id: &str) {
        let attempt = Some(attempt_of(run_id, 1));
        self.says(Said::Ended(Ended {
            attempt,
            busy: true,
            waits_for: pipeline_id.into(),
        }))
        .await;
    }

    /// Gives a live attempt back.
    pub(crate) async fn hands_back(&self, run_id: &str, attempt: u32) {
        let attempt = Some(attempt_of(run_id, attempt));
        self.says(Said::HandBack(HandBack {
            attempt,
            lost: false,
            fault: String::new(),
        }))
        .await;
    }

    /// What it is told next; nothing once its stream has ended.
    pub(crate) async fn told(&mut self) -> Option<Says> {
        let next = tokio::time::timeout(LIMIT, self.hear.message()).await;
        let next = next.expect("it was told nothing").ok().flatten()?;
        next.says
    }

    /// The next assignment.
    pub(crate) async fn assigned(&mut self) -> Assignment {
        loop {
            let says = self.told().await.expect("its stream has ended");
            if let Says::Assignment(assignment) = says {
                return assignment;
            }
        }
    }

    /// What it is told up to the answer to a renewal, and of what that renewal brings after it.
    ///
    /// A renewal's answer comes first; whatever it leads to is told before the next answer. What it
    /// holds it may be told again, which says nothing.
    pub(crate) async fn renewed(&mut self, holding: &[(String, u32)]) -> Vec<Says> {
        self.renew(holding).await;
        self.renew(holding).await;
        let (mut answers, mut told) = (0, Vec::new());
        while answers < 2 {
            match self.told().await.expect("its stream has ended") {
                Says::Renewed(renewed) if renewed.sent_at_ns == 6 => {}
                Says::Renewed(renewed) => {
                    assert_eq!(renewed.sent_at_ns, 7);
                    answers += 1;
                }
                Says::Assignment(again) if holds(holding, &again) => {}
                says @ (Says::Assignment(_) | Says::Stop(_) | Says::Fence(_)) => told.push(says),
            }
        }
        told
    }
}

fn holds(holding: &[(String, u32)], assignment: &Assignment) -> bool {
    let is_it = |(run_id, attempt): &(String, u32)| {
        *run_id == assignment.run_id && *attempt == assignment.attempt
    };
    holding.iter().any(is_it)
}

fn attempt_of(run_id: &str, attempt: u32) -> Attempt {
    let run_id = run_id.into();
    Attempt { run_id, attempt }
}
