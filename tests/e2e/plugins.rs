//! Pipelines of plug-ins, native ones and executables.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::http::{Method, StatusCode, Uri};
use axum::response::IntoResponse as _;
use harness::api::{assert_end, states, step_of};
use harness::invariants::processes;
use harness::{Settings, Shape, Story, World, eventually, own, shared};

pub(crate) fn stories() -> Vec<Story> {
    let mut stories = shared![
        a_pipeline_of_native_plugins_makes_the_right_file,
        a_stop_in_the_middle_of_a_native_plugin_ends_it,
        a_plugin_without_implementation_says_how_to_supply_one,
        a_failure_that_passes_is_tolerated_if_so_wished,
    ];
    let documented = own![the_example_in_python_runs];
    stories.extend(
        documented
            .into_iter()
            .map(|story| story.needing(&["python3"])),
    );
    stories
}

/// A server of files, which takes those that are put, and may be slow or fail at first.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<Files>>);

#[derive(Default)]
struct Files {
    content: BTreeMap<String, Vec<u8>>,
    asked: usize,
    failures: usize,
    never: bool,
}

impl Server {
    fn files(&self) -> std::sync::MutexGuard<'_, Files> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with(self, path: &str, content: &[u8]) -> Self {
        self.files()
            .content
            .insert(path.to_owned(), content.to_vec());
        self
    }

    async fn start(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = self.clone();
        let answer = move |method: Method, uri: Uri, body: Bytes| async move {
            if server.files().never {
                server.files().asked += 1;
                std::future::pending::<()>().await;
            }
            server.answer(&method, uri.path(), &body)
        };
        let router = Router::new().fallback(answer);
        let served = async move { axum::serve(listener, router).await };
        #[allow(clippy::disallowed_methods, reason = "ends with the suite")]
        tokio::spawn(served);
        format!("http://{address}")
    }

    fn answer(&self, method: &Method, path: &str, body: &Bytes) -> axum::response::Response {
        let mut files = self.files();
        files.asked += 1;
        if files.failures > 0 {
            files.failures -= 1;
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
        if *method == Method::PUT {
            files.content.insert(path.to_owned(), body.to_vec());
            return StatusCode::CREATED.into_response();
        }
        match files.content.get(path) {
            Some(content) => content.clone().into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        }
    }
}

/// A configuration as exports have it.
fn config(fields: &str, addons: &str) -> String {
    let escaped = |text: &str| {
        text.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
    };
    let own = format!("<object-stream><a.Config__V1>{fields}</a.Config__V1></object-stream>");
    format!(
        "<object-stream><MasterConfigObject><configurations><entry><string>dpu_config</string><string>{}</string>\
         </entry>{addons}</configurations></MasterConfigObject></object-stream>",
        escaped(&own)
    )
}

/// A step with its needs and inputs, each `port=step.port`.
fn step(id: &str, name: &str, fields: &str, inputs: &[(&str, &str)]) -> String {
    let needs: Vec<_> = inputs
        .iter()
        .map(|(_, source)| source.split('.').next().unwrap())
        .collect();
    let inputs: Vec<_> = inputs
        .iter()
        .map(|(port, source)| format!("{port}: [{source}]"))
        .collect();
    let config = serde_json::to_string(&config(fields, "")).unwrap();
    format!(
        "- {{id: {id}, needs: [{}], plugin: {{name: {name}, config: {config}, inputs: {{{}}}}}}}\n",
        needs.join(", "),
        inputs.join(", ")
    )
}

fn download(url: &str, paths: &[&str]) -> String {
    let file =
        |path: &&str| format!("<a.VfsFile><uri>{url}{path}</uri><fileName></fileName></a.VfsFile>");
    let files: String = paths.iter().map(file).collect();
    format!("<vfsFiles>{files}</vfsFiles><softFail>false</softFail>")
}

async fn a_pipeline_of_native_plugins_makes_the_right_file(world: &World) {
    let api = world.api();
    let server = Server::default()
        .with("/people.csv", b"id,name\n1,Ann\n2,Bob\n")
        .with("/knows.ttl", b"@prefix x: <http://x/> . x:1 x:knows x:2 .")
        .with("/notes.txt", b"not for anybody");
    let url = server.start().await;
    let query = "CONSTRUCT { ?a &lt;http://x/friend&gt; ?name } WHERE { ?a &lt;http://x/knows&gt; ?b . ?b &lt;http://x/name&gt; ?name }";
    let tabular = "<baseURI>http://x/</baseURI><keyColumn>id</keyColumn><generateNew>true</generateNew>\
                   <ignoreBlankCells>true</ignoreBlankCells><generateRowTriple>false</generateRowTriple>";
    let steps = [
        step("get", "uv-e-filesDownload", &download(&url, &["/people.csv", "/knows.ttl", "/notes.txt"]), &[]),
        step("tables", "uv-t-filesFilter", "<object>[.]csv$</object><useRegExp>true</useRegExp>", &[("input", "get.output")]),
        step("graphs", "uv-t-filesFilter", "<object>[.]ttl$</object><useRegExp>true</useRegExp>", &[("input", "get.output")]),
        step("rows", "uv-t-tabular", tabular, &[("table", "tables.output")]),
        step("triples", "uv-t-filesToRdf", "", &[("filesInput", "graphs.output")]),
        "- {id: all, needs: [rows, triples], plugin: {name: uv-t-rdfMerger, inputs: {rdfInput: [rows.triplifiedTable, triples.RDFOUTPUT]}}}\n".to_owned(),
        step("friends", "uv-t-sparqlConstruct", &format!("<query>{query}</query><perGraph>false</perGraph>"), &[("input", "all.rdfOutput")]),
        step("check", "uv-q-sparqlAsk", "<perGraph>false</perGraph>", &[("rdf", "friends.output")]),
        step("file", "uv-t-rdfToFiles", "<outFileName>friends</outFileName><rdfFileFormat>N-Triples</rdfFileFormat>", &[("input", "check.rdf")]),
        step("zip", "uv-t-zipper", "<zipFile>friends.zip</zipFile>", &[("input", "file.output")]),
        step("unzip", "uv-t-unzipper", "<notPrefixed>true</notPrefixed>", &[("input", "zip.output")]),
        step("rename", "uv-t-filesRenamer", "<pattern>^friends</pattern><replaceText>out/of-ann</replaceText>", &[("input", "unzip.output")]),
        step("put", "uv-l-filesUpload", &format!("<uri>{url}/in</uri>"), &[("input", "rename.output")]),
    ];
    let pipeline = api.define_steps("plugins", &steps.concat()).await;
    let run = api.through(&pipeline).await;
    assert_end(&run, "succeeded", "completed");
    let made = server.files().content.get("/in/out/of-ann.nt").cloned();
    let made = String::from_utf8(made.expect("the file was put")).unwrap();
    assert_eq!(made.trim(), "<http://x/1> <http://x/friend> \"Bob\" .");
}

