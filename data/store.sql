-- The store of `pinsweep sweep --store FILE`: an SQLite database in WAL mode. This is its schema,
-- exactly as the program creates it; it may be read with the sqlite3 shell at any time, also while a
-- sweep runs (a few transactions a second commit what was seen).
--
--   sqlite3 fleet.db "SELECT host, port, verdict FROM targets WHERE sweep = '...' AND verdict = 'mismatch'"
--
-- The views at the end are for people; the tables are made for 10 million targets a night. A store is
-- known by its application_id; user_version is the version of the schema: another version is refused.
-- A store is trusted as the policy is: the paths that it remembers are not verified again.
--
-- Keys. Rows of one sweep stand together and are only ever appended:
--   target.id      = sweep.id * 2^34 + n      n = 0, 1, 2, ... in the order of writing
--   view.id        = target.id * 2^7 + place  place in the record's "views"
--   judgement.id   = target.id * 2^10 + place place in the record's "pin_sets"
-- so that sweep 7's targets are those with id BETWEEN 7 << 34 AND (8 << 34) - 1, and a target's views
-- those with id BETWEEN target << 7 AND (target << 7) + 127.
--
-- Codes. A column marked `word(KIND)` holds a number whose text is in table word under that kind.
-- Texts are UTF-8. Times are Unix seconds (UTC) unless the name says milliseconds (_ms). Digests are
-- blobs of 32 bytes (SHA-256). A field that the record leaves empty is NULL here.

PRAGMA application_id = 0x70696e73; -- "pins"
PRAGMA user_version = 1;

-- What the numbers of coded columns mean. Outcomes, verdicts, reasons and the like are numbered as they come;
-- "version", "cipher", "group" and "signature" are the numbers that TLS gives them (IANA).
CREATE TABLE word (
    kind TEXT NOT NULL,    -- outcome verdict pkix proof depth key-type reason version cipher group signature
    code INTEGER NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (kind, code)
) WITHOUT ROWID;

-- One row for each `pinsweep sweep --store`, however often it was interrupted and resumed.
CREATE TABLE sweep (
    id INTEGER PRIMARY KEY CHECK (id > 0 AND id < 524288),
    name TEXT NOT NULL UNIQUE,      -- "sweep" of the records
    state TEXT NOT NULL CHECK (state IN ('running', 'done', 'interrupted')), -- running: or killed
    runs INTEGER NOT NULL,          -- 1, and one more for each --resume
    version TEXT NOT NULL,          -- of pinsweep
    boringssl TEXT NOT NULL,
    arguments TEXT NOT NULL,        -- JSON array: the command line of the last run
    settings TEXT NOT NULL,         -- JSON object: what a --resume must find unchanged
    seed TEXT NOT NULL,             -- decimal, of --shuffle
    input TEXT NOT NULL,            -- name of the inventory
    input_sha256 BLOB,              -- of its bytes; NULL: a pipe whose end is not reached
    judged_at INTEGER,              -- --at; NULL: each target at its own time
    started_ms INTEGER NOT NULL,
    ended_ms INTEGER,               -- of the last run; NULL while it runs
    targets INTEGER NOT NULL,       -- rows committed
    output_file TEXT,               -- -o, absolute; NULL: none, or not a file
    output_len INTEGER NOT NULL,    -- bytes of it that the committed rows stand for
    chains_file TEXT,               -- --chains-out, the same
    chains_len INTEGER NOT NULL,
    metadata TEXT NOT NULL          -- the metadata document (data/metadata.schema.json) as of the last commit
);

-- A trust profile as it was used: its name, its anchors, and what verified the paths. Another bundle or
-- another version of the program is another row: its paths are not taken over.
CREATE TABLE profile (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    anchors_sha256 BLOB NOT NULL,   -- over the SHA-256 of the anchors' DER, in the bundle's order
    verifier TEXT NOT NULL,         -- versions of pinsweep and BoringSSL
    anchors INTEGER NOT NULL,       -- how many
    file TEXT NOT NULL,
    UNIQUE (name, anchors_sha256, verifier)
);

