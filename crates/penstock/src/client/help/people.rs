//! What the help of the commands about users, groups and tokens teaches.

pub(crate) const USER: &str = "\
Examples:
  penstock user add Ada --email ada@example.org
  penstock user list
  penstock user deactivate ada@example.org

Site roles: opsera_administrator, site_administrator, site_power_user, site_user, auditor and
security_manager. What a user may do with a pipeline, the pipeline's rules say.";

pub(crate) const USER_ADD: &str = "\
Examples:
  penstock user add Ada --email ada@example.org
  penstock user add Grace --email grace@example.org --role site_administrator
  penstock user add nightly --service
  printf '%s\\n' \"$PASSWORD\" | penstock user add Ada --email ada@example.org --password

A user without a password uses tokens: penstock token create laptop --user ada@example.org";

pub(crate) const USER_SHOW: &str = "\
Examples:
  penstock user show
  penstock user show ada@example.org -o json | jq -r .id";

pub(crate) const USER_CHANGE: &str = "\
Examples:
  penstock user change ada@example.org --role site_user --role auditor
  penstock user change ada@example.org --activate
  printf '%s\\n%s\\n' \"$NEW\" \"$OLD\" | penstock user change me --password";

pub(crate) const USER_DEACTIVATE: &str = "\
Example:
  penstock user deactivate ada@example.org

Its tokens are refused within a second, and are good again when it is activated.";

pub(crate) const GROUP: &str = "\
Examples:
  penstock group set developers ada@example.org grace@example.org
  penstock group add developers alan@example.org
  penstock group list";

pub(crate) const GROUP_SET: &str = "\
Examples:
  penstock group set developers ada@example.org grace@example.org
  penstock group set developers            nobody is in it";

pub(crate) const GROUP_SHOW: &str = "\
Example:
  penstock group show developers";

pub(crate) const GROUP_ADD: &str = "\
Example:
  penstock group add developers alan@example.org";

pub(crate) const GROUP_REMOVE: &str = "\
Example:
  penstock group remove developers alan@example.org";

pub(crate) const GROUP_DELETE: &str = "\
Example:
  penstock group delete developers

Rules that name it match nobody from then on.";

pub(crate) const TOKEN: &str = "\
Examples:
  penstock token create laptop > token
  penstock token list
  penstock token rotate 61043b2bbcb6d95b55adc5fd --overlap 1h > token

Scopes: api, api-readonly, pipeline, pipeline-readonly, registry, registry-readonly, tasks,
tasks-readonly and security-logs.";

pub(crate) const TOKEN_CREATE: &str = "\
Examples:
  penstock token create laptop > token
  penstock token create ci --scope pipeline --expires 3mo --from 10.1.0.0/16
  PENSTOCK_TOKEN=$(penstock token create trial --expires 1d) penstock list
  penstock token create first --user ada@example.org

The token alone goes to standard output. It is shown once: who loses it makes another one.";

pub(crate) const TOKEN_SHOW: &str = "\
Example:
  penstock token show 61043b2bbcb6d95b55adc5fd";

pub(crate) const TOKEN_REVOKE: &str = "\
Examples:
  penstock token revoke 61043b2bbcb6d95b55adc5fd
  penstock token revoke --all-of ada@example.org

It is refused within a second.";

pub(crate) const TOKEN_ROTATE: &str = "\
Examples:
  penstock token rotate 61043b2bbcb6d95b55adc5fd > token
  penstock token rotate 61043b2bbcb6d95b55adc5fd --overlap 12h --expires 3mo > token

When the old one is shown after its time, it and all that were made of it are revoked: somebody has
a copy.";
