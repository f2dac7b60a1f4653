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