-- The anchors of a profile, in the bundle's order.
CREATE TABLE anchor (
    profile INTEGER NOT NULL REFERENCES profile (id),
    place INTEGER NOT NULL,
    certificate INTEGER NOT NULL REFERENCES certificate (id),
    PRIMARY KEY (profile, place)
) WITHOUT ROWID;

-- The profiles of a sweep, in the order of its records.
CREATE TABLE sweep_profile (
    sweep INTEGER NOT NULL REFERENCES sweep (id),
    place INTEGER NOT NULL,
    profile INTEGER NOT NULL REFERENCES profile (id),
    PRIMARY KEY (sweep, place)
) WITHOUT ROWID;

-- Every certificate once: sent by a server, or the anchor of a path.
CREATE TABLE certificate (
    id INTEGER PRIMARY KEY,
    cert_sha256 BLOB NOT NULL,
    spki_sha256 BLOB,               -- of the raw SubjectPublicKeyInfo; NULL: no key can be found
    subject TEXT NOT NULL,          -- as the records write names; '' if not strict
    issuer TEXT NOT NULL,
    serial TEXT NOT NULL,           -- hexadecimal
    not_before INTEGER,             -- NULL if not strict
    not_after INTEGER,
    key TEXT NOT NULL,              -- "rsa-2048", "ecdsa-p256"
    is_ca INTEGER NOT NULL,
    strict INTEGER NOT NULL,        -- 0: not a well-formed certificate (RFC 5280)
    first_sct INTEGER               -- time of the earliest embedded SCT (RFC 6962); NULL: none
);

-- Its bytes, apart: who reads the certificates' fields need not read these.
CREATE TABLE certificate_der (
    certificate INTEGER PRIMARY KEY REFERENCES certificate (id),
    der BLOB NOT NULL
);

-- Every chain once, as sent. `certificates` is a JSON array of certificate.id in wire order.
CREATE TABLE chain (
    id INTEGER PRIMARY KEY,
    chain_sha256 BLOB NOT NULL,     -- chain_id of the records
    certificates TEXT NOT NULL
);

-- The certification paths of a chain in a profile, whatever the time: `paths` is a JSON array of paths in
-- preference order, each an array of certificate.id, leaf first, anchor last. A path's window is what its
-- certificates' windows have in common. Only structurally sound paths are kept; where there is none,
-- `failure` says why.
CREATE TABLE chain_paths (
    chain INTEGER NOT NULL REFERENCES chain (id),
    profile INTEGER NOT NULL REFERENCES profile (id),
    paths TEXT NOT NULL,
    failure INTEGER NOT NULL,       -- word(pkix): "ok" if there are paths
    detail TEXT,                    -- for people
    truncated INTEGER NOT NULL,     -- a bound was hit: there may be more
    PRIMARY KEY (chain, profile)
) WITHOUT ROWID;

-- One row for each record.
CREATE TABLE target (
    id INTEGER PRIMARY KEY,
    line INTEGER NOT NULL,          -- of the inventory
    place INTEGER NOT NULL,         -- of the address within the line's range; 0 if it is no range
    host TEXT NOT NULL,
    port INTEGER NOT NULL,
    sni TEXT,                       -- NULL: as host; '': none was sent
    pin_host TEXT,                  -- NULL: as sni, or as host where no sni was sent
    tag TEXT,
    owner TEXT,
    application TEXT,
    time_ms INTEGER NOT NULL,
    status INTEGER NOT NULL,        -- word(outcome)
    error TEXT,
    verdict INTEGER NOT NULL,       -- word(verdict)
    complete INTEGER NOT NULL,
    views_failed INTEGER NOT NULL,
    dns_us INTEGER                  -- what resolving took; NULL: no name was resolved
);

