//! What one of a standing may do: the tables right × standing, as data.

use super::{Role, Standing};

/// A cell of a table.
const Y: bool = true;
const N: bool = false;

/// A cell a standing, in the order of [`Standing::ALL`].
type Row = [bool; Standing::ALL.len()];

/// What can be done with a pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Right {
    /// See it, its runs, their states and logs.
    View,
    /// Start a run.
    Run,
    /// Stop its runs.
    Stop,
    /// Clear its current run data.
    Reset,
    /// Answer a gate, also to resume.
    Approve,
    /// See what its steps are told to do.
    ViewSteps,
    /// Change what its steps are told to do, and whom they notify.
    EditSteps,
    /// Change its rules and its visibility.
    EditRules,
    /// Change which steps there are and their order, its tags, and all else that it is.
    EditWorkflow,
    /// Publish or duplicate it.
    Publish,
    /// Give it to another owner.
    Transfer,
    /// Delete it.
    Delete,
    /// Lock and unlock it.
    Lock,
    /// List all pipelines of the account. The site's roles decide, whatever one is to an item.
    List,
}

impl Right {
    /// Every right, in the order of the table.
    pub const ALL: [Self; 14] = [
        Self::View,
        Self::Run,
        Self::Stop,
        Self::Reset,
        Self::Approve,
        Self::ViewSteps,
        Self::EditSteps,
        Self::EditRules,
        Self::EditWorkflow,
        Self::Publish,
        Self::Transfer,
        Self::Delete,
        Self::Lock,
        Self::List,
    ];

    /// Whether one of this standing has it.
    pub fn is_of(self, standing: Standing) -> bool {
        cell(&self.row(), standing)
    }

    /// What it is to have it, after "to".
    pub const fn deed(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Run => "run",
            Self::Stop => "stop",
            Self::Reset => "reset",
            Self::Approve => "approve or deny a step of",
            Self::ViewSteps => "view the steps of",
            Self::EditSteps => "edit the steps of",
            Self::EditRules => "edit the access rules of",
            Self::EditWorkflow => "edit the workflow of",
            Self::Publish => "publish or duplicate",
            Self::Transfer => "transfer",
            Self::Delete => "delete",
            Self::Lock => "lock or unlock",
            Self::List => "list",
        }
    }

    /// Whom it takes, for a person who lacks it: `user, manager, secops, administrator or owner`.
    pub fn holders(self) -> String {
        holders(&self.row())
    }

    #[rustfmt::skip]
    #[allow(clippy::match_same_arms, reason = "a row of the table each")]
    const fn row(self) -> Row {
        match self {
            //                    SA O  A  M  PU S  U  G  ∅  reader, outsider
            Self::View =>         [Y, Y, Y, Y, Y, Y, Y, Y, Y, Y, N],
            Self::Run =>          [Y, Y, Y, Y, Y, Y, Y, N, Y, N, N],
            Self::Stop =>         [Y, Y, Y, Y, Y, Y, Y, N, Y, N, N],
            Self::Reset =>        [Y, Y, Y, Y, Y, Y, Y, N, Y, N, N],
            Self::Approve =>      [Y, Y, Y, Y, N, Y, N, N, Y, N, N],
            Self::ViewSteps =>    [Y, Y, Y, Y, Y, Y, N, N, Y, Y, N],
            Self::EditSteps =>    [Y, Y, Y, Y, Y, Y, N, N, Y, N, N],
            Self::EditRules =>    [Y, Y, Y, Y, Y, Y, N, N, Y, N, N],
            Self::EditWorkflow => [Y, Y, Y, N, N, Y, N, N, Y, N, N],
            Self::Publish =>      [Y, Y, Y, Y, N, N, N, N, Y, N, N],
            Self::Transfer =>     [Y, Y, Y, N, N, Y, N, N, N, N, N],
            Self::Delete =>       [Y, Y, Y, N, N, N, N, N, N, N, N],
            Self::Lock =>         [Y, Y, Y, Y, N, N, N, N, N, N, N],
            Self::List =>         [Y, N, N, N, Y, N, N, N, N, N, N],
        }
    }
}

/// What can be done with a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ToolRight {
    /// See it and its log.
    View,
    /// Use it in a pipeline.
    Use,
    /// Change its settings, connection, jobs, accounts, applications and projects.
    Edit,
    /// Change its rules.
    EditRules,
    /// Delete it, give it to another owner, and see to its vault entries.
    Delete,
    /// Make one.
    Create,
    /// List all tools of the account. The site's roles decide, whatever one is to an item.
    List,
}

impl ToolRight {
    /// Every right, in the order of the table.
    pub const ALL: [Self; 7] = [
        Self::View,
        Self::Use,
        Self::Edit,
        Self::EditRules,
        Self::Delete,
        Self::Create,
        Self::List,
    ];

    /// Whether one of this standing has it.
    pub fn is_of(self, standing: Standing) -> bool {
        cell(&self.row(), standing)
    }

    /// What it is to have it, after "to".
    pub const fn deed(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Use => "use",
            Self::Edit => "edit",
            Self::EditRules => "edit the access rules of",
            Self::Delete => "delete or transfer",
            Self::Create => "make",
            Self::List => "list",
        }
    }

    /// Whom it takes, for a person who lacks it.
    pub fn holders(self) -> String {
        holders(&self.row())
    }

    #[rustfmt::skip]
    #[allow(clippy::match_same_arms, reason = "a row of the table each")]
    const fn row(self) -> Row {
        match self {
            //                 SA O  A  M  PU S  U  G  ∅  reader, outsider
            Self::View =>      [Y, Y, Y, Y, Y, Y, Y, Y, Y, Y, N],
            Self::Use =>       [Y, Y, Y, Y, Y, Y, Y, N, Y, N, N],
            Self::Edit =>      [Y, Y, Y, Y, Y, Y, N, N, Y, N, N],
            Self::EditRules => [Y, Y, Y, Y, Y, Y, N, N, Y, N, N],
            Self::Delete =>    [Y, Y, Y, N, N, N, N, N, N, N, N],
            Self::Create =>    [Y, Y, Y, Y, Y, Y, Y, Y, Y, N, N],
            Self::List =>      [Y, N, N, N, Y, N, N, N, N, N, N],
        }
    }
}

fn cell(row: &Row, standing: Standing) -> bool {
    let mut cells = Standing::ALL.into_iter().zip(row);
    cells.any(|(column, cell)| column == standing && *cell)
}

/// The roles of a row that a rule can give, the weakest first, and the owner.
fn holders(row: &Row) -> String {
    let has = |role: &Role| cell(row, Standing::by_role(*role));
    let roles: Vec<_> = Role::ALL.into_iter().filter(has).map(Role::name).collect();
    match roles.as_slice() {
        [] => "owner".into(),
        some => format!("{} or owner", some.join(", ")),
    }
}
