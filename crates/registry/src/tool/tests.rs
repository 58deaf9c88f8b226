//! What a change makes of a document.

use contracts::access::{Role, Subject};

use super::*;

fn properties(value: &Value) -> Properties {
    read(&value.to_string()).unwrap()
}

fn jenkins() -> Document {
    Document::new(properties(&json!({
        "name": "Jenkins", "tool_identifier": "azure-cli",
        "configuration": {"url": "u", "user": "x"}, "description": "d", "myOwn": [1],
    })))
    .unwrap()
}

fn changed(changes: Value) -> Result<Document, Refused> {
    match changes {
        Value::Object(changes) => jenkins().changed(changes, false),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            panic!("no object")
        }
    }
}

#[test]
fn a_change_replaces_at_the_root_and_nothing_below() {
    let after = changed(json!({"configuration": {"url": "v"}, "more": true})).unwrap();
    assert_eq!(after.rest["configuration"], json!({"url": "v"}));
    assert_eq!(after.rest["description"], "d");
    assert_eq!(
        (&after.rest["myOwn"], &after.rest["more"]),
        (&json!([1]), &json!(true))
    );
    let removed = changed(json!({"description": null, "myOwn": null})).unwrap();
    assert_eq!(removed.rest.keys().collect::<Vec<_>>(), ["configuration"]);
}

#[test]
fn a_replacement_keeps_only_what_it_says() {
    let said = properties(&json!({"name": "N", "tool_identifier": "AZURE_CLI"}));
    let after = jenkins().changed(said, true).unwrap();
    assert!(after.rest.is_empty() && after.active);
    assert_eq!(after.identifier, "azure-cli", "as it was written first");
    let nameless = properties(&json!({"tool_identifier": "azure-cli"}));
    assert!(jenkins().changed(nameless, true).is_err());
}

#[test]
fn what_the_registry_says_no_change_says() {
    let said = json!({"_id": "0", "createdAt": "x", "updatedAt": 5, "__v": 7, "account": "other",
        "owner": "me", "owner_name": "Me", "role_access_level": "administrator"});
    assert_eq!(changed(said).unwrap(), jenkins());
}

#[test]
fn a_kind_of_tool_stays() {
    assert_eq!(
        changed(json!({"tool_identifier": "Azure_CLI"})).unwrap(),
        jenkins()
    );
    let other = changed(json!({"tool_identifier": "jenkins"})).unwrap_err();
    assert_eq!(other, Refused::Identifier("azure-cli".into()));
}

#[test]
fn values_have_the_shape_of_their_property() {
    let long = "x".repeat(1001);
    let deep = (0..40).fold(json!(1), |inner, _| json!([inner]));
    for wrong in [
        json!({"name": ""}),
        json!({"name": "  "}),
        json!({"name": null}),
        json!({"name": 5}),
        json!({"name": "x".repeat(51)}),
        json!({"description": long}),
        json!({"description": ["d"]}),
        json!({"active": "perhaps"}),
        json!({"configuration": "u"}),
        json!({"accounts": {}}),
        json!({"jobs": ["job"]}),
        json!({"tags": "t"}),
        json!({"costCenter": "x".repeat(26)}),
        json!({"vault": "x"}),
        json!({"roles": {}}),
        json!({"more": deep}),
        json!({"": 1}),
    ] {
        assert!(changed(wrong.clone()).is_err(), "{wrong}");
    }
    for right in [
        json!({"name": "x".repeat(50)}),
        json!({"description": "x".repeat(1000)}),
        json!({"active": false}),
        json!({"active": "false"}),
        json!({"vault": ""}),
        json!({"jobs": [{"name": "a"}], "tags": ["t"]}),
    ] {
        assert!(changed(right.clone()).is_ok(), "{right}");
    }
}

#[test]
fn rules_name_a_role_and_one_subject() {
    let said = json!({"roles": [{"role": "manager", "user": "a@b.c", "group": ""},
        {"role": "User", "group": "developers"}, {"role": "guest", "site_role": "Auditors"}]});
    let after = changed(said).unwrap();
    assert_eq!(after.rules[0].role, Role::Manager);
    assert_eq!(after.rules[1].subject, Subject::Group("developers".into()));
    assert_eq!(
        after.properties()["roles"][2],
        json!({"role": "guest", "site_role": "Auditors"})
    );
    for wrong in [
        json!([{"role": "king", "user": "a"}]),
        json!([{"role": "user"}]),
        json!([{"role": "user", "user": "a", "group": "b"}]),
        json!([{"role": "user", "group": "x".repeat(26)}]),
        json!(["user"]),
    ] {
        assert!(changed(json!({"roles": wrong})).is_err(), "{wrong}");
    }
}

#[test]
fn a_document_is_bounded() {
    let many: Properties = (0..300).map(|it| (format!("p{it}"), json!(1))).collect();
    assert_eq!(
        jenkins().changed(many, false),
        Err(Refused::TooManyProperties)
    );
    let long = changed(json!({"more": "x".repeat(LONGEST)})).unwrap();
    assert!(matches!(long.rest_text(), Err(Refused::TooLong(_))));
}

#[test]
fn a_difference_names_what_changed() {
    let after = changed(json!({"description": "e", "new": 1})).unwrap();
    let (was, is) = difference(&jenkins(), &after);
    assert_eq!(Value::Object(was), json!({"description": "d"}));
    assert_eq!(Value::Object(is), json!({"description": "e", "new": 1}));
}
