//! Plug-ins, imported, read, listed and deleted.

use bytes::Bytes;
use contracts::message::{Caller, PluginChanged};
use contracts::registry::plugins_client::PluginsClient;
use contracts::registry::{
    DeletePluginRequest, GetPluginRequest, ImportPluginRequest, ImportPluginResponse,
    ListPluginsRequest, Plugin, PluginTerms, ReadPluginFileRequest,
};
use tonic::{Code, Status};
use transfer::testing::jar;

use super::tools::{ada, told, user};
use super::*;

type Plugins = PluginsClient<Route>;

fn bob() -> Caller {
    user("bob", "site_administrator")
}

fn terms(file_name: &str) -> PluginTerms {
    PluginTerms {
        caller: Some(bob()),
        file_name: file_name.into(),
        ..PluginTerms::default()
    }
}

async fn import(
    plugins: &mut Plugins,
    terms: PluginTerms,
    jar: &[u8],
) -> Result<ImportPluginResponse, Status> {
    let mut messages = vec![ImportPluginRequest {
        terms: Some(terms),
        content: Vec::new(),
    }];
    messages.extend(jar.chunks(100).map(|chunk| ImportPluginRequest {
        terms: None,
        content: chunk.to_vec(),
    }));
    let answer = plugins.import_plugin(futures::stream::iter(messages));
    answer.await.map(tonic::Response::into_inner)
}

async fn read(plugins: &mut Plugins, caller: Caller, plugin: &str) -> Result<Plugin, Status> {
    let request = GetPluginRequest {
        caller: Some(caller),
        plugin: plugin.into(),
    };
    plugins
        .get_plugin(request)
        .await
        .map(tonic::Response::into_inner)
}

async fn file(plugins: &mut Plugins, plugin: &str) -> Vec<u8> {
    let request = ReadPluginFileRequest {
        caller: Some(ada()),
        plugin: plugin.into(),
    };
    let mut chunks = plugins
        .read_plugin_file(request)
        .await
        .unwrap()
        .into_inner();
    let first = chunks.message().await.unwrap().unwrap();
    assert!(first.plugin.is_some());
    let mut bytes = Vec::new();
    while let Some(chunk) = chunks.message().await.unwrap() {
        bytes.extend(chunk.content);
    }
    bytes
}

async fn names(plugins: &mut Plugins, caller: Caller, names: &[&str]) -> Vec<(String, bool)> {
    let request = ListPluginsRequest {
        caller: Some(caller),
        limit: 10,
        names: names.iter().map(|it| (*it).to_owned()).collect(),
        ..ListPluginsRequest::default()
    };
    let listed = plugins.list_plugins(request).await.unwrap().into_inner();
    listed
        .plugins
        .into_iter()
        .map(|it| (it.name, it.usable))
        .collect()
}

