//! The configuration of a plug-in: an object that was written to XML, often with those of add-ons beside it.
//!
//! Since 2015 it is a map whose values are XML texts again, `dpu_config` being the plug-in's own. Before that it was the
//! object itself.

use crate::xml::{self, Id, Tree, java_name};

/// The entry of the plug-in itself.
const OWN: &str = "dpu_config";
const MASTER: &str = "MasterConfigObject";

/// A configuration as far as it says what is configured.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Configuration {
    /// The plug-in's own, if there is one.
    pub own: Option<Object>,
    /// The keys of the map in their order; empty for one without a map.
    pub keys: Vec<String>,
}

/// An object and its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// The full name of its class.
    pub class: String,
    /// In the order in which they are written.
    pub fields: Vec<(String, Value)>,
}

/// What a field holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text, a number, a flag or a word.
    Text(String),
    /// So many elements.
    Elements(usize),
}

/// Reads a configuration.
pub fn read(text: &str) -> Result<Configuration, xml::Error> {
    let tree = Tree::of(text.as_bytes())?;
    let root = tree.root();
    let Some(master) = tree.child(root, MASTER)? else {
        return Ok(Configuration {
            own: object(&tree, root)?,
            keys: Vec::new(),
        });
    };
    let mut read = Configuration::default();
    if let Some(map) = tree.child(master, "configurations")? {
        for entry in tree.children(map) {
            let entry = tree.body(*entry)?;
            if let [key, value] = tree.children(entry) {
                let (key, value) = (tree.body(*key)?, tree.body(*value)?);
                let key = tree.text(key).to_owned();
                if key == OWN {
                    let value = Tree::of(tree.text(value).as_bytes())?;
                    read.own = object(&value, value.root())?;
                }
                read.keys.push(key);
            }
        }
    }
    Ok(read)
}

/// The one object of a stream.
fn object(tree: &Tree, stream: Id) -> Result<Option<Object>, xml::Error> {
    let Some(at) = tree.children(stream).first() else {
        return Ok(None);
    };
    let at = tree.body(*at)?;
    let mut fields = Vec::new();
    for field in tree.children(at) {
        let body = tree.body(*field)?;
        let value = match tree.children(body).len() {
            0 => Value::Text(tree.text(body).to_owned()),
            count => Value::Elements(count),
        };
        fields.push((java_name(tree.name(*field)), value));
    }
    Ok(Some(Object {
        class: java_name(tree.name(at)),
        fields,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OBJECT: &str = "<object-stream><a.b.Config__V1><is__on>true</is__on><list class=\"linked-list\"/>\
                          <map><e/><e/></map></a.b.Config__V1></object-stream>";

    fn expected() -> Object {
        Object {
            class: "a.b.Config_V1".into(),
            fields: vec![
                ("is_on".into(), Value::Text("true".into())),
                ("list".into(), Value::Text(String::new())),
                ("map".into(), Value::Elements(2)),
            ],
        }
    }

    #[test]
    fn both_forms_say_the_same() {
        let legacy = read(OBJECT).unwrap();
        assert_eq!((legacy.own, legacy.keys.len()), (Some(expected()), 0));
        let escaped = OBJECT.replace('<', "&lt;").replace('>', "&gt;");
        let master = format!(
            "<object-stream><MasterConfigObject><configurations><entry><string>addon/x</string><string/></entry>\
             <entry><string>dpu_config</string><string>{escaped}</string></entry></configurations>\
             </MasterConfigObject></object-stream>"
        );
        let master = read(&master).unwrap();
        assert_eq!(master.own, Some(expected()));
        assert_eq!(master.keys, ["addon/x", "dpu_config"]);
    }

    #[test]
    fn nothing_is_configured_by_an_empty_stream() {
        assert_eq!(read("<object-stream/>").unwrap(), Configuration::default());
        assert!(read("not XML").is_err());
    }
}
