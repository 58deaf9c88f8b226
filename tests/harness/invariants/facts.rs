//! Everything that the checker looks at, read once.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use contracts::message::RunChanged;
use sea_orm::FromQueryResult;

use super::audit::Records;
use super::schedules::{SLOTS, Slot};
use crate::rows::{Rows, SERVICES};
use crate::topics::Told;
use crate::world::{Shape, World};

/// A run's row.
#[derive(Debug, Clone, FromQueryResult)]
pub(crate) struct Run {
    pub(crate) id: String,
    pub(crate) pipeline_id: String,
    pub(crate) run_count: i64,
    pub(crate) state: String,
    pub(crate) attempt: i64,
    pub(crate) executor: Option<String>,
    pub(crate) cause: Option<String>,
    pub(crate) started_at_ms: Option<i64>,
    pub(crate) ended_at_ms: Option<i64>,
    /// The run that started it, if one did.
    pub(crate) parent_id: Option<String>,
    /// The slot that led there, if one did.
    pub(crate) schedule_id: Option<String>,
    pub(crate) slot: Option<String>,
}

/// An attempt's row.
#[derive(Debug, Clone, FromQueryResult)]
pub(crate) struct Attempt {
    pub(crate) run_id: String,
    pub(crate) attempt: i64,
    pub(crate) executor: String,
    pub(crate) began_at_ms: i64,
    pub(crate) ended_at_ms: Option<i64>,
    pub(crate) how: Option<String>,
    pub(crate) last_seq: i64,
}

/// A pipeline's row.
#[derive(Debug, Clone, FromQueryResult)]
pub(crate) struct Pipeline {
    pub(crate) id: String,
    pub(crate) run_count: i64,
}

/// Two pipelines that must not run at the same time, since when.
#[derive(Debug, Clone, FromQueryResult)]
pub(crate) struct Conflict {
    pub(crate) pipeline_id: String,
    pub(crate) other_id: String,
    pub(crate) created_at_ms: i64,
}

#[derive(Debug, FromQueryResult)]
struct Version {
    pipeline_id: String,
    definition: String,
}

/// An origin's row.
#[derive(Debug, Clone, FromQueryResult)]
pub(crate) struct Origin {
    pub(crate) run_id: String,
}

/// A row of the queue that an executor has.
#[derive(Debug, Clone, FromQueryResult)]
pub(crate) struct Assigned {
    pub(crate) run_id: String,
    pub(crate) executor: Option<String>,
}

/// A chunk of an attempt's log.
#[derive(Debug, Clone, FromQueryResult)]
pub(crate) struct Chunk {
    pub(crate) run_id: String,
    pub(crate) attempt: i64,
    pub(crate) first_seq: i64,
    pub(crate) last_seq: i64,
    pub(crate) bytes: Vec<u8>,
}

