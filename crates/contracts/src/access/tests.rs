use super::*;
use crate::message::Actor;

/// Columns of the tables that can be met on any item, and two more that only we have.
const COLUMNS: &str = "SA O A M PU S U G ∅ R -";

/// Right × standing of pipelines.
const PIPELINES: &str = "
    View         ✔ ✔ ✔ ✔ ✔ ✔ ✔ ✔ ✔ ✔ –
    Run          ✔ ✔ ✔ ✔ ✔ ✔ ✔ – ✔ – –
    Stop         ✔ ✔ ✔ ✔ ✔ ✔ ✔ – ✔ – –
    Reset        ✔ ✔ ✔ ✔ ✔ ✔ ✔ – ✔ – –
    Approve      ✔ ✔ ✔ ✔ – ✔ – – ✔ – –
    ViewSteps    ✔ ✔ ✔ ✔ ✔ ✔ – – ✔ ✔ –
    EditSteps    ✔ ✔ ✔ ✔ ✔ ✔ – – ✔ – –
    EditRules    ✔ ✔ ✔ ✔ ✔ ✔ – – ✔ – –
    EditWorkflow ✔ ✔ ✔ – – ✔ – – ✔ – –
    Publish      ✔ ✔ ✔ ✔ – – – – ✔ – –
    Transfer     ✔ ✔ ✔ – – ✔ – – – – –
    Delete       ✔ ✔ ✔ – – – – – – – –
    Lock         ✔ ✔ ✔ ✔ – – – – – – –
    List         ✔ – – – ✔ – – – – – –";

/// Right × standing of tools.
const TOOLS: &str = "
    View         ✔ ✔ ✔ ✔ ✔ ✔ ✔ ✔ ✔ ✔ –
    Use          ✔ ✔ ✔ ✔ ✔ ✔ ✔ – ✔ – –
    Edit         ✔ ✔ ✔ ✔ ✔ ✔ – – ✔ – –
    EditRules    ✔ ✔ ✔ ✔ ✔ ✔ – – ✔ – –
    Delete       ✔ ✔ ✔ – – – – – – – –
    Create       ✔ ✔ ✔ ✔ ✔ ✔ ✔ ✔ ✔ – –
    List         ✔ – – – ✔ – – – – – –";

fn written(rows: &[(String, Vec<bool>)]) -> String {
    let mark = |it: &bool| if *it { "✔" } else { "–" };
    let row = |(right, cells): &(String, Vec<bool>)| {
        let marks: Vec<_> = cells.iter().map(mark).collect();
        format!("\n    {right:<12} {}", marks.join(" "))
    };
    rows.iter().map(row).collect::<Vec<_>>().concat()
}

#[test]
fn rights_on_pipelines_are_those_of_the_table() {
    let cells = |right: Right| Standing::ALL.map(|it| right.is_of(it)).to_vec();
    let rows = Right::ALL.map(|right| (format!("{right:?}"), cells(right)));
    assert_eq!(written(&rows), PIPELINES, "{COLUMNS}");
}

#[test]
fn rights_on_tools_are_those_of_the_table() {
    let cells = |right: ToolRight| Standing::ALL.map(|it| right.is_of(it)).to_vec();
    let rows = ToolRight::ALL.map(|right| (format!("{right:?}"), cells(right)));
    assert_eq!(written(&rows), TOOLS, "{COLUMNS}");
}

/// Ann of the account "a": her site roles and groups.
fn ann(roles: &[&str], groups: &[&str]) -> Caller {
    let owned = |texts: &[&str]| texts.iter().map(|it| (*it).to_owned()).collect();
    let actor = Actor {
        user_id: "ann".into(),
        email: "Ann@Example.org".into(),
        ..Actor::default()
    };
    Caller {
        actor: Some(actor),
        account: "a".into(),
        roles: owned(roles),
        groups: owned(groups),
        ..Caller::default()
    }
}

fn item(rules: &[Rule], visibility: Visibility) -> Item<'_> {
    Item {
        account: "a",
        owner: "bob",
        rules,
        visibility,
    }
}

/// Reads `user=ann@example.org:manager group=dev:user site=Auditors:guest`.
fn rules(text: &str) -> Vec<Rule> {
    let rule = |text: &str| {
        let (subject, role) = text.rsplit_once(':').unwrap();
        let (kind, name) = subject.split_once('=').unwrap();
        let name = name.replace('_', " ");
        let subject = match kind {
            "user" => Subject::User(name),
            "group" => Subject::Group(name),
            _ => Subject::SiteRole(name),
        };
        let role = Role::ALL.into_iter().find(|it| it.name() == role).unwrap();
        Rule { role, subject }
    };
    text.split_whitespace().map(rule).collect()
}

