-- Version 6 to 7.

-- A fax may be for several recipients of a mail, each reported.
CREATE TABLE further_recipients (
    fax          TEXT    NOT NULL REFERENCES faxes (id),
    place        INTEGER NOT NULL,
    recipient    TEXT    NOT NULL,
    name         TEXT,
    billing      TEXT,
    orcpt        TEXT,
    notify       INTEGER,
    PRIMARY KEY (fax, place)
) STRICT, WITHOUT ROWID;

-- fax.give_up_hours count from the first attempt, and steps of the clock are known.
ALTER TABLE faxes ADD COLUMN give_up_from INTEGER;
UPDATE faxes SET give_up_from = (SELECT min(started_at) FROM attempts a WHERE a.fax = faxes.id) WHERE ended_at IS NULL;
CREATE INDEX faxes_by_give_up_from ON faxes (ifnull(give_up_from, next_try_at))
    WHERE state = 'ready' AND held = 0 AND give_up_at IS NULL;
CREATE TABLE clock (
    id           INTEGER PRIMARY KEY CHECK (id = 1),
    boot         TEXT    NOT NULL,
    ahead        INTEGER NOT NULL
) STRICT;

-- Logins (AUTH) that failed or are being tried, of the last quarter of an hour.
CREATE TABLE failed_logins (
    network      TEXT    NOT NULL,           -- an IPv4 address, or the /64 of an IPv6 address, as a prefix
    at           INTEGER NOT NULL
) STRICT;
CREATE INDEX failed_logins_at ON failed_logins (at);
