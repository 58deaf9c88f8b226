//! Every fault of a definition is named, with its place and what to change.

use steps::Definition;

#[test]
fn all_faults_are_named_at_once_with_their_places() {
    let source = "\
name: ''
visibilty: private
steps:
  - id: fetch
    run: echo ${{ parameters.day }}
    timeout: 5
    colour: red
  - id: fetch
    run: a
    command: [b]
    needs: [fetsh]
  - id: Third
    env: {PENSTOCK_RUN: x, DAY: \"${{ parameters.day }}\"}
    retry: {delay: soon}
  - plugin: {message: ok}
    id: gate
concurrency: many
";
    let faults = Definition::from_source(source).unwrap_err();
    let text = faults.to_string();
    let expected = [
        "line 1, column 7: name: must not be empty",
        "line 2, column 1: visibilty: unknown key; did you mean `visibility`?",
        "line 5, column 10: steps[0].run: expressions are not put into scripts; give the value a name under `env` \
         and write \"$NAME\" here",
        "line 6, column 14: steps[0].timeout: must say its unit: ms, s, m, h or d, as in 30s",
        "line 7, column 5: steps[0].colour: unknown key; the keys here are id, name,",
        "line 8, column 9: steps[1].id: the id \"fetch\" is taken by steps[0]; ids are unique",
        "line 10, column 14: steps[1].command: a step does one thing and has `run` already; make two steps of it",
        "line 11, column 13: steps[1].needs[0]: there is no step \"fetsh\"; did you mean `fetch`?",
        "line 12, column 5: steps[2]: says nothing to do; give it one of run, command, http, tool, plugin, approval, userAction, pipeline",
        "line 12, column 9: steps[2].id: must be lowercase letters, digits and `-`, such as fetch-orders",
        "line 13, column 25: steps[2].env.PENSTOCK_RUN: the name is reserved: Penstock sets",
        "line 13, column 33: steps[2].env.DAY: there is no parameter `day`",
        "line 14, column 12: steps[2].retry.attempts: is missing",
        "line 14, column 20: steps[2].retry.delay: must be a duration such as",
        "line 15, column 13: steps[3].plugin.name: is missing",
        "line 15, column 14: steps[3].plugin.message: unknown key; the keys here are name,",
        "line 17, column 14: concurrency: must be a number from 0 to 10000",
    ];
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), expected.len(), "{text}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.starts_with(expected), "{line}\nis not\n{expected}");
    }
}

/// The faults of a definition with these steps, without their positions.
fn faults(steps: &str) -> Vec<String> {
    let source = format!("name: x\nparameters: {{day: }}\nsteps:\n{steps}");
    match Definition::from_source(&source) {
        Ok(_) => Vec::new(),
        Err(faults) => faults
            .0
            .into_iter()
            .map(|f| format!("{}: {}", f.place, f.message))
            .collect(),
    }
}

#[track_caller]
fn assert_fault(steps: &str, expected: &str) {
    let faults = faults(steps);
    assert!(
        faults.len() == 1 && faults[0].contains(expected),
        "{faults:#?}\nis not\n{expected}"
    );
}

#[test]
fn cycles_are_named() {
    assert_fault(
        "- {id: a, run: x, needs: [c]}\n- {id: b, run: x, needs: [a]}\n- {id: c, run: x, needs: [b]}\n- {id: d, run: x, needs: [a]}",
        "steps[0].needs: the steps wait for each other: a → c → b → a",
    );
    assert_fault(
        "- {id: a, run: x, needs: [a]}",
        "steps[0].needs: the steps wait for each other: a → a",
    );
    let two = "- {id: a, run: x, needs: [b]}\n- {id: b, run: x, needs: [a]}\n\
               - {id: c, run: x, needs: [d, a]}\n- {id: d, run: x, needs: [c]}";
    let faults = faults(two);
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(faults[1].ends_with("c → d → c"), "{faults:?}");
}

#[test]
fn a_normal_step_cannot_need_a_finalizer() {
    assert_fault(
        "- {id: a, run: x, needs: [z]}\n- {id: z, run: x, always: true}",
        "steps[0].needs[0]: step \"z\" runs after all others",
    );
    assert_eq!(
        faults("- {id: a, run: x}\n- {id: z, run: x, always: true, needs: [a]}"),
        [""; 0]
    );
}