-- One row for each view of a target.
CREATE TABLE view (
    id INTEGER PRIMARY KEY,
    address TEXT NOT NULL,
    key_type INTEGER NOT NULL,      -- word(key-type)
    status INTEGER NOT NULL,        -- word(outcome)
    error TEXT,
    attempts INTEGER NOT NULL,
    depth INTEGER,                  -- word(depth); NULL: the handshake failed
    proof INTEGER NOT NULL,         -- word(proof)
    version INTEGER NOT NULL,       -- word(version); 0: not negotiated, and so on
    cipher INTEGER NOT NULL,        -- word(cipher)
    "group" INTEGER NOT NULL,       -- word(group)
    signature INTEGER NOT NULL,     -- word(signature)
    alpn TEXT,
    client_cert_requested INTEGER NOT NULL,
    chain INTEGER REFERENCES chain (id), -- NULL: no chain was seen
    host_match INTEGER NOT NULL,
    connect_us INTEGER,
    tls_us INTEGER
);

-- Pin sets as they were when a sweep judged by them: a changed one is another row.
CREATE TABLE pin_set (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    client TEXT NOT NULL,
    scope TEXT NOT NULL,
    application TEXT NOT NULL,
    owner TEXT NOT NULL,
    expires INTEGER NOT NULL,       -- -1: never
    UNIQUE (name, client, scope, application, owner, expires)
);

-- Every pin that decided a judgement, once.
CREATE TABLE pin (
    id INTEGER PRIMARY KEY,
    text TEXT NOT NULL,             -- "sha256/C5+l...="
    role TEXT NOT NULL,             -- active, backup, bad
    UNIQUE (text, role)
);

-- One row for each pin set that applies to a target: its verdict, and what decided it. Of a set that
-- matches (would_be is match or match-backup) that is its first match, of another its first failure:
-- which view, the preferred path of which profile, which certificate there equals which pin, and of a
-- failure the reason. All six are NULL if no view could be judged.
CREATE TABLE judgement (
    id INTEGER PRIMARY KEY,
    pin_set INTEGER NOT NULL REFERENCES pin_set (id),
    verdict INTEGER NOT NULL,       -- word(verdict)
    would_be INTEGER NOT NULL,      -- word(verdict)
    durable INTEGER NOT NULL,
    view INTEGER,                   -- its place in the record's "views"
    profile INTEGER REFERENCES profile (id), -- NULL: no path was needed
    path INTEGER,                   -- its place in chain_paths.paths; NULL: none was needed, or there is none
    certificate INTEGER REFERENCES certificate (id), -- that the pin equals; NULL: no pin matches
    pin INTEGER REFERENCES pin (id),
    reason INTEGER                  -- word(reason); NULL: it matches
);

-- Two indexes are made at the end of the first sweep and kept from then on (new chains are few):
--   CREATE UNIQUE INDEX certificate_digest ON certificate (cert_sha256);
--   CREATE UNIQUE INDEX chain_digest ON chain (chain_sha256);
-- There is none over hosts: it would cost each night more than a scan of one sweep's rows. Who asks
-- often makes one (CREATE INDEX target_host ON target (host)): sweeps keep it up to date.

-- --- for people ---

CREATE VIEW targets AS
SELECT sweep.name AS sweep, target.id AS target, line, place, host, port,
       coalesce(sni, host) AS sni,
       coalesce(pin_host, nullif(coalesce(sni, host), ''), host) AS pin_host,
       coalesce(tag, '') AS tag, coalesce(owner, '') AS owner, coalesce(application, '') AS application,
       strftime('%Y-%m-%dT%H:%M:%SZ', time_ms / 1000, 'unixepoch') AS time,
       status.text AS status, coalesce(error, '') AS error, verdict.text AS verdict, complete, views_failed
FROM target
JOIN sweep ON sweep.id = target.id >> 34
JOIN word AS status ON status.kind = 'outcome' AND status.code = target.status
JOIN word AS verdict ON verdict.kind = 'verdict' AND verdict.code = target.verdict;

