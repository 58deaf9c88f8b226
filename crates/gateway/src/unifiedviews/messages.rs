//! What the face tells people, in the two languages of its configuration. Programs compare the
//! English texts: change none.

use super::config::Locale;

/// A message, with what it speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Message {
    /// Where nothing else is said.
    General,
    /// Nobody has signed in.
    Unauthorized,
    PipelineId(String),
    ScheduleId(String),
    /// Where one is to be deleted.
    ScheduleIdToDelete(String),
    ExecutionId(String),
    NoPipeline(String),
    NoSchedule(String),
    NoExecution(String),
    NoLastExecution,
    OtherExecution {
        execution: String,
        pipeline: String,
    },
    OtherSchedule {
        schedule: String,
        pipeline: String,
    },
    LongName,
    NameTaken(String),
    NoUserForPipeline,
    NoUserForExecution,
    NoUserForSchedule,
    Date,
    ScheduleRead,
    ScheduleCreate,
    ScheduleUpdate,
    PipelinesRead,
    PipelineCreate,
    ExecutionsRead,
    EventsRead,
    ExecutionCreate,
    PipelineImport,
    PluginVisibility,
    PluginName,
    PluginExists,
    PluginUsed,
    PluginCreate,
    PluginReplace,
    /// The body can't be read.
    Data,
    MissingAttributes(String),
}

impl Message {
    /// The text in a language.
    pub(crate) fn text(&self, locale: Locale) -> String {
        match locale {
            Locale::En => self.english(),
            Locale::Sk => self.slovak(),
        }
    }

    fn english(&self) -> String {
        match self {
            Self::General => "Error occurred during processing of a request.".into(),
            Self::Unauthorized => "Request is not authorized.".into(),
            Self::PipelineId(id) => format!("Pipeline ID='{id}' is not valid!"),
            Self::ScheduleId(id) => format!("Pipeline schedule ID='{id}' is not valid!"),
            Self::ScheduleIdToDelete(id) => format!("Schedule ID='{id}' is not valid!"),
            Self::NoSchedule(id) => format!("Pipeline schedule with ID='{id}' not found!"),
            Self::OtherSchedule { schedule, pipeline } => format!(
                "Pipeline schedule with ID='{schedule}' is not schedule of pipeline with \
                 ID='{pipeline}'"
            ),
            Self::NoUserForSchedule => "User not found! Schedule could not be created.".into(),
            Self::Date => "Could not parse date from request.".into(),
            Self::ScheduleRead => "Scheduled event cannot be retrieved.".into(),
            Self::ScheduleCreate => "Scheduled event cannot be created.".into(),
            Self::ScheduleUpdate => "Scheduled event cannot be updated.".into(),
            Self::ExecutionId(id) => format!("Pipeline execution ID='{id}' is not valid!"),
            Self::NoPipeline(id) => format!("Pipeline with ID='{id}' not found!"),
            Self::NoExecution(id) => format!("Pipeline execution with ID='{id}' not found!"),
            Self::NoLastExecution => "Pipeline execution not found for pipeline!".into(),
            Self::OtherExecution {
                execution,
                pipeline,
            } => format!(
                "Pipeline execution with ID='{execution}' is not execution of pipeline with \
                 ID='{pipeline}'"
            ),
            Self::LongName => {
                "Pipeline name length exceeds maximum number of 1024 characters!".into()
            }
            Self::NameTaken(name) => name_taken(name),
            Self::NoUserForPipeline => "User not found! Pipeline could not be created.".into(),
            Self::NoUserForExecution => "User not found! Execution could not be created.".into(),
            Self::PipelinesRead => "Pipelines cannot be retrieved.".into(),
            Self::PipelineCreate => "Pipeline cannot be created.".into(),
            Self::ExecutionsRead => "Pipeline execution cannot be retrieved.".into(),
            Self::EventsRead => "Pipeline execution events cannot be retrieved.".into(),
            Self::ExecutionCreate => "Pipeline execution cannot be created.".into(),
            Self::PipelineImport => "Pipeline cannot be imported.".into(),
            Self::PluginVisibility => "Chosen visibility type does not exist.".into(),
            Self::PluginName => "DPU name cannot be read from JAR file.".into(),
            Self::PluginExists => "DPU with this name already exists.".into(),
            Self::PluginUsed => "DPU is already used in pipelines!.".into(),
            Self::PluginCreate => "DPU create failed!".into(),
            Self::PluginReplace => "DPU replace failed!".into(),
            Self::Data => "Could not parse data from request.".into(),
            Self::MissingAttributes(names) => {
                format!("Request does not contain required attribute/s: '{names}'.")
            }
        }
    }