#[test]
fn outputs_are_those_of_steps_that_surely_came_before() {
    let uses = |step: &str| format!("env: {{V: \"${{{{ steps.{step}.outputs.k }}}}\"}}");
    let a = uses("a");
    for steps in [
        format!("- {{id: a, run: x}}\n- {{id: b, run: x}}\n- {{id: c, run: x, {a}}}"),
        format!(
            "- {{id: a, run: x}}\n- {{id: b, run: x, needs: [a]}}\n- {{id: c, run: x, needs: [b], {a}}}"
        ),
        format!("- {{id: z, always: true, run: x, {a}}}\n- {{id: a, run: x}}"),
    ] {
        assert_eq!(faults(&steps), [""; 0], "{steps}");
    }
    let not_needed = "step `b` does not need step `a`, so its output `k` may not be there yet";
    for steps in [
        format!("- {{id: a, run: x}}\n- {{id: b, run: x, needs: [], {a}}}"),
        format!("- {{id: b, run: x, {a}}}\n- {{id: a, run: x}}"),
        format!("- {{id: a, run: x, always: true}}\n- {{id: b, run: x, {a}}}"),
    ] {
        assert_fault(&steps, not_needed);
    }
    assert_fault(
        &format!("- {{id: a, run: x, {a}}}"),
        "does not need step `a`",
    );
    assert_fault(
        &format!("- {{id: aa, run: x, {}}}", uses("ab")),
        "there is no step \"ab\"; did you mean `aa`?",
    );
}