async fn a_stop_in_the_middle_of_a_native_plugin_ends_it(world: &World) {
    let api = world.api();
    for mode in ["cancel", "kill"] {
        let server = Server::default();
        server.files().never = true;
        let url = server.start().await;
        let steps = [
            step("get", "uv-e-filesDownload", &download(&url, &["/a"]), &[]),
            step(
                "next",
                "uv-t-filesMerger",
                "",
                &[("filesInput", "get.output")],
            ),
        ];
        let pipeline = api.define_steps("stopped", &steps.concat()).await;
        let run_count = api.start(&pipeline).await;
        eventually("the plug-in asks", async || {
            (server.files().asked > 0).then_some(())
        })
        .await;
        let id = api.run(&pipeline, run_count).await["id"]
            .as_str()
            .unwrap()
            .to_owned();
        assert_eq!(api.stop(&pipeline, run_count, mode).await.status, 202);
        let run = api.ended(&pipeline, run_count).await;
        assert_end(&run, "cancelled", "stopped");
        assert_eq!(states(&run), ["cancelled", "skipped"], "{mode}");
        let left = processes(world).into_iter().filter(|it| it.run_id == id);
        assert_eq!(left.count(), 0);
    }
}

async fn a_plugin_without_implementation_says_how_to_supply_one(world: &World) {
    let api = world.api();
    let steps = [
        step("get", "uv-t-xslt", "", &[]),
        step("next", "my-own", "", &[("given", "get.filesOutput")]),
    ];
    let pipeline = api.define_steps("missing", &steps.concat()).await;
    let run = api.through(&pipeline).await;
    assert_end(&run, "failed", "stepFailed");
    let message = step_of(&run, "get")["message"].as_str().unwrap();
    for word in [
        "uv-t-xslt",
        "filesInput (files)",
        "filesOutput (files)",
        "executor.plugins",
        "docs/plugins.md",
    ] {
        assert!(message.contains(word), "{message}");
    }
}

async fn a_failure_that_passes_is_tolerated_if_so_wished(world: &World) {
    let api = world.api();
    let addon = "<entry><string>addon/faultToleranceWrap</string><string>&lt;object-stream&gt;&lt;x&gt;\
                 &lt;enabled&gt;true&lt;/enabled&gt;&lt;exceptionNames/&gt;&lt;maxRetryCount&gt;-1&lt;/maxRetryCount&gt;\
                 &lt;/x&gt;&lt;/object-stream&gt;</string></entry>";
    for (addon, state) in [("", "failed"), (addon, "warned")] {
        let server = Server::default().with("/a", b"1");
        server.files().failures = 1;
        let url = server.start().await;
        let config = config(&download(&url, &["/a"]), addon);
        let config = serde_json::to_string(&config).unwrap();
        let steps =
            format!("- {{id: get, plugin: {{name: uv-e-filesDownload, config: {config}}}}}");
        let pipeline = api.define_steps("tolerant", &steps).await;
        let run = api.through(&pipeline).await;
        assert_eq!(run["state"], state, "{run:#}");
        let message = step_of(&run, "get")["message"].as_str().unwrap();
        assert!(message.contains("the answer is 503"), "{message}");
    }
}

async fn the_example_in_python_runs(shape: Shape) {
    let docs = std::fs::read_to_string(xtask::root().join("docs/plugins.md")).unwrap();
    let (_, example) = docs.split_once("```python\n").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("my-t-shout");
    std::fs::write(&file, example).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    let directory = folder.path().display().to_string();
    let settings = Settings::of(shape).with("PENSTOCK_EXECUTOR__PLUGINS", &directory);
    let world = World::start(settings).await;
    let api = world.api();
    let server = Server::default().with("/in/a.txt", b"hello");
    let url = server.start().await;
    let steps = [
        step(
            "get",
            "uv-e-filesDownload",
            &download(&url, &["/in/a.txt"]),
            &[],
        ),
        step(
            "shout",
            "my-t-shout",
            "<suffix>!</suffix>",
            &[("input", "get.output")],
        ),
        step(
            "put",
            "uv-l-filesUpload",
            &format!("<uri>{url}/out</uri>"),
            &[("input", "shout.output")],
        ),
    ];
    let pipeline = api.define_steps("python", &steps.concat()).await;
    assert_end(&api.through(&pipeline).await, "succeeded", "completed");
    let made = server.files().content.get("/out/a.txt").cloned();
    assert_eq!(made.as_deref(), Some(&b"HELLO!"[..]));
    world.finish().await;
}
