//! What can be said about users, groups and tokens.

use clap::{ArgGroup, Args, Subcommand};

use super::{Nothing, With};
use crate::client::help::people as help;

const USER: &str = "24-hex id or e-mail address of the user; me is the one whose token is shown";
const GROUP: &str = "24-hex id or name of the group";
const TOKEN: &str = "24-hex id of the token, as `penstock token list` shows it";

/// Commands about users.
#[derive(Debug, Subcommand)]
pub enum User {
    /// Make a user
    #[command(after_help = help::USER_ADD)]
    Add(With<NewUser>),
    /// List users
    List(With<Nothing>),
    /// Show a user (the one whose token is shown unless said)
    #[command(after_help = help::USER_SHOW)]
    Show(With<OneUser>),
    /// Change what is said of a user
    #[command(after_help = help::USER_CHANGE)]
    Change(With<UserChange>),
    /// Refuse all tokens of a user and its password, until it is activated again
    #[command(after_help = help::USER_DEACTIVATE)]
    Deactivate(With<ThatUser>),
}

/// Arguments of `user add`.
#[derive(Debug, Args)]
pub struct NewUser {
    /// What the user is called
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Its e-mail address
    #[arg(long, required_unless_present = "service")]
    pub email: Option<String>,
    /// A site role; may be said several times [default: `site_user`]
    #[arg(long = "role", value_name = "ROLE")]
    pub roles: Vec<String>,
    /// It is a program and may go without an e-mail address
    #[arg(long)]
    pub service: bool,
    /// Read its password from the first line of standard input
    #[arg(long)]
    pub password: bool,
    /// Begin another account with it (for an `opsera_administrator`)
    #[arg(long)]
    pub account: Option<String>,
}

/// A user, or who asks.
#[derive(Debug, Args)]
pub struct OneUser {
    #[arg(value_name = "USER", help = USER, default_value = "me", hide_default_value = true)]
    pub user: String,
}

/// A user.
#[derive(Debug, Args)]
pub struct ThatUser {
    #[arg(value_name = "USER", help = USER)]
    pub user: String,
}

/// Arguments of `user change`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("change").required(true).multiple(true)
    .args(["name", "email", "roles", "password", "activate"]))]
pub struct UserChange {
    #[arg(value_name = "USER", help = USER)]
    pub user: String,
    /// Another name
    #[arg(long)]
    pub name: Option<String>,
    /// Another e-mail address
    #[arg(long)]
    pub email: Option<String>,
    /// A site role; those that are said are all it has from now on
    #[arg(long = "role", value_name = "ROLE")]
    pub roles: Vec<String>,
    /// Read a new password from the first line of standard input; who changes its own writes the one
    /// until now on the second
    #[arg(long)]
    pub password: bool,
    /// Accept it again after it was deactivated
    #[arg(long)]
    pub activate: bool,
}

/// Commands about groups.
#[derive(Debug, Subcommand)]
pub enum Group {
    /// Make a group, or say who all its members are
    #[command(after_help = help::GROUP_SET)]
    Set(With<Members>),
    /// List groups
    List(With<Nothing>),
    /// Show a group with its members
    #[command(after_help = help::GROUP_SHOW)]
    Show(With<OneGroup>),
    /// Add users to a group
    #[command(after_help = help::GROUP_ADD)]
    Add(With<SomeMembers>),
    /// Remove users from a group
    #[command(after_help = help::GROUP_REMOVE)]
    Remove(With<SomeMembers>),
    /// Delete a group; its members stay users
    #[command(after_help = help::GROUP_DELETE)]
    Delete(With<OneGroup>),
}

/// A group.
#[derive(Debug, Args)]
pub struct OneGroup {
    #[arg(value_name = "GROUP", help = GROUP)]
    pub group: String,
}

/// A group and all its members.
#[derive(Debug, Args)]
pub struct Members {
    #[arg(value_name = "GROUP", help = GROUP)]
    pub group: String,
    #[arg(value_name = "USER", help = USER)]
    pub users: Vec<String>,
}

