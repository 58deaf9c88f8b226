//! What is told of a line of a run's life, as the contract words it. Pure.

use contracts::audit::Entry;
use contracts::message::EndCause;
use contracts::pipeline::Run;
use serde::Serialize;

/// What kind of event it is. `DPU_DEBUG` and `DPU_TERMINATION_REQUEST` are never told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Kind {
    DpuInfo,
    DpuWarning,
    PipelineError,
    PipelineInfo,
}

/// An event, but for its id and time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) kind: Kind,
    pub(super) short: String,
    pub(super) full: String,
    /// It names its step.
    pub(super) is_of_step: bool,
}

impl Told {
    pub(super) fn of_run(kind: Kind, short: String, full: String) -> Self {
        Self {
            kind,
            short,
            full,
            is_of_step: false,
        }
    }

    fn of_step(kind: Kind, short: String, full: String) -> Self {
        Self {
            is_of_step: true,
            ..Self::of_run(kind, short, full)
        }
    }
}

/// Why a run failed whose plan has no enabled step, as `pipeline` says it.
const NOTHING_TO_DO: &str = "the pipeline has no enabled step";

/// How the line of a beginning ends if pipelines in conflict kept the run from it, as `audit-log`
/// writes it.
const WAITED: &str = ", after pipelines that it is in conflict with";

/// Whether a run waits, or had to wait, for pipelines that must not run at the same time.
pub(super) fn waits(run: &Run, lines: &[Entry]) -> bool {
    let is_beginning = |it: &&Entry| it.kind == "attempt.began";
    let text = |it: &Entry| {
        it.entry
            .as_ref()
            .map_or(String::new(), |it| it.message.clone())
    };
    let mut beginnings = lines.iter().filter(is_beginning);
    run.blocked_by.is_some() || beginnings.any(|it| text(it).ends_with(WAITED))
}

/// What is told of a line; `instance` is the id of the step that it is about.
pub(super) fn of(run: &Run, line: &Entry, instance: Option<i64>) -> Vec<Told> {
    let text = line.entry.as_ref().map_or("", |it| it.message.as_str());
    let attempt = line.entry.as_ref().map_or(0, |_| line.attempt);
    let instance = instance.unwrap_or_default();
    let info = |short: String, full: String| vec![Told::of_run(Kind::PipelineInfo, short, full)];
    match line.kind.as_str() {
        "attempt.began" if is_first(text, attempt) => began(run, text),
        "attempt.lost" => info(
            "Pipeline execution has been restarted.".into(),
            String::new(),
        ),
        "run.cancelling" => info(
            "Pipeline execution aborted.".into(),
            "Pipeline execution aborted on user request.".into(),
        ),
        "step.started" => vec![Told::of_step(
            Kind::DpuInfo,
            format!("Starting DPU developer's code for DPU: {instance}"),
            String::new(),
        )],
        "step.succeeded" | "step.cancelled" => vec![completed(instance)],
        "step.warned" => vec![said(Kind::DpuWarning, text), completed(instance)],
        "step.retrying" => vec![said(Kind::DpuWarning, text)],
        "step.failed" => vec![failed(text), completed(instance)],
        "run.succeeded" | "run.warned" | "run.failed" | "run.cancelled" => ended(run),
        _ => Vec::new(),
    }
}

/// That a request to run waits for pipelines in conflict.
pub(super) fn waiting() -> Told {
    let short = "Pipeline is waiting as there are conflicts pipeline running";
    Told::of_run(Kind::PipelineInfo, short.into(), String::new())
}

fn began(run: &Run, text: &str) -> Vec<Told> {
    let id = run.number;
    let full = format!(
        "Starting execution number: {id} pipeline: {}",
        run.pipeline_name
    );
    let starting = format!("Starting execution: {id}");
    let mut told = vec![Told::of_run(Kind::PipelineInfo, starting, full)];
    if text.ends_with(WAITED) {
        let short = "Pipeline continue".to_owned();
        told.push(Told::of_run(Kind::PipelineInfo, short, String::new()));
    }
    told
}

/// The first attempt begins the execution; later ones go on with it.
fn is_first(text: &str, attempt: u32) -> bool {
    attempt == 1 || text.starts_with("attempt 1 ")
}

fn completed(instance: i64) -> Told {
    Told::of_step(
        Kind::DpuInfo,
        format!("DPU: {instance} completed."),
        String::new(),
    )
}

/// What a step said: it is short and full.
fn said(kind: Kind, text: &str) -> Told {
    let message = text.split_once(": ").map_or(text, |(_, message)| message);
    Told::of_step(kind, message.to_owned(), message.to_owned())
}