const BAD_STEPS: &[(&str, &str)] = &[
    ("{id: a}", "says nothing to do"),
    ("{run: x}", "steps[0].id: is missing"),
    ("{id: a, run: }", "says nothing to do"),
    ("{id: a, run: '  '}", "steps[0].run: must not be empty"),
    ("{id: a, run: x, run: y}", "steps[0].run: is written twice"),
    (
        "{id: 5, run: x}",
        "steps[0].id: must be text; put it in quotes: \"5\"",
    ),
    (
        "{id: a_b, run: x}",
        "must be lowercase letters, digits and `-`",
    ),
    (
        "{id: a, run: [x]}",
        "steps[0].run: must be text, not a list or map",
    ),
    (
        "{id: a, command: ls -l}",
        "steps[0].command: must be a list",
    ),
    ("{id: a, command: []}", "must name a program"),
    (
        "{id: a, command: ['']}",
        "steps[0].command[0]: must name a program",
    ),
    ("{id: a, command: [ls, ]}", ""),
    (
        "{id: a, command: [ls, [x]]}",
        "steps[0].command[1]: must be text",
    ),
    (
        "{id: a, command: [ls, '${{ parameters.dya }}']}",
        "there is no parameter `dya`; did you mean `day`?",
    ),
    (
        "{id: a, command: [ls, '${{ parameters.day']}",
        "steps[0].command[1]: `${{` is not closed",
    ),
    (
        "{id: a, run: x, env: {B: '${{ env.HOME }}'}}",
        "is not an expression",
    ),
    (
        "{id: a, run: x, env: {B-C: x}}",
        "steps[0].env.B-C: is no name of a variable",
    ),
    (
        "{id: a, run: x, env: {'B C': x}}",
        "steps[0].env[\"B C\"]: is no name of a variable",
    ),
    ("{id: a, run: x, env: {TRACEPARENT: x}}", "reserved"),
    ("{id: a, run: x, secrets: {PENSTOCK_X: x}}", "reserved"),
    ("{id: a, run: x, env: [B]}", "steps[0].env: must be a map"),
    (
        "{id: a, run: x, env: {B: 1}, secrets: {B: s}}",
        "steps[0].secrets.B: `env` has the same name",
    ),
    (
        "{id: a, run: x, secrets: {S: s}, env: {B: '${{ secrets.S }}'}}",
        "a secret can stand in the headers",
    ),
    ("{id: a, run: x, timeout: 0s}", "must be from 1ms to 8784h"),
    (
        "{id: a, run: x, timeout: 2y}",
        "steps[0].timeout: must be a duration",
    ),
    (
        "{id: a, run: x, timeout: -5m}",
        "steps[0].timeout: must be a duration",
    ),
    ("{id: a, run: x, timeout: 400d}", "must be 366d at most"),
    ("{id: a, run: x, retry: 3}", "steps[0].retry: must be a map"),
    (
        "{id: a, run: x, retry: {attempts: 0}}",
        "steps[0].retry.attempts: must be a number from 1 to 1000",
    ),
    (
        "{id: a, run: x, retry: {attempts: '3'}}",
        "must be a number",
    ),
    (
        "{id: a, run: x, retry: {attempts: 3, backoff: .nan}}",
        "retry.backoff: must be a number from 1 to 100",
    ),
    (
        "{id: a, run: x, retry: {attempts: 3, jitter: 1.5}}",
        "retry.jitter: must be a number from 0 to 1",
    ),
    (
        "{id: a, run: x, retry: {attempts: 3, delay: 2h}}",
        "retry.delay: is longer than `maxDelay` (1h)",
    ),
    (
        "{id: a, run: x, onLost: retry}",
        "steps[0].onLost: must be one of rerun, fail",
    ),
    (
        "{id: a, run: x, always: yes}",
        "steps[0].always: must be true or false",
    ),
    (
        "{id: a, run: x, enabled: 'true'}",
        "steps[0].enabled: must be true or false",
    ),
    (
        "{id: a, run: x, needs: b}",
        "steps[0].needs: must be a list",
    ),
    (
        "{id: a, run: x, needs: [5]}",
        "steps[0].needs[0]: must be text",
    ),
    (
        "{id: a, run: x, <<: {env: {}}}",
        "merge keys are not part of YAML 1.2",
    ),
    (
        "{id: a, run: x, name: \"two\\nlines\"}",
        "steps[0].name: must be one line",
    ),
    ("just text", "steps[0]: must be a map"),
    ("", "steps[0]: is missing"),
    ("{id: a, tool: {}}", "steps[0].tool.tool: is missing"),
    (
        "{id: a, tool: {tool: t, kind: Jenkins, operation: walk}}",
        "steps[0].tool.operation: there is no such operation; there are run",
    ),
    (
        "{id: a, tool: {tool: t, kind: generic-rest}}",
        "describe one here",
    ),
    (
        "{id: a, tool: {tool: t, operation: {start: {request: {path: x}}}}}",
        "steps[0].tool.operation: start: path `x`: begins with a slash",
    ),
    (
        "{id: a, tool: {tool: t, operation: {start: {request: {path: '/${{ parameters.x }}'}}}}}",
        "expressions are not put into operations",
    ),
    (
        "{id: a, tool: {tool: t, with: {a: [{b: '${{ parameters.x }}'}]}}}",
        "steps[0].tool.with.a[0].b: there is no parameter `x`",
    ),
    (
        "{id: a, tool: {tool: t, with: {a: '${{ secrets.x }}'}}}",
        "a secret can stand in the headers and body of an http step only",
    ),
    (
        "{id: a, secrets: {X: x}, tool: {tool: t}}",
        "a tool step takes its secrets from the tool",
    ),
    (
        "{id: a, tool: {tool: t, every: 1ms}}",
        "steps[0].tool.every: must be from 100ms",
    ),
    (
        "{id: a, pipeline: other}",
        "steps[0].pipeline: must be a map of keys and values",
    ),
    ("{id: a, plugin: {}}", "steps[0].plugin.name: is missing"),
    (
        "{id: a, plugin: {name: ../evil}}",
        "steps[0].plugin.name: must be the name of a plug-in",
    ),
    (
        "{id: a, plugin: {name: x, inputs: {in: [b]}}}",
        "steps[0].plugin.inputs.in[0]: must be a step's id and its port",
    ),
    (
        "{id: a, plugin: {name: x, inputs: {1st: []}}}",
        "is no name of a port",
    ),
    (
        "{id: a, plugin: {name: x, inputs: {in: [b.out]}}}",
        "steps[0].plugin.inputs.in[0]: there is no step \"b\"",
    ),
];