/// What there is.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) runs: BTreeMap<String, Run>,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) pipelines: Vec<Pipeline>,
    pub(crate) conflicts: Vec<Conflict>,
    pub(crate) origins: Vec<Origin>,
    pub(crate) queue: Vec<Assigned>,
    pub(crate) chunks: Vec<Chunk>,
    pub(crate) schedule_slots: Vec<Slot>,
    pub(super) records: Records,
    /// Messages in their order, each once.
    pub(crate) told: Vec<Told>,
    /// Messages that wait to be told, by service.
    pub(crate) untold: Vec<(&'static str, i64)>,
    /// Messages that no bus would take, by service.
    pub(crate) refused: Vec<(&'static str, i64)>,
    /// Finalizers of each pipeline, over all its versions.
    pub(crate) finalizers: HashMap<String, BTreeSet<String>>,
    /// The most runs at a time that any version of a pipeline allows; 0 is no limit.
    pub(crate) places: HashMap<String, u64>,
    /// What was accepted: pipeline and count by run id.
    pub(crate) accepted: BTreeMap<String, (String, i64)>,
    /// Messages are in one order over all topics and keys.
    pub(crate) is_ordered: bool,
    pub(crate) slots: u32,
}

impl Facts {
    /// Reads everything.
    pub(super) async fn of(world: &World) -> Self {
        let mut facts = Self {
            runs: BTreeMap::new(),
            attempts: Vec::new(),
            pipelines: Vec::new(),
            conflicts: Vec::new(),
            origins: Vec::new(),
            queue: Vec::new(),
            chunks: Vec::new(),
            schedule_slots: Vec::new(),
            records: Records::default(),
            told: Vec::new(),
            untold: Vec::new(),
            refused: Vec::new(),
            finalizers: HashMap::new(),
            places: HashMap::new(),
            accepted: world.accepted(),
            is_ordered: world.shape() == Shape::Embedded,
            slots: world.settings().slot_count(),
        };
        for service in SERVICES {
            let rows = Rows::of(world, service).await;
            facts
                .untold
                .push((service, rows.number("SELECT count(*) FROM outbox").await));
            let refused = rows.number("SELECT count(*) FROM outbox_refused").await;
            facts.refused.push((service, refused));
            facts.read(service, &rows).await;
            rows.close().await;
        }
        // After the rows: whatever they announced was told before, or is still in an outbox.
        facts.told = each_once(world.bus().all(world).await);
        facts
    }

    async fn read(&mut self, service: &str, rows: &Rows) {
        match service {
            "pipeline" => self.read_pipeline(rows).await,
            "scheduler" => {
                let sql = "SELECT run_id, executor FROM queue WHERE executor IS NOT NULL";
                self.queue = rows.all(sql).await;
                self.schedule_slots = rows.all(SLOTS).await;
            }
            "audit-log" => {
                let sql = "SELECT run_id, attempt, first_seq, last_seq, bytes FROM chunk \
                           ORDER BY run_id, attempt, first_seq";
                self.chunks = rows.all(sql).await;
                self.records = Records::of(rows).await;
            }
            _ => {}
        }
    }

    async fn read_pipeline(&mut self, rows: &Rows) {
        let runs: Vec<Run> = rows
            .all(
                "SELECT id, pipeline_id, run_count, state, CAST(attempt AS BIGINT) AS attempt, \
                 executor, cause, started_at_ms, ended_at_ms, parent_id, \
                 schedule_id, slot FROM run",
            )
            .await;
        self.runs = runs.into_iter().map(|run| (run.id.clone(), run)).collect();
        self.attempts = rows
            .all(
                "SELECT run_id, CAST(attempt AS BIGINT) AS attempt, executor, began_at_ms, \
                 ended_at_ms, how, last_seq FROM attempt ORDER BY run_id, attempt",
            )
            .await;
        self.pipelines = rows.all("SELECT id, run_count FROM pipeline").await;
        self.conflicts = rows
            .all("SELECT pipeline_id, other_id, created_at_ms FROM pipeline_conflict")
            .await;
        self.origins = rows.all("SELECT run_id FROM origin").await;
        let versions: Vec<Version> = rows
            .all("SELECT pipeline_id, definition FROM version")
            .await;
        for version in versions {
            self.read_version(version);
        }
    }

    fn read_version(&mut self, version: Version) {
        let Version {
            pipeline_id,
            definition,
        } = version;
        let definition: serde_json::Value = serde_json::from_str(&definition).unwrap_or_default();
        let places = definition["concurrency"].as_u64().unwrap_or(0);
        let known = self.places.entry(pipeline_id.clone()).or_insert(places);
        *known = if *known == 0 || places == 0 {
            0
        } else {
            places.max(*known)
        };
        let steps = definition["steps"].as_array().into_iter().flatten();
        let always = steps.filter(|step| step["always"] == true);
        let ids = always.filter_map(|step| step["id"].as_str().map(str::to_owned));
        self.finalizers.entry(pipeline_id).or_default().extend(ids);
    }

    /// What is still going on.
    pub(crate) fn restless(&self) -> Vec<String> {
        let mut restless = Vec::new();
        for run in self.runs.values().filter(|run| run.ended_at_ms.is_none()) {
            restless.push(format!("I1: run {} is {} for ever", run.id, run.state));
        }
        for (service, count) in self.untold.iter().filter(|(_, count)| *count > 0) {
            restless.push(format!("{count} messages of {service} are never told"));
        }
        restless.extend(self.unheard_ends());
        restless.extend(super::log::unfinished(self));
        restless.extend(super::schedules::unfinished(self));
        restless.extend(super::audit::unfinished(self));
        restless
    }

    /// Ended runs whose end was not told yet, or not collected.
    fn unheard_ends(&self) -> Vec<String> {
        let ends = self.told.iter().filter_map(Told::decode::<RunChanged>);
        let told: HashSet<String> = ends
            .filter(|it| it.to().is_final())
            .map(|it| it.run_id)
            .collect();
        let ended = self.runs.values().filter(|run| run.ended_at_ms.is_some());
        ended
            .filter(|run| !told.contains(&run.id))
            .map(|run| format!("I2: the end of run {} is never told", run.id))
            .collect()
    }
}

/// Messages may be told more than once; the first time counts.
fn each_once(mut told: Vec<Told>) -> Vec<Told> {
    let mut seen = HashSet::new();
    told.retain(|it| seen.insert((it.topic.clone(), it.id.clone())));
    told
}