#[tokio::test]
async fn a_jar_is_kept_with_what_it_declares() {
    for world in World::each().await {
        let mut plugins = world.plugins().await;
        let bytes = jar("AsTransformer", "2.1.5", 1);
        let made = import(&mut plugins, terms("dir/uv-t-x-2.1.5.jar"), &bytes)
            .await
            .unwrap();
        assert!(made.created && made.changed);
        let made = made.plugin.unwrap();
        assert_eq!((&*made.name, &*made.version), ("uv-t-x", "2.1.5"));
        assert_eq!(
            (&*made.r#type, &*made.visibility),
            ("TRANSFORMER", "PUBLIC_RO")
        );
        assert_eq!(
            (&*made.jar_name, &*made.title),
            ("uv-t-x-2.1.5.jar", "A test's plug-in")
        );
        let ports: Vec<_> = made
            .ports
            .iter()
            .map(|it| (&*it.name, it.output, it.optional))
            .collect();
        assert_eq!(ports, [("input", false, false), ("output", true, true)]);
        assert_eq!(made.ports[0].data, "files");
        for name in [&made.id, &made.number.to_string(), "uv-t-x", "name:uv-t-x"] {
            assert_eq!(read(&mut plugins, ada(), name).await.unwrap(), made);
        }
        assert_eq!(file(&mut plugins, "uv-t-x").await, bytes);
        let told = told(&world, 1).await;
        assert_eq!(
            (&*told[0].r#type, &*told[0].action, &*told[0].target_name),
            ("plugin", "create", "uv-t-x")
        );
        assert!(told[0].after_json.contains(&made.sha256));
    }
}

#[tokio::test]
async fn a_jar_is_replaced_by_force_alone_and_the_same_changes_nothing() {
    for world in World::each().await {
        let mut plugins = world.plugins().await;
        let (old, new) = (
            jar("AsTransformer", "1.0", 1),
            jar("AsTransformer", "1.1", 2),
        );
        let first = import(&mut plugins, terms("uv-t-x-1.0.jar"), &old)
            .await
            .unwrap()
            .plugin
            .unwrap();
        let again = import(&mut plugins, terms("uv-t-x-1.0.jar"), &old)
            .await
            .unwrap_err();
        assert_eq!(again.code(), Code::AlreadyExists);
        let force = PluginTerms {
            force: true,
            ..terms("uv-t-x-1.1.jar")
        };
        let same = import(&mut plugins, force.clone(), &old).await.unwrap();
        assert!(!same.changed && !same.created);
        assert_eq!(same.plugin.unwrap(), first);
        let other = jar("AsLoader", "1.1", 3);
        let refused = import(&mut plugins, force.clone(), &other)
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
        let changed = import(&mut plugins, force, &new).await.unwrap();
        assert!(changed.changed && !changed.created);
        let changed = changed.plugin.unwrap();
        assert_eq!((&changed.id, &*changed.version), (&first.id, "1.1"));
        assert_eq!(file(&mut plugins, &first.id).await, new);
        let folder = std::fs::read_dir(&world.config.plugin_store).unwrap();
        assert_eq!(
            folder.count(),
            1,
            "neither the old file nor the refused one is left"
        );
    }
}

#[tokio::test]
async fn what_is_no_plug_in_is_refused_and_leaves_nothing() {
    for world in World::each().await {
        let mut plugins = world.plugins().await;
        let good = jar("AsTransformer", "1.0", 1);
        let by_user = PluginTerms {
            caller: Some(ada()),
            ..terms("uv-t-x-1.0.jar")
        };
        let visibility = PluginTerms {
            visibility: "foo".into(),
            ..terms("x.jar")
        };
        for (terms, bytes, code, said) in [
            (
                by_user,
                &good[..],
                Code::PermissionDenied,
                "site administrator",
            ),
            (visibility, &good, Code::InvalidArgument, "\"foo\""),
            (
                terms("uv-t-x-10.0.jar"),
                &good,
                Code::InvalidArgument,
                "NAME-VERSION.jar",
            ),
            (
                terms("uv-t-x-1.0.jar"),
                b"no jar",
                Code::InvalidArgument,
                "not a ZIP",
            ),
        ] {
            let refused = import(&mut plugins, terms, bytes).await.unwrap_err();
            assert_eq!(refused.code(), code, "{refused}");
            assert!(refused.message().contains(said), "{refused}");
        }
        assert_eq!(names(&mut plugins, bob(), &[]).await, []);
        assert_eq!(
            std::fs::read_dir(&world.config.plugin_store)
                .unwrap()
                .count(),
            0
        );
        let nothing = plugins
            .import_plugin(futures::stream::empty())
            .await
            .unwrap_err();
        assert_eq!(nothing.code(), Code::InvalidArgument);
    }
}

#[tokio::test]
async fn a_private_one_is_its_owners() {
    for world in World::each().await {
        let mut plugins = world.plugins().await;
        let private = PluginTerms {
            visibility: "PRIVATE".into(),
            ..terms("uv-t-x-1.0.jar")
        };
        let bytes = jar("AsTransformer", "1.0", 1);
        import(&mut plugins, private, &bytes).await.unwrap();
        import(&mut plugins, terms("uv-t-y-1.0.jar"), &bytes)
            .await
            .unwrap();
        let hidden = read(&mut plugins, ada(), "uv-t-x").await.unwrap_err();
        assert_eq!(hidden.code(), Code::NotFound);
        assert_eq!(
            names(&mut plugins, ada(), &[]).await,
            [("uv-t-y".into(), true)]
        );
        assert_eq!(names(&mut plugins, bob(), &[]).await.len(), 2);
        let asked = names(&mut plugins, ada(), &["uv-t-x", "uv-t-z"]).await;
        assert_eq!(
            asked,
            [("uv-t-x".into(), false)],
            "that there is one may be known"
        );
        let elsewhere = Caller {
            account: "b".into(),
            ..bob()
        };
        assert_eq!(names(&mut plugins, elsewhere, &["uv-t-x"]).await, []);
    }
}

#[tokio::test]
async fn a_plug_in_goes_with_its_file() {
    for world in World::each().await {
        let mut plugins = world.plugins().await;
        let bytes = Bytes::from(jar("AsTransformer", "1.0", 1));
        import(&mut plugins, terms("uv-t-x-1.0.jar"), &bytes)
            .await
            .unwrap();
        let request = |caller| DeletePluginRequest {
            caller: Some(caller),
            plugin: "uv-t-x".into(),
        };
        let denied = plugins.delete_plugin(request(ada())).await.unwrap_err();
        assert_eq!(denied.code(), Code::PermissionDenied);
        plugins.delete_plugin(request(bob())).await.unwrap();
        let gone = plugins.delete_plugin(request(bob())).await.unwrap_err();
        assert_eq!(gone.code(), Code::NotFound);
        assert_eq!(
            std::fs::read_dir(&world.config.plugin_store)
                .unwrap()
                .count(),
            0
        );
        let reader = world.bus.read("changes", &[Topic::Events], Tuning::Prompt);
        let (mut reader, mut changes) = (reader.await.unwrap(), 0);
        while changes < 2 {
            let messages = reader.next(100).await.unwrap();
            changes += messages
                .iter()
                .filter(|it| it.is::<PluginChanged>())
                .count();
        }
    }
}