    fn slovak(&self) -> String {
        match self {
            Self::General => "Počas spracovania požiadavky nastala chyba.".into(),
            Self::Unauthorized => "Požiadavka nie je autorizovaná.".into(),
            Self::PipelineId(id) => format!("ID procesu='{id}' nie je platné!"),
            Self::ScheduleId(id) => format!("ID plánu procesu='{id}' nie je platné!"),
            Self::ScheduleIdToDelete(id) => format!("ID plánu='{id}' nie je platné!"),
            Self::NoSchedule(id) => format!("Plán procesu s ID='{id}' sa nepodarilo nájsť!"),
            Self::OtherSchedule { schedule, pipeline } => {
                format!("Plán s ID='{schedule}' nie je plánom procesu s ID='{pipeline}'")
            }
            Self::NoUserForSchedule => "Používateľ sa nenašiel! Plán nebolo možné vytvoriť.".into(),
            Self::Date => "Dátum z požiadavky nie je možné spracovať.".into(),
            Self::ScheduleRead => "Naplánovanú udalosť nie je možné načítať.".into(),
            Self::ScheduleCreate => "Naplánovanú udalosť nie je možné vytvoriť.".into(),
            Self::ScheduleUpdate => "Naplánovanú udalosť nie je možné zmeniť.".into(),
            Self::ExecutionId(id) => format!("ID spustenia procesu='{id}' nie je platné!"),
            Self::NoPipeline(id) => format!("Proces s ID='{id}' sa nepodarilo nájsť!"),
            Self::NoExecution(id) => format!("Spustenie procesu s ID='{id}' sa nepodarilo nájsť!"),
            Self::NoLastExecution => "Pre proces sa nenašlo žiadne spustenie!".into(),
            Self::OtherExecution {
                execution,
                pipeline,
            } => format!(
                "Spustenie procesu s ID='{execution}' nie je spustením procesu s ID='{pipeline}'"
            ),
            Self::LongName => "Názov procesu je dlhší ako 1024 znakov!".into(),
            Self::NameTaken(name) => {
                format!("Proces s názvom '{name}' už existuje. Proces nie je možné vytvoriť!")
            }
            Self::NoUserForPipeline => {
                "Používateľ sa nenašiel! Proces nebolo možné vytvoriť.".into()
            }
            Self::NoUserForExecution => {
                "Používateľ sa nenašiel! Spustenie nebolo možné vytvoriť.".into()
            }
            Self::PipelinesRead => "Procesy nie je možné načítať.".into(),
            Self::PipelineCreate => "Proces nie je možné vytvoriť.".into(),
            Self::ExecutionsRead => "Spustenie procesu nie je možné načítať.".into(),
            Self::EventsRead => "Udalosti spustenia procesu nie je možné načítať.".into(),
            Self::ExecutionCreate => "Spustenie procesu nie je možné vytvoriť.".into(),
            Self::PipelineImport => "Proces nie je možné importovať.".into(),
            Self::PluginVisibility => "Zvolený typ viditeľnosti neexistuje.".into(),
            Self::PluginName => "Názov DPU nie je možné prečítať zo súboru JAR.".into(),
            Self::PluginExists => "DPU s týmto názvom už existuje.".into(),
            Self::PluginUsed => "DPU sa už používa v procesoch!".into(),
            Self::PluginCreate => "DPU nie je možné vytvoriť!".into(),
            Self::PluginReplace => "DPU nie je možné nahradiť!".into(),
            Self::Data => "Údaje z požiadavky nie je možné spracovať.".into(),
            Self::MissingAttributes(names) => {
                format!("Požiadavka neobsahuje povinné atribúty: '{names}'.")
            }
        }
    }
}

