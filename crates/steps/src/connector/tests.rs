use serde_json::json;

use super::*;

fn tool(kind: &str, configuration: Value) -> Tool {
    Tool {
        kind: kind.to_owned(),
        configuration,
        secrets: vec!["s3cret".to_owned()],
        ..Tool::default()
    }
}

fn job(kind: &str, operation: Value, with: Value) -> Job {
    let configuration =
        json!({"url": "https://ci.example/base/", "username": "ann", "token": "s3cret"});
    let Value::Object(with) = with else {
        panic!("a map")
    };
    Job {
        tool: tool(kind, configuration),
        kind: None,
        operation,
        with,
        every: None,
        facts: Facts {
            id: "0123456789abcdef01234567".to_owned(),
            step: "build-the-whole-thing".to_owned(),
            r#try: 1,
            ..Facts::default()
        },
        left: None,
    }
}

fn begun(kind: &str, operation: Value, with: Value) -> Machine {
    job(kind, operation, with)
        .begin()
        .expect("a job that can begin")
}

fn answer(status: u16, body: &Value) -> Heard {
    Heard::Answered(Answer {
        status,
        body: body.to_string().into_bytes(),
        ..Answer::default()
    })
}

fn sent(next: &Next) -> &Ask {
    let Deed::Send(ask) = &next.deed else {
        panic!("{next:?}")
    };
    ask
}

fn ended(next: &Next) -> &End {
    let Deed::End(end) = &next.deed else {
        panic!("{next:?}")
    };
    end
}

fn small(idempotent: bool) -> Value {
    json!({
        "start": {"request": {"method": "POST", "path": "/jobs", "json": {"name": "{{ with.name }}"}},
            "take": {"id": "$.id"}, "idempotent": idempotent},
        "poll": {"request": {"path": "/jobs/{{ var.id }}"},
            "state": [{"at": "$.state", "map": {"busy": "running", "done": "succeeded", "bad": "failed"}}],
            "message": "$.why"},
        "stop": {"method": "DELETE", "path": "/jobs/{{ var.id }}"},
        "outputs": {"id": "{{ var.id? }}"},
    })
}

#[test]
fn every_file_is_a_connector_of_its_own() {
    let mut seen = std::collections::BTreeSet::new();
    for (name, text) in files::ALL {
        let connector = parse(text).unwrap_or_else(|why| panic!("{name}: {why}"));
        assert_eq!(connector.connector, *name);
        for identifier in std::iter::once(&connector.connector).chain(&connector.also) {
            assert_eq!(*identifier, canonical(identifier));
            assert!(
                seen.insert(identifier.clone()),
                "{identifier} is there twice"
            );
        }
        for setting in connector.tool.values() {
            assert!(!setting.from.is_empty(), "{name}");
        }
    }
    assert!(files::ALL.len() >= 7);
    for identifier in [
        "Jenkins",
        "GITLAB",
        "argo_workflows",
        "External_REST_API_integration",
    ] {
        assert!(named(identifier).is_some(), "{identifier}");
    }
    let capable = |kind: &str| named(kind).unwrap().capabilities("run").unwrap();
    assert_eq!(
        capable("jenkins"),
        Capabilities {
            stop: true,
            live_logs: true
        }
    );
    assert_eq!(
        capable("github-actions"),
        Capabilities {
            stop: true,
            live_logs: false
        }
    );
    assert!(named("generic-rest").unwrap().capabilities("run").is_none());
}