fn failed(text: &str) -> Told {
    let short = "Pipeline execution failed.".to_owned();
    Told::of_step(
        Kind::PipelineError,
        short,
        format!("Execution failed because: {text}"),
    )
}

fn ended(run: &Run) -> Vec<Told> {
    let mut told = Vec::new();
    if run.reason == NOTHING_TO_DO {
        let why = "Pipeline failed because it has no DPUs.";
        told.push(Told::of_run(Kind::PipelineError, why.into(), why.into()));
    }
    if run.end_cause() == EndCause::ExecutorLost {
        let why = "Pipeline has been cancelled by sanitizer.";
        told.push(Told::of_run(Kind::PipelineInfo, why.into(), String::new()));
    }
    let end = format!("Execution: {} finished", run.number);
    told.push(Told::of_run(Kind::PipelineInfo, end, String::new()));
    told
}

#[cfg(test)]
mod tests {
    use contracts::message::ActivityEntry;

    use super::*;

    fn run() -> Run {
        Run {
            number: 321,
            pipeline_name: "The pipeline".into(),
            ..Run::default()
        }
    }

    fn line(kind: &str, text: &str) -> Entry {
        Entry {
            kind: kind.into(),
            entry: Some(ActivityEntry {
                message: text.into(),
                ..ActivityEntry::default()
            }),
            ..Entry::default()
        }
    }

    /// What is told of a line about a step or run: kinds and both texts.
    fn check(kind: &str, text: &str, expected: &[(Kind, &str, &str)]) {
        let told = of(&run(), &line(kind, text), Some(9));
        let told: Vec<_> = told
            .iter()
            .map(|it| (it.kind, it.short.as_str(), it.full.as_str()))
            .collect();
        assert_eq!(told, expected, "{kind}: {text}");
    }

    #[test]
    fn lines_of_a_run_are_told_in_the_words_of_the_contract() {
        use Kind::PipelineInfo;
        check("run.queued", "run 1 was requested", &[]);
        let full = "Starting execution number: 321 pipeline: The pipeline";
        let began = (PipelineInfo, "Starting execution: 321", full);
        let text = "attempt 1 began on executor x";
        check("attempt.began", text, &[began]);
        let goes_on = (PipelineInfo, "Pipeline continue", "");
        let text = format!("{text}, after pipelines that it is in conflict with");
        check("attempt.began", &text, &[began, goes_on]);
        check("attempt.began", "attempt 2 began on executor x", &[]);
        let restarted = [(PipelineInfo, "Pipeline execution has been restarted.", "")];
        check("attempt.lost", "attempt 1 was lost", &restarted);
        let full = "Pipeline execution aborted on user request.";
        let aborted = [(PipelineInfo, "Pipeline execution aborted.", full)];
        check("run.cancelling", "stop was requested by Ada", &aborted);
        for kind in ["run.succeeded", "run.warned", "run.failed", "run.cancelled"] {
            check(
                kind,
                "it ended",
                &[(PipelineInfo, "Execution: 321 finished", "")],
            );
        }
    }

    #[test]
    fn lines_of_a_step_are_told_in_the_words_of_the_contract() {
        let completed = (Kind::DpuInfo, "DPU: 9 completed.", "");
        let started = "Starting DPU developer's code for DPU: 9";
        check(
            "step.started",
            "step a started (try 1)",
            &[(Kind::DpuInfo, started, "")],
        );
        check("step.succeeded", "step a succeeded", &[completed]);
        check("step.cancelled", "step a was cancelled", &[completed]);
        check("step.skipped", "step a was skipped", &[]);
        let warning = (Kind::DpuWarning, "two rows: odd", "two rows: odd");
        let text = "step a succeeded with warnings: two rows: odd";
        check("step.warned", text, &[warning, completed]);
        let full = "Execution failed because: step a failed with exit code 3";
        let failed = (Kind::PipelineError, "Pipeline execution failed.", full);
        check(
            "step.failed",
            "step a failed with exit code 3",
            &[failed, completed],
        );
    }

    #[test]
    fn a_run_without_a_step_says_so_before_its_end() {
        let empty = Run {
            reason: NOTHING_TO_DO.into(),
            ..run()
        };
        let told = of(&empty, &line("run.failed", ""), None);
        assert_eq!(told[0].kind, Kind::PipelineError);
        assert_eq!(told[0].short, "Pipeline failed because it has no DPUs.");
        assert_eq!(told[0].full, told[0].short);
        assert_eq!(told[1].short, "Execution: 321 finished");
    }
}
