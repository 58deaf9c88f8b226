//! Being a process: configuration, telemetry, routes, serving, faults, loops and databases.