#[test]
fn rules_give_the_standing_of_the_first_about_the_user_else_the_strongest_of_groups() {
    for (given, expected) in [
        ("user=ann@example.org:guest", Standing::Guest),
        ("user=ANN@EXAMPLE.ORG:user", Standing::User),
        (
            "user=ann@example.org:guest user=ann@example.org:administrator",
            Standing::Guest,
        ),
        (
            "group=dev:administrator user=ann@example.org:guest",
            Standing::Guest,
        ),
        (
            "group=dev:user group=ops:administrator",
            Standing::Administrator,
        ),
        ("group=ops:secops group=dev:manager", Standing::Secops),
        ("group=dev:manager group=ops:user", Standing::Manager),
        ("group=dev:guest group=ops:user", Standing::User),
        ("group=dev:guest", Standing::Guest),
        ("group=Dev:user", Standing::Outsider),
        ("group=others:administrator", Standing::Outsider),
        ("user=bob@example.org:administrator", Standing::Outsider),
        ("site=Users:user", Standing::User),
        ("site=site_user:manager group=dev:user", Standing::Manager),
        ("site=Auditors:administrator", Standing::Outsider),
    ] {
        let (caller, rules) = (ann(&["site_user"], &["dev", "ops"]), rules(given));
        let standing = Standing::of(&caller, &item(&rules, Visibility::PublicRw));
        assert_eq!(standing, expected, "{given}");
    }
}

#[test]
fn a_site_role_comes_before_rules_or_reads_beside_them() {
    for (role, given, expected) in [
        (
            "opsera_administrator",
            "user=ann@example.org:guest",
            Standing::SiteAdministrator,
        ),
        (
            "site_administrator",
            "group=others:user",
            Standing::SiteAdministrator,
        ),
        (
            "site_power_user",
            "user=ann@example.org:guest",
            Standing::PowerUser,
        ),
        ("site_power_user", "group=others:user", Standing::PowerUser),
        ("auditor", "group=others:user", Standing::Reader),
        ("security_manager", "group=others:user", Standing::Reader),
        ("auditor", "user=ann@example.org:manager", Standing::Manager),
        ("auditor", "site=Auditors:user", Standing::User),
        (
            "security_manager",
            "site=Security_Managers:secops",
            Standing::Secops,
        ),
        ("site_user", "group=others:user", Standing::Outsider),
        ("", "group=others:user", Standing::Outsider),
        ("", "user=ann@example.org:user", Standing::User),
    ] {
        let (caller, rules) = (ann(&[role], &[]), rules(given));
        let standing = Standing::of(&caller, &item(&rules, Visibility::Private));
        assert_eq!(standing, expected, "{role}: {given}");
    }
}

#[test]
fn without_rules_visibility_decides() {
    use Visibility::{Private, PublicRo, PublicRw};
    for (role, [rw, ro, private]) in [
        ("site_administrator", [Standing::SiteAdministrator; 3]),
        ("site_power_user", [Standing::PowerUser; 3]),
        (
            "site_user",
            [Standing::Open, Standing::Reader, Standing::Outsider],
        ),
        ("auditor", [Standing::Reader; 3]),
        ("security_manager", [Standing::Reader; 3]),
        ("", [Standing::Guest, Standing::Guest, Standing::Outsider]),
    ] {
        for (visibility, expected) in [(PublicRw, rw), (PublicRo, ro), (Private, private)] {
            let standing = Standing::of(&ann(&[role], &[]), &item(&[], visibility));
            assert_eq!(standing, expected, "{role:?} {visibility:?}");
        }
    }
}

#[test]
fn an_owner_has_all_rights_whatever_the_rules_say() {
    let given = rules("user=ann@example.org:guest");
    for role in ["", "site_user", "site_power_user", "auditor"] {
        let own = Item {
            owner: "ann",
            ..item(&given, Visibility::Private)
        };
        let standing = Standing::of(&ann(&[role], &[]), &own);
        assert_eq!(standing, Standing::Owner, "{role}");
    }
    // Nobody owns what has no owner.
    let (mut nobody, item) = (ann(&[], &[]), item(&given, Visibility::Private));
    nobody.actor = None;
    assert_eq!(
        Standing::of(&nobody, &Item { owner: "", ..item }),
        Standing::Outsider
    );
}

#[test]
fn nothing_crosses_an_account() {
    let given = rules("user=ann@example.org:administrator group=dev:administrator");
    for role in SiteRole::ALL {
        for rules in [&given[..], &[]] {
            let other = Item {
                account: "b",
                owner: "ann",
                ..item(rules, Visibility::PublicRw)
            };
            let standing = Standing::of(&ann(&[role.name()], &["dev"]), &other);
            assert_eq!(standing, Standing::Outsider, "{role:?}");
        }
    }
}

#[test]
fn a_rule_is_read_with_either_name_of_a_site_role() {
    for (text, written) in [
        (
            r#"{"role":"user","group":"dev"}"#,
            r#"{"role":"user","group":"dev"}"#,
        ),
        (
            r#"{"role":"secops","siteRole":"Auditors"}"#,
            r#"{"role":"secops","siteRole":"Auditors"}"#,
        ),
        (
            r#"{"site_role":"Auditors","role":"guest"}"#,
            r#"{"role":"guest","siteRole":"Auditors"}"#,
        ),
    ] {
        let rule: Rule = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&rule).unwrap(), written);
    }
    for text in [r#"{"role":"boss","group":"dev"}"#, r#"{"role":"user"}"#] {
        assert!(serde_json::from_str::<Rule>(text).is_err(), "{text}");
    }
}

#[test]
fn who_lacks_a_right_is_told_whom_it_takes() {
    assert_eq!(
        Right::Run.holders(),
        "user, manager, secops, administrator or owner"
    );
    assert_eq!(Right::Delete.holders(), "administrator or owner");
    assert_eq!(Right::List.holders(), "owner");
    assert_eq!(
        ToolRight::Edit.holders(),
        "manager, secops, administrator or owner"
    );
}
