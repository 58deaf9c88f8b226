//! The elements of a document's `plan` as steps of a definition.
//!
//! What a step does is said by its tool: what Penstock does itself becomes a step of its own kind,
//! every other identifier a step of the registered tool that its configuration names.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::KEPT;
use crate::problem::Problem;

/// The most pipelines of one parallel step.
const MAX_PARALLEL: usize = 5;
/// The longest id of a step, in characters, with room for a number behind it.
const MAX_SLUG: usize = 56;

/// The steps of a plan, in its order; what belongs to a parallel step starts together.
pub(super) fn steps(plan: &[Value]) -> Result<Vec<Value>, Problem> {
    let mut steps = Steps::default();
    for (position, element) in plan.iter().enumerate() {
        let element = Element { position, element };
        steps.add(&element)?;
    }
    Ok(steps.made(plan.len()))
}

#[derive(Default)]
struct Steps {
    made: Vec<Map<String, Value>>,
    /// Ids that are taken.
    ids: HashSet<String>,
    /// Ids of the element before.
    before: Vec<String>,
}

impl Steps {
    fn add(&mut self, element: &Element<'_>) -> Result<(), Problem> {
        let kinds = element.kinds()?;
        let mut here = Vec::new();
        for kind in kinds {
            let id = self.id(element);
            let mut step = element.step(&id, kind);
            step.insert("needs".into(), json!(self.before));
            here.push(id);
            self.made.push(step);
        }
        self.before = here;
        Ok(())
    }

    /// One step an element is a sequence, which needs no saying.
    fn made(mut self, elements: usize) -> Vec<Value> {
        if self.made.len() == elements {
            for step in &mut self.made {
                step.remove("needs");
            }
        }
        self.made.into_iter().map(Value::Object).collect()
    }

    fn id(&mut self, element: &Element<'_>) -> String {
        let base = slug(element.name()).unwrap_or_else(|| format!("step-{}", element.position + 1));
        let numbered = (2..).map(|number| format!("{base}-{number}"));
        let id = std::iter::once(base.clone())
            .chain(numbered)
            .find(|id| !self.ids.contains(id));
        let id = id.unwrap_or(base);
        self.ids.insert(id.clone());
        id
    }
}

/// Lowercase letters, digits and single hyphens; none of a name that has no letter or digit.
fn slug(name: &str) -> Option<String> {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    let slug: String = words.join("-").to_ascii_lowercase();
    let slug: String = slug.chars().take(MAX_SLUG).collect();
    let slug = slug.trim_matches('-');
    (!slug.is_empty()).then(|| slug.to_owned())
}

/// An element of a plan, and where it stands.
struct Element<'a> {
    position: usize,
    element: &'a Value,
}

