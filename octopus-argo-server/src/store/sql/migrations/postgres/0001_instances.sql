-- The records of instances. Times are milliseconds since 1970, sets are JSON arrays, keys are folded to lower case.

CREATE TABLE spaces (
    space_key TEXT NOT NULL PRIMARY KEY,
    space_id TEXT NOT NULL,
    name TEXT NOT NULL
);

INSERT INTO spaces (space_key, space_id, name) VALUES ('spaces-1', 'Spaces-1', 'Default');

-- A gateway has a row for as long as it has a record. No hash: its credential was taken away.
CREATE TABLE gateways (
    gateway_id TEXT NOT NULL PRIMARY KEY,
    token_hash BYTEA CHECK (length(token_hash) = 32),
    old_token_hash BYTEA CHECK (length(old_token_hash) = 32),
    old_token_until BIGINT,
    gateway_version TEXT,
    chart_version TEXT,
    release_name TEXT,
    namespace TEXT,
    argo_cd_version TEXT,
    last_seen BIGINT,
    health TEXT,
    health_checked BIGINT,
    CHECK ((old_token_hash IS NULL) = (old_token_until IS NULL)),
    CHECK ((health IS NULL) = (health_checked IS NULL))
);

CREATE TABLE instances (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    space_key TEXT NOT NULL REFERENCES spaces (space_key),
    gateway_id TEXT NOT NULL REFERENCES gateways (gateway_id),
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    environments TEXT NOT NULL,
    tenants TEXT NOT NULL,
    web_ui TEXT,
    UNIQUE (space_key, name_key),
    UNIQUE (gateway_id, space_key)
);
