//! API7, server side request forgery: what a step's request may reach.
//!
//! Steps are there to send requests, also to the private network that pipelines work in; what is
//! denied is said in `executor.http.deny`, and that is where clouds tell a machine its credentials
//! unless said otherwise.

use harness::api::{assert_end, step_of};
use harness::{Settings, Shape, Story, World, own, shared};
use serde_json::{Value, json};

use super::remote::Remote;

pub(crate) fn stories() -> Vec<Story> {
    let mut stories = shared![
        no_request_goes_to_the_addresses_of_metadata,
        no_tool_is_reached_there_either,
        a_redirect_leads_to_no_denied_address_and_no_other_scheme,
        a_parameter_does_not_change_where_a_request_goes,
        a_url_that_is_no_web_address_is_refused,
        the_server_itself_fetches_nothing,
    ];
    let alone = own![what_is_denied_is_denied_by_name_by_address_and_by_redirect];
    stories.extend(alone.into_iter().map(|it| it.only(&[Shape::Embedded])));
    stories
}

/// The message of the one step of a run that fails.
async fn refusal(world: &World, step: &Value) -> String {
    let api = world.api();
    let definition = json!({"name": world.name("ssrf"), "steps": [step]});
    let id = api.define(&definition.to_string()).await;
    let run = api.through(&id).await;
    assert_end(&run, "failed", "stepFailed");
    step_of(&run, "a")["message"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

fn http(url: &str) -> Value {
    json!({"id": "a", "timeout": "20s", "http": {"url": url}})
}

async fn registered(world: &World, url: &str) -> String {
    let name = world.name("tool");
    let tool = json!({"name": name, "toolIdentifier": "generic-rest",
        "configuration": {"url": url, "token": world.canary()}});
    let made = world.api().post("/api/v2/tools", &tool).await;
    assert_eq!(made.status, 201, "{}", made.text);
    name
}

fn tool(name: &str, path: &str) -> Value {
    json!({"id": "a", "timeout": "20s", "tool": {"tool": name, "every": "100ms", "operation": {
        "start": {"request": {"method": "GET", "path": path}}}}})
}

fn assert_denied(url: &str, message: &str) {
    assert!(
        message.contains("denied") && message.contains("executor.http.deny"),
        "{url}: {message}"
    );
}

async fn no_request_goes_to_the_addresses_of_metadata(world: &World) {
    for url in [
        "http://169.254.169.254/latest/meta-data/iam/security-credentials/",
        "http://2852039166/latest/meta-data/",
        "http://0xa9fea9fe/",
        "http://0251.0376.0251.0376/",
        "http://[::ffff:169.254.169.254]/computeMetadata/v1/",
        "http://[fe80::1]/",
        "http://[fd00:ec2::254]/latest/meta-data/",
    ] {
        assert_denied(url, &refusal(world, &http(url)).await);
    }
}

async fn no_tool_is_reached_there_either(world: &World) {
    let remote = Remote::start().await;
    let direct = registered(world, "http://169.254.169.254").await;
    let message = refusal(world, &tool(&direct, "/latest/meta-data")).await;
    assert_denied("a tool", &message);
    assert!(!message.contains(world.canary()), "{message}");
    let indirect = registered(world, &remote.url).await;
    let message = refusal(world, &tool(&indirect, "/to-metadata")).await;
    assert_denied("a redirected tool", &message);
}

async fn a_redirect_leads_to_no_denied_address_and_no_other_scheme(world: &World) {
    let remote = Remote::start().await;
    for (to, word) in [
        ("http://169.254.169.254/latest/meta-data/", "denied"),
        ("http://2852039166/", "denied"),
        ("http://[::ffff:a9fe:a9fe]/", "denied"),
        ("file:///etc/passwd", ""),
        ("gopher://127.0.0.1:25/_HELO", ""),
        ("ftp://127.0.0.1/", ""),
    ] {
        let url = format!("{}/to?{to}", remote.url);
        let message = refusal(world, &http(&url)).await;
        assert!(message.contains(word), "{to}: {message}");
        assert!(!message.contains("root:"), "{to}: {message}");
    }
}

async fn a_parameter_does_not_change_where_a_request_goes(world: &World) {
    let (meant, other) = (Remote::start().await, Remote::start().await);
    let api = world.api();
    let definition = json!({"name": world.name("ssrf"),
        "parameters": {"who": {"type": "string", "default": "x"}},
        "steps": [{"id": "a", "http": {"url": format!("{}/of/${{{{ parameters.who }}}}", meant.url)}}]});
    let id = api.define(&definition.to_string()).await;
    let elsewhere = format!("127.0.0.1:{}/", other.port);
    let evil = [
        format!("@{elsewhere}"),
        format!("../../../{elsewhere}"),
        format!("//{elsewhere}"),
        format!("?x=http://{elsewhere}#"),
        format!("\\\\{elsewhere}"),
        format!("x\r\nHost: {elsewhere}\r\n\r\n"),
    ];
    for (number, who) in evil.iter().enumerate() {
        let run_count = api.start_with(&id, &json!({"who": who})).await;
        api.ended(&id, run_count).await;
        assert_eq!(other.asked(), 0, "{who}");
        assert_eq!(meant.asked(), number + 1, "{who}");
    }
}

async fn a_url_that_is_no_web_address_is_refused(world: &World) {
    for url in [
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "unix:///var/run/docker.sock",
        "data:text/plain,x",
        "//127.0.0.1/",
        "/etc/passwd",
        "http://",
        "",
    ] {
        let definition = json!({"name": world.name("ssrf"), "steps": [http(url)]});
        let answer = world.api().post("/api/v2/pipelines", &definition).await;
        assert_eq!(answer.status, 400, "{url}: {}", answer.text);
    }
}

async fn the_server_itself_fetches_nothing(world: &World) {
    let remote = Remote::start().await;
    let api = world.api();
    let url = &remote.url;
    let definition = json!({"name": world.name("ssrf"), "description": url,
        "tags": [{"type": "project", "value": url}], "steps": [
            {"id": "a", "http": {"url": url}, "enabled": false}, {"id": "b", "run": "true"}]});
    let id = api.define(&definition.to_string()).await;
    let tool = registered(world, url).await;
    api.get(&format!("/api/v2/tools/{tool}")).await;
    let request = api.request(reqwest::Method::GET, "/api/v2/users/me");
    api.send(request.header("referer", url).header("origin", url))
        .await;
    api.through(&id).await;
    assert_eq!(remote.asked(), 0);
}

async fn what_is_denied_is_denied_by_name_by_address_and_by_redirect(shape: Shape) {
    let deny = "[\"127.0.0.1/32\", \"::1\"]";
    let settings = Settings::of(shape).with("PENSTOCK_EXECUTOR__HTTP__DENY", deny);
    let world = World::start(settings).await;
    let (open, denied) = (Remote::start_at("127.0.0.2").await, Remote::start().await);
    let port = denied.port;
    let here = [
        format!("http://127.0.0.1:{port}/"),
        format!("http://127.1:{port}/"),
        format!("http://0.0.0.0:{port}/"),
        format!("http://0:{port}/"),
        format!("http://[::1]:{port}/"),
        format!("http://[::]:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://LOCALHOST:{port}/"),
    ];
    for url in &here {
        let redirected = format!("{}/to?{url}", open.url);
        for url in [url, &redirected] {
            let message = refusal(&world, &http(url)).await;
            assert_denied(url, &message);
        }
        let direct = registered(&world, url.trim_end_matches('/')).await;
        let message = refusal(&world, &tool(&direct, "/x")).await;
        assert_denied(url, &message);
    }
    assert_eq!(denied.asked(), 0);
    let definition = json!({"name": "open", "steps": [http(&format!("{}/hello", open.url))]});
    let id = world.api().define(&definition.to_string()).await;
    assert_end(&world.api().through(&id).await, "succeeded", "completed");
    world.finish().await;
}
