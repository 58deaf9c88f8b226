//! What a pipeline needs of plug-ins, and whether it is there.
//!
//! A plug-in is known by the directory of its jar, which is the first part of the jar's name. It must be installed in the
//! version of the export or a later one and be one that the importing user may use. A template that was made of another
//! one (a child) is only a name and a configuration beside it, so it must be there by name, too.

use std::cmp::Ordering;

use crate::jar::JarName;
use crate::model::{Node, Pipeline, Template};
use crate::version;

/// A plug-in that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Its key: the directory.
    pub directory: String,
    /// What it is called.
    pub name: String,
    /// Which version; none for one that serves as any.
    pub version: Option<String>,
    /// Whether the importing user may use it.
    pub is_visible: bool,
    /// The configuration that it comes with, if that is known.
    pub configuration: Option<String>,
}

/// What keeps a plug-in of a pipeline from being used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The jar's name says neither name nor version.
    #[error(
        "the jar \"{jar}\" is not called NAME-VERSION.jar, so it is unknown which plug-in it is"
    )]
    JarName {
        /// As the export has it.
        jar: String,
    },
    /// It isn't there.
    #[error("the plug-in \"{name}\" ({jar}) is not installed")]
    NotFound {
        /// Of the template.
        name: String,
        /// As the export has it.
        jar: String,
    },
    /// It is there in an older version.
    #[error("{jar} is needed, and an older version is installed: {installed}")]
    Older {
        /// As the export has it.
        jar: String,
        /// The version that is there.
        installed: String,
    },
    /// It is there, but not for this user.
    #[error("the plug-in \"{name}\" is installed, but its owner alone may use it")]
    NotVisible {
        /// Of the template.
        name: String,
    },
    /// Its configuration would be that of the template, which is another one here.
    #[error(
        "the plug-in \"{name}\" is installed with another configuration than the pipeline relies on"
    )]
    OtherConfiguration {
        /// Of the template.
        name: String,
    },
}

/// A plug-in that a pipeline needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// Its key.
    pub directory: String,
    /// What its template is called.
    pub name: String,
    /// The least version that will do.
    pub version: String,
    /// As the export has it.
    pub jar: String,
}

impl Need {
    /// What a node needs.
    pub fn of(node: &Node) -> Result<Self, Problem> {
        let template = &node.template;
        let jar = JarName::of(&template.jar).ok_or_else(|| Problem::JarName {
            jar: template.jar.chars().take(255).collect(),
        })?;
        Ok(Self {
            directory: jar.name,
            name: template.name.clone(),
            version: jar.version,
            jar: jar.file,
        })
    }
}

/// Matches the nodes of a pipeline with what is installed and names everything that is in the way, once.
pub fn problems(
    pipeline: &Pipeline,
    templates: &[Template],
    installed: &[Installed],
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for node in &pipeline.nodes {
        if let Err(problem) = check(node, templates, installed)
            && !problems.contains(&problem)
        {
            problems.push(problem);
        }
    }
    problems
}

fn check(node: &Node, templates: &[Template], installed: &[Installed]) -> Result<(), Problem> {
    let need = Need::of(node)?;
    let mut there = installed.iter().filter(|it| it.directory == need.directory);
    let any = there.clone().next();
    let found = if is_child(&node.template, templates) {
        there.find(|it| it.name == need.name)
    } else {
        any
    };
    let name = need.name.clone();
    let jar = need.jar.clone();
    let found = found.ok_or(Problem::NotFound { name, jar })?;
    if let Some(version) = &found.version
        && version::compare(version, &need.version) == Ordering::Less
    {
        return Err(Problem::Older {
            jar: need.jar,
            installed: version.clone(),
        });
    }
    if !found.is_visible {
        return Err(Problem::NotVisible { name: need.name });
    }
    let same = |ours: &String| node.template.configuration.as_ref() == Some(ours);
    if node.uses_template && !found.configuration.as_ref().is_none_or(same) {
        return Err(Problem::OtherConfiguration { name: need.name });
    }
    Ok(())
}