#[test]
fn each_bad_value_is_refused_with_what_to_change() {
    for (step, expected) in BAD_STEPS {
        if expected.is_empty() {
            assert_eq!(faults(&format!("- {step}")), [""; 0], "{step}");
        } else {
            assert_fault(&format!("- {step}"), expected);
        }
    }
}

const BAD_REQUESTS: &[(&str, &str)] = &[
    ("{}", "steps[0].http.url: is missing"),
    ("https://x", "steps[0].http: must be a map"),
    (
        "{url: x}",
        "steps[0].http.url: this is no address of a web server",
    ),
    ("{url: 'ftp://x'}", "must begin with http:// or https://"),
    (
        "{url: 'http://x', method: get}",
        "http.method: must be one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS; did you mean `GET`?",
    ),
    (
        "{url: 'http://x', header: {A: b}}",
        "http.header: unknown key; did you mean `headers`?",
    ),
    (
        "{url: 'http://x', headers: {'A B': b}}",
        "this is no name of a header",
    ),
    (
        "{url: 'http://x', headers: {A: \"b\\nC: d\"}}",
        "a header can't hold line breaks",
    ),
    (
        "{url: 'http://x', headers: {content-Length: 5}}",
        "set by Penstock",
    ),
    (
        "{url: 'http://x', headers: {A: '${{ secrets.T }}'}}",
        "`T` is not among the step's `secrets`",
    ),
    (
        "{url: 'http://x/${{ secrets.T }}'}",
        "a secret can stand in the headers and body",
    ),
    (
        "{url: 'http://x', body: a, bodyFile: b}",
        "http.bodyFile: `body` is there already",
    ),
    (
        "{url: 'http://x', bodyFile: /etc/passwd}",
        "must be a path below the workspace",
    ),
    (
        "{url: 'http://x', saveTo: a/../../b}",
        "http.saveTo: must be a path below the workspace",
    ),
    (
        "{url: 'http://x', saveTo: '${{ parameters.day }}'}",
        "expressions are not put into file names",
    ),
    (
        "{url: 'http://x', expect: 2xx}",
        "http.expect: must be a status from 100 to 599",
    ),
    (
        "{url: 'http://x', expect: [300-200]}",
        "http.expect[0]: must be a status from 100 to 599",
    ),
    (
        "{url: 'http://x', expect: []}",
        "http.expect: must name a status",
    ),
];

#[test]
fn each_bad_request_is_refused_with_what_to_change() {
    for (http, expected) in BAD_REQUESTS {
        assert_fault(&format!("- {{id: a, http: {http}}}"), expected);
    }
    assert_fault(
        "- {id: a, http: {url: 'http://x'}, env: {A: b}}",
        "http steps have no environment",
    );
}

const BAD_HEADS: &[(&str, &str)] = &[
    ("[]", "a definition is a map"),
    ("text", "a definition is a map"),
    ("steps: []", "name: is missing"),
    ("name: x", "steps: is missing; write `steps: []`"),
    (
        "{name: 5, steps: []}",
        "name: must be text; put it in quotes: \"5\"",
    ),
    ("{name: x, steps: {}}", "steps: must be a list"),
    (
        "{name: x, steps: [], visibility: public}",
        "visibility: must be one of private, public_ro, public_rw",
    ),
    (
        "{name: x, steps: [], concurrency: -1}",
        "concurrency: must be a number from 0 to 10000",
    ),
    (
        "{name: x, steps: [], roles: [{role: user}]}",
        "roles[0]: must name exactly one of user, group and siteRole",
    ),
    (
        "{name: x, steps: [], roles: [{role: user, user: a, group: b}]}",
        "roles[0]: must name exactly one",
    ),
    (
        "{name: x, steps: [], roles: [{role: boss, user: a}]}",
        "roles[0].role: must be one of",
    ),
    (
        "{name: x, steps: [], tags: [{type: a}]}",
        "tags[0].value: is missing",
    ),
    (
        "{name: x, steps: [], parameters: {5a: {}}}",
        "parameters[\"5a\"]: is no name of a parameter",
    ),
    (
        "{name: x, steps: [], parameters: {a: {type: int}}}",
        "parameters.a.type: must be one of string, number, boolean",
    ),
    (
        "{name: x, steps: [], parameters: {a: {type: number, default: x}}}",
        "parameters.a.default: must be a number",
    ),
    (
        "{name: x, steps: [], parameters: {a: {defaul: x}}}",
        "parameters.a.defaul: unknown key; did you mean `default`?",
    ),
];

