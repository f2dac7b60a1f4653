-- Version 1 (0.1) to 2: what the carriers and the far ends say, what is remembered of a number, sub-addresses.

ALTER TABLE faxes ADD COLUMN sub_address TEXT;

ALTER TABLE attempts ADD COLUMN called TEXT NOT NULL DEFAULT '';
ALTER TABLE attempts ADD COLUMN chosen TEXT NOT NULL DEFAULT '';
ALTER TABLE attempts ADD COLUMN trunk TEXT NOT NULL DEFAULT '';
ALTER TABLE attempts ADD COLUMN target TEXT NOT NULL DEFAULT '';
ALTER TABLE attempts ADD COLUMN far_said TEXT;

CREATE TABLE numbers (
    number       TEXT PRIMARY KEY,
    begin        TEXT CHECK (begin IN ('t38', 'audio')),
    max_bit_rate INTEGER,
    ecm          INTEGER,
    why          TEXT    NOT NULL DEFAULT '',
    outcome      TEXT    NOT NULL,
    in_a_row     INTEGER NOT NULL DEFAULT 1,
    worked       TEXT,
    learned_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL
) STRICT;
CREATE INDEX numbers_expire ON numbers (expires_at);

ALTER TABLE received ADD COLUMN caller_name TEXT;
ALTER TABLE received ADD COLUMN trunk TEXT NOT NULL DEFAULT '';
ALTER TABLE received ADD COLUMN sub_address TEXT;
ALTER TABLE received ADD COLUMN far_said TEXT;

ALTER TABLE received_pages ADD COLUMN lost INTEGER NOT NULL DEFAULT 0;