CREATE VIEW views AS
SELECT sweep.name AS sweep, target.id AS target, host, port, view.id & 127 AS place, address,
       key_type.text AS key_type, status.text AS status, coalesce(view.error, '') AS error, attempts,
       coalesce(depth.text, '') AS depth, proof.text AS proof, coalesce(version.text, '') AS tls_version,
       coalesce(cipher.text, '') AS cipher, coalesce("group".text, '') AS "group", coalesce(alpn, '') AS alpn,
       chain, lower(hex(chain.chain_sha256)) AS chain_id, host_match,
       connect_us / 1000.0 AS connect_ms, tls_us / 1000.0 AS tls_ms
FROM view
JOIN target ON target.id = view.id >> 7
JOIN sweep ON sweep.id = target.id >> 34
LEFT JOIN chain ON chain.id = view.chain
JOIN word AS key_type ON key_type.kind = 'key-type' AND key_type.code = view.key_type
JOIN word AS status ON status.kind = 'outcome' AND status.code = view.status
LEFT JOIN word AS depth ON depth.kind = 'depth' AND depth.code = view.depth
JOIN word AS proof ON proof.kind = 'proof' AND proof.code = view.proof
LEFT JOIN word AS version ON version.kind = 'version' AND version.code = view.version
LEFT JOIN word AS cipher ON cipher.kind = 'cipher' AND cipher.code = view.cipher
LEFT JOIN word AS "group" ON "group".kind = 'group' AND "group".code = view."group";

CREATE VIEW judgements AS
SELECT sweep.name AS sweep, target.id AS target, host, port, pin_set.name AS pin_set, verdict.text AS verdict,
       would_be.text AS would_be, durable, pin_set.client, pin_set.application, pin_set.owner,
       CASE WHEN expires = -1 THEN '' ELSE date(expires, 'unixepoch') END AS expires,
       judgement.view, coalesce(profile.name, '') AS trust, judgement.path,
       coalesce(pin.text, '') AS pin, coalesce(pin.role, '') AS role,
       coalesce(lower(hex(certificate.cert_sha256)), '') AS certificate, coalesce(subject, '') AS subject,
       coalesce(reason.text, '') AS reason
FROM judgement
JOIN pin_set ON pin_set.id = judgement.pin_set
JOIN target ON target.id = judgement.id >> 10
JOIN sweep ON sweep.id = target.id >> 34
JOIN word AS verdict ON verdict.kind = 'verdict' AND verdict.code = judgement.verdict
JOIN word AS would_be ON would_be.kind = 'verdict' AND would_be.code = judgement.would_be
LEFT JOIN profile ON profile.id = judgement.profile
LEFT JOIN pin ON pin.id = judgement.pin
LEFT JOIN certificate ON certificate.id = judgement.certificate
LEFT JOIN word AS reason ON reason.kind = 'reason' AND reason.code = judgement.reason;

-- One row for each certificate of each chain.
CREATE VIEW chain_certificates AS
SELECT chain.id AS chain, lower(hex(chain_sha256)) AS chain_id, item.key AS place, certificate.id AS certificate,
       lower(hex(cert_sha256)) AS cert_sha256, subject, issuer, serial,
       datetime(not_before, 'unixepoch') AS not_before, datetime(not_after, 'unixepoch') AS not_after,
       certificate.key, is_ca, strict
FROM chain, json_each(chain.certificates) AS item
JOIN certificate ON certificate.id = item.value;

-- One row for each path of each chain.
CREATE VIEW paths AS
SELECT chain_paths.chain, profile.name AS trust, profile.id AS profile, path.key AS place,
       path.value AS certificates,
       (SELECT subject FROM certificate WHERE id = json_extract(path.value, '$[#-1]')) AS anchor,
       (SELECT datetime(max(not_before), 'unixepoch') FROM certificate, json_each(path.value) AS item
        WHERE certificate.id = item.value) AS not_before,
       (SELECT datetime(min(not_after), 'unixepoch') FROM certificate, json_each(path.value) AS item
        WHERE certificate.id = item.value) AS not_after
FROM chain_paths
JOIN profile ON profile.id = chain_paths.profile, json_each(chain_paths.paths) AS path;
