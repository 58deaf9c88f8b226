//! What an executor gets for a step that was granted, and what becomes of a step that no executor
//! gets: it is handed to whoever serves its tool, or fails here and says why.

use std::collections::{BTreeMap, HashMap};

use contracts::message::{ServedTool, StepRequested};
use contracts::pipeline::Grant;

use super::Attempts;
use crate::news;
use crate::record::from_json;
use crate::run::{Outcome, Run, StepReport};
use crate::secrets::{self, Need, Revealed};
use crate::store::{Answer, Handover};
use crate::tools::{self, Resolved};
use crate::{Error, Outside};

/// What an operation is called that a step describes itself.
const OWN_OPERATION: &str = "custom";

/// What becomes of a step that was granted.
enum Granted {
    /// The executor carries it out.
    Inside(Box<Grant>),
    /// Whoever serves its tool does.
    Outside(Box<StepRequested>),
    /// It can't have what it needs; in words.
    Refused(String),
}

impl Attempts {
    /// Grants with the secrets and tools they need. A step that can't have what it needs fails
    /// here, and one whose tool is served outside is handed over; both may grant others.
    pub(super) async fn grants(&self, answer: &mut Answer) -> Result<Vec<Grant>, Error> {
        let mut grants = Vec::new();
        while let Some(position) = answer.granted.pop() {
            match self.grant(answer, position).await? {
                Granted::Inside(grant) => grants.push(*grant),
                Granted::Outside(request) => self.hand_over(answer, position, *request).await?,
                Granted::Refused(message) => self.refuse_step(answer, position, message).await?,
            }
        }
        grants.reverse();
        Ok(grants)
    }

    async fn grant(&self, answer: &Answer, position: usize) -> Result<Granted, Error> {
        let step = &answer.run.plan.steps[position];
        let account = self.account_of(answer, step).await?;
        let need = Need {
            account: &account,
            run_id: &answer.row.id,
            step_id: &step.id,
            started_by: &answer.row.started_by,
            secrets: &step.secrets,
        };
        let secrets = match secrets::reveal(&self.registry, need).await? {
            Revealed::Values(secrets) => secrets,
            Revealed::Refused(message) => return Ok(Granted::Refused(message)),
        };
        let mut grant = Grant {
            step_id: step.id.clone(),
            r#try: answer.run.steps[position].progress.tries,
            secrets,
            tool_json: Vec::new(),
        };
        if let steps::Kind::Tool(tool) = &step.kind {
            let need = tools::Need {
                account: &account,
                run_id: &answer.row.id,
                step_id: &step.id,
                started_by: &answer.row.started_by,
                tool: &tool.tool,
                kind: tool.kind.as_deref().unwrap_or_default(),
            };
            let operation = tool.operation.as_str().unwrap_or(OWN_OPERATION);
            let of_try = (position, grant.r#try);
            match tools::resolve(&self.registry, need).await? {
                Resolved::Tool { id, json } => {
                    let run_id = &answer.row.id;
                    self.store.note_tool(run_id, of_try, &id, operation).await?;
                    grant.tool_json = json;
                }
                Resolved::Served(tool) => {
                    let run_id = &answer.row.id;
                    self.store
                        .note_tool(run_id, of_try, &tool.id, operation)
                        .await?;
                    return self.request(answer, position, &account, tool).await;
                }
                Resolved::Refused(message) => return Ok(Granted::Refused(message)),
            }
        }
        Ok(Granted::Inside(Box::new(grant)))
    }

    /// What is requested of whoever serves the step's tool, or why that can't be.
    async fn request(
        &self,
        answer: &Answer,
        position: usize,
        account: &str,
        tool: ServedTool,
    ) -> Result<Granted, Error> {
        if self.outside == Outside::Alone {
            return Ok(Granted::Refused(format!(
                "tool \"{}\" is served by an outside consumer (connector: kafka), which this \
                 installation's own bus doesn't reach: set bus.url to kafka://host:port",
                tool.name
            )));
        }
        let pipeline_name = self.store.name_of(&answer.row).await?;
        let request = news::step_requested(&answer.row, &answer.run, position);
        let request = StepRequested {
            account: account.to_owned(),
            pipeline_name,
            actor: Some(news::actor_message(&from_json(&answer.row.started_by)?)),
            ..request
        };
        let parameters: HashMap<String, String> = from_json(&answer.row.parameters)?;
        let planned = &answer.run.plan.steps[position];
        let called = tools::call(planned, &parameters, &answer.run.outputs());
        let called = called.and_then(|(operation, parameters_json)| {
            let request = StepRequested {
                tool: Some(tool),
                operation,
                parameters_json,
                ..request
            };
            // Said here, where it fails the step; later it would fail the executor's call.
            match outbox::Announcement::of(&request) {
                Ok(_) => Ok(request),
                Err(error) => Err(error.to_string()),
            }
        });
        Ok(match called {
            Ok(request) => Granted::Outside(Box::new(request)),
            Err(why) => Granted::Refused(why),
        })
    }

    async fn hand_over(
        &self,
        answer: &mut Answer,
        position: usize,
        request: StepRequested,
    ) -> Result<(), Error> {
        let (run_id, attempt) = (answer.row.id.clone(), answer.run.attempt);
        let handover = Handover { position, request };
        let mut next = self.calls.hand_over(&run_id, attempt, handover).await?;
        next.granted.append(&mut answer.granted);
        *answer = next;
        Ok(())
    }

    async fn account_of(&self, answer: &Answer, step: &steps::plan::Step) -> Result<String, Error> {
        if step.secrets.is_empty() && !matches!(step.kind, steps::Kind::Tool(_)) {
            return Ok(String::new());
        }
        self.store.account_of(&answer.row.pipeline_id).await
    }

    async fn refuse_step(
        &self,
        answer: &mut Answer,
        position: usize,
        message: String,
    ) -> Result<(), Error> {
        let failed = StepReport {
            position,
            of_try: answer.run.steps[position].progress.tries,
            outcome: Outcome::Failed,
            exit_code: None,
            message,
            outputs: BTreeMap::new(),
            ended_at_ms: answer.now_ms,
        };
        let last_seq = answer.run.last_seq;
        let attempt = answer.run.attempt;
        let reports = move |_: &Run| Ok(vec![failed.clone()]);
        let mut next = self
            .calls
            .report(&answer.row.id, attempt, reports, last_seq)
            .await?;
        next.granted.append(&mut answer.granted);
        *answer = next;
        Ok(())
    }
}
