-- Version 2 (0.2) to 3: what a sender may ask for (RFC 3461, 4865, 2852, 6710), covers, previews, holding, accounts.

ALTER TABLE messages ADD COLUMN account TEXT NOT NULL DEFAULT '';
ALTER TABLE messages ADD COLUMN via TEXT NOT NULL DEFAULT '';
ALTER TABLE messages ADD COLUMN envelope_id TEXT;
ALTER TABLE messages ADD COLUMN ret TEXT CHECK (ret IN ('full', 'hdrs'));
ALTER TABLE messages ADD COLUMN language TEXT;
ALTER TABLE messages ADD COLUMN notes TEXT;
ALTER TABLE messages ADD COLUMN open_faxes INTEGER;
UPDATE messages SET account = sender;

ALTER TABLE documents ADD COLUMN preview_key TEXT;
ALTER TABLE documents ADD COLUMN remarks TEXT NOT NULL DEFAULT '[]';

ALTER TABLE faxes ADD COLUMN name TEXT;
ALTER TABLE faxes ADD COLUMN billing TEXT;
ALTER TABLE faxes ADD COLUMN cover INTEGER;
ALTER TABLE faxes ADD COLUMN cover_key TEXT;
ALTER TABLE faxes ADD COLUMN orcpt TEXT;
ALTER TABLE faxes ADD COLUMN notify INTEGER;
ALTER TABLE faxes ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
ALTER TABLE faxes ADD COLUMN account TEXT NOT NULL DEFAULT '';
ALTER TABLE faxes ADD COLUMN not_before INTEGER;
ALTER TABLE faxes ADD COLUMN give_up_at INTEGER;
ALTER TABLE faxes ADD COLUMN tell_delay_at INTEGER;
ALTER TABLE faxes ADD COLUMN held INTEGER NOT NULL DEFAULT 0;
ALTER TABLE faxes ADD COLUMN trunk TEXT;
ALTER TABLE faxes ADD COLUMN turn INTEGER;
UPDATE faxes SET account = (SELECT sender FROM messages WHERE messages.id = faxes.message);

CREATE INDEX faxes_to_tell ON faxes (tell_delay_at) WHERE tell_delay_at IS NOT NULL AND ended_at IS NULL;

ALTER TABLE received ADD COLUMN preview_key TEXT;

-- More kinds of mail: SQLite changes no CHECK in place.
ALTER TABLE outgoing RENAME TO outgoing_2;
DROP INDEX outgoing_due;
CREATE TABLE outgoing (
    id           TEXT PRIMARY KEY,
    kind         TEXT    NOT NULL CHECK (kind IN ('receipt', 'delay', 'broadcast', 'returned', 'received_fax')),
    subject_of   TEXT    NOT NULL,
    recipient    TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    state        TEXT    NOT NULL CHECK (state IN ('waiting', 'sending', 'delivered', 'failed')),
    next_try_at  INTEGER NOT NULL,
    tries        INTEGER NOT NULL DEFAULT 0,
    reply        TEXT    NOT NULL DEFAULT '',
    ended_at     INTEGER,
    owner        TEXT,
    lease_until  INTEGER,
    UNIQUE (kind, subject_of, recipient),
    CHECK ((state = 'sending') = (owner IS NOT NULL)),
    CHECK ((state IN ('delivered', 'failed')) = (ended_at IS NOT NULL))
) STRICT;
INSERT INTO outgoing SELECT * FROM outgoing_2;
DROP TABLE outgoing_2;
CREATE INDEX outgoing_due ON outgoing (state, next_try_at, id);

-- The line, the numbers that rest, what was used on a day.
DROP INDEX faxes_due;
CREATE INDEX faxes_due ON faxes (state, next_try_at, id);
CREATE INDEX faxes_to_line_up ON faxes (next_try_at, id) WHERE state = 'ready' AND turn IS NULL AND held = 0;
CREATE INDEX faxes_in_line ON faxes (priority DESC, turn, id, number, account) WHERE state = 'ready' AND turn IS NOT NULL;
CREATE INDEX faxes_turns ON faxes (account, priority, turn) WHERE turn IS NOT NULL;
CREATE INDEX faxes_calling ON faxes (number, account) WHERE state = 'calling';
CREATE INDEX faxes_to_give_up ON faxes (give_up_at) WHERE give_up_at IS NOT NULL AND ended_at IS NULL;
CREATE INDEX faxes_by_number ON faxes (number, id);
CREATE TABLE rests (
    number       TEXT PRIMARY KEY,
    outcome      TEXT    NOT NULL,
    in_a_row     INTEGER NOT NULL,
    until        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE usage (
    day          TEXT    NOT NULL,
    kind         TEXT    NOT NULL CHECK (kind IN ('account', 'trunk')),
    name         TEXT    NOT NULL,
    calls        INTEGER NOT NULL DEFAULT 0,
    seconds      REAL    NOT NULL DEFAULT 0,
    PRIMARY KEY (day, kind, name)
) STRICT, WITHOUT ROWID;
