//! A tool's item rules, read liberally and written one way.

use contracts::access::{Role, Rule, Subject};
use serde_json::{Map, Value, json};

use super::Refused;

/// Rules of a tool, at most.
const MOST: usize = 200;
/// Characters of a group's name, at most.
const LONGEST_GROUP: usize = 25;
/// Characters of other subjects, at most.
const LONGEST: usize = 254;

/// The rules that a list says; none when there is no list.
pub(super) fn of(said: Option<Value>) -> Result<Vec<Rule>, Refused> {
    let list = match said {
        None => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(_) => return Err(Refused::field("roles", "must be a list of rules")),
    };
    if list.len() > MOST {
        return Err(Refused::field(
            "roles",
            format!("has more than {MOST} rules"),
        ));
    }
    let rules = list.into_iter().enumerate();
    rules.map(|(at, said)| rule(at, &said)).collect()
}

/// The rules as the Opsera API writes them.
pub(super) fn written(rules: &[Rule]) -> Value {
    let one = |rule: &Rule| {
        let role = rule.role.name();
        match &rule.subject {
            Subject::User(user) => json!({"role": role, "user": user}),
            Subject::Group(group) => json!({"role": role, "group": group}),
            Subject::SiteRole(site_role) => json!({"role": role, "site_role": site_role}),
        }
    };
    rules.iter().map(one).collect()
}

fn rule(at: usize, said: &Value) -> Result<Rule, Refused> {
    let place = format!("roles[{at}]");
    let wrong = |why: &str| Refused::field(&place, why);
    let said = said.as_object().ok_or_else(|| wrong("must be an object"))?;
    let role = said.get("role").and_then(Value::as_str).unwrap_or_default();
    let is_said = |it: &Role| it.name().eq_ignore_ascii_case(role.trim());
    let role = Role::ALL
        .into_iter()
        .find(is_said)
        .ok_or_else(|| wrong("role must be guest, user, manager, secops or administrator"))?;
    let subjects = [
        text(said, "user").map(Subject::User),
        text(said, "group").map(Subject::Group),
        text(said, "site_role")
            .or_else(|| text(said, "siteRole"))
            .map(Subject::SiteRole),
    ];
    let mut subjects = subjects.into_iter().flatten();
    let (Some(subject), None) = (subjects.next(), subjects.next()) else {
        return Err(wrong("must name one of user, group and site_role"));
    };
    let (subject_text, most) = match &subject {
        Subject::Group(it) => (it, LONGEST_GROUP),
        Subject::User(it) | Subject::SiteRole(it) => (it, LONGEST),
    };
    if subject_text.chars().count() > most {
        return Err(wrong(&format!(
            "whom it is about has more than {most} characters"
        )));
    }
    Ok(Rule { role, subject })
}

/// A text that says something.
fn text(said: &Map<String, Value>, name: &str) -> Option<String> {
    let text = said.get(name)?.as_str()?.trim();
    let fits = !text.is_empty() && !super::is_unprintable(text);
    fits.then(|| text.to_owned())
}
