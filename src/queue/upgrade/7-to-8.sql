-- Version 7 to 8.

-- Receipts may be copied, and mails to the postmaster are passed on. A CHECK cannot be changed: the table is made anew.
ALTER TABLE outgoing RENAME TO outgoing_7;
DROP INDEX outgoing_due;
CREATE TABLE outgoing (
    id           TEXT PRIMARY KEY,
    kind         TEXT    NOT NULL CHECK (kind IN
                     ('receipt', 'delay', 'broadcast', 'returned', 'received_fax', 'copy', 'forwarded')),
    subject_of   TEXT    NOT NULL,           -- faxes.id, received.id; messages.id of a broadcast and of a mail to the
                                             -- postmaster; outgoing.id of one returned, or copied
    recipient    TEXT    NOT NULL,           -- mail address; for a Maildir route its path
    created_at   INTEGER NOT NULL,
    state        TEXT    NOT NULL CHECK (state IN ('waiting', 'sending', 'delivered', 'failed')),
    next_try_at  INTEGER NOT NULL,
    tries        INTEGER NOT NULL DEFAULT 0,
    reply        TEXT    NOT NULL DEFAULT '', -- what the next hop said last
    ended_at     INTEGER,
    owner        TEXT,
    lease_until  INTEGER,
    UNIQUE (kind, subject_of, recipient),
    CHECK ((state = 'sending') = (owner IS NOT NULL)),
    CHECK ((state IN ('delivered', 'failed')) = (ended_at IS NOT NULL))
) STRICT;
INSERT INTO outgoing (id, kind, subject_of, recipient, created_at, state, next_try_at, tries, reply, ended_at, owner, lease_until)
SELECT id, kind, subject_of, recipient, created_at, state, next_try_at, tries, reply, ended_at, owner, lease_until FROM outgoing_7;
DROP TABLE outgoing_7;
CREATE INDEX outgoing_due ON outgoing (state, next_try_at, id);