/// Whether a node's template was made of another: the list of templates has it by name and configuration.
fn is_child(template: &Template, templates: &[Template]) -> bool {
    templates.iter().any(|it| {
        it.is_child && it.name == template.name && it.configuration == template.configuration
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(jar: &str) -> Node {
        let template = Template {
            name: "Zipper".into(),
            jar: jar.into(),
            configuration: Some("<x/>".into()),
            ..Template::default()
        };
        Node {
            name: "zip it".into(),
            template,
            ..Node::default()
        }
    }

    fn zipper(version: Option<&str>) -> Installed {
        Installed {
            directory: "uv-t-zipper".into(),
            name: "Balenie".into(),
            version: version.map(str::to_owned),
            is_visible: true,
            configuration: None,
        }
    }

    fn check_one(node: Node, templates: &[Template], installed: Installed) -> Option<Problem> {
        let pipeline = Pipeline {
            nodes: vec![node.clone(), node],
            ..Pipeline::default()
        };
        let mut problems = problems(&pipeline, templates, &[installed]);
        assert!(problems.len() < 2, "each is said once");
        problems.pop()
    }

    #[test]
    fn a_plug_in_does_in_its_version_or_a_later_one() {
        let jar = "uv-t-zipper-2.1.5.jar";
        for version in [None, Some("2.1.5"), Some("2.1.10"), Some("3.0.0-SNAPSHOT")] {
            assert_eq!(check_one(node(jar), &[], zipper(version)), None);
        }
        for version in ["2.1.4", "2.1.5-SNAPSHOT", "1.0"] {
            let problem = check_one(node(jar), &[], zipper(Some(version)));
            assert!(matches!(problem, Some(Problem::Older { .. })), "{version}");
        }
    }

    #[test]
    fn what_is_in_the_way_is_named() {
        let missing = check_one(node("uv-t-other-1.0.jar"), &[], zipper(None));
        assert!(matches!(missing, Some(Problem::NotFound { .. })));
        let unknown = check_one(node("uv-t-zipper.jar"), &[], zipper(None));
        assert!(matches!(unknown, Some(Problem::JarName { .. })));
        let hidden = Installed {
            is_visible: false,
            ..zipper(None)
        };
        let hidden = check_one(node("uv-t-zipper-1.0.jar"), &[], hidden);
        assert!(matches!(hidden, Some(Problem::NotVisible { .. })));
    }

    #[test]
    fn a_configuration_counts_where_it_is_that_of_the_template() {
        let with = |configuration: &str| Installed {
            configuration: Some(configuration.into()),
            ..zipper(None)
        };
        let own = node("uv-t-zipper-1.0.jar");
        let theirs = Node {
            uses_template: true,
            ..own.clone()
        };
        assert_eq!(check_one(own, &[], with("<y/>")), None);
        assert_eq!(check_one(theirs.clone(), &[], with("<x/>")), None);
        assert_eq!(check_one(theirs.clone(), &[], zipper(None)), None);
        let other = check_one(theirs, &[], with("<y/>"));
        assert!(matches!(other, Some(Problem::OtherConfiguration { .. })));
    }

    #[test]
    fn a_child_must_be_there_by_name() {
        let node = node("uv-t-zipper-1.0.jar");
        let child = Template {
            is_child: true,
            ..node.template.clone()
        };
        let missing = check_one(node.clone(), std::slice::from_ref(&child), zipper(None));
        assert!(matches!(missing, Some(Problem::NotFound { .. })));
        let named = Installed {
            name: "Zipper".into(),
            ..zipper(None)
        };
        assert_eq!(
            check_one(node.clone(), std::slice::from_ref(&child), named),
            None
        );
        let another = Template {
            configuration: None,
            ..child
        };
        assert_eq!(check_one(node, &[another], zipper(None)), None);
    }
}