/// A group and some users.
#[derive(Debug, Args)]
pub struct SomeMembers {
    #[arg(value_name = "GROUP", help = GROUP)]
    pub group: String,
    #[arg(value_name = "USER", help = USER, required = true)]
    pub users: Vec<String>,
}

/// Commands about tokens.
#[derive(Debug, Subcommand)]
pub enum Token {
    /// Make a token and print it; it can't be had again
    #[command(after_help = help::TOKEN_CREATE)]
    Create(With<NewToken>),
    /// List one's own tokens, or another user's
    List(With<Tokens>),
    /// Show a token, without its text
    #[command(after_help = help::TOKEN_SHOW)]
    Show(With<OneToken>),
    /// Revoke a token, or all of a user
    #[command(after_help = help::TOKEN_REVOKE)]
    Revoke(With<Revoke>),
    /// Replace a token by a new one, and print that
    #[command(after_help = help::TOKEN_ROTATE)]
    Rotate(With<Rotate>),
}

/// Arguments of `token create`.
#[derive(Debug, Args)]
pub struct NewToken {
    /// What it is for; unique among one's tokens that are good
    #[arg(value_name = "NAME")]
    pub name: String,
    /// What it opens; may be said several times [default: api]
    #[arg(long = "scope", value_name = "SCOPE")]
    pub scopes: Vec<String>,
    /// How long it is good: 1d, 1w, 1mo, 2mo, 3mo, or until a time [default: 1mo]
    #[arg(
        long,
        value_name = "WHEN",
        default_value = "",
        hide_default_value = true
    )]
    pub expires: String,
    /// Where it may be used from: an address or a block of them. May be said several times
    #[arg(long = "from", value_name = "CIDR")]
    pub cidrs: Vec<String>,
    /// Whose it is to be [default: one's own]
    #[arg(long, default_value = "", hide_default_value = true)]
    pub user: String,
    /// The user's account, where it is another one (for an `opsera_administrator`)
    #[arg(long, default_value = "", hide_default_value = true)]
    pub account: String,
}

/// Arguments of `token list`.
#[derive(Debug, Args)]
pub struct Tokens {
    /// Whose [default: one's own]
    #[arg(long, default_value = "", hide_default_value = true)]
    pub user: String,
    /// Also those that are good no more
    #[arg(long)]
    pub ended: bool,
}

/// A token.
#[derive(Debug, Args)]
pub struct OneToken {
    #[arg(value_name = "TOKEN-ID", help = TOKEN)]
    pub id: String,
}

/// Arguments of `token revoke`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).args(["id", "all_of"]))]
pub struct Revoke {
    #[arg(value_name = "TOKEN-ID", help = TOKEN)]
    pub id: Option<String>,
    /// All tokens of this user
    #[arg(long, value_name = "USER")]
    pub all_of: Option<String>,
}

/// Arguments of `token rotate`.
#[derive(Debug, Args)]
pub struct Rotate {
    #[arg(value_name = "TOKEN-ID", help = TOKEN)]
    pub id: String,
    /// How long the old one stays good, as 90s, 10m, 12h or 7d [default: not at all]
    #[arg(long, value_name = "TIME", default_value = "0s", hide_default_value = true,
        value_parser = seconds)]
    pub overlap: u32,
    /// How long the new one is good [default: as long as the old one was to be]
    #[arg(
        long,
        value_name = "WHEN",
        default_value = "",
        hide_default_value = true
    )]
    pub expires: String,
}

fn seconds(text: &str) -> Result<u32, String> {
    let wrong = || "write a number and s, m, h or d, as 90s or 12h".to_owned();
    let unit = text.chars().next_back().ok_or_else(wrong)?;
    let length = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let number = text[..text.len() - 1].parse::<u32>();
    let number = number.map_err(|_| wrong())?;
    number.checked_mul(length).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_number_and_a_unit() {
        for (text, said) in [
            ("0s", Some(0)),
            ("90s", Some(90)),
            ("12h", Some(43_200)),
            ("7d", Some(604_800)),
            ("7", None),
            ("h", None),
            ("-1s", None),
            ("99999999d", None),
            ("1\u{fc}", None),
        ] {
            assert_eq!(seconds(text).ok(), said, "{text}");
        }
    }
}