impl Element<'_> {
    fn name(&self) -> &str {
        self.element["name"].as_str().unwrap_or_default()
    }

    fn configuration(&self) -> &Value {
        &self.element["tool"]["configuration"]
    }

    fn text(&self, key: &str) -> Result<&str, Problem> {
        let text = self.configuration()[key].as_str();
        text.filter(|it| !it.is_empty())
            .ok_or_else(|| self.missing(key))
    }

    fn missing(&self, key: &str) -> Problem {
        let position = self.position;
        Problem::invalid(format!(
            "workflow.plan[{position}].tool.configuration.{key} is missing"
        ))
    }

    fn step(&self, id: &str, (key, value): (&'static str, Value)) -> Map<String, Value> {
        let mut step = Map::new();
        step.insert("id".into(), json!(id));
        if !self.name().is_empty() {
            step.insert("name".into(), json!(self.name()));
        }
        if self.element["active"] == false {
            step.insert("enabled".into(), json!(false));
        }
        step.insert(key.into(), value);
        let kept = ["type", "notification", "tags"]
            .into_iter()
            .filter_map(|key| {
                let list = self.element[key].as_array()?;
                (!list.is_empty()).then(|| (key.to_owned(), json!(list)))
            });
        let kept: Map<String, Value> = kept.collect();
        if !kept.is_empty() {
            step.insert("annotations".into(), json!({KEPT: kept}));
        }
        if ["run", "command", "http"].contains(&key) {
            for (field, name) in [("environment", "env"), ("secrets", "secrets")] {
                if let Some(value @ Value::Object(_)) = self.configuration().get(field) {
                    step.insert(name.into(), value.clone());
                }
            }
        }
        step
    }

    /// What it does: a key of the definition and its value; several of a parallel step.
    fn kinds(&self) -> Result<Vec<(&'static str, Value)>, Problem> {
        let said = self.element["tool"]["tool_identifier"].as_str();
        let identifier = said.unwrap_or_default().trim();
        if identifier.is_empty() {
            let position = self.position;
            let place = format!("workflow.plan[{position}].tool.tool_identifier");
            return Err(Problem::invalid(format!("{place} is missing")));
        }
        let one = match identifier.to_ascii_lowercase().replace('_', "-").as_str() {
            "command-line" => self.command_line()?,
            "powershell" => (
                "command",
                json!([
                    "pwsh",
                    "-NonInteractive",
                    "-Command",
                    self.text("commands")?
                ]),
            ),
            "external-rest-api-integration" if self.configuration()["url"].is_string() => {
                ("http", self.without(&["environment", "secrets"]))
            }
            "approval" => (
                "approval",
                self.only(&["message", "contact", "approvers", "selfApproval"]),
            ),
            "user-action" => ("userAction", json!({"instructions": self.instructions()?})),
            "child-pipeline" => ("pipeline", json!({"pipeline": self.text("pipelineId")?})),
            "parallel-processor" => return self.children(),
            "mock-step" => ("run", json!(":")),
            _ => self.tool(identifier),
        };
        Ok(vec![one])
    }

    fn command_line(&self) -> Result<(&'static str, Value), Problem> {
        let commands = &self.configuration()["commands"];
        if commands.is_array() {
            return Ok(("command", commands.clone()));
        }
        Ok(("run", json!(self.text("commands")?)))
    }

    fn instructions(&self) -> Result<&str, Problem> {
        self.text("instructions")
            .or_else(|_| self.text("pipelineInstructionsId"))
            .map_err(|_| self.missing("pipelineInstructionsId"))
    }

    fn children(&self) -> Result<Vec<(&'static str, Value)>, Problem> {
        let pipelines = self.configuration()["pipelines"].as_array();
        let ids: Vec<_> = pipelines
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        if !(1..=MAX_PARALLEL).contains(&ids.len()) {
            let position = self.position;
            let place = format!("workflow.plan[{position}].tool.configuration.pipelines");
            let detail = format!("{place} must name 1 to {MAX_PARALLEL} pipelines by their ids");
            return Err(Problem::invalid(detail));
        }
        let child = |id| ("pipeline", json!({"pipeline": id}));
        Ok(ids.into_iter().map(child).collect())
    }

    /// A step of a registered tool; without one it is looked for under the identifier.
    fn tool(&self, identifier: &str) -> (&'static str, Value) {
        let tool = self.text("toolConfigId").unwrap_or(identifier);
        let with = self.without(&["toolConfigId"]);
        (
            "tool",
            json!({"tool": tool, "kind": identifier, "with": with}),
        )
    }

    fn only(&self, keys: &[&str]) -> Value {
        self.kept(|key| keys.contains(&key))
    }

    fn without(&self, keys: &[&str]) -> Value {
        self.kept(|key| !keys.contains(&key))
    }

    fn kept(&self, is_kept: impl Fn(&str) -> bool) -> Value {
        let fields = self.configuration().as_object();
        let kept = fields
            .into_iter()
            .flatten()
            .filter(|(key, _)| is_kept(key))
            .map(|(key, value)| (key.clone(), value.clone()));
        Value::Object(kept.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(identifier: &str, configuration: &Value) -> Value {
        let tool = json!({"tool_identifier": identifier, "configuration": configuration});
        json!({"name": "It", "active": true, "tool": tool})
    }

    fn only(identifier: &str, configuration: &Value) -> Value {
        let mut steps = steps(&[element(identifier, configuration)]).unwrap();
        assert_eq!(steps.len(), 1);
        let step = steps[0].as_object_mut().unwrap();
        assert_eq!(step.remove("id"), Some(json!("it")));
        assert_eq!(step.remove("name"), Some(json!("It")));
        steps.remove(0)
    }

    #[test]
    fn each_identifier_has_its_kind_of_step() {
        for (identifier, configuration, expected) in [
            (
                "command-line",
                json!({"commands": "make"}),
                json!({"run": "make"}),
            ),
            (
                "COMMAND_LINE",
                json!({"commands": ["a", "b"]}),
                json!({"command": ["a", "b"]}),
            ),
            (
                "powershell",
                json!({"commands": "ls"}),
                json!({"command": ["pwsh", "-NonInteractive", "-Command", "ls"]}),
            ),
            (
                "external_rest_api_integration",
                json!({"url": "https://x.example", "secrets": {"T": "t"}}),
                json!({"http": {"url": "https://x.example"}, "secrets": {"T": "t"}}),
            ),
            (
                "approval",
                json!({"message": "ok?", "contact": "ops", "sendCustomMessage": true}),
                json!({"approval": {"message": "ok?", "contact": "ops"}}),
            ),
            (
                "user-action",
                json!({"pipelineInstructionsId": "i"}),
                json!({"userAction": {"instructions": "i"}}),
            ),
            (
                "child-pipeline",
                json!({"pipelineId": "p"}),
                json!({"pipeline": {"pipeline": "p"}}),
            ),
            ("mock-step", json!({}), json!({"run": ":"})),
            (
                "jenkins",
                json!({"toolConfigId": "t", "jobName": "build"}),
                json!({"tool": {"tool": "t", "kind": "jenkins", "with": {"jobName": "build"}}}),
            ),
            (
                "Nobody_knows",
                json!({}),
                json!({"tool": {"tool": "Nobody_knows", "kind": "Nobody_knows", "with": {}}}),
            ),
        ] {
            assert_eq!(only(identifier, &configuration), expected, "{identifier}");
        }
    }

    #[test]
    fn what_is_parallel_starts_after_the_step_before_and_is_waited_for_as_a_whole() {
        let parallel = element("parallel-processor", &json!({"pipelines": ["p", "q"]}));
        let plan = [
            element("mock-step", &json!({})),
            parallel,
            element("mock-step", &json!({})),
        ];
        let made = steps(&plan).unwrap();
        let needs: Vec<_> = made
            .iter()
            .map(|step| (&step["id"], &step["needs"]))
            .collect();
        let expected = [
            (json!("it"), json!([])),
            (json!("it-2"), json!(["it"])),
            (json!("it-3"), json!(["it"])),
            (json!("it-4"), json!(["it-2", "it-3"])),
        ];
        assert_eq!(needs, expected.each_ref().map(|(id, needs)| (id, needs)));
    }

    #[test]
    fn what_is_missing_is_named_with_its_place() {
        for (element, place) in [
            (
                json!({"name": "x"}),
                "workflow.plan[0].tool.tool_identifier",
            ),
            (
                element("command-line", &json!({})),
                "workflow.plan[0].tool.configuration.commands",
            ),
            (
                element("parallel-processor", &json!({"pipelines": []})),
                "workflow.plan[0].tool.configuration.pipelines",
            ),
        ] {
            let problem = steps(&[element]).unwrap_err();
            assert!(problem.detail().contains(place), "{}", problem.detail());
        }
    }

    #[test]
    fn an_id_is_made_of_any_name() {
        assert_eq!(slug("Go? – now!").as_deref(), Some("go-now"));
        assert_eq!(slug("…"), None);
        assert_eq!(slug(&"a".repeat(100)).map(|it| it.len()), Some(MAX_SLUG));
    }
}
