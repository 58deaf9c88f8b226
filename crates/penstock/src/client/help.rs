//! What the help of each client command teaches below its flags.

pub(crate) mod custody;
pub(crate) mod people;
pub(crate) mod schedules;

pub(crate) const APPLY: &str = "\
Examples:
  penstock apply -f hello.yaml -f nightly.yaml
  generate | penstock apply -f -

A running run keeps the version that it was started with. What a file may hold: README.md shows it,
and the server has its schema for editors at /api/v2/schemas/pipeline.json.";

pub(crate) const IMPORT: &str = "\
Examples:
  penstock import pipeline.zip --dry-run   what it would make, and which plug-ins are missing
  penstock import pipeline.zip

A plug-in that Penstock carries out itself needs no jar; any other must be installed in the version
that the pipeline needs, or a later one. Jars and users' data in the ZIP are not imported.";

pub(crate) const EXPORT: &str = "\
Examples:
  penstock export hello > hello.yaml
  penstock export ingest --format zip --to ingest.zip

As a ZIP goes a pipeline whose steps are plug-ins; as YAML any.";

pub(crate) const RUN: &str = "\
Examples:
  penstock run hello
  penstock run hello --follow              watch it; the exit code says how it ended (0, 1 or 3)
  penstock run report -p day=2030-01-31 -p dry=true
  penstock run deploy --idempotency-key \"$BUILD_ID\"   the same key starts one run in 24 hours

Ctrl-C while following leaves the run alone and says how to stop it.";

pub(crate) const STOP: &str = "\
Modes:
  graceful  the running step finishes, no other starts; steps marked `always` run
  cancel    running steps are told to end, and killed after their grace period; `always` steps run
  kill      all processes are killed at once; nothing else runs

A second stop may only be harder than the first.

Examples:
  penstock stop hello                      every run of it that has not ended
  penstock stop hello --run 3 --mode cancel --reason \"wrong day\"";

pub(crate) const RESUME: &str = "\
Examples:
  penstock resume nightly
  penstock resume nightly --run 3          only if run 3 is the latest

The new run has the plan, the parameters and the workspace of that run. The steps that ran there are
passed over, also one that failed; `penstock run` starts from the first step. A step that waited for
people and was not approved waits again.";

pub(crate) const APPROVE: &str = "\
Examples:
  penstock approve nightly -m \"looks good\"
  penstock approve nightly --run 3 --step sign-off

The run goes on once as many people have approved the step as it asks for.";

pub(crate) const REJECT: &str = "\
Examples:
  penstock reject nightly -m \"wrong day\"
  penstock reject nightly --run 3 --step sign-off

Steps marked `always` run, then the run has failed.";

pub(crate) const STATUS: &str = "\
Examples:
  penstock status hello
  penstock status hello --run 3
  penstock status hello -o json | jq -r .state";

pub(crate) const LOGS: &str = "\
Examples:
  penstock logs hello
  penstock logs hello --run 3 --step fetch
  penstock logs hello --follow             until the run ends";

pub(crate) const RUNS: &str = "\
Examples:
  penstock runs hello
  penstock runs hello --limit 100 -o json";

pub(crate) const LIST: &str = "\
Examples:
  penstock list
  penstock list -o json | jq -r '.[].name'";

pub(crate) const EXPLAIN: &str = "\
Examples:
  penstock explain hello                   the latest run: behind whom it waits, what runs, why it ended
  penstock explain hello --run 3";

pub(crate) const DELETE: &str = "\
Example:
  penstock stop hello && penstock delete hello

Its runs and their logs go with it.";

pub(crate) const RESET: &str = "\
Examples:
  penstock reset hello
  penstock reset hello --force             stops a running run first";

pub(crate) const SECRET: &str = "\
Examples:
  printf %s \"$PASSWORD\" | penstock secret set shop-password
  penstock secret list
  penstock secret delete shop-password

A step names the secrets that it gets, and the variables that hold them:
  secrets: {PASSWORD: shop-password}";

pub(crate) const SECRET_SET: &str = "\
Examples:
  printf %s \"$PASSWORD\" | penstock secret set shop-password
  penstock secret set deploy-key < key.pem";

