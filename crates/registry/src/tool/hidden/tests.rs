//! What is taken out of a document, and put back.

use proptest::prelude::*;

use super::*;

const ID: &str = "5fc7a12ebed9dd3a622f5d22";

fn document(rest: Value) -> Document {
    let Value::Object(mut said) = rest else {
        panic!("no object")
    };
    said.insert("name".into(), json!("n"));
    said.insert("tool_identifier".into(), json!("jenkins"));
    Document::new(said).unwrap()
}

fn taken(rest: Value, known: &[&str]) -> Result<(Value, Secrets), Refused> {
    let known = known.iter().map(|it| (*it).to_owned()).collect();
    let mut document = document(rest);
    let secrets = take_out(&mut document, ID, &known)?;
    Ok((Value::Object(document.rest), secrets))
}

#[test]
fn a_secret_leaves_a_reference_in_its_place() {
    let said = json!({"configuration": {"url": "u", "password": "p1", "apiKey": "", "port": 7},
        "accounts": [{"token": "t1"}, {"x": {"secret_key": "k1"}}]});
    let (rest, secrets) = taken(said, &[]).unwrap();
    let key = |path: &str| format!("{ID}-jenkins-{path}");
    let expected = [
        (key("accounts.0.token"), "t1"),
        (key("accounts.1.x.secret_key"), "k1"),
        (key("configuration.password"), "p1"),
    ];
    let expected = expected.map(|(key, value)| (key, value.to_owned()));
    assert_eq!(secrets.0, expected.into());
    assert_eq!(
        rest["configuration"],
        json!({"url": "u", "port": 7, "apiKey": {},
            "password": {"name": "Vault Secured Key", "vaultKey": key("configuration.password")}})
    );
    assert!(!format!("{secrets:?}").contains("p1"));
}

#[test]
fn what_was_taken_out_is_put_back() {
    let said = json!({"configuration": {"password": "p1", "list": [{"token": ["a", 5]}]}});
    let (mut rest, secrets) = taken(said, &[]).unwrap();
    put_back(&mut rest, &secrets.0);
    let expected = json!({"password": "p1", "list": [{"token": ["a", "5"]}]});
    assert_eq!(rest["configuration"], expected);
}

#[test]
fn a_reference_is_to_a_secret_of_the_tool() {
    let of = |key: &str| json!({"configuration": {"password": {"name": "x", "vaultKey": key}}});
    let (rest, secrets) = taken(of("own"), &["own"]).unwrap();
    assert_eq!(rest["configuration"]["password"], reference("own"));
    assert!(secrets.0.is_empty());
    for said in [
        of("other"),
        of(""),
        json!({"configuration": {"anything": {"vaultKey": "other"}}}),
        json!({"extra": [{"vaultKey": 5}]}),
    ] {
        assert!(matches!(taken(said, &["own"]), Err(Refused::Reference(_))));
    }
    let said = json!({"configuration": {"password": {"plain": "p"}}});
    assert!(matches!(taken(said, &[]), Err(Refused::Field { .. })));
}

#[test]
fn a_new_secret_never_takes_the_key_of_a_reference_that_moved() {
    let first = format!("{ID}-jenkins-accounts.1.token");
    let said = json!({"accounts": [{"token": {"vaultKey": first}}, {"token": "new"}]});
    let (rest, secrets) = taken(said, &[&first]).unwrap();
    assert_eq!(rest["accounts"][0]["token"]["vaultKey"], json!(first));
    assert_eq!(
        secrets.0.keys().collect::<Vec<_>>(),
        [&format!("{first}-2")]
    );
    assert_eq!(references(rest.as_object().unwrap()).len(), 2);
}

#[test]
fn the_places_of_secrets_are_known_by_name() {
    for name in [
        "password",
        "Password",
        "userPassword",
        "db_password",
        "accessToken",
        "token",
        "secretKey",
        "secret_key",
        "accessKey",
        "privateKey",
        "apiKey",
        "vaultSecretKey",
        "clientSecret",
        "Authorization",
        "pat",
    ] {
        assert!(is_secret(name, &[]), "{name}");
    }
    for name in [
        "url",
        "tokenEndpoint",
        "passwordPolicy",
        "name",
        "key",
        "userName",
        "path",
    ] {
        assert!(!is_secret(name, &[]), "{name}");
    }
    assert!(is_secret("webhookUrl", kind::secret_fields("slack")));
}

#[test]
fn a_tool_has_a_bounded_number_of_secrets() {
    let many: Vec<_> = (0..=MOST).map(|_| json!({"token": "t"})).collect();
    assert_eq!(
        taken(json!({"accounts": many}), &[]).unwrap_err(),
        Refused::TooManySecrets
    );
}

fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<i32>().prop_map(|it| json!(it)),
        Just(json!("canary")),
    ];
    let name = prop_oneof![
        "[a-z]{1,4}",
        Just("password".to_owned()),
        Just("apiToken".to_owned())
    ];
    leaf.prop_recursive(4, 32, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::btree_map(name.clone(), inner, 0..4)
                .prop_map(|it| Value::Object(it.into_iter().collect())),
        ]
    })
}

fn has_text_in_place(value: &Value, in_place: bool) -> bool {
    match value {
        Value::Object(_) if key_of(value).is_some() => false,
        Value::Object(fields) => fields
            .iter()
            .any(|(name, value)| has_text_in_place(value, is_secret(name, &[]))),
        Value::Array(list) => list.iter().any(|it| has_text_in_place(it, in_place)),
        Value::String(_) | Value::Number(_) => in_place,
        Value::Null | Value::Bool(_) => false,
    }
}

proptest! {
    #[test]
    fn no_text_is_left_in_the_place_of_a_secret(value in anything()) {
        if let Ok((rest, _)) = taken(json!({"configuration": {"x": value}}), &[]) {
            prop_assert!(!has_text_in_place(&rest, false), "{}", rest);
            let (again, secrets) = taken(rest.clone(),
                &references(rest.as_object().unwrap()).iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
            prop_assert_eq!(rest, again, "taking out twice is the same as once");
            prop_assert!(secrets.0.is_empty());
        }
    }
}
