use super::*;

use SiteRole::{Auditor, OpseraAdministrator, PowerUser, SecurityManager, SiteAdministrator, User};

fn person(id: &str, roles: &[SiteRole]) -> Person {
    Person {
        id: id.into(),
        roles: Roles::of(roles),
        installed: id == "installed",
    }
}

/// One letter a verdict: allowed, hidden, denied.
fn letter(caller: &Person, wish: &Wish<'_>) -> char {
    match judge(caller, wish) {
        Verdict::Allowed => '+',
        Verdict::Hidden => 'h',
        Verdict::Denied(_) => '-',
    }
}

#[test]
fn every_role_may_what_the_table_says() {
    let all = [
        OpseraAdministrator,
        SiteAdministrator,
        PowerUser,
        User,
        Auditor,
        SecurityManager,
    ];
    let user = person("other", &[User]);
    let top = person("top", &[OpseraAdministrator]);
    let (plain, high) = (Roles::of(&[User]), Roles::of(&[OpseraAdministrator]));
    let name = Change::default();
    let email = Change {
        email: true,
        ..Change::default()
    };
    let off = Change {
        active: Some(false),
        ..Change::default()
    };
    let raised = Change {
        roles: Some(high.clone()),
        ..Change::default()
    };
    // Columns: the six roles in their order, and a caller without any.
    for (what, wish, expected) in [
        ("list", Wish::List, "+++-++-"),
        ("create", Wish::Create(&plain), "++-----"),
        ("create above", Wish::Create(&high), "+------"),
        ("another account", Wish::Cross, "+------"),
        ("groups", Wish::Group, "++-----"),
        ("read", Wish::Read(&user), "+++h++h"),
        ("rename", Wish::Change(&user, &name), "++-h--h"),
        ("email", Wish::Change(&user, &email), "++-h--h"),
        ("deactivate", Wish::Change(&user, &off), "++-h--h"),
        ("raise", Wish::Change(&user, &raised), "+--h--h"),
        ("rename above", Wish::Change(&top, &name), "+--h--h"),
        ("tokens", Wish::Tokens(&user), "++hhhhh"),
        ("tokens above", Wish::Tokens(&top), "+-hhhhh"),
    ] {
        let mut found: String = all
            .iter()
            .map(|role| letter(&person("caller", &[*role]), &wish))
            .collect();
        found.push(letter(&person("caller", &[]), &wish));
        assert_eq!(found, expected, "{what}");
    }
}

#[test]
fn a_user_may_change_its_name_and_its_tokens_and_no_more_of_itself() {
    let user = person("one", &[User]);
    assert_eq!(letter(&user, &Wish::Read(&user)), '+');
    assert_eq!(letter(&user, &Wish::Tokens(&user)), '+');
    for (change, expected) in [
        (Change::default(), '+'),
        (
            Change {
                email: true,
                ..Change::default()
            },
            '-',
        ),
        (
            Change {
                active: Some(false),
                ..Change::default()
            },
            '-',
        ),
        (
            Change {
                roles: Some(Roles::of(&[SiteAdministrator])),
                ..Change::default()
            },
            '-',
        ),
    ] {
        assert_eq!(letter(&user, &Wish::Change(&user, &change)), expected);
    }
}

#[test]
fn nobody_moves_the_installed_administrator_from_its_place() {
    let installed = person("installed", &[OpseraAdministrator, SiteAdministrator]);
    let other = person("other", &[OpseraAdministrator]);
    for caller in [&installed, &other] {
        for (change, expected) in [
            (Change::default(), '+'),
            (
                Change {
                    active: Some(true),
                    roles: Some(installed.roles.clone()),
                    email: true,
                },
                '+',
            ),
            (
                Change {
                    active: Some(false),
                    ..Change::default()
                },
                '-',
            ),
            (
                Change {
                    roles: Some(Roles::of(&[OpseraAdministrator])),
                    ..Change::default()
                },
                '-',
            ),
        ] {
            let wish = Wish::Change(&installed, &change);
            assert_eq!(letter(caller, &wish), expected, "{change:?}");
        }
    }
}

#[test]
fn an_administrator_steps_down_by_losing_its_role_or_its_place() {
    let (high, low) = (Roles::of(&[SiteAdministrator]), Roles::of(&[User]));
    for (before, after, expected) in [
        ((&high, true), (&high, true), false),
        ((&high, true), (&low, true), true),
        ((&high, true), (&high, false), true),
        ((&high, false), (&low, false), false),
        ((&low, true), (&low, false), false),
        ((&low, true), (&high, true), false),
    ] {
        assert_eq!(steps_down(before, after), expected, "{before:?} {after:?}");
    }
}