#[test]
fn a_file_with_a_mistake_is_refused() {
    for (text, expected) in [
        (
            "connector: x\ndescription: x\ntool: {}\n",
            "needs the setting `url`",
        ),
        (
            "connector: x\ndescription: x\ntool: {url: {from: [url]}}\nauth: [{bearer: t}]\n",
            "no setting `t`",
        ),
        (
            "connector: x\ndescription: x\ntool: {url: {from: [url], secure: true}}\n",
            "unknown field",
        ),
    ] {
        let why = parse(text).err().unwrap_or_default();
        assert!(why.contains(expected), "{why}");
    }
    for (at, value, expected) in [
        (
            "/start/request/path",
            json!("http://else.where/"),
            "begins with a slash",
        ),
        (
            "/start/request/path",
            json!("/{{ secret.token }}"),
            "names nothing here",
        ),
        ("/poll/state", json!([]), "says nothing about the `state`"),
        ("/poll/state/0/at", json!("$["), "did not match"),
        (
            "/start/take/id",
            json!({"json": "no path"}),
            "did not match",
        ),
        (
            "/poll/request",
            json!({"path": "/", "form": {}, "text": "x"}),
            "one of json, form and text",
        ),
        ("/outputs", json!({"a b": "x"}), "no name of an output"),
    ] {
        let mut operation = small(false);
        *operation.pointer_mut(at).expect("a place") = value;
        let why = check_operation(&operation).unwrap_err();
        assert!(why.contains(expected), "{at}: {why}");
    }
}