#[test]
fn the_head_of_a_definition_is_checked_too() {
    for (source, expected) in BAD_HEADS {
        let faults = Definition::from_source(source).unwrap_err().0;
        let text = format!("{}: {}", faults[0].place, faults[0].message);
        assert!(
            faults.len() == 1 && text.contains(expected),
            "{source}: {text}"
        );
    }
}

#[test]
fn a_gate_takes_what_people_can_do_with_it() {
    for (step, fault) in [
        (
            "{id: a, approval: {approvers: 0}}",
            "steps[0].approval.approvers: must be a number from 1 to 20",
        ),
        (
            "{id: a, approval: {approver: 2}}",
            "steps[0].approval.approver: unknown key; did you mean `approvers`?",
        ),
        (
            "{id: a, approval: {message: '${{ parameters.day }}'}}",
            "steps[0].approval.message: expressions are not",
        ),
        ("{id: a, approval: yes}", "steps[0].approval: must be a map"),
        (
            "{id: a, approval: {}, always: true}",
            "steps[0].always: approval steps have no `always`; remove it",
        ),
        (
            "{id: a, approval: {}, env: {A: b}}",
            "steps[0].env: approval steps have no `env`; remove it",
        ),
        (
            "{id: a, approval: {}, retry: {attempts: 2}}",
            "steps[0].retry: approval steps have no `retry`",
        ),
        (
            "{id: a, userAction: {}}",
            "steps[0].userAction.instructions: is missing",
        ),
        (
            "{id: a, userAction: {instructions: ' '}}",
            "steps[0].userAction.instructions: must not be empty",
        ),
    ] {
        let found = faults(&format!("  - {step}\n"));
        assert!(
            found.len() == 1 && found[0].starts_with(fault),
            "{step}: {found:?}"
        );
    }
}

#[test]
fn data_goes_only_through_ports_that_there_are() {
    let get = "{id: get, plugin: {name: uv-e-filesDownload}}";
    for (steps, fault) in [
        (
            "{id: a, plugin: {name: uv-t-zipper, inputs: {input: [get.output]}}}",
            "",
        ),
        // Case makes no difference, and nobody knows the ports of what is not native.
        (
            "{id: a, plugin: {name: uv-t-zipper, inputs: {Input: [get.OUTPUT]}}}",
            "",
        ),
        (
            "{id: a, plugin: {name: mine, inputs: {anything: [get.output]}}}",
            "",
        ),
        (
            "{id: a, plugin: {name: uv-t-zipper, inputs: {in: [get.output]}}}",
            "steps[1].plugin.inputs.in: uv-t-zipper has no input \"in\"; its inputs are input",
        ),
        (
            "{id: a, plugin: {name: uv-t-zipper, inputs: {input: [get.files]}}}",
            "steps[1].plugin.inputs.input[0]: uv-e-filesDownload has no output \"files\"; its outputs are output",
        ),
        (
            "{id: a, plugin: {name: uv-t-rdfMerger, inputs: {rdfInput: [get.output]}}}",
            "steps[1].plugin.inputs.rdfInput[0]: gives files, and rdfInput takes RDF",
        ),
        (
            "{id: a, plugin: {name: mine, inputs: {in: [got.output]}}}",
            "steps[1].plugin.inputs.in[0]: there is no step \"got\"; did you mean `get`?",
        ),
        (
            "{id: a, needs: [], plugin: {name: mine, inputs: {in: [get.output]}}}",
            "steps[1].plugin.inputs.in[0]: step `a` does not need step `get`",
        ),
        (
            "{id: b, run: x}, {id: a, plugin: {name: mine, inputs: {in: [b.output]}}}",
            "steps[2].plugin.inputs.in[0]: step `b` is a run step, which has no ports",
        ),
    ] {
        let found = faults(&format!("  [{get}, {steps}]"));
        let is_as_said = match fault {
            "" => found.is_empty(),
            fault => found.len() == 1 && found[0].starts_with(fault),
        };
        assert!(is_as_said, "{steps}: {found:?}");
    }
}
