//! What is known of the kinds of tools. A kind that is not known here is as good as any other.

use contracts::tool::normalised;

/// What sort of system tools of a kind are; nothing if that is not known.
pub(crate) fn category(identifier: &str) -> Option<&'static str> {
    let identifier = normalised(identifier);
    let is_it = |(_, kinds): &&(&str, &[&str])| kinds.contains(&identifier.as_str());
    CATEGORIES.iter().find(is_it).map(|(category, _)| *category)
}

/// Properties that hold secrets in tools of this kind, beside those that do in all. In lowercase,
/// letters and digits only.
pub(crate) fn secret_fields(identifier: &str) -> &'static [&'static str] {
    let identifier = normalised(identifier);
    let of_kind = SECRET_FIELDS.iter().find(|(kind, _)| *kind == identifier);
    of_kind.map_or(&[], |(_, fields)| fields)
}

/// An address of these lets whoever knows it write there.
const SECRET_FIELDS: &[(&str, &[&str])] = &[
    ("slack", &["webhookurl", "webhook"]),
    ("teams", &["webhookurl", "webhook"]),
    ("gchat", &["webhookurl", "webhook"]),
    ("mongodb", &["connectionstring", "uri"]),
    ("mongodb-realm", &["connectionstring", "uri"]),
    ("kafka-connect", &["saslconfig"]),
    ("gcp-account", &["gcpconfig", "keyfile"]),
    ("gcp-deploy", &["gcpconfig", "keyfile"]),
    ("snowflake", &["connectionstring"]),
];

const CATEGORIES: &[(&str, &[&str])] = &[
    (
        "source",
        &[
            "github",
            "github-deploykey",
            "gitlab",
            "bitbucket",
            "azure-devops",
        ],
    ),
    ("issue", &["jira", "servicenow"]),
    ("notification", &["slack", "teams", "gchat"]),
    (
        "build",
        &[
            "jenkins",
            "teamcity",
            "buildkite",
            "npm",
            "dotnet",
            "dotnet-cli",
            "docker-cli",
            "docker-push",
            "packer",
        ],
    ),
    (
        "test",
        &[
            "junit", "nunit", "xunit", "selenium", "cypress", "jmeter", "provar",
        ],
    ),
    (
        "scan",
        &[
            "sonar",
            "snyk",
            "coverity",
            "fortify",
            "blackduck",
            "twistlock",
            "aquasec",
            "anchore-scan",
            "anchore-integrator",
            "terrascan",
            "sentinel",
            "pmd",
            "salesforce-code-analyzer",
        ],
    ),
    (
        "artifact",
        &[
            "nexus",
            "jfrog-artifactory-docker",
            "jfrog-artifactory-maven",
            "s3",
            "ssh-upload",
        ],
    ),
    (
        "deploy",
        &[
            "argo",
            "spinnaker",
            "octopus",
            "ansible",
            "helm",
            "terraform",
            "terraform-cloud",
            "terraform-vcs",
            "aws-account",
            "aws-deploy",
            "aws-ecs-deploy",
            "aws-lambda",
            "elastic-beanstalk",
            "azure",
            "azure-account",
            "azure-acr-push",
            "azure-aks-deploy",
            "azure-cli",
            "azure-functions",
            "azure-scripts",
            "azure-webapps",
            "azure-zip-deployment",
            "gcp-account",
            "gcp-deploy",
        ],
    ),
    (
        "data",
        &[
            "databricks-notebook",
            "flyway-database-migrator",
            "liquibase",
            "mongodb",
            "mongodb-realm",
            "kafka-connect",
            "snaplogic",
            "boomi",
            "apigee",
            "informatica",
            "informatica-idq",
            "sap-cpq",
            "oracle-fusion",
            "oracle-fusion-report-migration",
            "sfdc-configurator",
        ],
    ),
    ("vault", &["hashicorp-vault", "thycotic-vault"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_known_however_it_is_written() {
        assert_eq!(category("Azure_ACR_Push"), Some("deploy"));
        assert_eq!(category("jenkins"), Some("build"));
        assert_eq!(category("abacus"), None);
        assert!(secret_fields("SLACK").contains(&"webhookurl"));
        assert!(secret_fields("jenkins").is_empty());
    }

    #[test]
    fn the_tables_are_written_as_kinds_are_compared() {
        for (_, kinds) in CATEGORIES {
            assert!(kinds.iter().all(|kind| normalised(kind) == *kind));
        }
        assert!(
            SECRET_FIELDS
                .iter()
                .all(|(kind, _)| normalised(kind) == *kind)
        );
    }
}