pub(crate) const SECRET_LIST: &str = "\
Example:
  penstock secret list -o json | jq -r '.[].name'";

pub(crate) const SECRET_DELETE: &str = "\
Example:
  penstock secret delete shop-password

A step that names it fails from then on.";

pub(crate) const ROTATE_KEY: &str = "\
Examples:
  penstock secret rotate-key               begin; everything goes on meanwhile
  penstock secret rotate-key --wait        answer when it is done

The new key lies in the key file, before the earlier one until nothing of that is left. A server that is killed
meanwhile goes on with it at its next start. A backup from before needs the key of then. Where several
registries share a database (PostgreSQL), whoever gave them their key changes it: the refusal says how.";

pub(crate) const TOOL: &str = "\
Examples:
  penstock tool add -f jenkins.yaml
  penstock tool list
  penstock tool show build-server
  penstock tool update build-server -f changes.yaml

A tool's password, token or key is given as a text. It goes to the vault, and a reference stands in its place:
  name: build-server
  toolIdentifier: jenkins
  configuration: {jenkinsUrl: https://ci.example, userName: bot, password: …}";

pub(crate) const TOOL_ADD: &str = "\
Examples:
  penstock tool add -f jenkins.yaml
  generate | penstock tool add -f -";

pub(crate) const TOOL_LIST: &str = "\
Example:
  penstock tool list -o json | jq -r '.[].name'";

pub(crate) const TOOL_SHOW: &str = "\
Example:
  penstock tool show build-server | jq .configuration";

pub(crate) const TOOL_UPDATE: &str = "\
Examples:
  penstock tool update build-server -f changes.yaml
  echo 'description: retired' | penstock tool update build-server -f -
  penstock tool update build-server -f jenkins.yaml --replace

A property that the file says replaces the one that is there, as a whole: say all of `configuration`
or none of it. A secret stays where its reference is said again. null removes a property.";

pub(crate) const TOOL_TRANSFER: &str = "\
Example:
  penstock tool transfer build-server eve@example.org";

pub(crate) const TOOL_USES: &str = "\
Example:
  penstock tool uses build-server

Those of the pipelines that you may see whose current versions name it.";

pub(crate) const TOOL_DELETE: &str = "\
Example:
  penstock tool delete build-server

Steps that use it fail from then on.";

pub(crate) const EXECUTORS: &str = "\
Examples:
  penstock executors                       who is at work, with how many runs
  penstock executors drain vm-1 --wait     no new work; answers when its last run has ended
  penstock executors undrain vm-1          work again";

pub(crate) const DRAIN: &str = "\
Examples:
  penstock executors drain vm-1
  penstock executors drain vm-1 --wait && ssh vm-1 reboot

Its runs go on. It stays drained, over restarts of it too, until it is undrained.";

pub(crate) const UNDRAIN: &str = "\
Example:
  penstock executors undrain vm-1";

pub(crate) const AUDIT: &str = "\
Examples:
  penstock audit verify                    ask the server for all records, and verify them
  penstock audit export > records.jsonl    for somebody else, or for years
  penstock audit verify records.jsonl --key trusted-keys
  penstock audit keys

What was done and uses of tokens are kept in chains of hashes, which are signed now and then; docs/audit.md
says how. Who verifies needs a scope `api` or `security-logs`, and a role that may read everything.";

pub(crate) const AUDIT_VERIFY: &str = "\
Examples:
  penstock audit verify
  penstock audit verify records.jsonl      needs no server
  penstock audit verify records.jsonl --key 5d1c…9a3f
  penstock audit export --from 2030-01-01 | penstock audit verify - --key trusted-keys

The exit code is 0 if nothing was changed. Else it is 1, and the first broken record is named.";

pub(crate) const AUDIT_EXPORT: &str = "\
Examples:
  penstock audit export > records.jsonl
  penstock audit export --from 2030-01-01 --to 2030-02-01 > january.jsonl";

pub(crate) const AUDIT_KEYS: &str = "\
Example:
  penstock audit keys -o json | jq -r '.keys[].publicKey' > trusted-keys

A key is worth something where who can change the records can't change it: keep it elsewhere.";
