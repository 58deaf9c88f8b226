//! What a step becomes for an executor.

use std::collections::HashMap;

use steps::kinds::{Body, Error, Process, Request};
use steps::{Context, Definition, Invocation, Plan};

fn invocation(step: &str, day: &str) -> Result<Invocation, Error> {
    let source = format!("{{name: x, parameters: {{day: }}, steps: [{{id: a, {step}}}]}}");
    let definition = Definition::from_source(&source).expect("a definition without fault");
    let plan = Plan::of(&definition);
    plan.steps[0].invocation(&Context {
        parameters: &HashMap::from([("day".to_owned(), day.to_owned())]),
        outputs: &HashMap::new(),
        secrets: &HashMap::from([("TOKEN".to_owned(), b"s3cret".to_vec())]),
    })
}

fn request(http: &str, day: &str) -> Result<Request, Error> {
    match invocation(&format!("secrets: {{TOKEN: t}}, http: {{{http}}}"), day)? {
        Invocation::Http(request) => Ok(request),
        Invocation::Process(_) | Invocation::Tool(_) | Invocation::Plugin(_) => panic!("a request"),
    }
}

#[test]
fn a_script_is_given_to_the_shell_as_it_is() {
    let step = "run: 'echo \"$DAY\" > x', env: {DAY: '${{ parameters.day }}'}";
    let process = Process {
        argv: ["/bin/sh", "-e", "-c", "echo \"$DAY\" > x"]
            .map(str::to_owned)
            .into(),
        env: [("DAY".to_owned(), "$(reboot)".to_owned())].into(),
    };
    assert_eq!(
        invocation(step, "$(reboot)"),
        Ok(Invocation::Process(process))
    );
}

#[test]
fn an_argument_stays_one_argument() {
    let Ok(Invocation::Process(process)) =
        invocation("command: [ls, 'd=${{ parameters.day }}']", "a b; c")
    else {
        panic!("a process")
    };
    assert_eq!(process.argv, ["ls", "d=a b; c"]);
}

#[test]
fn more_than_a_process_can_be_given_is_refused_before_it_starts() {
    let long = "x".repeat(128 * 1024);
    assert_eq!(
        invocation("run: x, env: {DAY: '${{ parameters.day }}'}", &long),
        Err(Error::TooLong("env.DAY".to_owned()))
    );
    assert_eq!(
        invocation("command: [ls, '${{ parameters.day }}']", &long),
        Err(Error::TooLong("argument 1".to_owned()))
    );
    let half = "x".repeat(64 * 1024);
    let arguments = "'${{ parameters.day }}', ".repeat(17);
    assert_eq!(
        invocation(&format!("command: [ls, {arguments}]"), &half),
        Err(Error::TooMuch)
    );
}

#[test]
fn a_request_has_its_values() {
    let http = "method: PUT, url: 'https://x.example/${{ parameters.day }}?d=${{ parameters.day }}', \
                headers: {Authorization: 'Bearer ${{ secrets.TOKEN }}'}, body: '<${{ parameters.day }}>', expect: 204";
    let request = request(http, "a/b&c=ä").unwrap();
    assert_eq!(
        request.url,
        "https://x.example/a%2Fb%26c%3D%C3%A4?d=a%2Fb%26c%3D%C3%A4"
    );
    assert_eq!(
        request.headers,
        [("Authorization".to_owned(), "Bearer s3cret".to_owned())]
    );
    assert_eq!(request.body, Body::Text("<a/b&c=ä>".to_owned()));
    assert!(request.expect.accepts(204) && !request.expect.accepts(200));
}

#[test]
fn a_value_in_the_host_stands_as_it_is_and_is_checked() {
    let http = "url: 'https://${{ parameters.day }}/x'";
    assert_eq!(
        request(http, "site.example:8080").unwrap().url,
        "https://site.example:8080/x"
    );
    assert!(matches!(request(http, "a b"), Err(Error::Url(_))));
    assert!(matches!(
        request("url: '${{ parameters.day }}'", "file:///etc/passwd"),
        Err(Error::Url(_))
    ));
    assert_eq!(
        request("url: '${{ parameters.day }}/y'", "http://a/x")
            .unwrap()
            .url,
        "http://a/x/y"
    );
}

#[test]
fn a_value_cannot_add_a_header() {
    let http = "url: 'http://x', headers: {A: '${{ parameters.day }}'}";
    assert_eq!(
        request(http, "a\r\nB: c"),
        Err(Error::Header("A".to_owned()))
    );
}

#[test]
fn what_is_printed_of_a_request_holds_no_secret() {
    let http =
        "url: 'http://x', headers: {A: '${{ secrets.TOKEN }}'}, body: '${{ secrets.TOKEN }}'";
    let printed = format!("{:?}", Invocation::Http(request(http, "").unwrap()));
    assert!(
        !printed.contains("s3cret") && printed.contains("6 bytes"),
        "{printed}"
    );
}

#[test]
fn a_missing_output_is_named_with_its_place() {
    let source = "{name: x, steps: [{id: b, run: x}, {id: a, run: x, env: {R: '${{ steps.b.outputs.rows }}'}}]}";
    let plan = Plan::of(&Definition::from_source(source).unwrap());
    let nothing = HashMap::new();
    let error = plan.steps[1]
        .invocation(&Context {
            parameters: &nothing,
            outputs: &nothing,
            secrets: &HashMap::new(),
        })
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "env.R: step `b` has written no output `rows`"
    );
}

#[test]
fn what_a_tool_is_given_keeps_its_types() {
    let step = "tool: {tool: ci, every: 5s, with: {job: 'a ${{ parameters.day }}', n: 3, l: [true, '3', ]}}";
    let Ok(Invocation::Tool(call)) = invocation(step, "{{ tool.token }}") else {
        panic!("a tool's operation")
    };
    assert_eq!(call.operation, "run");
    assert_eq!(call.every, Some(std::time::Duration::from_secs(5)));
    let with = serde_json::json!({"job": "a {{ tool.token }}", "n": 3, "l": [true, "3"]});
    assert_eq!(serde_json::Value::Object(call.with), with);
}

#[test]
fn a_plugin_takes_its_configuration_as_it_is_and_its_inputs_in_order() {
    let source = "
name: x
parameters: {day: }
steps:
  - {id: one, plugin: {name: uv-e-filesDownload}}
  - {id: two, plugin: {name: uv-e-filesDownload}}
  - id: a
    env: {DAY: '${{ parameters.day }}'}
    plugin: {name: mine, version: 2.1.5-x, config: '<a>${{ b }}</a>', inputs: {in: [two.output, one.output]}}
";
    let plan = Plan::of(&Definition::from_source(source).unwrap());
    let stored = serde_json::to_string(&plan.steps[2].kind).unwrap();
    assert_eq!(
        stored,
        r#"{"plugin":{"name":"mine","version":"2.1.5-x","config":"<a>${{ b }}</a>","inputs":{"in":["two.output","one.output"]}}}"#
    );
    let context = Context {
        parameters: &HashMap::from([("day".to_owned(), "today".to_owned())]),
        outputs: &HashMap::new(),
        secrets: &HashMap::new(),
    };
    let Ok(Invocation::Plugin(call)) = plan.steps[2].invocation(&context) else {
        panic!("a plug-in")
    };
    let source = |step: &str| (step.to_owned(), "output".to_owned());
    assert_eq!(call.inputs["in"], [source("two"), source("one")]);
    assert_eq!(call.config, "<a>${{ b }}</a>");
    assert_eq!(call.env["DAY"], "today");
}
