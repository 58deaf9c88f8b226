//! Whatever bytes come, every reader answers: no panic, no hang, no more than [`MOST_MEMORY`].
//!
//! Usually each looks at a few hundred inputs; `cargo xtask fuzz` sets `PENSTOCK_FUZZ_SECONDS`, which is how long each
//! goes on. Inputs are good ones with faults, and now and then just bytes.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use steps::plugins::config::Master;

use crate::class_file::ClassFile;
use crate::definition::{self, Shape};
use crate::export::Export;
use crate::jar::{Jar, JarName};
use crate::model::{Edge, Node, Pipeline, Template};
use crate::testing::{Class, packed};
use crate::{edge_script, form, plan, read, schedules, version, yaml};

const MOST_MEMORY: u64 = 256 * 1024;
/// How long one input may take on a busy machine.
const LONGEST: Duration = Duration::from_secs(20);
const CASES: u32 = 256;

/// Shows a reader inputs that are made of good ones.
fn explore(seeds: Vec<Vec<u8>>, reader: impl Fn(&[u8])) {
    let seconds = std::env::var_os("PENSTOCK_FUZZ_SECONDS");
    let seconds = seconds.and_then(|it| it.to_str()?.parse().ok());
    let begun = Instant::now();
    let strategy = input(seeds);
    loop {
        let config = Config {
            cases: CASES,
            failure_persistence: None,
            ..Config::default()
        };
        let outcome = TestRunner::new(config).run(&strategy, |input| {
            let begun = Instant::now();
            reader(&input);
            prop_assert!(begun.elapsed() < LONGEST, "it took {:?}", begun.elapsed());
            Ok(())
        });
        if let Err(error) = outcome {
            panic!("{error}");
        }
        if seconds.is_none_or(|seconds| begun.elapsed() >= Duration::from_secs(seconds)) {
            break;
        }
    }
    assert!(peak_kib() < MOST_MEMORY, "{} KiB at the most", peak_kib());
}

/// The most memory that this process ever had; 0 where the system doesn't say.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.unwrap_or_default()
}

/// A change of some bytes: where, how many go, and what comes.
type Fault = (prop::sample::Index, usize, Vec<u8>);

fn input(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let token = prop::sample::select(vec![
        &b"<"[..],
        b"</a>",
        b"&lt;",
        b"&#x0;",
        b"<!DOCTYPE a [<!ENTITY b 'c'>]>",
        b" reference=\"..\"",
        b"../",
        b"[2]",
        b"<![CDATA[",
        b"PK\x01\x02",
        b"PK\x05\x06",
        b"\xff\xff\xff\xff",
        b"\0\0",
        b"\r\n--b",
        b"; boundary=",
        b"->",
        b";",
        b"\\u12",
        b"-1.0.jar",
    ]);
    let what = prop_oneof![
        4 => token.prop_map(<[u8]>::to_vec),
        2 => prop::collection::vec(any::<u8>(), 0..8),
    ];
    let fault = (
        any::<prop::sample::Index>(),
        prop_oneof![3 => 0..4_usize, 1 => 0..200_usize],
        what,
    );
    let faulty = (
        prop::sample::select(seeds),
        prop::collection::vec(fault, 0..8),
    );
    prop_oneof![
        7 => faulty.prop_map(|(seed, faults)| faults.into_iter().fold(seed, changed)),
        1 => prop::collection::vec(any::<u8>(), 0..400),
    ]
}

fn changed(mut bytes: Vec<u8>, (at, length, new): Fault) -> Vec<u8> {
    let at = at.index(bytes.len() + 1);
    let end = (at + length).min(bytes.len());
    bytes.splice(at..end, new);
    bytes
}

const CONFIGURATION: &str = "<object-stream><MasterConfigObject><configurations><entry><string>dpu_config</string>\
    <string>&lt;object-stream&gt;&lt;a.B__V1&gt;&lt;x&gt;1&lt;/x&gt;&lt;/a.B__V1&gt;&lt;/object-stream&gt;</string>\
    </entry></configurations></MasterConfigObject></object-stream>";
const SCHEDULES: &str = "<list><cz.Schedule><firstExecution>2014-06-20 12:46:09.0 UTC</firstExecution><period>2</period>\
    <periodUnit>DAY</periodUnit><type>PERIODICALLY</type></cz.Schedule><cz.Schedule><afterPipelines><p.Pipeline>\
    <name>a</name></p.Pipeline><p.Pipeline reference=\"../p.Pipeline\"/></afterPipelines><type>AFTER_PIPELINE</type>\
    </cz.Schedule></list>";
const MANIFEST: &str = "Bundle-Name: dpu.name.localized\nBundle-SymbolicName: z\nBundle-Version: 2.1.5\nDPU-Package: a.b\n\
    DPU-MainClass: Main\n\n";

fn pipeline() -> Pipeline {
    let node = |name: &str| Node {
        name: name.into(),
        configuration: Some(CONFIGURATION.into()),
        template: Template {
            name: "T".into(),
            jar: "t-1.0.jar".into(),
            ..Template::default()
        },
        ..Node::default()
    };
    let edge = |from, to| Edge {
        from,
        to,
        script: "a -> b; # c;\nrun_after;".into(),
    };
    Pipeline {
        name: "p".into(),
        nodes: vec![node("A"), node("B"), node("C")],
        edges: vec![edge(0, 1), edge(0, 1), edge(1, 2)],
        ..Pipeline::default()
    }
}

