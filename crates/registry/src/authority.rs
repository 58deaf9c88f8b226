//! Who may do what to users, groups and tokens. Pure.
//!
//! Everything is judged within one account: whoever asks from another one has been told before that
//! there is no such thing. What a caller may not even see is [`Verdict::Hidden`].
//!
//! **Invariants:** nobody gives a role, or takes over a user, that is above its own. The installed
//! administrator keeps its place.

use contracts::access::SiteRole;

use crate::role::Roles;

/// A user, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) id: String,
    pub(crate) roles: Roles,
    /// The administrator that is there from the first start.
    pub(crate) installed: bool,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wish<'a> {
    /// Lists users, or groups, or reads a group.
    List,
    /// Makes a user with these roles.
    Create(&'a Roles),
    /// Names another account than its own.
    Cross,
    /// Changes groups.
    Group,
    /// Reads a user.
    Read(&'a Person),
    /// Changes a user.
    Change(&'a Person, &'a Change),
    /// Reads or changes the tokens of a user.
    Tokens(&'a Person),
}

/// What of a user is to change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Change {
    /// Its e-mail address.
    pub(crate) email: bool,
    /// Whether it is active: the new value.
    pub(crate) active: Option<bool>,
    /// Its roles: the new ones.
    pub(crate) roles: Option<Roles>,
}

/// What comes of a wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Allowed,
    /// The caller doesn't learn that there is such a thing.
    Hidden,
    /// The reason, as a sentence's end.
    Denied(&'static str),
}

const FOR_ADMINISTRATORS: Verdict = Verdict::Denied("is for site administrators of the account");
const ABOVE: Verdict = Verdict::Denied("of an opsera_administrator is for another one");
const INSTALLED: Verdict =
    Verdict::Denied("of the installed administrator would lock everybody out");

/// Whether `caller` may do as it wishes.
pub(crate) fn judge(caller: &Person, wish: &Wish<'_>) -> Verdict {
    let manages = caller.roles.has_any(SiteRole::ADMINISTRATORS);
    match wish {
        Wish::List if caller.roles.has_any(SiteRole::SEERS) => Verdict::Allowed,
        Wish::List => Verdict::Denied("is for administrators, power users and auditors"),
        Wish::Cross if caller.roles.has(SiteRole::OpseraAdministrator) => Verdict::Allowed,
        Wish::Cross => Verdict::Denied("in another account is for an opsera_administrator"),
        Wish::Create(_) | Wish::Group if !manages => FOR_ADMINISTRATORS,
        Wish::Create(roles) if is_above(caller, roles) => ABOVE,
        Wish::Read(user) if caller.id == user.id || caller.roles.has_any(SiteRole::SEERS) => {
            Verdict::Allowed
        }
        Wish::Read(_) => Verdict::Hidden,
        Wish::Change(user, change) => judge_change(caller, user, change),
        Wish::Tokens(user) if caller.id == user.id => Verdict::Allowed,
        Wish::Tokens(_) if !manages => Verdict::Hidden,
        Wish::Tokens(user) if is_above(caller, &user.roles) => ABOVE,
        Wish::Create(_) | Wish::Group | Wish::Tokens(_) => Verdict::Allowed,
    }
}

fn judge_change(caller: &Person, user: &Person, change: &Change) -> Verdict {
    let manages = caller.roles.has_any(SiteRole::ADMINISTRATORS);
    let is_self = caller.id == user.id;
    if !is_self && !manages {
        return match judge(caller, &Wish::Read(user)) {
            Verdict::Allowed => FOR_ADMINISTRATORS,
            other @ (Verdict::Hidden | Verdict::Denied(_)) => other,
        };
    }
    if !is_self && is_above(caller, &user.roles) {
        return ABOVE;
    }
    let touches_standing = change.active.is_some() || change.roles.is_some();
    if !manages && (touches_standing || change.email) {
        return FOR_ADMINISTRATORS;
    }
    let new_roles = change.roles.as_ref();
    if new_roles.is_some_and(|roles| is_above(caller, roles)) {
        return ABOVE;
    }
    let deactivated = change.active == Some(false);
    if user.installed && (deactivated || new_roles.is_some_and(|roles| *roles != user.roles)) {
        return INSTALLED;
    }
    Verdict::Allowed
}

/// Whether these roles are more than the caller may give or take over.
fn is_above(caller: &Person, roles: &Roles) -> bool {
    let top = SiteRole::OpseraAdministrator;
    roles.has(top) && !caller.roles.has(top)
}

/// Whether a user with `before` stops counting among the site administrators of its account.
pub(crate) fn steps_down(
    (before, was_active): (&Roles, bool),
    (after, is_active): (&Roles, bool),
) -> bool {
    let top = SiteRole::SiteAdministrator;
    was_active && before.has(top) && !(is_active && after.has(top))
}

#[cfg(test)]
mod tests;
