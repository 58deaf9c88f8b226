//! The configuration of a plug-in, as UnifiedViews keeps it: XML of `XStream`, twice when it is a modern one.
//!
//! A `MasterConfigObject` holds a text for the plug-in itself (`dpu_config`) and one for each add-on; each of them is a
//! document again. What was written before there were such is the plug-in's own document. Fields are read by their
//! names and forgivingly: what a plug-in doesn't know is nobody's fault.

use super::xml::{self, Node};

/// A configuration and what add-ons were told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Master {
    /// The plug-in's own.
    pub own: Config,
    /// What it says something for: the plug-in itself and add-ons, by their keys. Of what was written before there
    /// were such it has none.
    pub keys: Vec<String>,
    /// When it is tried again by itself.
    pub tolerance: Option<Tolerance>,
    /// What must be true of an output.
    pub validation: Option<Validation>,
}

/// The fields of a configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// The name of its class, as in Java; empty for none.
    pub class: String,
    bean: Node,
}

/// The fault-tolerance add-on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tolerance {
    /// The names of exceptions after which it is tried again; none means all that may pass.
    pub exceptions: Vec<String>,
    /// How often it is tried again at most; nothing for no limit.
    pub retries: Option<u32>,
}

/// The add-on that judges what a plug-in has made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Validation {
    /// The output whose graphs are judged.
    pub port: String,
    /// An ASK that must be true of them.
    pub query: String,
}

impl Master {
    /// Reads a configuration; an empty one is that of nothing.
    pub fn read(text: &str) -> Result<Self, xml::Error> {
        let text = text.trim();
        if text.is_empty() || text == "<null configuration/>" {
            return Ok(Self::default());
        }
        let root = Node::parse(text)?;
        let Some(master) = first(&root).filter(|it| it.name == "MasterConfigObject") else {
            return Ok(Self {
                own: Config::of(root),
                ..Self::default()
            });
        };
        let mut read = Self::default();
        let entries = master.child("configurations");
        for entry in entries.map(|it| it.children.as_slice()).unwrap_or_default() {
            let [key, value] = entry.children.as_slice() else {
                continue;
            };
            read.keys.push(key.text.clone());
            if value.text.trim().is_empty() {
                continue;
            }
            match key.text.as_str() {
                "dpu_config" => read.own = Config::of(Node::parse(value.text.trim())?),
                "addon/faultToleranceWrap" => {
                    let config = Config::of(Node::parse(value.text.trim())?);
                    read.tolerance = Tolerance::of(&config);
                }
                "addon/rdfValidationWrap" => {
                    let config = Config::of(Node::parse(value.text.trim())?);
                    read.validation = Validation::of(&config);
                }
                _ => {}
            }
        }
        Ok(read)
    }
}

impl Validation {
    /// What was configured, if it is enabled and says something.
    fn of(config: &Config) -> Option<Self> {
        if !config.flag("enabled", false) {
            return None;
        }
        Some(Self {
            port: config.said("validatedDataUnitName")?.trim().to_owned(),
            query: config.said("askQuery")?.to_owned(),
        })
    }
}

impl Tolerance {
    /// What was configured, if it is enabled.
    fn of(config: &Config) -> Option<Self> {
        let names = config.list("exceptionNames").iter();
        config.flag("enabled", false).then(|| Self {
            exceptions: names.map(|it| it.text.trim().to_owned()).collect(),
            retries: config
                .number("maxRetryCount")
                .and_then(|count| u32::try_from(count).ok()),
        })
    }
}

fn first(root: &Node) -> Option<&Node> {
    (root.name == "object-stream")
        .then(|| root.children.first())
        .flatten()
}

impl Config {
    /// The fields of the one element in an object stream, or of the element itself.
    fn of(mut root: Node) -> Self {
        let bean = if root.name == "object-stream" {
            if root.children.is_empty() {
                return Self::default();
            }
            root.children.swap_remove(0)
        } else {
            root
        };
        Self {
            class: unescaped(&bean.name),
            bean,
        }
    }

    /// Fields below one of this configuration.
    pub fn below(node: &Node) -> Self {
        Self {
            class: unescaped(&node.name),
            bean: node.clone(),
        }
    }

    /// All its fields, by their names in Java.
    pub fn fields(&self) -> impl Iterator<Item = (String, &Node)> {
        let fields = self.bean.children.iter();
        fields.map(|it| (unescaped(&it.name), it))
    }

    fn field(&self, name: &str) -> Option<&Node> {
        let mut fields = self.bean.children.iter();
        let field = fields.find(|it| it.name == name || unescaped(&it.name) == name)?;
        let is_null = field.children.first().is_some_and(|it| it.name == "null");
        (!is_null).then_some(field)
    }

    /// A text as it is written; nothing if the field is absent.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.field(name).map(|it| it.text.as_str())
    }

    /// A text that says something.
    pub fn said(&self, name: &str) -> Option<&str> {
        self.text(name).filter(|it| !it.trim().is_empty())
    }

    /// Whether it is true; `usual` if nothing is said.
    pub fn flag(&self, name: &str, usual: bool) -> bool {
        match self.text(name).map(str::trim) {
            Some(text) if text.eq_ignore_ascii_case("true") => true,
            Some(text) if text.eq_ignore_ascii_case("false") => false,
            Some(_) | None => usual,
        }
    }

    /// A whole number, if it is one.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.text(name)?.trim().parse().ok()
    }

    /// The elements of a list, set or array.
    pub fn list(&self, name: &str) -> &[Node] {
        self.field(name)
            .map(|it| it.children.as_slice())
            .unwrap_or_default()
    }

    /// The entries of a map: keys, and their values as elements.
    pub fn entries(&self, name: &str) -> Vec<(&str, &Node)> {
        let mut entries = Vec::new();
        for entry in self.list(name) {
            if let [key, value] = entry.children.as_slice() {
                entries.push((key.text.as_str(), value));
            }
        }
        entries
    }

    /// The entries of a map of texts.
    pub fn map(&self, name: &str) -> Vec<(&str, &str)> {
        let entries = self.entries(name).into_iter();
        entries
            .map(|(key, value)| (key, value.text.as_str()))
            .collect()
    }
}

