-- The database of Penstock on PostgreSQL, once, as a superuser:
--
--   psql -v password="'…'" -v owner_password="'…'" -f init.sql
--
-- Each service makes a schema of its own in it and migrates it.

CREATE ROLE penstock LOGIN PASSWORD :password;
CREATE DATABASE penstock OWNER penstock;

-- Who did what is kept by a role that can only add to it; another one owns the tables, migrates them
-- and removes what is too old. Leave this out, and audit_log.database_owner empty, to have one role
-- for all. docs/audit.md says more.
CREATE ROLE penstock_audit_owner LOGIN PASSWORD :owner_password;
GRANT CONNECT, CREATE ON DATABASE penstock TO penstock_audit_owner;
