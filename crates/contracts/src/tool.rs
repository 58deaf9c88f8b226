//! What a tool is made of: the attributes of its document, their names on both faces of the API and
//! their shapes.
//!
//! The Opsera API knows no schema, so a document may have properties beside these: extras, which
//! are kept as they are.

/// What an attribute may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A text of at most so many characters.
    Text(usize),
    /// True or false.
    Flag,
    /// An object.
    Object,
    /// A list of objects.
    Objects,
    /// A list of anything.
    List,
    /// The item's rules.
    Rules,
    /// A 24-hex id, or nothing.
    Id,
}

/// An attribute of a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribute {
    /// Its name on the Opsera face and on the wire between the services.
    pub name: &'static str,
    /// Its name on our own face.
    pub own_name: &'static str,
    /// What it may hold.
    pub shape: Shape,
}

const fn attribute(name: &'static str, own_name: &'static str, shape: Shape) -> Attribute {
    Attribute {
        name,
        own_name,
        shape,
    }
}

/// What kind of system a tool is.
pub const IDENTIFIER: &str = "tool_identifier";

/// Which connector works with the tool, where its identifier doesn't say it.
pub const CONNECTOR: &str = "connector";

/// The connector of tools whose operations an outside consumer carries out.
pub const OUTSIDE: &str = "kafka";

/// Whether tools of this connector are served by an outside consumer.
pub fn is_outside(connector: &str) -> bool {
    normalised(connector) == OUTSIDE
}

/// The attributes that can be said, in the order in which answers have them.
pub const ATTRIBUTES: &[Attribute] = &[
    attribute("name", "name", Shape::Text(50)),
    attribute("description", "description", Shape::Text(1000)),
    attribute(IDENTIFIER, "toolIdentifier", Shape::Text(64)),
    attribute(
        "tool_type_identifier",
        "toolTypeIdentifier",
        Shape::Text(64),
    ),
    attribute(CONNECTOR, "connector", Shape::Text(64)),
    attribute("active", "active", Shape::Flag),
    attribute("status", "status", Shape::Text(64)),
    attribute("roles", "roles", Shape::Rules),
    attribute("configuration", "configuration", Shape::Object),
    attribute("accounts", "accounts", Shape::Objects),
    attribute("jobs", "jobs", Shape::Objects),
    attribute("actions", "actions", Shape::Objects),
    attribute("projects", "projects", Shape::Objects),
    attribute("repositories", "repositories", Shape::Objects),
    attribute("applications", "applications", Shape::Objects),
    attribute("compliance", "compliance", Shape::List),
    attribute("licensing", "licensing", Shape::List),
    attribute("location", "location", Shape::List),
    attribute("contacts", "contacts", Shape::List),
    attribute("organization", "organization", Shape::List),
    attribute("external_reference", "externalReference", Shape::List),
    attribute("tags", "tags", Shape::List),
    attribute("classification", "classification", Shape::Text(128)),
    attribute("costCenter", "costCenter", Shape::Text(25)),
    attribute("vault", "vault", Shape::Id),
];

/// What the registry alone says: when a client says it, it is ignored.
pub const PROTECTED: &[&str] = &[
    "_id",
    "createdAt",
    "updatedAt",
    "__v",
    "account",
    "owner",
    "owner_name",
    "role_access_level",
];

/// The attribute of this name on the wire.
pub fn attribute_of(name: &str) -> Option<&'static Attribute> {
    ATTRIBUTES.iter().find(|it| it.name == name)
}

/// An identifier of a kind of tool as it is compared: in any case, `_` being `-`.
pub fn normalised(identifier: &str) -> String {
    identifier.trim().to_lowercase().replace('_', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_said_once_and_none_is_protected() {
        for (at, attribute) in ATTRIBUTES.iter().enumerate() {
            assert!(!PROTECTED.contains(&attribute.name), "{attribute:?}");
            for other in &ATTRIBUTES[at + 1..] {
                assert_ne!(attribute.name, other.name);
                assert_ne!(attribute.own_name, other.own_name);
            }
        }
        assert_eq!(attribute_of("costCenter").unwrap().shape, Shape::Text(25));
    }

    #[test]
    fn identifiers_are_compared_in_any_case() {
        assert_eq!(normalised(" AZURE_ACR_push "), "azure-acr-push");
        assert_eq!(normalised("azure-acr-push"), "azure-acr-push");
    }
}