/// A name of a class or field as Java has it. In an element's name `_-` stands for `$`, `__` for `_`, and `_.` with four
/// hex digits for a character that XML doesn't allow there.
fn unescaped(name: &str) -> String {
    let mut java = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(at) = rest.find('_') {
        java.push_str(&rest[..at]);
        rest = &rest[at..];
        let hex = rest.strip_prefix("_.").and_then(|it| it.get(..4));
        let escaped = hex.and_then(|hex| char::from_u32(u32::from_str_radix(hex, 16).ok()?));
        let (character, length) = match (rest.as_bytes().get(1), escaped) {
            (Some(b'_'), _) => ('_', 2),
            (Some(b'-'), _) => ('$', 2),
            (_, Some(character)) => (character, 6),
            (_, None) => ('_', 1),
        };
        java.push(character);
        rest = &rest[length..];
    }
    java.push_str(rest);
    java
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn escaped(text: &str) -> String {
        text.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
    }

    fn master(entries: &[(&str, &str)]) -> String {
        let entry = |(key, value): &(&str, &str)| {
            format!(
                "<entry><string>{key}</string><string>{}</string></entry>",
                escaped(value)
            )
        };
        let entries: String = entries.iter().map(entry).collect();
        format!(
            "<object-stream>\n <MasterConfigObject><configurations>{entries}</configurations>\
             </MasterConfigObject></object-stream>"
        )
    }

    const OWN: &str = "<object-stream><a.b.My__Config__V1><text>1 &lt; 2\n</text><none><null/></none><flag>TRUE</flag>\
                       <number> 7 </number><list class='linked-list'><string>x</string><string>y</string></list>\
                       <map><entry><string>k</string><string>v</string></entry></map></a.b.My__Config__V1></object-stream>";

    #[test]
    fn fields_are_read_from_either_form() {
        for text in [
            OWN.to_owned(),
            master(&[("dpu_config", OWN), ("addon/other", "<x/>")]),
        ] {
            let read = Master::read(&text).unwrap();
            let own = &read.own;
            assert_eq!(own.class, "a.b.My_Config_V1");
            assert_eq!(own.text("text"), Some("1 < 2\n"));
            assert_eq!(own.text("none"), None);
            assert_eq!(own.text("absent"), None);
            assert!(own.flag("flag", false) && own.flag("absent", true));
            assert_eq!(own.number("number"), Some(7));
            assert_eq!(own.list("list")[1].text, "y");
            assert_eq!(own.map("map"), [("k", "v")]);
            assert_eq!(read.tolerance, None);
            assert_eq!(own.fields().count(), 6);
            let keys = read.keys.join(" ");
            assert!(["", "dpu_config addon/other"].contains(&&*keys), "{keys}");
        }
    }

    #[test]
    fn nothing_is_a_configuration_too() {
        for text in [
            "",
            "<null configuration/>",
            "<object-stream/>",
            "<object-stream><MasterConfigObject/></object-stream>",
            &master(&[("dpu_config", "")]),
        ] {
            let read = Master::read(text).unwrap();
            assert_eq!((read.own, read.tolerance), Default::default(), "{text}");
        }
        assert!(Master::read("nonsense").is_err());
    }

    #[test]
    fn fault_tolerance_counts_when_it_is_enabled() {
        let addon = |enabled: &str, retries: &str| {
            let bean = "eu.x.FaultTolerance_-Configuration__V1";
            format!(
                "<object-stream><{bean}><enabled>{enabled}</enabled><exceptionNames class='linked-list'>\
                 <string>java.io.IOException</string></exceptionNames><maxRetryCount>{retries}</maxRetryCount></{bean}>\
                 </object-stream>"
            )
        };
        for (enabled, retries, expected) in [
            ("false", "3", None),
            ("true", "3", Some(Some(3))),
            ("true", "-1", Some(None)),
        ] {
            let text = master(&[("addon/faultToleranceWrap", &addon(enabled, retries))]);
            let tolerance = Master::read(&text).unwrap().tolerance;
            assert_eq!(tolerance.as_ref().map(|it| it.retries), expected);
            if let Some(tolerance) = tolerance {
                assert_eq!(tolerance.exceptions, ["java.io.IOException"]);
            }
        }
    }

    #[test]
    fn names_are_those_of_java() {
        for (written, name) in [
            ("a__b", "a_b"),
            ("A_-B__V1", "A$B_V1"),
            ("plain", "plain"),
            ("a_b", "a_b"),
            ("a_.0020b_.zz", "a b_.zz"),
        ] {
            assert_eq!(unescaped(written), name);
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(<[/a-c_ -]{1,6}>|&(lt|gt|#[0-9]{1,4});|[a-z _]){0,30}") {
            let _ = Master::read(&text);
            let _ = Master::read(&master(&[("dpu_config", &text), ("addon/faultToleranceWrap", &text)]));
        }
    }
}