/// The same text for people and for programs.
pub(super) fn name_taken(name: &str) -> String {
    format!("Pipeline with name '{name}' already exists. Pipeline cannot be created!")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn x(make: fn(String) -> Message) -> Message {
        make("X".into())
    }

    /// What is told of ids, with the texts that programs compare.
    fn of_ids() -> Vec<(Message, &'static str)> {
        use Message as M;
        let (execution, schedule, pipeline) = ("E".to_owned(), "S".to_owned(), "P".to_owned());
        let of_execution = M::OtherExecution {
            execution,
            pipeline: pipeline.clone(),
        };
        let of_schedule = M::OtherSchedule { schedule, pipeline };
        vec![
            (M::General, "Error occurred during processing of a request."),
            (M::Unauthorized, "Request is not authorized."),
            (x(M::PipelineId), "Pipeline ID='X' is not valid!"),
            (x(M::ScheduleId), "Pipeline schedule ID='X' is not valid!"),
            (x(M::ScheduleIdToDelete), "Schedule ID='X' is not valid!"),
            (x(M::ExecutionId), "Pipeline execution ID='X' is not valid!"),
            (x(M::NoPipeline), "Pipeline with ID='X' not found!"),
            (x(M::NoSchedule), "Pipeline schedule with ID='X' not found!"),
            (
                x(M::NoExecution),
                "Pipeline execution with ID='X' not found!",
            ),
            (
                M::NoLastExecution,
                "Pipeline execution not found for pipeline!",
            ),
            (
                of_execution,
                "Pipeline execution with ID='E' is not execution of pipeline with ID='P'",
            ),
            (
                of_schedule,
                "Pipeline schedule with ID='S' is not schedule of pipeline with ID='P'",
            ),
        ]
    }

    /// The rest of them.
    fn others() -> Vec<(Message, &'static str)> {
        use Message as M;
        vec![
            (
                M::LongName,
                "Pipeline name length exceeds maximum number of 1024 characters!",
            ),
            (
                x(M::NameTaken),
                "Pipeline with name 'X' already exists. Pipeline cannot be created!",
            ),
            (
                M::NoUserForPipeline,
                "User not found! Pipeline could not be created.",
            ),
            (
                M::NoUserForExecution,
                "User not found! Execution could not be created.",
            ),
            (
                M::NoUserForSchedule,
                "User not found! Schedule could not be created.",
            ),
            (M::Date, "Could not parse date from request."),
            (M::PipelinesRead, "Pipelines cannot be retrieved."),
            (M::PipelineCreate, "Pipeline cannot be created."),
            (M::PipelineImport, "Pipeline cannot be imported."),
            (M::ExecutionsRead, "Pipeline execution cannot be retrieved."),
            (
                M::EventsRead,
                "Pipeline execution events cannot be retrieved.",
            ),
            (M::ExecutionCreate, "Pipeline execution cannot be created."),
            (M::ScheduleRead, "Scheduled event cannot be retrieved."),
            (M::ScheduleCreate, "Scheduled event cannot be created."),
            (M::ScheduleUpdate, "Scheduled event cannot be updated."),
            (
                M::PluginVisibility,
                "Chosen visibility type does not exist.",
            ),
            (M::PluginName, "DPU name cannot be read from JAR file."),
            (M::PluginExists, "DPU with this name already exists."),
            (M::PluginUsed, "DPU is already used in pipelines!."),
            (M::PluginCreate, "DPU create failed!"),
            (M::PluginReplace, "DPU replace failed!"),
            (M::Data, "Could not parse data from request."),
            (
                x(M::MissingAttributes),
                "Request does not contain required attribute/s: 'X'.",
            ),
        ]
    }

    fn all() -> impl Iterator<Item = (Message, &'static str)> {
        of_ids().into_iter().chain(others())
    }

    #[test]
    fn programs_find_the_texts_that_they_compare() {
        for (message, text) in all() {
            assert_eq!(message.text(Locale::En), text);
        }
    }

    #[test]
    fn every_message_is_there_in_slovak_and_names_the_same() {
        for (message, english) in all() {
            let slovak = message.text(Locale::Sk);
            assert_ne!(slovak, english);
            for name in ["'X'", "'E'", "'S'", "'P'"] {
                assert_eq!(slovak.contains(name), english.contains(name), "{slovak}");
            }
        }
    }
}