#[test]
fn an_operation_is_started_followed_and_ended() {
    let mut machine = begun("generic-rest", small(false), json!({"name": "n"}));
    let next = machine.next(Heard::Begin);
    let ask = sent(&next);
    assert_eq!(
        (ask.method, ask.url.as_str()),
        ("POST", "https://ci.example/base/jobs")
    );
    assert_eq!(ask.body.as_deref(), Some(&br#"{"name":"n"}"#[..]));
    assert!(!ask.is_repeatable);
    assert!(
        ask.headers
            .contains(&("authorization".to_owned(), "Bearer s3cret".to_owned()))
    );
    assert!(!format!("{ask:?}").contains("s3cret"));
    assert!(next.notes.contains(&Note::Hide("s3cret".to_owned())));
    assert!(
        matches!(next.notes.last(), Some(Note::Checkpoint(record)) if record.is_sent && !record.is_started)
    );

    let next = machine.next(answer(201, &json!({"id": 7})));
    assert_eq!(sent(&next).url, "https://ci.example/base/jobs/7");
    assert!(
        matches!(&next.notes[0], Note::Checkpoint(record) if record.is_started && record.vars["id"] == 7)
    );

    let next = machine.next(answer(200, &json!({"state": "busy"})));
    assert!(matches!(next.deed, Deed::Wait(_)));
    sent(&machine.next(Heard::Waited));
    let next = machine.next(answer(200, &json!({"state": "bad", "why": "out of luck"})));
    let end = ended(&next);
    assert_eq!(end.verdict, Verdict::Failed);
    assert_eq!(end.message, "generic-rest says bad: out of luck");
    assert_eq!(end.outputs["id"], "7");
}

#[test]
fn a_start_that_may_have_begun_is_not_sent_again() {
    let lost = || Heard::Unanswered {
        is_sent: true,
        why: "reset".to_owned(),
    };
    for (heard, idempotent, goes_on) in [
        (lost(), false, false),
        (lost(), true, true),
        (
            Heard::Unanswered {
                is_sent: false,
                why: "refused".to_owned(),
            },
            false,
            true,
        ),
        (answer(500, &json!("oops")), false, false),
        (answer(500, &json!("oops")), true, true),
        (answer(503, &json!("busy")), false, true),
        (answer(429, &json!("slowly")), false, true),
    ] {
        let mut machine = begun("generic-rest", small(idempotent), json!({"name": "n"}));
        machine.next(Heard::Begin);
        let next = machine.next(heard);
        assert_eq!(matches!(next.deed, Deed::Wait(_)), goes_on, "{next:?}");
        if !goes_on {
            assert!(ended(&next).message.contains("may have begun"));
        }
    }
}

#[test]
fn an_attempt_goes_on_where_another_was_lost() {
    let mut job = job("generic-rest", small(false), json!({"name": "n"}));
    job.left = Some(Record {
        key: "penstock-x-1".to_owned(),
        is_sent: true,
        is_started: true,
        vars: [("id".to_owned(), json!(7))].into(),
    });
    let mut machine = job.begin().unwrap();
    let next = machine.next(Heard::Begin);
    assert_eq!(sent(&next).url, "https://ci.example/base/jobs/7");

    let mut job = self::job(
        "github-actions",
        json!("run"),
        json!({"repository": "o/r", "workflow": "w", "correlation": "c"}),
    );
    job.left = Some(Record {
        key: "penstock-x-1".to_owned(),
        is_sent: true,
        ..Record::default()
    });
    let mut machine = job.begin().unwrap();
    let next = machine.next(Heard::Begin);
    assert!(sent(&next).url.contains("/repos/o/r/actions/runs?"));
    let runs = json!({"workflow_runs": [{"id": 1, "display_title": "x"}, {"id": 2, "display_title": "y (penstock-x-1)"}]});
    let next = machine.next(answer(200, &runs));
    assert!(sent(&next).url.ends_with("/actions/runs/2"));
}

#[test]
fn a_stop_reaches_the_tool_or_says_why_not() {
    let mut machine = begun("generic-rest", small(false), json!({"name": "n"}));
    let next = machine.next(Heard::Stop { hard: false });
    assert_eq!(ended(&next).verdict, Verdict::Cancelled);

    let mut machine = begun("generic-rest", small(false), json!({"name": "n"}));
    machine.next(Heard::Begin);
    machine.next(answer(201, &json!({"id": 7})));
    let next = machine.next(Heard::Stop { hard: false });
    assert_eq!(sent(&next).method, "DELETE");
    let next = machine.next(answer(204, &json!(null)));
    assert_eq!(sent(&next).method, "GET");
    let next = machine.next(answer(200, &json!({"state": "done"})));
    assert_eq!(ended(&next).verdict, Verdict::Succeeded);

    let mut operation = small(false);
    operation.as_object_mut().unwrap().remove("stop");
    let mut machine = begun("generic-rest", operation, json!({"name": "n"}));
    machine.next(Heard::Begin);
    machine.next(answer(201, &json!({"id": 7})));
    let next = machine.next(Heard::Stop { hard: true });
    assert_eq!(ended(&next).verdict, Verdict::Left);
}

#[test]
fn what_fails_again_and_again_ends() {
    let mut machine = begun("generic-rest", small(false), json!({"name": "n"}));
    machine.next(Heard::Begin);
    let mut next = machine.next(answer(201, &json!({"id": 7})));
    for _ in 0..200 {
        next = match next.deed {
            Deed::Send(_) => machine.next(answer(502, &json!("bad gateway"))),
            Deed::Wait(_) => machine.next(Heard::Waited),
            Deed::End(end) => {
                assert!(end.message.contains("again and again"), "{}", end.message);
                return;
            }
        };
    }
    panic!("it never ends");
}

#[test]
fn a_tool_without_its_settings_is_refused() {
    let mut job = job("jenkins", json!("run"), json!({"job": "a"}));
    for (configuration, expected) in [
        (json!({}), "no url or jenkinsUrl"),
        (json!({"url": "ftp://x"}), "must be http"),
        (json!({"url": "https://u:p@x/"}), "must be http"),
    ] {
        job.tool.configuration = configuration;
        let why = job.clone().begin().err().unwrap_or_default();
        assert!(why.contains(expected), "{why}");
    }
    job.tool.kind = "abacus".to_owned();
    assert!(
        job.begin()
            .err()
            .unwrap()
            .contains("no connector for tools of kind abacus")
    );
}

#[test]
fn keys_name_one_try_of_one_step() {
    let facts = |step: &str, of_try| Facts {
        id: "0123456789abcdef01234567".to_owned(),
        step: step.to_owned(),
        r#try: of_try,
        ..Facts::default()
    };
    let long = "x".repeat(64);
    assert!(facts(&long, 10_000).key().len() <= 63);
    assert_ne!(
        facts("a-very-long-one", 1).key(),
        facts("a-very-long-two", 1).key()
    );
    assert_ne!(facts("a", 1).key(), facts("a", 2).key());
}