/// The entries of an export.
fn entries() -> Vec<(String, Vec<u8>)> {
    let zip = crate::write(&pipeline(), "2014-06-20 12:46:09.0 UTC").unwrap();
    let mut archive = crate::archive::Archive::open(&zip, crate::export::LIMITS).unwrap();
    let names: Vec<String> = archive.names().map(Cow::into_owned).collect();
    let each = names.into_iter().map(|name| {
        let bytes = archive.read(&name).unwrap().unwrap();
        (name, bytes)
    });
    each.collect()
}

fn class() -> Vec<u8> {
    Class::new("a/b/Base")
        .annotated("eu/unifiedviews/dpu/DPU$AsLoader", &[("x", "y")])
        .optional_field(
            "in",
            "x/FilesDataUnit",
            "x/DataUnit$AsInput",
            &[("name", "input")],
        )
        .bytes()
}

/// Everything that is made of a pipeline once it is read.
fn follow(pipeline: &Pipeline) {
    let shape = Shape {
        visibility: "private",
        concurrency: 0,
    };
    plan::problems(pipeline, &[], &[]);
    for node in &pipeline.nodes {
        let _ = node.used_configuration().map(Master::read);
    }
    if let Ok(made) = definition::of(pipeline, shape) {
        let again = definition::to_pipeline(&made).unwrap();
        crate::write(&again, "").unwrap();
        yaml::write(&made);
        let _ = steps::Definition::from_source(&made.to_string());
    }
}

#[test]
fn any_bytes_may_be_a_pipeline() {
    let seeds = entries()
        .into_iter()
        .filter(|(name, _)| name == "pipeline.xml");
    explore(seeds.map(|(_, bytes)| bytes).collect(), |input| {
        if let Ok(pipeline) = read::pipeline(input) {
            follow(&pipeline);
        }
    });
}

#[test]
fn any_bytes_may_be_an_export() {
    let zip = crate::write(&pipeline(), "").unwrap();
    explore(vec![zip, b"PK\x05\x06".repeat(6)], |input| {
        if let Ok(export) = Export::read(input, true) {
            follow(&export.pipeline);
        }
    });
}

#[test]
fn any_bytes_may_be_packed() {
    let entries = entries();
    let seeds = entries.iter().map(|(_, bytes)| bytes.clone());
    explore(seeds.chain([SCHEDULES.into()]).collect(), |input| {
        let mut with: Vec<(&str, &[u8])> =
            entries.iter().map(|(name, it)| (&**name, &**it)).collect();
        with.push(("schedule.xml", SCHEDULES.as_bytes()));
        for at in 0..with.len() {
            let good = std::mem::replace(&mut with[at].1, input);
            let _ = Export::read(&packed(&with), true);
            with[at].1 = good;
        }
    });
}

#[test]
fn any_bytes_may_be_schedules_or_templates() {
    let templates = entries().into_iter().filter(|(name, _)| name == "dpu.xml");
    let seeds = templates.map(|(_, bytes)| bytes).chain([SCHEDULES.into()]);
    explore(seeds.collect(), |input| {
        let _ = (read::templates(input), schedules::read(input));
    });
}

#[test]
fn any_text_may_be_a_configuration() {
    explore(vec![CONFIGURATION.into()], |input| {
        let _ = Master::read(&String::from_utf8_lossy(input));
    });
}

#[test]
fn any_text_may_be_a_script_a_name_or_a_version() {
    let seeds = vec![
        b"a -> b; # c;\nrun_after;".to_vec(),
        b"uv-t-x-2.1.5-001.jar".to_vec(),
    ];
    explore(seeds, |input| {
        let text = String::from_utf8_lossy(input);
        if let Ok(mappings) = edge_script::read(&text) {
            let pairs = mappings.iter().map(|it| (it.from.as_str(), it.to.as_str()));
            let written = edge_script::write(pairs);
            if written.chars().count() <= edge_script::MAX_CHARS && !written.contains('#') {
                assert_eq!(edge_script::read(&written), Ok(mappings));
            }
        }
        if let Some(name) = JarName::of(&text) {
            assert_eq!(name.file, format!("{}-{}.jar", name.name, name.version));
        }
        let _ = version::compare(&text, "1.0-SNAPSHOT");
    });
}

#[test]
fn any_bytes_may_be_a_class() {
    explore(vec![class()], |input| {
        let _ = ClassFile::read(input);
    });
}

#[test]
fn any_bytes_may_be_a_jar() {
    let whole = |manifest: &[u8], class: &[u8]| {
        packed(&[
            ("META-INF/MANIFEST.MF", manifest),
            ("a/b/Main.class", class),
            ("resources.properties", b"dpu.name = \\u00e4"),
        ])
    };
    let good = whole(MANIFEST.as_bytes(), &class());
    Jar::read(&good).unwrap();
    explore(vec![good, MANIFEST.into(), class()], |input| {
        let _ = Jar::read(input);
        let _ = Jar::read(&whole(input, &class()));
        let _ = Jar::read(&whole(MANIFEST.as_bytes(), input));
    });
}

#[test]
fn any_bytes_may_be_a_form() {
    let body = b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\\\"b.zip\"\r\n\r\nPK\r\n--b--\r\n";
    explore(vec![body.to_vec()], |input| {
        let _ = form::read("multipart/form-data; boundary=b", input);
        let _ = form::read("multipart/form-data", input);
        let _ = form::read(&String::from_utf8_lossy(input), body);
        let header = format!("multipart/form-data; {}", String::from_utf8_lossy(input));
        let _ = form::read(&header, body);
    });
}
